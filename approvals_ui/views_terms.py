"""The terms of an approval as its page shows them: who decides, who counts, and what is missing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..engine.entitlement import did
from ..engine.lifecycle import ApprovalKind, DecisionKind
from ..engine.questions import QUESTIONS
from ..engine.quorum import Voice, missing, places
from . import words
from .arguments import Value, shown
from .outcomes import closed_at
from .times import Deadline, Moment, deadline, exact, moment, span
from .views_inbox import Quorum, quorum_of

if TYPE_CHECKING:
    from datetime import datetime

    from ..engine.accounts import Reviewer
    from ..engine.queries import ApprovalDetail

_NOT_COUNTED = {
    "disabled": "the account is disabled",
    "not_asked": "in no group that may decide now",
    "requester": "who asked for it",
    "editor": "who edited it",
}


@dataclass(frozen=True, slots=True)
class Place:
    """The approvals that one group must give."""

    group: str
    quorum: Quorum
    by: str


@dataclass(frozen=True, slots=True)
class Stage:
    """A group that is asked as well, from a time on; `left` is empty once it is asked."""

    group: str
    at: Deadline


@dataclass(frozen=True, slots=True)
class Terms:
    """The policy that held the call, and what it asks for."""

    policies: tuple[str, ...]
    policy_digest: str | None
    reason: Value
    reviewers: str
    quorum: Quorum
    said: str
    places: tuple[Place, ...]
    stages: tuple[Stage, ...]
    not_counted: tuple[str, ...]
    needs_reason: bool
    due: Deadline | None
    closed: Moment | None
    window: str
    """How long the call may start on its approval; empty where nothing starts on it."""
    standing: str
    so_far: str
    """Who has approved, and what is missing, while an approval is given and the quorum is not."""
    needed: str


def terms(detail: ApprovalDetail, reviewer: Reviewer, now: datetime) -> Terms:
    """The terms, and how far they are fulfilled."""
    asked, call = detail.approval, detail.call
    return Terms(
        policies=asked.policies,
        policy_digest=call.policy_digest if call else None,
        reason=shown(asked.reason),
        reviewers=", ".join(asked.reviewers),
        quorum=quorum_of(asked),
        said=", ".join(
            f"{said.reviewer}, {exact(said.decided_at, now)}"
            for said in detail.decisions
            if said.kind in {"approve", "answer"}
        ),
        places=_places(detail),
        stages=tuple(
            Stage(group, deadline(at, now)) for group, at in asked.terms.escalation.items()
        ),
        not_counted=_not_counted(detail),
        needs_reason=asked.terms.needs_reason,
        due=deadline(asked.expires_at, now) if asked.expires_at else None,
        closed=moment(closed, now) if (closed := closed_at(detail)) else None,
        window=span(asked.use_within) if asked.kind == ApprovalKind.CALL else "",
        standing=_standing(detail, reviewer),
        so_far=_so_far(detail, reviewer, now),
        needed=_needed(detail, detail.voices),
    )


def may_decide(detail: ApprovalDetail, reviewer: Reviewer) -> bool:
    """Whether the reviewer is in a group that is asked by now."""
    return bool(set(reviewer.groups) & set(detail.approval.terms.groups))


def barred(detail: ApprovalDetail, reviewer: Reviewer, now: datetime) -> str:
    """Why this reviewer gets no form; empty if they get one."""
    if not may_decide(detail, reviewer):
        return _not_asked(detail, reviewer, now)
    mine = [said for said in detail.decisions if said.reviewer == reviewer.name]
    if mine:
        return (
            f"Your {words.NOUNS[mine[0].kind]} was recorded at {exact(mine[0].decided_at, now)}. "
            f"{_needed(detail, detail.voices)}, by another reviewer."
        )
    return ""


def may_not_approve(detail: ApprovalDetail, reviewer: Reviewer) -> str:
    """Why this reviewer, who may decide, cannot approve; empty if they can."""
    duty = detail.set_apart.get(reviewer.name)
    if duty is None:
        return ""
    return f"You {did(duty, detail.approval.kind)}, so somebody else has to approve it."


_ANSWERED = "The run goes on with your answer, recorded as yours."
_SAYS = {
    ApprovalKind.VERSION: (
        "If you approve, the run goes on with the changed agent. If you reject, it ends."
    ),
    ApprovalKind.ROLLBACK: "If you approve, the calls are undone at once, the last one first.",
    **dict.fromkeys(QUESTIONS, _ANSWERED),
}


def says(detail: ApprovalDetail, reviewer: Reviewer) -> str:
    """What an approval of this reviewer would set off."""
    asked = detail.approval
    mine = Voice(reviewer.name, frozenset(reviewer.groups), None, asked.created_at)
    after = (*detail.voices, mine)
    if missing(asked.quorum, asked.terms.each, after):
        return f"After your approval, {_lower(_needed(detail, after))}."
    if asked.kind in _SAYS:
        return _SAYS[ApprovalKind(asked.kind)]
    if asked.kind == ApprovalKind.LIMIT and isinstance(asked.preview, dict):
        raised = f"{asked.preview['raise_to']:,} instead of {asked.preview['allowed']:,}"
        return (
            f"If you approve, the limit is {raised}, and the run goes on from where it was. "
            "If you reject, it stays ended."
        )
    if asked.quorum > 1:
        return "Your approval would be the last one needed, and the call runs at once."
    return "If you approve, the call runs at once."


def _not_asked(detail: ApprovalDetail, reviewer: Reviewer, now: datetime) -> str:
    asked = detail.approval.terms
    soon = [asked.escalation[group] for group in reviewer.groups if group in asked.escalation]
    later = f" You can from {exact(min(soon), now)} on." if soon else ""
    return (
        f"Only {' or '.join(asked.groups)} can decide this{' now' if soon else ''}.{later} "
        f"You are {reviewer.name}, in {', '.join(reviewer.groups) or 'no group'}."
    )


def _standing(detail: ApprovalDetail, reviewer: Reviewer) -> str:
    groups = ", ".join(reviewer.groups) or "none"
    if not may_decide(detail, reviewer):
        can = "cannot decide this"
    else:
        can = "can reject it" if may_not_approve(detail, reviewer) else "can decide"
    return f"{reviewer.name}, in {groups}: {can}"


def _places(detail: ApprovalDetail) -> tuple[Place, ...]:
    """Who fills the places of each group; of a closed approval, who filled them."""
    each = detail.approval.terms.each
    filled = places(each, _given(detail))
    return tuple(
        Place(group, Quorum(len(filled[group]), count), ", ".join(filled[group]))
        for group, count in each.items()
    )


def _given(detail: ApprovalDetail) -> tuple[Voice, ...]:
    """What of somebody's standing changed after an approval was used changes nothing in it."""
    if detail.approval.state in {"pending", "approved"}:
        return detail.voices
    return tuple(replace(voice, why_not=None) for voice in detail.voices)


def _not_counted(detail: ApprovalDetail) -> tuple[str, ...]:
    kind = detail.approval.kind
    apart = (f"{name}, who {did(duty, kind)}" for name, duty in detail.set_apart.items())
    gone = (
        f"The approval of {voice.reviewer}: {_NOT_COUNTED[voice.why_not]}"
        for voice in _given(detail)
        if voice.why_not and voice.reviewer not in detail.set_apart
    )
    return (*apart, *gone)


def _so_far(detail: ApprovalDetail, reviewer: Reviewer, now: datetime) -> str:
    given = [said for said in detail.decisions if said.kind == DecisionKind.APPROVE]
    if not given:
        return ""
    who = " and ".join(
        f"{'You' if said.reviewer == reviewer.name else said.reviewer} approved "
        f"at {exact(said.decided_at, now)}"
        for said in given
    )
    return f"{who}."


def _needed(detail: ApprovalDetail, voices: tuple[Voice, ...]) -> str:
    """How many more approvals are needed, and of which groups."""
    asked = detail.approval
    each = asked.terms.each
    filled = places(each, voices)
    free = {group: count - len(filled[group]) for group, count in each.items()}
    lacking = " and ".join(group for group, count in free.items() if count)
    count = missing(asked.quorum, each, voices)
    more = f"{words.plural(count, 'more approval')} {'is' if count == 1 else 'are'} needed"
    if not lacking:
        return more
    return (
        f"{more}, from {lacking}"
        if sum(free.values()) == count
        else f"{more}, {lacking} among them"
    )


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]

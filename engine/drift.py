"""What has changed since a call was approved, so that its approval does not stand any more."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..policies.verdict import Outcome
from ..tools.effect import Effect
from . import target

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import timedelta

    from ..policies.verdict import Terms
    from ..tools import ToolSpec
    from .call import Call
    from .judgement import Judgement

_TARGET_CHANGED = "Its target is not as it was when it was proposed."
_TARGET_UNKNOWN = "It cannot be told whether its target is as it was when it was proposed."
_GRAVITY = (Effect.READ, Effect.REVERSIBLE, Effect.IRREVERSIBLE)


@dataclass(frozen=True, slots=True)
class Approved:
    """What a call was approved under, how long ago, and by whom.

    Attributes:
        is_short: whether approvals are missing of people who may decide it now.
        by: who approved it.
        counted: those of them who may decide it now.
    """

    terms: Terms
    age: timedelta
    is_short: bool = False
    by: tuple[str, ...] = ()
    counted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is not as the reviewers saw it.

    Attributes:
        what: `target`, `tool`, `effect`, `policy`, `approvers` or `window`.
        says: a sentence for the reviewer who is asked again.
    """

    what: str
    says: str
    before: Any
    now: Any

    def as_json(self) -> dict[str, Any]:
        """As it is stored with the approval that asks again."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Today:
    """The call as it would run now."""

    spec: ToolSpec
    judgement: Judgement
    fingerprint: bytes | None


def drift(call: Call, approved: Approved, today: Today) -> tuple[Change, ...]:
    """Why the approval does not cover the call any more; nothing where it does.

    A policy that asks for less than it did changes nothing.
    """
    return (
        *_of_tool(call, today),
        *_of_effect(call, today),
        *_of_target(call, today),
        *_of_policy(call, approved, today),
        *_of_approvers(approved),
        *_of_window(approved, today),
    )


AS_IT_WAS = Change("lapse", "Its approval lapsed, and all is again as it was.", None, None)
"""Why a call is asked for again whose change was gone by then."""


def reason_of(changes: Sequence[Change]) -> str:
    """All of it in one text."""
    return " ".join(change.says for change in changes)


def _of_tool(call: Call, today: Today) -> Iterator[Change]:
    if call.tool_version != today.spec.version:
        says = f"{call.tool} changed: what was approved is not what would run."
        yield Change("tool", says, call.tool_version, today.spec.version)
    elif call.args != today.judgement.args:
        says = f"{call.tool} reads its arguments otherwise than when they were approved."
        yield Change("tool", says, call.args.decode(), today.judgement.args.decode())


def _of_effect(call: Call, today: Today) -> Iterator[Change]:
    before, now = Effect(call.effect), today.judgement.classification.effect
    if _GRAVITY.index(now) > _GRAVITY.index(before):
        says = f"It was approved as {before} and now counts as {now}."
        yield Change("effect", says, str(before), str(now))


def _of_target(call: Call, today: Today) -> Iterator[Change]:
    before, now = call.fingerprint, today.fingerprint
    if not target.is_same(before, now):
        both = target.is_known(before) and target.is_known(now)
        says = _TARGET_CHANGED if both else _TARGET_UNKNOWN
        yield Change("target", says, target.in_words(before), target.in_words(now))


def _of_policy(call: Call, approved: Approved, today: Today) -> Iterator[Change]:
    verdict = today.judgement.verdict
    if verdict.outcome is Outcome.FORBID:
        yield Change("policy", f"It is forbidden now: {verdict.reason}", call.verdict, "forbid")
    elif verdict.terms is not None and verdict.terms.asks_more_than(approved.terms):
        says = "The policy asks for more than it was approved under."
        yield Change("policy", says, _asked(approved.terms), _asked(verdict.terms))


def _asked(terms: Terms) -> str:
    """The terms in one line; what most do without only where these have it."""
    given = "approval" if terms.quorum == 1 else "approvals"
    each = (f"{count} of {group}" for group, count in sorted(terms.each.items()))
    later = (f"{_words(after)} later {group}" for group, after in sorted(terms.escalation.items()))
    parts = (
        f"{terms.quorum} {given} by {' or '.join(terms.reviewers)}",
        *each,
        *later,
        *(f"not the {duty}" for duty in sorted(terms.separation)),
        *(["with a reason"] if terms.needs_reason else []),
        *(["confirmed by typing"] if terms.typed else []),
    )
    return ", ".join(parts)


def _of_approvers(approved: Approved) -> Iterator[Change]:
    if approved.is_short:
        says = "Not all who approved it may decide it any more."
        yield Change("approvers", says, _names(approved.by), _names(approved.counted))


def _names(people: Sequence[str]) -> str:
    return ", ".join(people) or "Nobody"


def _of_window(approved: Approved, today: Today) -> Iterator[Change]:
    terms, window = today.judgement.verdict.terms, approved.terms.window
    window = min(window, terms.window) if terms else window
    if approved.age >= window:
        says = "It was approved too long ago to run on that."
        yield Change("window", says, f"Good for {_words(window)}", f"{_words(approved.age)} old")


def _words(time: timedelta) -> str:
    """The two largest units of a length of time."""
    minutes, seconds = divmod(int(time.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (seconds, "s"))
    return " ".join([f"{count} {unit}" for count, unit in parts if count][:2]) or "0 s"

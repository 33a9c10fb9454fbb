"""What is said of a closed approval: what became of it, and what became of the call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..engine.lifecycle import ApprovalKind, ApprovalState, CallState
from ..engine.questions import QUESTIONS
from . import words
from .arguments import Value, shown, value_of
from .times import exact

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from uuid import UUID

    from ..engine.accounts import Reviewer
    from ..engine.queries import ApprovalDetail, ApprovalRow, CallRow, DecisionRow

_DID_NOT_RUN = "The call did not run."
_DONE = {
    ApprovalKind.IN_DOUBT: "settled this",
    ApprovalKind.QUESTION: "answered this",
    ApprovalKind.CONFLICT: "answered this",
}
_ASKED_ANEW = {ApprovalState.SUPERSEDED, ApprovalState.LAPSED}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The banner and the panel of a closed approval."""

    tone: str
    icon: str
    strong: str
    more: str
    title: str
    says: str
    decided: tuple[str, ...]
    reason: Value | None
    result: Value | None
    successor: UUID | None
    successor_says: str
    is_settling: bool
    """The page will change by itself soon."""


@dataclass(frozen=True, slots=True)
class _Banner:
    strong: str
    more: str
    icon: str
    tone: str = ""


def outcome(detail: ApprovalDetail, reviewer: Reviewer, now: datetime) -> Outcome:
    """What became of the approval, in words."""
    asked, call = detail.approval, detail.call
    state = _word_state(asked)
    by = "You" if asked.closed_by == reviewer.name else words.who(asked.closed_by)
    at = exact(closed_at(detail) or asked.expires_at or now, now)
    say = _BANNERS.get(state)
    banner = say(detail, by, at) if say else _went_on(detail, by, at, now)
    result = call.result if call and call.state == CallState.SUCCEEDED else None
    is_lapsed = state is ApprovalState.LAPSED
    reason = asked.close_reason if asked.closed_by and not is_lapsed else None
    return Outcome(
        tone=banner.tone,
        icon=banner.icon,
        strong=banner.strong,
        more=banner.more,
        title=f"Closed: {words.approval(state, asked.kind).word.lower()}",
        says=_next(state, detail),
        decided=tuple(_said(said, reviewer, now) for said in detail.decisions),
        reason=shown(reason) if reason else None,
        result=None if result is None else value_of(result),
        successor=detail.successor,
        successor_says=_successor_says(detail),
        is_settling=_is_settling(detail),
    )


def closed_at(detail: ApprovalDetail) -> datetime | None:
    """When it was closed; one that lapsed was approved before that."""
    asked, call = detail.approval, detail.call
    is_lapsed = asked.state == ApprovalState.LAPSED
    return call.finished_at if is_lapsed and call else asked.closed_at


def _word_state(asked: ApprovalRow) -> ApprovalState:
    """An approval past its deadline has expired, also before the sweep comes by."""
    state = ApprovalState(asked.state)
    return ApprovalState.EXPIRED if state is ApprovalState.PENDING else state


def _expired(detail: ApprovalDetail, _by: str, at: str) -> _Banner:
    asked = detail.approval
    had = "without a decision"
    if asked.approved_by:
        had = f"with {len(asked.approved_by)} of {asked.quorum} approvals"
    return _Banner(
        f"Expired at {at} {had}. {_left_undone(asked)}",
        asked.reason
        if asked.kind in QUESTIONS
        else "Expired is not rejected: nobody said no. If the work is still wanted, the agent or a "
        "person must ask again, and Interlock measures again.",
        "clock",
    )


def _rejected(detail: ApprovalDetail, by: str, at: str) -> _Banner:
    if detail.approval.kind in QUESTIONS:
        return _Banner(f"{by} declined to answer at {at}.", "The run ends as ambiguous.", "cross")
    return _Banner(f"{by} rejected this at {at}. {_not_run(detail.approval)}", "", "cross")


def _cancelled(detail: ApprovalDetail, _by: str, at: str) -> _Banner:
    why = detail.approval.close_reason or "The run was cancelled."
    return _Banner(f"Cancelled at {at}. {_left_undone(detail.approval)}", why, "cross")


def _superseded(detail: ApprovalDetail, by: str, at: str) -> _Banner:
    if not (detail.decisions and detail.decisions[-1].kind == "edit"):
        why = detail.approval.close_reason or ""
        return _Banner(f"Replaced at {at}. {_DID_NOT_RUN}", why, "edit")
    edited = detail.next_revision
    more = "The edited call is judged again. If it needs a person, it asks with its own approval."
    if edited is not None and edited.approval_id is None:
        word = words.CALLS[CallState(edited.state)].word.lower()
        more = f"The edited call was judged again and needs no approval: {word}."
    return _Banner(
        f"{by} edited the arguments at {at}. This call did not run and cannot run.", more, "edit"
    )


def _lapsed(detail: ApprovalDetail, _by: str, at: str) -> _Banner:
    why = detail.approval.close_reason or ""
    again = detail.next_revision
    if again is not None and again.approval_id is None:
        word = words.CALLS[CallState(again.state)].word.lower()
        why = f"{why} The call was judged again: {word}."
    done = _left_undone(detail.approval)
    return _Banner(f"The approval lapsed at {at}. {done}", why, "clock", "warn")


def _went_on(detail: ApprovalDetail, by: str, at: str, now: datetime) -> _Banner:
    asked, call = detail.approval, detail.call
    doubt = call is not None and call.state == CallState.IN_DOUBT
    done = _DONE.get(ApprovalKind(asked.kind), "approved this")
    icon = "doubt" if doubt else "check"
    return _Banner(f"{by} {done} at {at}.", _fate(asked, call, now), icon, "doubt" if doubt else "")


_BANNERS: Mapping[ApprovalState, Callable[[ApprovalDetail, str, str], _Banner]] = {
    ApprovalState.EXPIRED: _expired,
    ApprovalState.REJECTED: _rejected,
    ApprovalState.CANCELLED: _cancelled,
    ApprovalState.SUPERSEDED: _superseded,
    ApprovalState.LAPSED: _lapsed,
}


def _not_run(asked: ApprovalRow) -> str:
    if asked.kind == ApprovalKind.LIMIT:
        return "The run stays ended."
    return "The run ended." if asked.kind == ApprovalKind.VERSION else _left_undone(asked)


def _left_undone(asked: ApprovalRow) -> str:
    if asked.kind in QUESTIONS:
        return "Nobody answered."
    return "Nothing was undone." if asked.kind == ApprovalKind.ROLLBACK else _DID_NOT_RUN


def _fate(asked: ApprovalRow, call: CallRow | None, now: datetime) -> str:
    """What became of an approved call."""
    if asked.kind == ApprovalKind.ROLLBACK:
        return "The page of the run says how far the rollback is."
    if call is None:
        return "The run goes on."
    if asked.kind in QUESTIONS:
        return "The run was given the answer."
    if asked.kind == ApprovalKind.IN_DOUBT:
        return {
            CallState.SUCCEEDED: "The run was told that the call happened. It was not run again.",
            CallState.FAILED: "The run was told that the call did not happen.",
            CallState.UNDONE: "The call counts as undone.",
            CallState.UNDO_FAILED: "The call does not count as undone.",
        }.get(
            CallState(call.state), "Whether the call happened stays unknown. It was not run again."
        )
    at = exact(call.finished_at or call.started_at or now, now)
    state = CallState(call.state)
    return {
        CallState.APPROVED: "The call has not run yet. It starts when a worker takes the run.",
        CallState.EXECUTING: f"The call was started at {at} and has not returned yet.",
        CallState.SUCCEEDED: f"The call ran and returned at {at}.",
        CallState.FAILED: f"The call was started and failed: {call.error or 'no reason given'}",
        CallState.IN_DOUBT: "The call was started and may or may not have happened.",
        CallState.ABANDONED: "The call was started. Whether it happened stays unknown.",
        CallState.CANCELLED: f"The run ended before the call was started. {_DID_NOT_RUN}",
        CallState.SUPERSEDED: f"The agent went another way before it started. {_DID_NOT_RUN}",
    }.get(state, f"The call is {words.CALLS[state].word.lower()}.")


def _next(state: ApprovalState, detail: ApprovalDetail) -> str:
    if detail.approval.kind in QUESTIONS:
        return "Nothing is waiting for you here."
    if state is ApprovalState.LAPSED and detail.successor:
        return "The call is asked for again. The new approval shows what changed."
    if state is ApprovalState.REJECTED and detail.call is not None:
        return "Nothing is waiting for you here. The agent was told the reason and can plan anew."
    if state in {ApprovalState.EXPIRED, ApprovalState.PENDING}:
        return "Nothing is waiting for you here. The agent is told that nobody decided in time."
    return "Nothing is waiting for you here."


def _said(said: DecisionRow, reviewer: Reviewer, now: datetime) -> str:
    name = "You" if said.reviewer == reviewer.name else said.reviewer
    return f"{name}: {words.NOUNS[said.kind]}, {exact(said.decided_at, now)}"


def _successor_says(detail: ApprovalDetail) -> str:
    call = detail.call
    if call is not None and call.state == CallState.IN_DOUBT:
        return "Say what happened"
    if detail.approval.state == ApprovalState.SUPERSEDED:
        return "Open the edited call"
    if detail.approval.state == ApprovalState.LAPSED:
        return "Open the new approval"
    return "Open the next approval of this call"


def _is_settling(detail: ApprovalDetail) -> bool:
    asked, call = detail.approval, detail.call
    if asked.state in _ASKED_ANEW and detail.run.status != "ended":
        return detail.successor is None and detail.next_revision is None
    return call is not None and call.state in {CallState.APPROVED, CallState.EXECUTING}

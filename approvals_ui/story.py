"""What happened in a run up to a decision, in a few lines, oldest first."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from ..engine.lifecycle import ApprovalState, CallState
from ..engine.questions import QUESTIONS
from . import words
from .times import Moment, duration, moment

if TYPE_CHECKING:
    from datetime import datetime

    from ..engine.queries import ApprovalDetail, CallRow

MOST_LINES = 9
_KEPT_FIRST = 2


@dataclass(frozen=True, slots=True)
class Line:
    """One line; `tone` is `person`, `warn`, `held` or empty; without a time it stands for many."""

    at: Moment | None
    tone: str
    what: str
    note: str
    is_strong: bool = False


def story(detail: ApprovalDetail, now: datetime) -> tuple[Line, ...]:
    """The run so far: asked for, calls (like ones together), decisions, and this call."""
    run = detail.run
    found = [
        (run.created_at, Line(moment(run.created_at, now), "person", "Run asked for",
                              words.who(run.requested_by)))
    ]  # fmt: skip
    for (tool, state), some in groupby(detail.calls, key=lambda call: (call.tool, call.state)):
        found += _calls(tool, CallState(state), list(some), detail, now)
    tools = {call.approval_id: call.tool for call in detail.calls}
    for said in detail.run_decisions:
        tool = tools.get(said.approval_id)
        verb = words.DECISIONS[said.kind] + (f" {tool}" if tool else "")
        by = f"{said.reviewer}, with an identical call" if said.beside else said.reviewer
        found.append(
            (said.decided_at, Line(moment(said.decided_at, now), "person", verb, by,
                                   is_strong=True))
        )  # fmt: skip
    asked = detail.approval
    if asked.closed_at and asked.closed_by is None:
        word = words.APPROVALS[ApprovalState(asked.state)].word
        found.append(
            (asked.closed_at, Line(moment(asked.closed_at, now), "warn", f"{word}, closed",
                                   "Interlock", is_strong=True))
        )  # fmt: skip
    for call in detail.calls:
        if call.finished_at and _has_lapsed(call, detail):
            what = f"The approval of {call.tool} lapsed"
            found.append(
                (call.finished_at, Line(moment(call.finished_at, now), "warn", what, "Interlock",
                                        is_strong=True))
            )  # fmt: skip
    lines = [line for _, line in sorted(found, key=lambda pair: pair[0])]
    if len(lines) <= MOST_LINES:
        return tuple(lines)
    hidden = len(lines) - MOST_LINES + 1
    between = Line(None, "", f"{hidden} more on the page of the run", "")
    return (*lines[:_KEPT_FIRST], between, *lines[_KEPT_FIRST + hidden :])


def _calls(
    tool: str, state: CallState, calls: list[CallRow], detail: ApprovalDetail, now: datetime
) -> list[tuple[datetime, Line]]:
    """One line for like calls in a row; calls that a person is asked about stand alone."""
    if state is CallState.SUCCEEDED and len(calls) > 1:
        first = calls[0]
        what = f"{tool}, {words.plural(len(calls), 'call')}"
        return [(first.proposed_at, Line(moment(first.proposed_at, now), "", what, "done"))]
    lines = [(call.proposed_at, _call(call, detail, now)) for call in calls]
    ran = [call for call in calls if call.verdict == "review" and _has_run(call)]
    return lines + [(call.started_at or now, _ran(call, now)) for call in ran]


def _call(call: CallRow, detail: ApprovalDetail, now: datetime) -> Line:
    at = moment(call.proposed_at, now)
    state = CallState(call.state)
    is_this = detail.call is not None and call.id == detail.call.id
    if call.verdict == "review":
        edited = "edited " if _was_edited(call, detail) else ""
        is_question = is_this and detail.approval.kind in QUESTIONS
        what = f"{edited}{call.tool} {'asked' if is_question else 'held before it ran'}"
        if call.granted_by:
            return Line(at, "", f"{call.tool} let start by a grant of {call.granted_by}", "")
        return Line(at, "held" if is_this else "", what, "", is_strong=is_this)
    note = words.CALLS[state].word.lower()
    if call.started_at and call.finished_at:
        note += f" in {duration((call.finished_at - call.started_at).total_seconds() * 1000)}"
    return Line(at, "", call.tool, note)


def _has_run(call: CallRow) -> bool:
    """Whether it did something; the call of a question that was answered did not."""
    return call.started_at is not None and not (call.effect == "read" and call.attested_by)


def _has_lapsed(call: CallRow, detail: ApprovalDetail) -> bool:
    """Whether it was approved and another revision took its place all the same."""
    said = {d.kind for d in detail.run_decisions if d.approval_id == call.approval_id}
    return call.state == CallState.SUPERSEDED and "approve" in said and "edit" not in said


def _was_edited(call: CallRow, detail: ApprovalDetail) -> bool:
    """Whether a person made it out of another; a call is revised after a lapse as well."""
    before = {
        c.approval_id for c in detail.calls if c.key == call.key and c.revision < call.revision
    }
    return any(said.kind == "edit" and said.approval_id in before for said in detail.run_decisions)


def _ran(call: CallRow, now: datetime) -> Line:
    state = CallState(call.state)
    tone = "warn" if state is CallState.IN_DOUBT else ""
    note = words.CALLS[state].word.lower()
    return Line(moment(call.started_at or now, now), tone, f"{call.tool} started", note)


def known(detail: ApprovalDetail, now: datetime) -> tuple[Line, ...]:
    """What is known of a call in doubt."""
    call = detail.call
    if call is None:
        return ()
    lines = [Line(moment(call.proposed_at, now), "held", f"{call.tool} proposed", "")]
    approved = [
        said
        for said in detail.run_decisions
        if said.approval_id == call.approval_id and said.kind == "approve"
    ]
    lines += [
        Line(moment(said.decided_at, now), "person", f"Approved by {said.reviewer}", "")
        for said in approved
    ]
    is_undo = isinstance(detail.approval.preview, dict) and "undo" in detail.approval.preview
    if is_undo and call.finished_at:
        lines.append(Line(moment(call.finished_at, now), "", f"{call.tool} returned", ""))
    elif call.started_at:
        times = words.plural(call.starts, "time")
        lines.append(
            Line(moment(call.started_at, now), "", f"{call.tool} was started", f"{times} in all",
                 is_strong=True)
        )  # fmt: skip
    lines.append(
        Line(moment(detail.approval.created_at, now), "warn",
             f"No outcome {'of its undo ' if is_undo else ''}was recorded",
             call.error or detail.approval.reason, is_strong=True)
    )  # fmt: skip
    return tuple(lines)

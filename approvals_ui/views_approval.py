"""One approval as its page shows it: the evidence, which stays, and the panel, which changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..engine.confirmation import wanted
from ..engine.lifecycle import ApprovalKind, ApprovalState
from ..engine.limits import LimitReached
from ..tools.effect import Effect, Source
from . import words
from .arguments import ArgumentRow, Value, digest_groups, figure, rows, shown, value_of
from .confirmation import pattern
from .outcomes import Outcome, outcome
from .run_request import request_text
from .story import Line, known, story
from .times import Moment, exact, moment, span
from .views_grant import can_grant
from .views_question import question_view
from .views_rollback import plan_view
from .views_terms import barred, may_not_approve, says, terms

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from ..engine.accounts import Reviewer
    from ..engine.queries import ApprovalDetail, CallRow
    from .views_question import QuestionView
    from .views_rollback import PlanView
    from .views_terms import Terms
    from .words import Badge

FIGURES = 4
_WIDE_FIGURE = 11


@dataclass(frozen=True, slots=True)
class Fact:
    """One measured fact; a wide one is set smaller."""

    name: Value
    value: Value
    is_wide: bool


@dataclass(frozen=True, slots=True)
class Preview:
    """What the host measured: a few figures, more facts below, or why there is nothing."""

    figures: tuple[Fact, ...]
    more: tuple[Fact, ...]
    problem: Value | None


@dataclass(frozen=True, slots=True)
class Classified:
    """Why the call has its effect."""

    effect: Badge
    source: str
    rule: Value
    evidence: tuple[Value, ...]
    tool_version: str


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is not as it was when the call was approved before."""

    name: Value
    of: str
    before: Value
    now: Value


@dataclass(frozen=True, slots=True)
class Again:
    """Why an approved call is asked for once more."""

    before: UUID | None
    says: tuple[str, ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """The request that the run was started with, and whose it was."""

    text: Value
    by: str
    at: Moment


@dataclass(frozen=True, slots=True)
class Decision:
    """The panel of an open approval; `barred` says why this reviewer gets no form."""

    form: str
    """`call`, `in_doubt`, `question`, or empty when this kind cannot be answered here."""
    barred: str
    may_not_approve: str
    """Why this reviewer can do all but approve."""
    says: str
    confirm: str | None
    pattern: str | None
    edit: str | None
    can_grant: bool
    """Whether this reviewer may let calls like it run with nobody asked."""
    blocked: str
    is_final: bool
    may_be_sent: str
    """Until when a call in doubt may still be sent, while that is so."""
    also: tuple[str, ...]
    """The identical calls that can be decided together with it, as the form sends them."""


@dataclass(frozen=True, slots=True)
class ApprovalView:
    """All that the page needs."""

    id: UUID
    run_id: UUID
    run_short: str
    kind: Badge
    is_doubt: bool
    headline: Value
    title: str
    effect: Badge | None
    agent: str
    tool: str | None
    tool_says: Value | None
    held: Moment
    state: Badge
    is_open: bool
    digest: str
    digest_short: str
    preview: Preview | None
    asked: Asked
    args: tuple[ArgumentRow, ...]
    edited: str | None
    canonical: Value | None
    classified: Classified | None
    terms: Terms
    story: tuple[Line, ...]
    known: tuple[Line, ...]
    versions: tuple[tuple[str, str], ...]
    limit: tuple[tuple[str, str], ...]
    again: Again | None
    plan: PlanView | None
    question: QuestionView | None
    is_undo: bool
    """The doubt is about an undo of the call."""
    decision: Decision | None
    outcome: Outcome | None


def view(detail: ApprovalDetail, reviewer: Reviewer, now: datetime) -> ApprovalView:
    """An approval as this reviewer sees it now."""
    asked, call, run = detail.approval, detail.call, detail.run
    state = _state(detail, now)
    is_open = state is ApprovalState.PENDING
    is_doubt = asked.kind == ApprovalKind.IN_DOUBT
    before = detail.predecessor
    question = question_view(detail)
    order = detail.tool.schema.get("properties", {}) if detail.tool else ()
    description = detail.tool.description.strip() if detail.tool else ""
    return ApprovalView(
        id=asked.id,
        run_id=asked.run_id,
        run_short=words.short(asked.run_id),
        kind=words.KINDS[ApprovalKind(asked.kind)],
        is_doubt=is_doubt,
        headline=shown(asked.headline),
        title=asked.headline,
        effect=words.EFFECTS[Effect(asked.effect)] if asked.effect and not question else None,
        agent=asked.agent,
        tool=asked.tool,
        tool_says=shown(description) if description else None,
        held=moment(asked.created_at, now),
        state=words.approval(state, asked.kind),
        is_open=is_open,
        digest=asked.digest.hex(),
        digest_short=digest_groups(asked.digest),
        preview=None if is_doubt or question or call is None else preview(asked.preview),
        asked=Asked(
            shown(request_text(run.input)),
            words.who(run.requested_by),
            moment(run.created_at, now),
        ),
        args=rows(call.args, before.args if before else None, order)
        if call and not question
        else (),
        edited=_edited(detail, reviewer, now),
        canonical=shown(call.args_bytes.decode()) if call and not question else None,
        classified=_classified(call) if call and not question else None,
        terms=terms(detail, reviewer, now),
        story=story(detail, now),
        known=known(detail, now) if is_doubt else (),
        versions=_versions(detail),
        limit=_limit(detail),
        again=_again(detail),
        plan=_plan(detail),
        question=question,
        is_undo=is_doubt and isinstance(asked.preview, dict) and "undo" in asked.preview,
        decision=_decision(detail, reviewer, now) if is_open else None,
        outcome=None if is_open else outcome(detail, reviewer, now),
    )


def preview(measured: Any) -> Preview | None:
    """What the tool's preview gave: an object, an error, or nothing."""
    if not isinstance(measured, dict) or not measured:
        return None
    if set(measured) == {"error"}:
        return Preview((), (), shown(str(measured["error"])))
    facts = tuple(
        Fact(shown(name), shown(text), len(text) > _WIDE_FIGURE)
        for name, text in ((name, figure(value)) for name, value in measured.items())
    )
    return Preview(facts[:FIGURES], facts[FIGURES:], None)


def _state(detail: ApprovalDetail, now: datetime) -> ApprovalState:
    """An approval past its deadline has expired, also before the sweep comes by."""
    asked = detail.approval
    state = ApprovalState(asked.state)
    overdue = asked.expires_at is not None and asked.expires_at <= now
    return ApprovalState.EXPIRED if state is ApprovalState.PENDING and overdue else state


def _versions(detail: ApprovalDetail) -> tuple[tuple[str, str], ...]:
    """The fingerprints that a changed agent had and has."""
    measured = detail.approval.preview
    if detail.approval.kind != ApprovalKind.VERSION or not isinstance(measured, dict):
        return ()
    return (("Began with", str(measured.get("from"))), ("Now is", str(measured.get("to"))))


def _limit(detail: ApprovalDetail) -> tuple[tuple[str, str], ...]:
    """The limit that a run came to, and what it would be."""
    measured = detail.approval.preview
    if detail.approval.kind != ApprovalKind.LIMIT or not isinstance(measured, dict):
        return ()
    reached = LimitReached(measured["limit"], measured["allowed"], "")
    raised = LimitReached(measured["limit"], measured["raise_to"], "")
    return (("Stopped at", reached.cap), ("If it is raised", raised.cap))


def _again(detail: ApprovalDetail) -> Again | None:
    """What changed since the call was approved before."""
    found = detail.approval.changes
    if not found:
        return None
    before = detail.predecessor
    return Again(
        before=before.approval_id if before else None,
        says=tuple(str(change["says"]) for change in found),
        changes=tuple(row for change in found for row in _compared(change)),
    )


def _compared(change: Mapping[str, Any]) -> tuple[Change, ...]:
    """Its state before beside that of now; of two objects, the fields that differ."""
    of = words.CHANGES.get(change["what"])
    if of is None:
        return ()
    before, now = change["before"], change["now"]
    if not (isinstance(before, dict) and isinstance(now, dict)):
        return (Change(shown(of), "", value_of(before), value_of(now)),)
    differing = (row for row in rows(now, before) if row.before)
    return tuple(Change(row.name, of, row.before, row.value) for row in differing if row.before)


def _plan(detail: ApprovalDetail) -> PlanView | None:
    """The plan of a rollback that is to be approved."""
    asked = detail.approval
    if asked.kind != ApprovalKind.ROLLBACK:
        return None
    return plan_view(asked.preview, asked.digest.hex(), detail.calls)


def _edited(detail: ApprovalDetail, reviewer: Reviewer, now: datetime) -> str | None:
    edit = detail.edit
    if edit is None:
        return None
    by = "you" if edit.reviewer == reviewer.name else edit.reviewer
    return f"Edited by {by}, {exact(edit.decided_at, now)}"


def _classified(call: CallRow) -> Classified:
    return Classified(
        effect=words.EFFECTS[Effect(call.effect)],
        source=words.SOURCES[Source(call.source)],
        rule=shown(call.rule),
        evidence=tuple(shown(str(line)) for line in call.evidence),
        tool_version=call.tool_version,
    )


def _decision(detail: ApprovalDetail, reviewer: Reviewer, now: datetime) -> Decision:
    asked, call = detail.approval, detail.call
    kind = ApprovalKind(asked.kind)
    is_call = kind is ApprovalKind.CALL and call is not None
    confirm = wanted(detail)
    forms = {ApprovalKind.CALL: "call", ApprovalKind.VERSION: "call",
             ApprovalKind.ROLLBACK: "call", ApprovalKind.LIMIT: "call",
             ApprovalKind.IN_DOUBT: "in_doubt",
             ApprovalKind.QUESTION: "question", ApprovalKind.CONFLICT: "question"}  # fmt: skip
    return Decision(
        form=forms.get(kind, ""),
        barred=barred(detail, reviewer, now),
        may_not_approve=may_not_approve(detail, reviewer),
        says=says(detail, reviewer),
        confirm=confirm,
        pattern=pattern(confirm) if confirm else None,
        edit=words.plural(len(call.args), "argument")
        if call and is_call and detail.tool and call.args
        else None,
        can_grant=can_grant(detail, reviewer, now),
        blocked=span(now - asked.created_at),
        is_final=confirm is not None or (is_call and asked.effect == Effect.IRREVERSIBLE),
        may_be_sent=moment(call.send_before, now).second
        if call and call.send_before and call.send_before > now
        else "",
        also=tuple(f"{seen.approval_id}:{seen.digest}" for seen in asked.alike),
    )

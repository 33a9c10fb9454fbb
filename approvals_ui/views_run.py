"""Runs as pages show them: the list, one run with its limits, and what happened in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..engine.lifecycle import CallState, Exit, RunStatus
from ..tools.effect import Effect
from . import words
from .arguments import Value, as_text, shown, value_of
from .run_request import request_text
from .times import Moment, duration, moment
from .views_rollback import rollback_view

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from ..engine.queries import ApprovalRow, AssessmentRow, CallRow, DecisionRow, RunDetail, RunRow
    from .views_rollback import RollbackView
    from .words import Badge

_SHORT_ARGS = 100


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run in the list."""

    id: UUID
    short: str
    request: Value
    agent: str
    state: Badge
    asked_by: str
    asked: Moment
    used: str
    pending: int


@dataclass(frozen=True, slots=True)
class Meter:
    """Used of allowed; without `value` only the cap is known."""

    name: str
    used: str
    allowed: str
    left: str
    value: float | None
    largest: float


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of a run's history; `tone` is `person`, `held`, `doubt` or empty."""

    at: Moment
    tone: str
    icon: str
    what: str
    detail: Value | None
    note: str
    state: Badge | None = None
    effect: Badge | None = None
    took: str = ""
    approval_id: UUID | None = None
    grant_id: UUID | None = None
    granted_by: str = ""


def line(run: RunRow, now: datetime) -> RunLine:
    """A run in the list."""
    return RunLine(
        id=run.id,
        short=words.short(run.id),
        request=shown(request_text(run.input)),
        agent=run.agent,
        state=state(run),
        asked_by=words.who(run.requested_by),
        asked=moment(run.created_at, now),
        used=_used(run),
        pending=run.pending,
    )


def _used(run: RunRow) -> str:
    used = f"{words.plural(run.usage.steps, 'step')}, {words.plural(run.usage.calls, 'call')}"
    return f"{used}, {words.usd(run.spent.usd)}" if run.spent.usd else used


def state(run: RunRow) -> Badge:
    """The run's state in words: how it ended, or what it is doing."""
    if run.exit:
        return words.EXITS[Exit(run.exit)]
    if run.cancel_requested_at:
        return words.Badge("Being cancelled", "cross", "warn")
    if run.wants_room:
        return words.Badge("Waiting for room", "clock", "warn")
    if run.paused_by:
        return words.PAUSED
    return words.RUNS[RunStatus(run.status)]


def meters(run: RunRow) -> tuple[Meter, ...]:
    """The limits that hold this run."""
    used, allowed, spent = run.usage, run.limits, run.spent
    usd = float(spent.usd)
    seconds = used.active_ms / 1000
    return (
        _count("Steps", used.steps, allowed.steps),
        _count("Calls", used.calls, allowed.calls),
        _count("Calls that cannot be undone", used.irreversible, allowed.irreversible),
        Meter(
            "Active time",
            duration(used.active_ms),
            duration(allowed.seconds * 1000),
            "Waiting for a person does not count",
            min(seconds, allowed.seconds),
            allowed.seconds,
        ),
        Meter(
            "Model calls",
            words.usd(usd),
            words.usd(allowed.cost_usd),
            f"{words.usd(max(allowed.cost_usd - usd, 0))} left",
            min(usd, allowed.cost_usd),
            allowed.cost_usd,
        ),
        _count("Tokens in", min(spent.tokens_in, allowed.tokens_in), allowed.tokens_in),
        _count("Tokens out", min(spent.tokens_out, allowed.tokens_out), allowed.tokens_out),
        Meter("The same call again", f"{allowed.repeats:,}", "", "times at most", None, 1),
    )


def _count(name: str, used: int, allowed: int) -> Meter:
    return Meter(name, f"{used:,}", f"{allowed:,}", f"{allowed - used:,} left", used, allowed)


def history(detail: RunDetail, now: datetime) -> tuple[Happening, ...]:
    """Calls, decisions and the run's own steps, newest first."""
    tools = {call.id: call.tool for call in detail.calls}
    asked = {approval.id: approval for approval in detail.approvals}
    run = detail.run
    found = [(run.created_at, _asked(run, now))]
    found += [(call.proposed_at, _call(call, now)) for call in detail.calls]
    found += [
        (said.decided_at, _decision(said, asked[said.approval_id], tools, now))
        for said in detail.decisions
    ]
    if run.cancel_requested_at:
        by = words.who(run.cancel_requested_by)
        asked_off = Happening(
            moment(run.cancel_requested_at, now), "person", "cross", f"{by} cancelled the run",
            None, "",
        )  # fmt: skip
        found.append((run.cancel_requested_at, asked_off))
    if run.ended_at:
        end = state(run)
        found.append(
            (
                run.ended_at,
                Happening(
                    moment(run.ended_at, now), "end", end.icon, end.word, None,
                    run.exit_reason or "",
                ),
            )
        )  # fmt: skip
    return tuple(happening for _, happening in sorted(found, key=lambda pair: pair[0])[::-1])


def _asked(run: RunRow, now: datetime) -> Happening:
    return Happening(
        moment(run.created_at, now),
        "person",
        "person",
        f"{words.who(run.requested_by)} asked for the run",
        None,
        "",
    )


def _call(call: CallRow, now: datetime) -> Happening:
    tone = {CallState.WAITING: "held", CallState.IN_DOUBT: "doubt"}.get(CallState(call.state), "")
    args = ", ".join(f"{name}: {as_text(value)}" for name, value in call.args.items())
    took = ""
    if call.started_at and call.finished_at:
        took = duration((call.finished_at - call.started_at).total_seconds() * 1000)
    return Happening(
        at=moment(call.proposed_at, now),
        tone=tone,
        icon="call",
        what=call.tool,
        detail=shown(args[:_SHORT_ARGS] + (" …" if len(args) > _SHORT_ARGS else "")),
        note=call.error or (call.reason if call.verdict != "allow" else ""),
        state=words.CALLS[CallState(call.state)],
        effect=words.EFFECTS[Effect(call.effect)],
        took=took,
        approval_id=call.approval_id,
        grant_id=call.grant_id,
        granted_by=call.granted_by or "",
    )


def _decision(
    said: DecisionRow, asked: ApprovalRow, tools: dict[UUID, str], now: datetime
) -> Happening:
    tool = tools.get(asked.call_id, "the request") if asked.call_id else "the request"
    done = words.DECISIONS[said.kind].lower()
    of = f", {asked.quorum} needed" if asked.quorum > 1 else ""
    return Happening(
        at=moment(said.decided_at, now),
        tone="person",
        icon="person",
        what=f"{said.reviewer} {done} {tool}",
        detail=None,
        note=(f"“{said.reason}”" if said.reason else words.VIA[said.via]) + of,
        approval_id=asked.id,
    )


@dataclass(frozen=True, slots=True)
class StatedLine:
    """What one stage stated, and what became of it."""

    id: UUID
    stage: str
    confidence: str
    outcome: Badge
    note: str
    can_be_marked: bool


def _stated(row: AssessmentRow) -> StatedLine:
    note = f"{row.taken_by} was asked" if row.taken_by else ""
    if row.wrong_by:
        note = f"{row.wrong_by} said so" + (f": “{row.wrong_reason}”" if row.wrong_reason else "")
    return StatedLine(
        row.id,
        row.stage,
        f"{row.confidence:.2f}",
        words.OUTCOMES[row.outcome],
        note,
        can_be_marked=row.wrong_by is None,
    )


STATUSES = tuple((status.value, badge.word) for status, badge in words.RUNS.items())


@dataclass(frozen=True, slots=True)
class RunView:
    """One run's page."""

    line: RunLine
    exit: Badge | None
    reason: Value | None
    ended: Moment | None
    is_open: bool
    is_cancelling: bool
    meters: tuple[Meter, ...]
    history: tuple[Happening, ...]
    input: Value
    output: Value | None
    tags: tuple[tuple[Value, Value], ...]
    fingerprint: str
    pending: tuple[ApprovalRow, ...]
    entries: str
    acted: bool
    """Whether it did something that a rollback could be about."""
    rollback: RollbackView | None
    """The newest one."""
    stated: tuple[StatedLine, ...]
    fallback: Value | None
    """The model that stands in for every other."""
    is_paused: bool
    """Whether it does not begin because a breaker is tripped."""


def view(detail: RunDetail, now: datetime) -> RunView:
    """One run's page, seen from now."""
    run = detail.run
    return RunView(
        line=line(run, now),
        exit=words.EXITS[Exit(run.exit)] if run.exit else None,
        reason=shown(run.exit_reason) if run.exit_reason else None,
        ended=moment(run.ended_at, now) if run.ended_at else None,
        is_open=run.ended_at is None,
        is_cancelling=run.ended_at is None and run.cancel_requested_at is not None,
        meters=meters(run),
        history=history(detail, now),
        input=value_of(run.input),
        output=None if detail.output is None else value_of(detail.output),
        tags=tuple((shown(name), shown(value)) for name, value in run.tags.items()),
        fingerprint=detail.fingerprint,
        pending=tuple(a for a in detail.approvals if a.state == "pending"),
        entries=words.plural(len(detail.audit), "entry", "entries"),
        acted=any(call.starts and call.effect != Effect.READ for call in detail.calls),
        rollback=rollback_view(detail.rollbacks[0], detail, now) if detail.rollbacks else None,
        stated=tuple(map(_stated, detail.assessments)),
        fallback=shown(run.fallback) if run.fallback else None,
        is_paused=run.paused_by is not None,
    )

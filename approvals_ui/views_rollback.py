"""A rollback as pages show it: what stays, what is undone, and how far each undo is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..engine.lifecycle import CallState, RunStatus
from ..tools.effect import Effect
from . import words
from .arguments import Value, as_text, shown
from .times import Moment, moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from uuid import UUID

    from ..engine.queries import CallRow, RollbackRow, RunDetail
    from ..engine.rollback_plan import Plan
    from .words import Badge

_SHORT_ARGS = 100


@dataclass(frozen=True, slots=True)
class Item:
    """One call of a plan; `notes` say why it stays, or what to know of its undo."""

    call_id: str
    tool: str
    args: Value
    notes: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class PlanView:
    """A plan: what stays done comes first."""

    staying: tuple[Item, ...]
    undos: tuple[Item, ...]
    reads: str
    needs_approval: bool
    needs_another: bool
    """Whoever asks for it cannot approve it."""
    digest: str
    digest_short: str
    to: str | None
    skip: tuple[str, ...]
    count: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one undo is."""

    tool: str
    args: Value
    state: Badge
    note: str
    at: Moment | None


@dataclass(frozen=True, slots=True)
class RollbackView:
    """A rollback that was asked for."""

    icon: str
    tone: str
    strong: str
    more: str
    asked_by: str
    asked: Moment
    approval_id: UUID | None
    is_open: bool
    progress: tuple[Progress, ...]
    staying: tuple[Item, ...]


def plan_view(plan: Mapping[str, Any], digest: str, calls: Iterable[CallRow]) -> PlanView:
    """A plan from its JSON, with the arguments of its calls."""
    by_id = {str(call.id): call for call in calls}
    undos = tuple(_item(undo, by_id, undo["notes"]) for undo in plan["undos"])
    return PlanView(
        staying=_staying(plan, by_id),
        undos=undos,
        reads=words.plural(plan["reads"], "read call"),
        needs_approval=plan["needs_approval"],
        needs_another=any(undo["undo_effect"] == Effect.IRREVERSIBLE for undo in plan["undos"]),
        digest=digest,
        digest_short=digest[:16],
        to=plan["to"],
        skip=tuple(plan["skip"]),
        count=words.plural(len(undos), "call"),
    )


def plan_now(plan: Plan, detail: RunDetail) -> PlanView:
    """The plan as it stands now."""
    return plan_view(plan.as_json(), plan.digest.hex(), detail.calls)


def rollback_view(found: RollbackRow, detail: RunDetail, now: datetime) -> RollbackView:
    """A rollback, seen from now."""
    by_id = {str(call.id): call for call in detail.calls}
    icon, tone, strong, more = _said(found)
    return RollbackView(
        icon=icon,
        tone=tone,
        strong=strong,
        more=more,
        asked_by=words.who(found.requested_by),
        asked=moment(found.created_at, now),
        approval_id=_approval(found, detail),
        is_open=found.outcome is None,
        progress=tuple(
            Progress(
                undo.tool,
                _args(by_id.get(str(undo.call_id))),
                words.UNDOS[CallState(undo.state)],
                _note(undo.error, undo.attested_by, restored=undo.restored),
                moment(undo.finished_at, now) if undo.finished_at and undo.started_at else None,
            )
            for undo in found.undos
        ),
        staying=_staying(found.plan, by_id),
    )


def _staying(plan: Mapping[str, Any], by_id: Mapping[str, CallRow]) -> tuple[Item, ...]:
    return tuple(_item(call, by_id, [call["why"]]) for call in plan["staying"])


def _item(call: Mapping[str, Any], by_id: Mapping[str, CallRow], notes: list[str]) -> Item:
    found = by_id.get(call["call_id"])
    return Item(call["call_id"], call["tool"], _args(found), tuple(map(shown, notes)))


def _args(call: CallRow | None) -> Value:
    text = (
        ", ".join(f"{name}: {as_text(value)}" for name, value in call.args.items()) if call else ""
    )
    return shown(text[:_SHORT_ARGS] + (" …" if len(text) > _SHORT_ARGS else ""))


def _note(error: str | None, attested_by: str | None, *, restored: bool | None) -> str:
    if error:
        return error
    if attested_by:
        return f"{attested_by} attests that it happened"
    return "Its target is as the call had found it" if restored else ""


def _approval(found: RollbackRow, detail: RunDetail) -> UUID | None:
    """What a person has to decide before it goes on."""
    if found.state != RunStatus.WAITING:
        return None
    mine = {undo.call_id for undo in found.undos}
    for asked in detail.approvals:
        is_its_own = asked.id == found.approval_id or asked.call_id in mine
        if asked.state == "pending" and is_its_own:
            return asked.id
    return None


def _said(found: RollbackRow) -> tuple[str, str, str, str]:
    """Icon, tone, and what is said of it."""
    if found.outcome is not None:
        icon, tone, strong = words.ROLLBACKS[found.outcome]
        return icon, tone, strong, found.reason or ""
    if found.state == RunStatus.WAITING:
        doubt = any(undo.state == CallState.IN_DOUBT for undo in found.undos)
        more = "Nobody knows whether an undo happened." if doubt else "Nothing was undone yet."
        return ("doubt", "doubt", "A person has to say what happened.", more) if doubt else (
            "clock", "warn", "The rollback waits for its approval.", more
        )  # fmt: skip
    if found.state == RunStatus.QUEUED:
        return "clock", "", "The rollback waits for a worker.", "It begins within seconds."
    return "undo", "", "The run is being rolled back.", "The last call is undone first."

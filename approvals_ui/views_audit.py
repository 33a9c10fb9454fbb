"""Entries of the audit log as a page shows them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..engine.errors import UsageError
from . import words
from .arguments import Value, figure, shown
from .times import Moment, moment

if TYPE_CHECKING:
    from datetime import datetime

    from ..engine.queries import AuditRow
    from .words import Badge

_IN_LINE = ("tool", "decision", "exit", "reason", "reviewer", "claimed", "label")
_SHORT = 90


@dataclass(frozen=True, slots=True)
class EntryLine:
    """One entry in the list."""

    seq: int
    at: Moment
    who: str
    what: Badge
    detail: Value
    run_short: str
    run_id: UUID | None


@dataclass(frozen=True, slots=True)
class Opened:
    """One entry with everything in it."""

    line: EntryLine
    event: str
    actor: str
    approval_id: UUID | None
    call_id: UUID | None
    details: tuple[tuple[Value, Value], ...]
    sha256: str
    canonical: Value
    size: int


def run_filter(text: str) -> UUID | None:
    """The run to filter by, or None when nothing is asked.

    Raises:
        UsageError: the text is no run's id.
    """
    if not text.strip():
        return None
    try:
        return UUID(text.strip())
    except ValueError:
        raise UsageError("This is not the id of a run. Copy it from the page of the run.") from None


def line(row: AuditRow, now: datetime) -> EntryLine:
    """An entry in the list."""
    said = [figure(row.detail[name]) for name in _IN_LINE if row.detail.get(name)]
    text = ", ".join(said)
    return EntryLine(
        seq=row.seq,
        at=moment(row.at, now),
        who=words.who(row.actor),
        what=words.event(row.event),
        detail=shown(text[:_SHORT] + (" …" if len(text) > _SHORT else "")),
        run_short=words.short(row.run_id) if row.run_id else "",
        run_id=row.run_id,
    )


def opened(row: AuditRow, now: datetime) -> Opened:
    """An entry with everything in it."""
    return Opened(
        line=line(row, now),
        event=row.event,
        actor=row.actor,
        approval_id=row.approval_id,
        call_id=row.call_id,
        details=tuple((shown(name), shown(_text(value))) for name, value in row.detail.items()),
        sha256=row.sha256,
        canonical=shown(row.entry.decode()),
        size=len(row.entry),
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

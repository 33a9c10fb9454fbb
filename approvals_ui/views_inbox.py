"""The queue as a page shows it: bands of urgency, one row an approval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..engine.lifecycle import ApprovalKind, ApprovalState
from ..engine.questions import QUESTIONS
from ..tools.effect import Effect
from . import words
from .arguments import Value, figure, shown
from .times import ACT_NOW, WITHIN_THE_HOUR, Deadline, Moment, deadline, exact, moment, span

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    from ..engine.queries import ApprovalRow
    from .words import Badge

_FACTS = 4


@dataclass(frozen=True, slots=True)
class Quorum:
    """Approvals given of approvals needed, as dots and words."""

    given: int
    needed: int

    @property
    def dots(self) -> tuple[bool, ...]:
        """One for each approval that is needed: whether it is given."""
        return tuple(number < self.given for number in range(min(self.needed, 10)))


@dataclass(frozen=True, slots=True)
class Row:
    """One approval in a list."""

    id: UUID
    kind: Badge
    headline: Value
    facts: Value
    effect: Badge | None
    agent: str
    policy: str
    quorum: Quorum
    due: Deadline | None
    blocked: str | None
    state: Badge
    closed: Moment | None
    closed_by: str
    identical: str
    """How many calls the entry is about, where they can be decided together."""


@dataclass(frozen=True, slots=True)
class Group:
    """A band of urgency."""

    key: str
    title: str
    hint: str
    rows: tuple[Row, ...]


def row(approval: ApprovalRow, now: datetime) -> Row:
    """One approval in a list, seen from now."""
    is_doubt = approval.kind == ApprovalKind.IN_DOUBT
    measured = approval.preview if approval.kind == ApprovalKind.CALL else None
    return Row(
        id=approval.id,
        kind=words.KINDS[ApprovalKind(approval.kind)],
        headline=shown(approval.headline),
        facts=shown(facts(measured) or approval.reason),
        effect=words.EFFECTS[Effect(approval.effect)]
        if approval.effect and approval.kind not in QUESTIONS
        else None,
        agent=approval.agent,
        policy=", ".join(approval.policies),
        quorum=quorum_of(approval),
        due=deadline(approval.expires_at, now) if approval.expires_at else None,
        blocked=span(now - approval.created_at) if is_doubt else None,
        state=words.approval(ApprovalState(approval.state), approval.kind),
        closed=moment(approval.closed_at, now) if approval.closed_at else None,
        closed_by=words.who(None if approval.state == "lapsed" else approval.closed_by),
        identical=f"{len(approval.alike) + 1} identical calls" if approval.alike else "",
    )


def quorum_of(approval: ApprovalRow) -> Quorum:
    """The approvals that fill a place, of all places: two of the same group may fill but one."""
    needed = approval.quorum
    return Quorum(min(len(approval.approved_by), needed - approval.terms.missing), needed)


def facts(preview: Any) -> str:
    """The measured facts on one line, or nothing."""
    if not isinstance(preview, dict) or set(preview) == {"error"}:
        return ""
    some = list(preview.items())[:_FACTS]
    return ", ".join(f"{name}: {figure(value)}" for name, value in some)


def groups(approvals: Sequence[ApprovalRow], now: datetime) -> tuple[Group, ...]:
    """The bands that have something in them, most urgent first.

    Identical calls that can be decided together are one row, that of the most urgent of them.
    """
    approvals = _one_of_each(approvals)
    soon, later = now + ACT_NOW, now + WITHIN_THE_HOUR

    def band(approval: ApprovalRow) -> str:
        due = approval.expires_at
        if approval.kind == ApprovalKind.IN_DOUBT or (due and due < soon):
            return "now"
        return "hour" if due and due < later else "later"

    bands = [
        ("now", "Act now", "Due within 15 minutes, or in doubt"),
        ("hour", "Within the hour", f"Due by {exact(later, now)}"),
        ("later", "Later", "Due after that, or without a deadline"),
    ]
    found = (
        Group(key, title, hint, _rows((a for a in approvals if band(a) == key), now))
        for key, title, hint in bands
    )
    return tuple(group for group in found if group.rows)


def _one_of_each(approvals: Sequence[ApprovalRow]) -> list[ApprovalRow]:
    shown_with: set[UUID] = set()
    first = []
    for approval in approvals:
        if approval.id not in shown_with:
            first.append(approval)
            shown_with |= {seen.approval_id for seen in approval.alike}
    return first


def _rows(approvals: Iterable[ApprovalRow], now: datetime) -> tuple[Row, ...]:
    return tuple(row(approval, now) for approval in approvals)


def summary(approvals: Sequence[ApprovalRow], pending: int, now: datetime) -> str:
    """One line under the title: how many, and what comes next."""
    if not pending:
        return "Nothing waiting."
    dues = [a.expires_at for a in approvals if a.expires_at and a.expires_at > now]
    waiting = f"{pending:,} waiting."
    if not dues:
        return waiting
    return f"{waiting} The next one expires in {span(min(dues) - now)}; then it cannot run."

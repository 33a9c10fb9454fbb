"""Who has approved so far, whose approval counts, and which places of the quorum are filled."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ..policies.verdict import Duty
from .database import execute

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Connection, Row


@dataclass(frozen=True, slots=True)
class AskedTerms:
    """An approval's terms beside its reviewers and quorum.

    Attributes:
        groups: those that may decide by now.
        each: how many of the approvals each of these groups must give.
        escalation: groups that are asked as well, and when.
        separation: whose approval does not count.
        confirm: what an approval is confirmed with, if the terms demand it.
        missing: how many approvals are missing at least, while it is open or not used.
    """

    groups: tuple[str, ...]
    each: Mapping[str, int]
    escalation: Mapping[str, datetime]
    separation: frozenset[Duty]
    needs_reason: bool
    confirm: str | None
    missing: int

    def as_json(self) -> dict[str, Any]:
        """The terms as the API gives them."""
        return {
            "asked_groups": list(self.groups),
            "each": dict(self.each),
            "escalation": {group: at.isoformat() for group, at in self.escalation.items()},
            "separation": sorted(self.separation),
            "needs_reason": self.needs_reason,
            "confirm": self.confirm,
            "missing": self.missing,
        }


def asked_terms(row: Row[Any]) -> AskedTerms:
    """The terms of an approval's row, with `asked_groups` and `missing` beside its columns."""
    stages = sorted(row.escalation.items(), key=lambda stage: stage[1])
    return AskedTerms(
        groups=tuple(row.asked_groups),
        each=row.each,
        escalation={group: row.created_at + timedelta(seconds=after) for group, after in stages},
        separation=frozenset(Duty(duty) for duty in row.separation),
        needs_reason=row.needs_reason,
        confirm=row.confirm,
        missing=row.missing,
    )


@dataclass(frozen=True, slots=True)
class Voice:
    """An approval that somebody gave.

    Attributes:
        why_not: why it does not count now: `disabled`, `not_asked`, `requester` or `editor`.
    """

    reviewer: str
    groups: frozenset[str]
    why_not: str | None
    at: datetime

    def as_json(self) -> dict[str, Any]:
        """The approval as the API gives it."""
        return {"reviewer": self.reviewer, "counts": not self.why_not, "why_not": self.why_not}


def voices_of(conn: Connection, *, tenant: str, approval_id: UUID) -> tuple[Voice, ...]:
    """The approvals given so far, oldest first."""
    rows = execute(conn, "voices", tenant=tenant, approval_id=approval_id)
    return tuple(
        Voice(row.reviewer, frozenset(row.groups), row.why_not, row.decided_at) for row in rows
    )


def set_apart(conn: Connection, *, tenant: str, approval_id: UUID) -> dict[str, Duty]:
    """The people whose approval would not count, and what they did."""
    rows = execute(conn, "set_apart", tenant=tenant, approval_id=approval_id)
    return {row.person: Duty(row.duty) for row in rows}


def missing(quorum: int, each: Mapping[str, int], voices: Sequence[Voice]) -> int:
    """How many approvals are missing at least; the database's `still_missing` over the same."""
    counting = sum(not voice.why_not for voice in voices)
    filled = sum(map(len, places(each, voices).values()))
    return max(0, quorum - counting, sum(each.values()) - filled)


def places(each: Mapping[str, int], voices: Sequence[Voice]) -> dict[str, list[str]]:
    """Who fills the places of each group, so that as many as can be are filled.

    Nobody fills two. A maximum matching by augmenting paths, as Kuhn's.
    """
    free = [(group, number) for group, count in each.items() for number in range(count)]
    taken: dict[tuple[str, int], Voice] = {}

    def seat(voice: Voice, tried: set[tuple[str, int]]) -> bool:
        for place in free:
            if place[0] not in voice.groups or place in tried:
                continue
            tried.add(place)
            if place not in taken or seat(taken[place], tried):
                taken[place] = voice
                return True
        return False

    for voice in voices:
        if not voice.why_not:
            seat(voice, set())
    return {
        group: sorted(voice.reviewer for place, voice in taken.items() if place[0] == group)
        for group in each
    }

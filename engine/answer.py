"""What one reviewer answers, and what stands after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from .lifecycle import ApprovalState, DecisionKind


@dataclass(frozen=True, slots=True)
class Seen:
    """An approval of an identical call, with the digest that the reviewer saw, in hex."""

    approval_id: UUID
    digest: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What one reviewer answers to an approval.

    Attributes:
        digest: what the reviewer saw, in hex.
        confirm: what the reviewer typed to approve it.
        also: approvals of identical calls of the run that get the same answer.
        beside: the approval that the reviewer looked at, where it is another one.
    """

    tenant: str
    approval_id: UUID
    reviewer: str
    kind: DecisionKind
    digest: str
    via: str
    reason: str | None = None
    args: Mapping[str, Any] | None = None
    answer: Mapping[str, Any] | None = None
    confirm: str | None = None
    also: tuple[Seen, ...] = ()
    beside: UUID | None = None


@dataclass(frozen=True, slots=True)
class Left:
    """An approval of an identical call that was not open to this decision, and why."""

    approval_id: UUID
    why: str


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision that is committed, and the state of its approval after it.

    Attributes:
        also: what stands of the other approvals that it was about.
        left: those of them that it did not touch.
    """

    approval_id: UUID
    state: ApprovalState
    run_id: UUID
    call_id: UUID | None
    at: datetime
    also: tuple[Decided, ...] = ()
    left: tuple[Left, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The decision as the API and the command line give it."""
        return {
            "approval_id": str(self.approval_id),
            "state": str(self.state),
            "run_id": str(self.run_id),
            "call_id": str(self.call_id) if self.call_id else None,
            "at": self.at.isoformat(),
            "also": [
                {"approval_id": str(each.approval_id), "state": str(each.state)}
                for each in self.also
            ],
            "left": [{"approval_id": str(each.approval_id), "why": each.why} for each in self.left],
        }

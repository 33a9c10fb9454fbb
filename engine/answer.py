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
class Answer:
    """What one reviewer answers to an approval.

    Attributes:
        digest: what the reviewer saw, in hex.
        confirm: what the reviewer typed to approve it.
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


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision that is committed, and the state of its approval after it."""

    approval_id: UUID
    state: ApprovalState
    run_id: UUID
    call_id: UUID | None
    at: datetime

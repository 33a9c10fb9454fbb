"""A call at rest in the journal, and one about to be written there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID

    from ..policies.verdict import Verdict
    from ..tools import Classification, ToolSpec
    from .lifecycle import CallState


@dataclass(frozen=True, slots=True)
class Call:
    """A call at rest in the journal."""

    id: UUID
    run_id: UUID
    key: bytes
    revision: int
    tool: str
    tool_version: str
    args: bytes
    digest: bytes
    effect: str
    verdict: str
    reason: str
    recovery: str
    state: CallState
    approval_id: UUID | None
    starts: int
    start_token: UUID | None
    result_type: str | None
    result: bytes | None
    error: str | None
    edited_args: bytes | None
    edited_by: str | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the graph a call comes from."""

    ns: str
    task_id: str
    tool_call_id: str | None


@dataclass(frozen=True, slots=True)
class Proposal:
    """A judged call, ready to be written down."""

    key: bytes
    revision: int
    place: Place
    spec: ToolSpec
    args: bytes
    classification: Classification
    verdict: Verdict

    @property
    def recovery(self) -> str:
        """What may be done with it should it break off."""
        if self.classification.effect == "read":
            return "again"
        if self.spec.idempotent:
            return "same_key"
        return "verify" if self.spec.verifiable else "ask"

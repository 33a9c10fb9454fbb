"""A call at rest in the journal, and one about to be written there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta
    from uuid import UUID

    from ..policies.verdict import Verdict
    from ..tools import Classification, ToolSpec
    from .lifecycle import CallState


@dataclass(frozen=True, slots=True)
class Call:
    """A call at rest in the journal, as it was read.

    Attributes:
        fingerprint: the target's state when it was proposed.
        send_within: seconds from a start in which it may reach its target.
        send_left, key_left: seconds that were left then of that, and of the life of its key.
        is_lapsed: whether its approval did not stand any more.
    """

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
    fingerprint: bytes | None = None
    send_within: float = 0.0
    send_left: float = 0.0
    key_left: float = 0.0
    is_lapsed: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the graph a call comes from."""

    ns: str
    task_id: str
    tool_call_id: str | None


@dataclass(frozen=True, slots=True)
class Proposal:
    """A judged call, ready to be written down; `context` is what else its policy was shown."""

    key: bytes
    revision: int
    place: Place
    spec: ToolSpec
    args: bytes
    classification: Classification
    verdict: Verdict
    context: Mapping[str, Any] | None = None

    @property
    def recovery(self) -> str:
        """What may be done with it should it break off."""
        if self.classification.effect == "read":
            return "again"
        if self.spec.idempotent:
            return "same_key"
        return "verify" if self.spec.verifiable else "ask"

    @property
    def key_life(self) -> timedelta | None:
        """How long its key is known to the service, if it is recovered by that."""
        return self.spec.key_life if self.recovery == "same_key" else None

"""The life cycles of calls, approvals and runs, as data.

Code asks these tables, the database's triggers are made from them, and the diagrams in the docs
are drawn from them. A step that is not in a table is an error.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from .errors import IllegalTransition

if TYPE_CHECKING:
    from collections.abc import Mapping


class CallState(StrEnum):
    """Where a call stands in the journal; `proposed` is never at rest."""

    PROPOSED = "proposed"
    ALLOWED = "allowed"
    WAITING = "waiting"
    FORBIDDEN = "forbidden"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"
    EXECUTING = "executing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    IN_DOUBT = "in_doubt"
    ABANDONED = "abandoned"
    UNDOING = "undoing"
    UNDONE = "undone"
    UNDO_FAILED = "undo_failed"


class ApprovalState(StrEnum):
    """Where a request for a person's decision stands."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"
    CONSUMED = "consumed"
    LAPSED = "lapsed"


class RunStatus(StrEnum):
    """Where a run stands; why it ended is its exit."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    ENDED = "ended"


class Exit(StrEnum):
    """Why a run ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    LIMIT_REACHED = "limit_reached"
    AMBIGUOUS = "ambiguous"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    ROLLED_BACK = "rolled_back"


class ApprovalKind(StrEnum):
    """What a person is asked."""

    CALL = "call"
    QUESTION = "question"
    CONFLICT = "conflict"
    IN_DOUBT = "in_doubt"
    LIMIT = "limit"
    ROLLBACK = "rollback"
    VERSION = "version"


class DecisionKind(StrEnum):
    """What one reviewer answered."""

    APPROVE = "approve"
    REJECT = "reject"
    EDIT = "edit"
    ANSWER = "answer"


_C, _A, _R = CallState, ApprovalState, RunStatus

CALL: Mapping[CallState, frozenset[CallState]] = {
    _C.PROPOSED: frozenset({_C.ALLOWED, _C.WAITING, _C.FORBIDDEN}),
    _C.WAITING: frozenset({_C.APPROVED, _C.REJECTED, _C.EXPIRED, _C.CANCELLED, _C.SUPERSEDED}),
    _C.ALLOWED: frozenset({_C.EXECUTING, _C.CANCELLED, _C.SUPERSEDED}),
    _C.APPROVED: frozenset({_C.EXECUTING, _C.CANCELLED, _C.SUPERSEDED, _C.WAITING}),
    _C.EXECUTING: frozenset({_C.SUCCEEDED, _C.FAILED, _C.IN_DOUBT}),
    _C.IN_DOUBT: frozenset({_C.SUCCEEDED, _C.FAILED, _C.ABANDONED, _C.UNDOING}),
    _C.SUCCEEDED: frozenset({_C.UNDOING}),
    _C.UNDOING: frozenset({_C.UNDONE, _C.UNDO_FAILED}),
    _C.FORBIDDEN: frozenset(),
    _C.REJECTED: frozenset(),
    _C.EXPIRED: frozenset(),
    _C.CANCELLED: frozenset(),
    _C.SUPERSEDED: frozenset(),
    _C.FAILED: frozenset(),
    _C.ABANDONED: frozenset(),
    _C.UNDONE: frozenset(),
    _C.UNDO_FAILED: frozenset({_C.UNDOING}),
}

APPROVAL: Mapping[ApprovalState, frozenset[ApprovalState]] = {
    _A.PENDING: frozenset(
        {_A.APPROVED, _A.REJECTED, _A.EXPIRED, _A.CANCELLED, _A.SUPERSEDED},
    ),
    _A.APPROVED: frozenset({_A.CONSUMED, _A.LAPSED}),
    _A.REJECTED: frozenset(),
    _A.EXPIRED: frozenset(),
    _A.CANCELLED: frozenset(),
    _A.SUPERSEDED: frozenset(),
    _A.CONSUMED: frozenset(),
    _A.LAPSED: frozenset(),
}

RUN: Mapping[RunStatus, frozenset[RunStatus]] = {
    _R.QUEUED: frozenset({_R.RUNNING, _R.ENDED}),
    _R.RUNNING: frozenset({_R.WAITING, _R.QUEUED, _R.ENDED}),
    _R.WAITING: frozenset({_R.QUEUED, _R.ENDED}),
    _R.ENDED: frozenset({_R.QUEUED}),  # a limit was raised
}

ROLLBACK: Mapping[RunStatus, frozenset[RunStatus]] = {**RUN, _R.ENDED: frozenset()}
"""A rollback goes through the steps of a run, and once."""

CALL_BORN = CALL[CallState.PROPOSED]
"""States in which a call's row may be inserted: `proposed` is the moment before."""
CALL_BORN_STARTED: Mapping[CallState, frozenset[str]] = {
    _C.EXECUTING: frozenset({"read", "reversible"}),
    _C.SUCCEEDED: frozenset({"read"}),
    _C.FAILED: frozenset({"read"}),
}
"""Further states in which the row of an allowed call may be inserted, with the effects it may have:
what runs by itself is written when it starts, or, for a read, when it is over."""
CALL_FINAL = frozenset(state for state, onward in CALL.items() if not onward)
CALL_STARTED = frozenset(
    {
        _C.EXECUTING,
        _C.SUCCEEDED,
        _C.FAILED,
        _C.IN_DOUBT,
        _C.ABANDONED,
        _C.UNDOING,
        _C.UNDONE,
        _C.UNDO_FAILED,
    },
)
"""States that only a call that was started can be in."""

_TABLES: Mapping[type[StrEnum], Mapping[StrEnum, frozenset[StrEnum]]] = {
    CallState: CALL,  # type: ignore[dict-item]
    ApprovalState: APPROVAL,  # type: ignore[dict-item]
    RunStatus: RUN,  # type: ignore[dict-item]
}


def check(old: StrEnum, new: StrEnum) -> None:
    """Refuse a step that the life cycle does not have.

    Raises:
        IllegalTransition: `new` cannot follow `old`.
    """
    if new not in _TABLES[type(old)][old]:
        raise IllegalTransition(type(old).__name__, old, new)

"""Why a run goes no further in this execution."""

from __future__ import annotations

from langgraph.errors import GraphBubbleUp

from .errors import (
    Ambiguous,
    CancelRequested,
    DatabaseLost,
    Fenced,
    NotRecorded,
    Postponed,
    RejectedInARow,
    Swallowed,
)
from .limits import LimitReached


class RunStopped(GraphBubbleUp):
    """The run goes no further; why is in the gate's `stop`."""


ENDS = (Ambiguous, LimitReached, CancelRequested, RejectedInARow, Swallowed, NotRecorded)
"""Stops after which the run ends; after the others somebody takes it up again."""
Stop = (
    Ambiguous
    | LimitReached
    | CancelRequested
    | DatabaseLost
    | Fenced
    | NotRecorded
    | Postponed
    | RejectedInARow
    | Swallowed
)

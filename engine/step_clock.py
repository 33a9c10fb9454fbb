"""Steps are in the order of their ids, which each worker makes by a clock of its own.

LangGraph takes a checkpoint's id from the clock of this process. After a worker whose clock is
ahead, the steps of one whose clock is behind would sort before those that they follow, and the run
would go on from an old one. So what this process makes is above all that it has read: a logical
clock, as of Lamport (1978).
"""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from langgraph.checkpoint.base import id as ids

_LAST = "_last_v6_timestamp"
"""Where LangGraph keeps the time of the id that it made last; the next one is above it."""


def keep_above(step_id: str) -> None:
    """Have the ids of steps to come be above this one; it may be no UUID, and says nothing then."""
    with suppress(ValueError):
        made = UUID(step_id).int
        at = (made >> 80) << 12 | (made >> 64) & 0xFFF
        setattr(ids, _LAST, max(getattr(ids, _LAST) or 0, at))

"""What comes next in a rollback, from how far its undos are: decided from nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .lifecycle import CallState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Row

_AGAIN = 10
"""Starts of an undo that may run again, before a person is asked after all."""


@dataclass(frozen=True, slots=True)
class Go:
    """Start this undo."""

    undo: Row[Any]


@dataclass(frozen=True, slots=True)
class Ask:
    """A lost worker left this undo, and nobody knows whether it happened."""

    undo: Row[Any]


@dataclass(frozen=True, slots=True)
class Wait:
    """A person has to say what became of an undo."""


@dataclass(frozen=True, slots=True)
class Over:
    """The rollback is over."""

    outcome: str
    reason: str


Next = Go | Ask | Wait | Over


def choose(undos: Sequence[Row[Any]]) -> Next:
    """What comes next, from the undos in their order. None is passed over."""
    for undo in undos:
        match CallState(undo.state):
            case CallState.SUCCEEDED:
                continue
            case CallState.ALLOWED:
                return Go(undo)
            case CallState.EXECUTING:
                again = undo.recovery == "same_key" and undo.starts < _AGAIN
                return Go(undo) if again else Ask(undo)
            case CallState.IN_DOUBT:
                return Wait()
            case _:
                done = sum(each.state == CallState.SUCCEEDED for each in undos)
                return Over(
                    "partial",
                    f"{done} of {len(undos)} calls are undone. The undo of {undo.tool} came to "
                    f"nothing: {undo.error}",
                )
    return Over("undone", f"{len(undos)} of {len(undos)} calls are undone.")

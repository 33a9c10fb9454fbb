"""A call on its way from the gate to its body."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from .lease import clock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from ..tools.gated import Ask
    from .call import Call, Place, Proposal
    from .judgement import Judgement
    from .stops import Stop


class Halting(Protocol):
    """What the parts of the gate need of it."""

    stop: Stop | None

    def halt(self, stop: Stop) -> None:
        """Let nothing start from now on."""

    def active_ms(self) -> int:
        """Milliseconds since this execution began."""

    def calls_around(self, call_id: UUID) -> list[Call]:
        """The begun call with this id, if it is one of this execution."""

    def park(self, place: Place, call: Call) -> None:
        """Interrupt the task: its call waits for a person."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A call whose body has to run now.

    Attributes:
        token: names this one start.
        term: the lease's, from before it was written down.
        proposal: of a call that runs by itself and is new; None for one that was found.
        at: when it began, before that was written down, on the lease's clock.
    """

    call: Call
    place: Place
    token: UUID
    arguments: Mapping[str, Any]
    term: int
    proposal: Proposal | None = None
    at: float = field(default_factory=clock)

    @property
    def is_whole(self) -> bool:
        """Whether nothing is written of it yet, since it will be when it is over."""
        return self.proposal is not None and self.call.effect == "read"

    @property
    def send_left(self) -> float:
        """Seconds that are left to send it; never more than the database grants."""
        return self.at + self.call.send_within - clock()


@dataclass(frozen=True, slots=True)
class Considered:
    """A call before it is looked up: `step` if it may run at once, else what was judged so far."""

    ask: Ask
    placed: tuple[Place, bytes]
    step: Begun | None
    judgement: Judgement | None

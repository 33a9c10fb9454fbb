"""A call on its way from the gate to its body."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from ..tools.gated import Ask
    from .call import Call, Place, Proposal
    from .judgement import Judgement


@dataclass(frozen=True, slots=True)
class Begun:
    """A call whose body has to run now.

    Attributes:
        token: names this one start.
        term: the lease's, from before it was written down.
        proposal: of a call that runs by itself and is new; None for one that was found.
        at: when it began, on the monotonic clock.
    """

    call: Call
    place: Place
    token: UUID
    arguments: Mapping[str, Any]
    term: int
    proposal: Proposal | None = None
    at: float = field(default_factory=time.monotonic)

    @property
    def is_whole(self) -> bool:
        """Whether nothing is written of it yet, since it will be when it is over."""
        return self.proposal is not None and self.call.effect == "read"


@dataclass(frozen=True, slots=True)
class Considered:
    """A call before it is looked up: `step` if it may run at once, else what was judged so far."""

    ask: Ask
    placed: tuple[Place, bytes]
    step: Begun | None
    judgement: Judgement | None

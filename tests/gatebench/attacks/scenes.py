"""Scenes that several attacks begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..scene import Call, Gated, Scene

if TYPE_CHECKING:
    from ..world import World

DONE = "wipe(volume='v7')"


def wiper(world: World) -> Gated:
    """A tool that wipes a volume."""

    def wipe(volume: str) -> str:
        """Wipe a volume."""
        return world.act("wipe", volume=volume)

    return Gated(wipe)


def wipe(volume: str, call_id: str = "call-1") -> Call:
    """The call that wipes a volume."""
    return Call("wipe", {"volume": volume}, call_id)


def one_call(world: World) -> Scene:
    """An agent that wipes one volume."""
    return Scene([wiper(world)], [[wipe("v7")]])

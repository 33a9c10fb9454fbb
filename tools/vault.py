"""Where the functions behind gated tools are kept: apart from the tools.

A gated tool holds a key, not the function. Nothing that is reached through the tool's attributes
runs its body; only the gate opens the vault.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from pydantic import TypeAdapter

    from .spec import ToolSpec
    from .undo import Undo


class Key:
    """Stands for a tool's functions; copies of a tool share it."""

    __slots__ = ("__weakref__",)

    def __deepcopy__(self, memo: dict[int, Any]) -> Key:
        return self


@dataclass(frozen=True, slots=True)
class Body:
    """The functions behind a tool. `run` or `arun` is there, or both.

    `run` and `arun` take the typed arguments and what the framework passes beside them (`config`,
    `run_manager`). `returns` is the type of the result, where the tool declares one.
    """

    run: Callable[..., Any] | None
    arun: Callable[..., Awaitable[Any]] | None
    undo: Undo | None
    preview: Callable[..., Mapping[str, Any]] | None
    headline: Callable[..., str] | None
    verify: Callable[..., Any] | None
    fingerprint: Callable[..., Any] | None
    injected: frozenset[str]
    spec: ToolSpec
    returns: TypeAdapter[Any] | None = None


_bodies: WeakKeyDictionary[Key, Body] = WeakKeyDictionary()


def lock_away(body: Body) -> Key:
    """Put a tool's functions away and give the key to them."""
    key = Key()
    _bodies[key] = body
    return key


def open_vault(key: Key) -> Body:
    """The functions that `key` stands for. For the gate alone."""
    return _bodies[key]

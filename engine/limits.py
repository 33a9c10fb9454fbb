"""A run's hard caps, and what is left of them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from .errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps that a run cannot pass; checked before the work and kept across crashes.

    Attributes:
        steps: LangGraph supersteps, those of subgraphs included.
        calls: tool calls proposed.
        seconds: active seconds; waiting for a person is free.
        repeats: times that one tool may be called with the same arguments.
    """

    steps: int = 25
    calls: int = 50
    seconds: int = 300
    repeats: int = 3

    def __post_init__(self) -> None:
        """Refuse a cap below one.

        Raises:
            UsageError: with the cap's name.
        """
        for name, value in self.as_json().items():
            if type(value) is not int or value < 1:
                raise UsageError(f"The limit '{name}' is a whole number from 1 up, not {value!r}.")

    def as_json(self) -> Mapping[str, int]:
        """The caps by name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


@dataclass(frozen=True, slots=True)
class Usage:
    """What a run has used of its limits."""

    steps: int
    calls: int
    active_ms: int


@dataclass(frozen=True, slots=True)
class LimitReached:
    """Which cap a run came to, and what was about to be done."""

    limit: str
    allowed: int
    about_to: str

    def __str__(self) -> str:
        unit = {"seconds": "active seconds", "repeats": "repetitions of the same call"}
        what = unit.get(self.limit, self.limit)
        return f"The run reached its limit of {self.allowed} {what}; {self.about_to}"


def next_call(limits: Limits, usage: Usage, tool: str, repeats: int) -> LimitReached | None:
    """Whether one more call fits; `repeats` counts the same calls that the run made before."""
    about_to = f"the next call of {tool} did not run."
    if usage.calls >= limits.calls:
        return LimitReached("calls", limits.calls, about_to)
    if repeats >= limits.repeats:
        return LimitReached("repeats", limits.repeats, about_to)
    if usage.active_ms >= limits.seconds * 1000:
        return LimitReached("seconds", limits.seconds, about_to)
    return None

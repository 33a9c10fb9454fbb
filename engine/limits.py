"""A run's hard caps, and what is left of them."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Self

from .errors import InterlockError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_DAY = 24 * 3600
_LONGEST = 366 * _DAY
_MOST = 2**31 - 1
_MOST_USD = 1_000_000
_DECIMALS = 6
"""Of an amount in USD."""
_UNITS = {
    "cost_usd": "USD",
    "irreversible_per_day": "irreversible calls a day of its tenant",
    "tokens_in": "tokens in prompts",
    "tokens_out": "tokens in replies",
    "usd_per_day": "USD a day of its tenant",
    "irreversible": "irreversible calls",
    "pending": "calls that wait for a person",
    "repeats": "repetitions of the same call",
    "seconds": "active seconds",
    "wall_seconds": "seconds since it was asked for",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps that a run cannot pass; checked before the work and kept across crashes.

    Attributes:
        steps: LangGraph supersteps, those of subgraphs included.
        calls: tool calls proposed.
        irreversible: calls proposed that cannot be undone.
        seconds: active seconds; waiting for a person is free.
        wall_seconds: seconds from when the run was asked for, waiting included; a year at most.
        repeats: times that one tool may be called with the same arguments.
        pending: calls that may wait for a person at the same time.
        tokens_in: tokens of the prompts that models are sent.
        tokens_out: tokens of the replies that models give.
        cost_usd: what model calls cost, in USD.
    """

    steps: int = 25
    calls: int = 50
    irreversible: int = 10
    seconds: int = 300
    wall_seconds: int = 30 * _DAY
    repeats: int = 3
    pending: int = 10
    tokens_in: int = 1_000_000
    tokens_out: int = 100_000
    cost_usd: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a cap that allows nothing.

        Raises:
            UsageError: with the cap's name.
        """
        for name, value in self.as_json().items():
            if name == "cost_usd":
                _check_usd(name, value)
            elif type(value) is not int or not 1 <= value <= _MOST:
                raise UsageError(f"The limit '{name}' is a whole number from 1 up, not {value!r}.")
        if self.wall_seconds > _LONGEST:
            raise UsageError(f"The limit 'wall_seconds' is at most {_LONGEST}, which is 366 days.")

    def as_json(self) -> dict[str, float]:
        """The caps by name."""
        return {name: getattr(self, name) for name in NAMES}

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> Self:
        """The caps in the columns of a run's row."""
        caps = {name: row[f"limit_{name}"] for name in NAMES}
        return cls(**caps | {"cost_usd": float(caps["cost_usd"])})

    def lowered(self, to: Mapping[str, Any]) -> Limits:
        """These caps with some of them lower.

        Raises:
            UsageError: there is no such cap, it would be higher, or it is no cap.
        """
        self._check_names(to)
        for name, value in to.items():
            if type(value) in {int, float} and value > getattr(self, name):
                raise UsageError(
                    f"The limit '{name}' of this agent is {getattr(self, name)}; "
                    f"a run can only lower it, not ask for {value}."
                )
        return Limits(**{**asdict(self), **to})

    def raised(self, to: Mapping[str, Any]) -> Limits:
        """These caps with some of them higher.

        Raises:
            UsageError: there is no such cap, it would not be higher, or it is no cap.
        """
        self._check_names(to)
        if not to:
            raise UsageError("No limit is named that would be raised.")
        higher = Limits(**{**asdict(self), **to})
        for name in to:
            if getattr(higher, name) <= getattr(self, name):
                raise UsageError(
                    f"The limit '{name}' is {getattr(self, name)} already; "
                    f"{getattr(higher, name)} does not raise it."
                )
        return higher

    @staticmethod
    def doubled(name: str, allowed: float, least: float = 0) -> float:
        """What a cap that was reached may be raised to, as a proposal; not below `least`.

        Time goes on while a person makes up their mind: of that there is two days more at least.
        """
        if name == "wall_seconds":
            return min(max(2 * allowed, allowed + 2 * _DAY), _LONGEST)
        if name == "cost_usd":
            return min(max(2 * allowed, math.ceil(least * 100) / 100), _MOST_USD)
        return min(max(2 * allowed, int(least)), _MOST)

    @staticmethod
    def _check_names(given: Mapping[str, Any]) -> None:
        unknown = sorted(set(given) - set(NAMES))
        if unknown:
            raise UsageError(f"There is no limit '{unknown[0]}'; there are {', '.join(NAMES)}.")


NAMES = tuple(each.name for each in fields(Limits))


def _check_usd(name: str, value: Any) -> None:
    is_number = type(value) in {int, float} and math.isfinite(value)
    if not is_number or not 0 < value <= _MOST_USD or round(value, _DECIMALS) != value:
        raise UsageError(
            f"The limit '{name}' is an amount of USD above 0 and up to {_MOST_USD:,}, with at most "
            f"{_DECIMALS} decimals, not {value!r}."
        )


@dataclass(frozen=True, slots=True)
class Usage:
    """What a run has used of its limits."""

    steps: int
    calls: int
    irreversible: int
    active_ms: int

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> Self:
        """What the columns of a run's row say."""
        return cls(row["used_steps"], row["used_calls"], row["used_irreversible"], row["used_ms"])

    def as_json(self) -> dict[str, float]:
        """What is used by name, time in seconds."""
        return {
            "steps": self.steps,
            "calls": self.calls,
            "irreversible": self.irreversible,
            "seconds": self.active_ms / 1000,
        }


@dataclass(frozen=True, slots=True)
class LimitReached:
    """Which cap a run came to, and what was about to be done; `least` is what has room for it."""

    limit: str
    allowed: float
    about_to: str
    least: float = 0

    @property
    def cap(self) -> str:
        """The cap with its unit."""
        return f"{self.allowed} {_UNITS.get(self.limit, self.limit)}"

    @property
    def is_of_the_run(self) -> bool:
        """Whether it is one of the run's own, which can be raised for it, and not its tenant's."""
        return self.limit in NAMES

    def __str__(self) -> str:
        return f"The run reached its limit of {self.cap}; {self.about_to}"


class DayIsFull(InterlockError):
    """A limit of the run's tenant has no room for more today; nothing was written."""

    def __init__(self, reached: LimitReached) -> None:
        super().__init__(str(reached))
        self.reached = reached


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


def next_held(
    limits: Limits, usage: Usage, tool: str, pending: int, *, irreversible: bool
) -> LimitReached | None:
    """Whether one more call may be put to a person, beside `pending` that wait."""
    about_to = f"nobody was asked about the next call of {tool}."
    if irreversible and usage.irreversible >= limits.irreversible:
        return LimitReached("irreversible", limits.irreversible, about_to)
    if pending >= limits.pending:
        return LimitReached("pending", limits.pending, about_to)
    return None

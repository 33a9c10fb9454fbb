"""What tokens cost: as an agent declares it, else as `genai-prices` lists it, else at a ceiling."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING

from .errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .reply import Cost

UNKNOWN = "unknown"
"""Where the price of a model is from that has none: the ceiling."""
_DECLARED = "declared"
_NOBODYS = ("cache", "not sent")
"""Where a price is from that nobody asks for."""
_MILLION = Decimal(1_000_000)
_SMALLEST = Decimal("0.000000001")


@dataclass(frozen=True, slots=True)
class Price:
    """USD for a million tokens.

    Attributes:
        input: of the prompt.
        output: of the reply, reasoning included.
        cache_read: of the prompt, from the provider's cache; as `input` without it.
        cache_write: of the prompt, into the provider's cache; as `input` without it.
    """

    input: float
    output: float
    cache_read: float | None = None
    cache_write: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is no price.

        Raises:
            UsageError: it is negative, or no number.
        """
        for each in fields(self):
            usd = getattr(self, each.name)
            if usd is not None and not (math.isfinite(usd) and usd >= 0):
                raise UsageError(f"A price is a number of USD from 0 up, not {usd!r}.")

    def of(self, cost: Cost) -> Decimal:
        """USD for the tokens of one reply."""
        total, read, written = _input(cost)
        parts = (
            (total - read - written, self.input),
            (read, self.input if self.cache_read is None else self.cache_read),
            (written, self.input if self.cache_write is None else self.cache_write),
            (cost.output_tokens or 0, self.output),
        )
        return sum((count * Decimal(str(usd)) for count, usd in parts), Decimal(0)) / _MILLION


FREE = Price(0, 0)
"""For models that nobody is paid for, such as local ones."""
CEILING = Price(15, 75)
"""What an unknown model counts as: about the dearest that is in wide use."""


class Prices:
    """What the models of one agent cost.

    Args:
        declared: by the name of the model.
        unknown: for models that are neither declared nor listed.
    """

    def __init__(self, declared: Mapping[str, Price], unknown: Price) -> None:
        self._declared = dict(declared)
        self._unknown = unknown

    def priced(self, cost: Cost, asked: str) -> Cost:
        """A reply's cost with its USD, and where the price is from; `asked` names the model too."""
        if cost.price in _NOBODYS:
            return replace(cost, usd=Decimal(0))
        for name in (asked, cost.model):
            if name in self._declared:
                return _at(cost, self._declared[name].of(cost), _DECLARED)
        for name in filter(None, (cost.model, asked)):
            if (listed := _listed(name, cost)) is not None:
                return _at(cost, *listed)
        return _at(cost, self._unknown.of(cost), UNKNOWN)

    def most(self, cost: Cost, asked: str) -> Cost:
        """The most that a call could cost: all of its prompt may be written to the cache."""
        written = replace(cost, cache_write_tokens=cost.input_tokens)
        return max((self.priced(each, asked) for each in (cost, written)), key=_usd)


def _listed(model: str, cost: Cost) -> tuple[Decimal, str] | None:
    """USD by the list, with its version; None where the model is not in it."""
    # late: the list is slow to read, and only runs that ask a model need it
    from genai_prices import Usage, __version__, calc_price  # noqa: PLC0415

    total, read, written = _input(cost)
    usage = Usage(
        input_tokens=total,
        output_tokens=cost.output_tokens or 0,
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=min(cost.cache_write_1h_tokens or 0, written),
        output_reasoning_tokens=min(cost.reasoning_tokens or 0, cost.output_tokens or 0),
    )
    try:
        found = calc_price(usage, model, provider_id=cost.provider)
    except (LookupError, ValueError):  # a model, or a kind of tokens, that it has no price for
        return None
    return found.total_price, f"genai-prices {__version__}"


def _input(cost: Cost) -> tuple[int, int, int]:
    """Tokens of the prompt, and of those the ones read from and written to the cache."""
    total = cost.input_tokens or 0
    read = min(cost.cache_read_tokens or 0, total)
    return total, read, min(cost.cache_write_tokens or 0, total - read)


def _at(cost: Cost, usd: Decimal, price: str) -> Cost:
    return replace(cost, usd=usd.quantize(_SMALLEST, ROUND_CEILING), price=price)


def _usd(cost: Cost) -> Decimal:
    return cost.usd or Decimal(0)

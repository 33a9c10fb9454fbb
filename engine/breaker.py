"""What an agent's model calls may cost in an hour, and what becomes of new runs above that."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import UsageError

if TYPE_CHECKING:
    from datetime import timedelta

    from langchain_core.language_models.chat_models import BaseChatModel

PAUSE = "pause"
_MOST_USD = 1_000_000


@dataclass(frozen=True, slots=True)
class Breaker:
    """Trips where an hour's model calls cost more than it says; runs under way are not touched.

    Attributes:
        usd_per_hour: of the last 60 minutes, what calls under way may cost included.
        then: `pause` lets new runs wait; a chat model stands in for every model of them.
        reset_after: when it is reset by itself; without it, only by a person.

    Raises:
        UsageError: an amount that is none, no time, or neither `pause` nor a chat model.
    """

    usd_per_hour: float
    then: str | BaseChatModel = PAUSE
    reset_after: timedelta | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be kept."""
        usd = self.usd_per_hour
        if type(usd) not in {int, float} or not math.isfinite(usd) or not 0 < usd <= _MOST_USD:
            raise UsageError(
                f"A breaker trips above an amount of USD from 0 to {_MOST_USD:,}, not {usd!r}."
            )
        if self.then != PAUSE and not hasattr(self.then, "_generate"):
            raise UsageError(f"A breaker's then is 'pause' or a chat model, not {self.then!r}.")
        if self.reset_after is not None and self.reset_after.total_seconds() < 1:
            raise UsageError("A breaker is reset after a second at the least.")

    @property
    def model_name(self) -> str | None:
        """What the model is called that new runs fall back to; None where they wait."""
        model: Any = self.then
        if isinstance(model, str):
            return None
        described = model._get_ls_params()  # noqa: SLF001 - LangChain has no public word for it
        return str(described.get("ls_model_name") or model._llm_type)  # noqa: SLF001

    @property
    def reset_seconds(self) -> int | None:
        """When it is reset by itself, in seconds."""
        return None if self.reset_after is None else int(self.reset_after.total_seconds())

    def as_json(self) -> dict[str, Any]:
        """What of it makes the agent another one when it changes."""
        return {
            "usd_per_hour": str(self.usd_per_hour),
            "model": self.model_name,
            "reset_seconds": self.reset_seconds,
        }

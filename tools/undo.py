"""How a tool takes a done call back: its undo, and what may be done with that undo."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .effect import Effect

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_OF_TWO = 2
"""Arguments of an undo that needs to know what the call gave back."""


@dataclass(frozen=True, slots=True)
class UndoTerms:
    """What an undo says of itself.

    Attributes:
        effect: `reversible` if the call could simply be made again after it.
        idempotent: it may run again after a crash; it hands `current_call().idempotency_key` on.
        takes_doubt: it can undo a call of which nobody knows whether it happened.
    """

    effect: Effect = Effect.REVERSIBLE
    idempotent: bool = False
    takes_doubt: bool = False

    def as_json(self) -> dict[str, Any]:
        """The terms as a worker registers them."""
        return {
            "effect": str(self.effect),
            "idempotent": self.idempotent,
            "takes_doubt": self.takes_doubt,
        }

    @classmethod
    def from_json(cls, terms: Mapping[str, Any]) -> UndoTerms:
        """The terms as they were registered."""
        return cls(Effect(terms["effect"]), terms["idempotent"], terms["takes_doubt"])


class Undo:
    """An undo with terms of its own: `tool(effect="reversible", undo=Undo(refund, …))`.

    Args:
        function: `function(args, result)`, or `function(args, result, in_doubt)`, sync or async.
        effect: `reversible` or `irreversible`; the latter runs only in a plan a person approved.
        idempotent: it may run again after a crash.

    Raises:
        ValueError: an effect that an undo cannot have.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        effect: str | Effect = Effect.REVERSIBLE,
        idempotent: bool = False,
    ) -> None:
        if effect not in (Effect.REVERSIBLE, Effect.IRREVERSIBLE):
            raise ValueError(f"An undo is reversible or irreversible, not '{effect}'.")
        self.function = function
        self.terms = UndoTerms(Effect(effect), idempotent, _takes_doubt(function))

    @classmethod
    def of(cls, declared: Callable[..., Any] | Undo | None) -> Undo | None:
        """A declaration's undo: a plain function has the ordinary terms."""
        return declared if declared is None or isinstance(declared, Undo) else cls(declared)

    def call(self, args: Mapping[str, Any], result: Any, *, in_doubt: bool) -> Any:
        """Call the function with what it takes; a coroutine function gives an awaitable."""
        if self.terms.takes_doubt:
            return self.function(dict(args), result, in_doubt)
        return self.function(dict(args), result)


def _takes_doubt(function: Callable[..., Any]) -> bool:
    parameters = inspect.signature(function).parameters.values()
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(places) > _OF_TWO

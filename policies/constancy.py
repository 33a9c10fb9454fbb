"""Which calls a policy text judges alike, whatever their arguments and whenever they are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .expressions import conditions, references

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .expressions import Reference
    from .statements import Statement

_CLASSIFICATION: Final = frozenset({"effect", "effect_source", "effect_rule", "egress", "tainted"})


class Constancy:
    """Knows the actions whose verdict follows from the classification and the principal alone.

    That is so where no policy that can apply to the action reads anything else of the request: the
    verdict on one call is then the verdict on every call of that tool that is classified alike.
    """

    def __init__(self, actions: Iterable[str], statements: Iterable[Statement]) -> None:
        readers = [statement for statement in statements if _reads_more(statement)]
        self._alike = frozenset(
            action
            for action in actions
            if not any(statement.is_about(action) for statement in readers)
        )

    def holds_for(self, action: str) -> bool:
        """Whether calls of this action are judged alike."""
        return action in self._alike


def _reads_more(statement: Statement) -> bool:
    return any(_is_more(found) for part in conditions(statement.body) for found in references(part))


def _is_more(found: Reference | None) -> bool:
    """A computed value counts as more: what it is made of is not looked into."""
    if found is None:
        return True
    return found.variable == "context" and found.path[:1] not in {(n,) for n in _CLASSIFICATION}

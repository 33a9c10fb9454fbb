"""A set of policies that Cedar has parsed, and the answer it gives to one request."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cedarpy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .statements import Statement

_NUMBERED = re.compile(r"(?<=`)policy(\d+)(?=`)")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a set said: whether it allows, the ids that decided, and what went wrong."""

    allowed: bool
    policies: tuple[str, ...]
    errors: tuple[str, ...] = ()


class CompiledSet:
    """Policies parsed once. Cedar numbers them in their order; answers name them by @id."""

    def __init__(self, statements: Iterable[Statement], schema: cedarpy.Schema) -> None:
        parts = tuple(statements)
        self._ids = {f"policy{number}": part.id for number, part in enumerate(parts)}
        self._policies = cedarpy.PolicySet.from_str("\n".join(part.text for part in parts))
        self._schema = schema

    def ask(self, request: Mapping[str, Any], entities: cedarpy.Entities) -> Answer:
        """Cedar's answer. No decision is an error: Cedar could not read the request."""
        try:
            result = cedarpy.is_authorized(dict(request), self._policies, entities, self._schema)
        except (ValueError, TypeError) as error:
            return Answer(allowed=False, policies=(), errors=(f"Cedar failed: {error}",))
        errors = tuple(self._named(error) for error in result.diagnostics.errors)
        if result.decision is cedarpy.Decision.NoDecision:
            errors = errors or ("Cedar reached no decision.",)
        policies = tuple(sorted(self._ids[number] for number in result.diagnostics.reasons))
        return Answer(result.decision is cedarpy.Decision.Allow, policies, errors)

    def _named(self, error: str) -> str:
        """Cedar's sentence with the policy's @id, which it puts before any value of the request."""
        return _NUMBERED.sub(lambda found: self._ids.get(found[0], found[0]), error, count=1)


def compiled_for(
    actions: Iterable[str], statements: Iterable[Statement], schema: cedarpy.Schema
) -> dict[str, CompiledSet]:
    """For each action a set of the policies that can be about it; equal ones are shared.

    Cedar looks at every policy of a set. One whose scope names other actions can neither match nor
    err, so leaving it out changes no answer: 100 policies cost as much as the few that count.
    """
    parts = tuple(statements)
    made: dict[tuple[int, ...], CompiledSet] = {}
    found = {}
    for action in actions:
        places = tuple(place for place, part in enumerate(parts) if part.is_about(action))
        if places not in made:
            made[places] = CompiledSet((parts[place] for place in places), schema)
        found[action] = made[places]
    return found


def in_auto(statement: Statement) -> bool:
    """Whether a policy says what runs by itself."""
    return not (statement.reviews and statement.effect == "permit")


def in_review(statement: Statement) -> bool:
    """Whether a policy says what may run once a person approved it."""
    return not (statement.reviews and statement.effect == "forbid")

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

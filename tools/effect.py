"""What a call does to the world, and how that is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Effect(StrEnum):
    """What a call does to the world, mildest first."""

    READ = "read"
    REVERSIBLE = "reversible"
    IRREVERSIBLE = "irreversible"


class Source(StrEnum):
    """Where a classification comes from, highest authority first."""

    DECLARED = "declared"
    POLICY = "policy"
    INFERRED = "inferred"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Classification:
    """An effect, where it came from, the rule that fired and what it saw."""

    effect: Effect
    source: Source
    rule: str
    evidence: tuple[str, ...] = field(default=())


if TYPE_CHECKING:
    EffectRule = Callable[[Mapping[str, Any]], Classification | Effect]
    """A pure function from a call's arguments to its effect (`effect=by_sql("statement")`)."""

"""What a call does to the world, and how that is known."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
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
    """An effect, where it came from, the rule that fired and what it saw.

    Attributes:
        egress: the outside addresses that the call sends to and that its arguments chose, as far as
            they are known; `unknown` for one that is not. A read that has any is not harmless.
    """

    effect: Effect
    source: Source
    rule: str
    evidence: tuple[str, ...] = field(default=())
    egress: tuple[str, ...] = field(default=())

    def sending_to(self, addresses: tuple[str, ...]) -> Classification:
        """The same, sending to these addresses as well, with all of them in its evidence."""
        every = tuple(dict.fromkeys((*self.egress, *addresses)))
        if not every:
            return self
        said = f"It sends to an address that its arguments chose: {', '.join(every)}."
        return replace(self, egress=every, evidence=(*self.evidence, said))


if TYPE_CHECKING:
    EgressRule = Callable[[Mapping[str, Any]], tuple[str, ...]]
    """From a call's arguments to the outside addresses that they name."""
    SureRule = Callable[[Mapping[str, Any]], Classification]
    """As an effect rule, of a classifier that always says how it knows."""
    EffectRule = Callable[[Mapping[str, Any]], Classification | Effect]
    """A pure function from a call's arguments to its effect (`effect=by_sql("statement")`)."""

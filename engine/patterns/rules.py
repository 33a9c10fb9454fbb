"""Rules by which several opinions become one answer, or are found to disagree.

A rule sees who said what, never how sure they were: the most confident one may be wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..digest import canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Votes = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Agreed:
    """What the rule makes of the opinions, and whose they are."""

    value: Any
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Disagreed:
    """The rule has no answer; a person is asked."""

    because: str


@dataclass(frozen=True, slots=True)
class Rule:
    """`decide` takes the votes and all who were asked, those who refused to vote among them."""

    name: str
    decide: Callable[[Votes, Sequence[str]], Agreed | Disagreed]


def unanimous() -> Rule:
    """All who were asked say the same."""

    def decide(votes: Votes, asked: Sequence[str]) -> Agreed | Disagreed:
        value, by = _camps(votes)[0]
        if len(by) == len(asked):
            return Agreed(value, by)
        return Disagreed(f"{len(by)} of {len(asked)} agree, and all have to.")

    return Rule("unanimous", decide)


def majority(quorum: int = 1) -> Rule:
    """More than half of all who were asked say the same, and at least `quorum` of them vote."""

    def decide(votes: Votes, asked: Sequence[str]) -> Agreed | Disagreed:
        if len(votes) < quorum:
            return Disagreed(f"{len(votes)} voted, and {quorum} have to.")
        value, by = _camps(votes)[0]
        if 2 * len(by) > len(asked):
            return Agreed(value, by)
        return Disagreed(f"No answer has more than half of the {len(asked)} who were asked.")

    return Rule("majority", decide)


def weighted(weights: Mapping[str, float]) -> Rule:
    """More than half of the weight of all who were asked says the same.

    The weights are the host's, by name; one that is not named, or is below 0, is an error.
    """

    def decide(votes: Votes, asked: Sequence[str]) -> Agreed | Disagreed:
        total = sum(weights[name] for name in asked)
        for value, by in _camps(votes):
            if 2 * sum(weights[name] for name in by) > total:
                return Agreed(value, by)
        return Disagreed(f"No answer has more than half of the weight of {total:g}.")

    if any(weight < 0 for weight in weights.values()):
        raise ValueError("A weight is 0 or more.")
    return Rule("weighted", decide)


def veto(*names: str, rule: Rule | None = None) -> Rule:
    """As `rule` (a majority without one), unless one of these says otherwise or does not vote."""
    first = rule or majority()

    def decide(votes: Votes, asked: Sequence[str]) -> Agreed | Disagreed:
        found = first.decide(votes, asked)
        against = [name for name in names if isinstance(found, Agreed) and name not in found.by]
        if against:
            return Disagreed(f"{', '.join(against)} can veto, and did not agree.")
        return found

    return Rule(f"{first.name}, with a veto", decide)


def by_function(choose: Callable[[Votes], Any]) -> Rule:
    """What a function of the votes says: a value, or `Disagreed`; None and an error are none."""

    def decide(votes: Votes, _: Sequence[str]) -> Agreed | Disagreed:
        try:
            found = choose(dict(votes))
        except Exception as error:  # noqa: BLE001 - the host's code: a person decides then
            return Disagreed(f"The rule failed: {type(error).__name__}.")
        if found is None:
            return Disagreed("The rule found no answer.")
        return found if isinstance(found, Disagreed) else Agreed(found, tuple(votes))

    return Rule(getattr(choose, "__name__", "function"), decide)


def _camps(votes: Votes) -> list[tuple[Any, tuple[str, ...]]]:
    """The answers that were given and by whom, the one with most votes first."""
    camps: dict[bytes, tuple[Any, list[str]]] = {}
    for name, value in votes.items():
        camps.setdefault(canonical(value), (value, []))[1].append(name)
    found = [(value, tuple(by)) for value, by in camps.values()]
    return sorted(found, key=lambda camp: -len(camp[1]))

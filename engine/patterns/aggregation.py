"""Several opinions made one by a rule, or found to disagree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...tools.questions import Opinion
from .assessment import Refused
from .rules import Agreed, Disagreed, Rule, by_function, majority, unanimous

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .assessment import Assessment

    Choice = str | Rule | Callable[[Mapping[str, Any]], Any]

_NAMED = {"unanimous": unanimous(), "majority": majority()}


def aggregate(
    opinions: Mapping[str, Assessment[Any] | Refused], rule: Choice = "unanimous"
) -> Agreed | Disagreed:
    """What a rule makes of opinions, by the names of those who hold them.

    Args:
        opinions: what each says; one that refused was asked and has no vote.
        rule: `unanimous`, `majority`, one of `patterns.rules`, or a function from the votes (name →
            value) to a value. No rule sees a confidence.

    Raises:
        ValueError: the rule is not known.
    """
    said = (opinion_of(name, opinion) for name, opinion in opinions.items())
    return settled(said, rule_of(rule))


def opinion_of(name: str, said: Assessment[Any] | Refused) -> Opinion:
    """An opinion with the name of who holds it."""
    if isinstance(said, Refused):
        return Opinion(by=name, refused=said.reason)
    return Opinion(by=name, **said.model_dump(mode="json"))


def settled(opinions: Iterable[Opinion], rule: Rule) -> Agreed | Disagreed:
    """What the rule makes of them."""
    asked = sorted(opinions, key=lambda opinion: opinion.by)
    votes = {opinion.by: opinion.value for opinion in asked if opinion.refused is None}
    if not votes:
        return Disagreed("Nobody gave an answer.")
    return rule.decide(votes, [opinion.by for opinion in asked])


def rule_of(rule: Choice) -> Rule:
    """The rule that is meant.

    Raises:
        ValueError: there is none of that name.
    """
    if isinstance(rule, Rule):
        return rule
    if callable(rule):
        return by_function(rule)
    if rule not in _NAMED:
        raise ValueError(
            f"A rule is one of {', '.join(_NAMED)}, a Rule, or a function, not {rule!r}."
        )
    return _NAMED[rule]

"""What a policy asks of its reviewers, read from its annotations, and how several are merged."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from .verdict import Terms

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .statements import Statement

DEFAULT_TERMS: Final = Terms(reviewers=("on-call",))

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
_GROUP = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_QUORUM = re.compile(r"[1-9][0-9]?", re.ASCII)
_TIME = re.compile(r"([1-9][0-9]{0,8})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LONGEST = timedelta(days=366)
_KNOWN = frozenset({"id", "outcome", "reviewers", "quorum", "expires", "window", "reason"})
_TERMS = ("reviewers", "quorum", "expires", "window")


@dataclass(frozen=True, slots=True)
class Rule:
    """What a policy says once it decides. `terms` is there exactly if it asks for a review."""

    id: str
    reason: str
    terms: Terms | None


@dataclass(frozen=True, slots=True)
class NoCommonReviewer:
    """Policies that must all be satisfied name reviewer groups that have none in common."""

    policies: tuple[str, ...]


def read_rule(statement: Statement) -> Rule:
    """The rule of a statement that has no `annotation_problems`."""
    reason = statement.annotations.get("reason") or ""
    if not statement.reviews:
        return Rule(statement.id, reason, None)
    terms = Terms(
        reviewers=_groups(statement.annotations.get("reviewers")),
        quorum=int(statement.annotations.get("quorum") or DEFAULT_TERMS.quorum),
        expires=_time(statement.annotations.get("expires")) or DEFAULT_TERMS.expires,
        reasons=(reason,) if reason else (),
        window=_time(statement.annotations.get("window")) or DEFAULT_TERMS.window,
    )
    return Rule(statement.id, reason, terms)


def merge_terms(rules: Iterable[Rule]) -> Terms | NoCommonReviewer | None:
    """The strictest terms that satisfy every rule; None if no rule asks for a review.

    A group may decide only if every rule names it. Were the groups joined instead, adding a policy
    would let more people approve; where none is common, nobody may.
    """
    asking = [(rule.id, rule.terms) for rule in rules if rule.terms]
    if not asking:
        return None
    named = [set(terms.reviewers) for _, terms in asking]
    common = named[0].intersection(*named[1:])
    if not common:
        return NoCommonReviewer(tuple(sorted({rule_id for rule_id, _ in asking})))
    return Terms(
        reviewers=tuple(sorted(common)),
        quorum=max(terms.quorum for _, terms in asking),
        expires=min(terms.expires for _, terms in asking),
        reasons=tuple(dict.fromkeys(reason for _, terms in asking for reason in terms.reasons)),
        window=min(terms.window for _, terms in asking),
    )


def annotation_problems(statement: Statement) -> Iterator[str]:
    """What is wrong with a policy's annotations, one sentence each."""
    given = statement.annotations
    if not given.get("id"):
        yield "needs an @id."
    elif not _ID.fullmatch(statement.id):
        yield "has an @id that is not of letters, digits, dots, dashes and underscores."
    unknown = sorted(set(given) - _KNOWN)
    if unknown:
        yield f"has unknown annotations: {', '.join(f'@{name}' for name in unknown)}."
    if "outcome" in given and not statement.reviews:
        yield 'has an @outcome other than "review".'
    if "reason" in given and not (given["reason"] or "").strip():
        yield "has an empty @reason."
    yield from _terms_problems(statement)


def _terms_problems(statement: Statement) -> Iterator[str]:
    given = statement.annotations
    if not statement.reviews:
        idle = [f"@{name}" for name in _TERMS if name in given]
        if idle:
            yield f'has {", ".join(idle)} but no @outcome("review"), so they would say nothing.'
        return
    groups = _groups(given.get("reviewers"))
    if not groups or not all(_GROUP.fullmatch(group) for group in groups):
        yield 'asks for a review but names no groups, as in @reviewers("finance, on-call").'
    if "quorum" in given and not _QUORUM.fullmatch(given["quorum"] or ""):
        yield "has a @quorum that is not a number from 1 to 99."
    for name, article in (("expires", "an"), ("window", "a")):
        if name in given and not _time(given[name]):
            yield (
                f'has {article} @{name} that is not a time up to 366 days, as in "24h" '
                "(s, m, h or d)."
            )


def _groups(text: str | None) -> tuple[str, ...]:
    """Groups of a comma-separated list; an empty entry stays and is refused."""
    return tuple(part.strip() for part in text.split(",")) if text else ()


def _time(text: str | None) -> timedelta | None:
    match = _TIME.fullmatch(text or "")
    if not match:
        return None
    time = timedelta(**{_UNITS[match[2]]: int(match[1])})
    return time if time <= _LONGEST else None

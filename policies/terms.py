"""What a policy asks of its reviewers, and how the terms of several policies are merged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from . import annotations as read
from .verdict import Terms

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import timedelta

    from .statements import Statement

DEFAULT_TERMS: Final = Terms(reviewers=("on-call",))


@dataclass(frozen=True, slots=True)
class Rule:
    """What a policy says once it decides. `terms` is there exactly if it asks for a review."""

    id: str
    reason: str
    terms: Terms | None


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Policies that must all be satisfied and cannot be; `says` is the sentence about them."""

    policies: tuple[str, ...]
    says: str


def read_rule(statement: Statement) -> Rule:
    """The rule of a statement that has no `annotation_problems`."""
    reason = statement.annotations.get("reason") or ""
    if not statement.reviews:
        return Rule(statement.id, reason, None)
    return Rule(statement.id, reason, _terms(statement.annotations, reason))


def _terms(given: Mapping[str, str | None], reason: str) -> Terms:
    each = read.each(given["each"]) if "each" in given else {}
    return Terms(
        reviewers=read.groups(given["reviewers"]) if "reviewers" in given else tuple(each),
        quorum=read.quorum(given["quorum"]) if "quorum" in given else _enough(each),
        expires=_length("expires", given) or DEFAULT_TERMS.expires,
        reasons=(reason,) if reason else (),
        window=_length("window", given) or DEFAULT_TERMS.window,
        each=each,
        escalation=read.escalation(given["escalate"]) if "escalate" in given else {},
        separation=read.separation(given["separation"]) if "separation" in given else frozenset(),
        needs_reason="require_reason" in given,
        typed="confirm" in given,
        together="together" in given,
    )


def _length(name: str, given: Mapping[str, str | None]) -> timedelta | None:
    return read.length(name, given[name]) if name in given else None


def _enough(each: Mapping[str, int]) -> int:
    return max(DEFAULT_TERMS.quorum, sum(each.values()))


def merge_terms(rules: Iterable[Rule]) -> Terms | Contradiction | None:
    """The strictest terms that satisfy every rule; None if no rule asks for a review.

    A group may decide only if every rule names it, and from when on every rule lets it. Were the
    groups joined instead, adding a policy would let more people approve; where none is common,
    nobody may.
    """
    asking = {rule.id: rule.terms for rule in rules if rule.terms}
    if not asking:
        return None
    terms = _strictest([*asking.values()])
    named = ", ".join(f"`{policy}`" for policy in sorted(asking))
    problem = _problem(terms, named)
    return Contradiction(tuple(sorted(asking)), problem) if problem else terms


def _strictest(asking: Sequence[Terms]) -> Terms:
    each: dict[str, int] = {}
    for terms in asking:
        each |= {group: max(count, each.get(group, 0)) for group, count in terms.each.items()}
    expires = min(terms.expires for terms in asking)
    groups = _groups_of_all(asking, expires)
    typed = any(terms.typed for terms in asking)
    return Terms(
        reviewers=tuple(group for group, after in groups.items() if not after),
        quorum=max(_enough(each), *(terms.quorum for terms in asking)),
        expires=expires,
        reasons=tuple(dict.fromkeys(reason for terms in asking for reason in terms.reasons)),
        window=min(terms.window for terms in asking),
        each=each,
        escalation={group: after for group, after in groups.items() if after},
        separation=frozenset().union(*(terms.separation for terms in asking)),
        needs_reason=any(terms.needs_reason for terms in asking),
        typed=typed,
        together=not typed and all(terms.together for terms in asking),
    )


def _groups_of_all(asking: Sequence[Terms], expires: timedelta) -> dict[str, timedelta]:
    """The groups that every rule lets decide, from when on, if that comes before the end."""
    every = [terms.groups for terms in asking]
    common = set(every[0]).intersection(*every[1:])
    from_when = {group: max(groups[group] for groups in every) for group in sorted(common)}
    return {group: after for group, after in from_when.items() if after < expires}


def _problem(terms: Terms, named: str) -> str:
    """Why nobody could satisfy these terms; empty if somebody can."""
    if not terms.reviewers:
        return f"No reviewer group may decide for all of {named}; give them one in common."
    strangers = sorted(set(terms.each) - set(terms.groups))
    if strangers:
        return (
            f"{' and '.join(strangers)} would have to approve and may not decide for all of "
            f"{named}; let each of them name the group among its reviewers."
        )
    if len(terms.each) > read.MOST_GROUPS:
        return f"{named} want approvals of more than {read.MOST_GROUPS} groups; name fewer."
    return ""

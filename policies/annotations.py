"""A policy's annotations: what each of them says, and what is wrong with them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from .verdict import Duty

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .statements import Statement

MOST_GROUPS: Final = 8
"""Groups that `@each` may name: who fills whose place is tried for every set of them."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
_GROUP = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_QUORUM = re.compile(r"[1-9][0-9]?", re.ASCII)
_TIME = re.compile(r"([1-9][0-9]{0,8})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LONGEST = timedelta(days=366)
_LARGEST_QUORUM = 99
_KNOWN = frozenset({"id", "outcome", "reason", "trusts"})
_TERMS = (
    *("reviewers", "each", "quorum", "separation", "expires", "window"),
    *("escalate", "require_reason", "confirm", "together"),
)
_WORDS: Final = {"require_reason": "approve", "confirm": "typed", "together": "identical"}
"""Annotations that are there or not, with the one word that they hold."""


class _MisreadError(Exception):
    """An annotation says nothing clear; the message is the rest of a sentence about the policy."""


# What each of them says --------------------------------------------------------------------------


def groups(text: str | None) -> tuple[str, ...]:
    """`finance, on-call`: groups of reviewers."""
    found = tuple(part.strip() for part in (text or "").split(","))
    if not all(_GROUP.fullmatch(group) for group in found):
        raise _MisreadError(
            'asks for a review but names no groups, as in @reviewers("finance, on-call").'
        )
    return found


def each(text: str | None) -> dict[str, int]:
    """`finance: 2, security`: how many approvals each of these groups must give; one if unsaid."""
    wrong = _MisreadError(
        f"has an @each that does not say how many approvals up to {MOST_GROUPS} groups must give, "
        'as in @each("finance: 2, security: 1").'
    )
    counts: dict[str, int] = {}
    for part in (text or "").split(","):
        group, _, count = (piece.strip() for piece in part.partition(":"))
        count = count if ":" in part else "1"
        if not _GROUP.fullmatch(group) or not _QUORUM.fullmatch(count) or group in counts:
            raise wrong
        counts[group] = int(count)
    if len(counts) > MOST_GROUPS or sum(counts.values()) > _LARGEST_QUORUM:
        raise wrong
    return counts


def quorum(text: str | None) -> int:
    """`2`: how many people must approve."""
    if not _QUORUM.fullmatch(text or ""):
        raise _MisreadError("has a @quorum that is not a number from 1 to 99.")
    return int(text or "")


def separation(text: str | None) -> frozenset[Duty]:
    """`requester, editor`: whose approval does not count."""
    words = [part.strip() for part in (text or "").split(",")]
    if not set(words) <= set(Duty):
        raise _MisreadError('has a @separation other than of "requester" and "editor".')
    return frozenset(Duty(word) for word in words)


def length(name: str, text: str | None) -> timedelta:
    """`24h`: a length of time, for `@expires` and `@window`."""
    found = _length(text or "")
    if found is None:
        article = "an" if name == "expires" else "a"
        raise _MisreadError(
            f'has {article} @{name} that is not a time up to 366 days, as in "24h" (s, m, h or d).'
        )
    return found


def escalation(text: str | None) -> dict[str, timedelta]:
    """`30m: on-call-lead; 2h: directors, board`: who is asked as well, and after how long."""
    found: dict[str, timedelta] = {}
    for stage in (text or "").split(";"):
        after, _, names = stage.partition(":")
        time = _length(after.strip())
        for group in (name.strip() for name in names.split(",")):
            if time is None or not _GROUP.fullmatch(group) or group in found:
                raise _MisreadError(
                    "has an @escalate that does not say after how long which groups are asked as "
                    'well, each once, as in @escalate("30m: on-call-lead; 2h: directors").'
                )
            found[group] = time
    return found


def _length(text: str) -> timedelta | None:
    match = _TIME.fullmatch(text)
    if not match:
        return None
    time = timedelta(**{_UNITS[match[2]]: int(match[1])})
    return time if time <= _LONGEST else None


# What is wrong with them -------------------------------------------------------------------------


def annotation_problems(statement: Statement) -> Iterator[str]:
    """What is wrong with a policy's annotations, one sentence each."""
    given = statement.annotations
    if not given.get("id"):
        yield "needs an @id."
    elif not _ID.fullmatch(statement.id):
        yield "has an @id that is not of letters, digits, dots, dashes and underscores."
    unknown = sorted(set(given) - _KNOWN - set(_TERMS))
    if unknown:
        yield f"has unknown annotations: {', '.join(f'@{name}' for name in unknown)}."
    if "outcome" in given and not statement.reviews:
        yield 'has an @outcome other than "review".'
    if "reason" in given and not (given["reason"] or "").strip():
        yield "has an empty @reason."
    idle = [f"@{name}" for name in _TERMS if name in given]
    if statement.reviews:
        yield from _terms_problems(given)
    elif idle:
        yield f'has {", ".join(idle)} but no @outcome("review"), so they would say nothing.'


def _terms_problems(given: Mapping[str, str | None]) -> Iterator[str]:
    misread = [*_misread(given)]
    yield from misread
    for name, word in _WORDS.items():
        if name in given and given[name] != word:
            yield f'has a @{name} other than "{word}".'
    if not misread:
        yield from _contradictions(given)


def _misread(given: Mapping[str, str | None]) -> Iterator[str]:
    readers: dict[str, Callable[[str | None], object]] = {
        "each": each,
        "quorum": quorum,
        "separation": separation,
        "escalate": escalation,
        "expires": lambda text: length("expires", text),
        "window": lambda text: length("window", text),
    }
    if "reviewers" in given or "each" not in given:
        readers["reviewers"] = groups
    for name, read in readers.items():
        if name in given or name == "reviewers":
            try:
                read(given.get(name))
            except _MisreadError as problem:
                yield str(problem)


def _contradictions(given: Mapping[str, str | None]) -> Iterator[str]:
    """Terms that are fine by themselves and of which one makes another say nothing."""
    shares = each(given["each"]) if "each" in given else {}
    asked = groups(given["reviewers"]) if "reviewers" in given else tuple(shares)
    later = escalation(given["escalate"]) if "escalate" in given else {}
    needed = quorum(given["quorum"]) if "quorum" in given else sum(shares.values())
    if "together" in given and "confirm" in given:
        yield "has a @together, but what @confirm asks to type is typed for each call by itself."
    strangers = sorted(set(shares) - {*asked, *later})
    if strangers:
        yield f"has an @each of {', '.join(strangers)}, which its @reviewers leave out."
    if needed < sum(shares.values()):
        yield "has a @quorum that is smaller than what its @each adds up to."
    known = sorted(set(asked) & set(later))
    if known:
        yield f"has an @escalate to {', '.join(known)}, who are asked from the start."
    if later and "expires" in given and max(later.values()) >= length("expires", given["expires"]):
        yield "has an @escalate that comes when it has expired already."
    if later and shares and needed <= sum(shares.values()) and not set(shares) & set(later):
        yield "has an @escalate but leaves those groups no approval to give: raise the @quorum."

"""The answer of a policy to one call."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum


class Outcome(StrEnum):
    """What may happen with a call."""

    ALLOW = "allow"
    REVIEW = "review"
    FORBID = "forbid"


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of an approval, merged strictest first from the policies that decided.

    Attributes:
        expires: how long it may be decided.
        window: how long after that it may be used.
    """

    reviewers: tuple[str, ...]
    quorum: int = 1
    expires: timedelta = timedelta(hours=24)
    reasons: tuple[str, ...] = ()
    window: timedelta = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The policy's answer: an outcome, the policies that decided, and why.

    `terms` is there exactly when the outcome is `review`. `errors` holds what went wrong while
    deciding; with any error the outcome is `forbid`.
    """

    outcome: Outcome
    policies: tuple[str, ...]
    policy_digest: str
    reason: str
    terms: Terms | None = None
    errors: tuple[str, ...] = field(default=())

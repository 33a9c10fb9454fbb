"""The answer of a policy to one call."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Outcome(StrEnum):
    """What may happen with a call."""

    ALLOW = "allow"
    REVIEW = "review"
    FORBID = "forbid"


class Duty(StrEnum):
    """What somebody did about a call, so that their approval of it may not count."""

    REQUESTER = "requester"
    EDITOR = "editor"


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of an approval, merged strictest first from the policies that decided.

    Attributes:
        reviewers: the groups that may decide from the start.
        quorum: how many distinct people must approve.
        expires: how long it may be decided.
        window: how long after that it may be used.
        each: of the quorum, how many approvals each of these groups must give.
        escalation: groups that may decide as well, and after how long.
        separation: whose approval does not count.
        needs_reason: whether an approval needs a reason; a rejection always does.
        typed: whether an approval is confirmed by typing a word.
        together: whether identical calls of a run may be decided together.
    """

    reviewers: tuple[str, ...]
    quorum: int = 1
    expires: timedelta = timedelta(hours=24)
    reasons: tuple[str, ...] = ()
    window: timedelta = timedelta(hours=24)
    each: Mapping[str, int] = field(default_factory=dict)
    escalation: Mapping[str, timedelta] = field(default_factory=dict)
    separation: frozenset[Duty] = frozenset()
    needs_reason: bool = False
    typed: bool = False
    together: bool = False

    @property
    def groups(self) -> dict[str, timedelta]:
        """Every group that may decide at some time, and from when on."""
        return {**dict.fromkeys(self.reviewers, timedelta()), **self.escalation}

    @property
    def set_apart(self) -> frozenset[Duty]:
        """Whose approval does not count: where two people must see a call, its editor is none."""
        if self.quorum > 1 or self.separation:
            return self.separation | {Duty.EDITOR}
        return frozenset()

    def asks_more_than(self, other: Terms) -> bool:
        """Whether what was approved under `other` may not be under these."""
        mine, theirs = self.groups, other.groups
        return (
            self.quorum > other.quorum
            or any(group not in mine or mine[group] > theirs[group] for group in theirs)
            or any(count > other.each.get(group, 0) for group, count in self.each.items())
            or not self.set_apart <= other.set_apart
            or self.needs_reason > other.needs_reason
            or self.typed > other.typed
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """The policy's answer: an outcome, the policies that decided, and why.

    `terms` is there exactly when the outcome is `review`. `errors` holds what went wrong while
    deciding; with any error the outcome is `forbid`. `overruled` says that the policies would let
    an irreversible call run by itself, which none can.
    """

    outcome: Outcome
    policies: tuple[str, ...]
    policy_digest: str
    reason: str
    terms: Terms | None = None
    errors: tuple[str, ...] = field(default=())
    overruled: bool = False

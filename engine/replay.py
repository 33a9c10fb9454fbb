"""History judged by other policies: what would be held, freed or forbidden that was not.

A call is asked about exactly as it was then: its context is kept with it. Both policies judge it,
the one of the day and the new one; where the one of the day no longer gives the recorded outcome,
the call cannot be compared, and that is counted.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..policies.comparison import SAID, Change, difference, loses_a_safeguard
from ..policies.errors import PolicyError
from ..tools.effect import Effect
from .past_calls import count_history, history

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from uuid import UUID

    from .database import Database
    from .past_calls import PastCall, PastPolicies

EXAMPLES = 5
_ORDER = {change: place for place, change in enumerate(Change)}


@dataclass(frozen=True, slots=True)
class Kind:
    """Calls that would change alike."""

    change: Change
    agent: str
    tool: str
    effect: str
    before: str
    before_policies: tuple[str, ...]
    after: str
    after_policies: tuple[str, ...]
    reason: str

    @property
    def loses_a_safeguard(self) -> bool:
        """Whether something that cannot be undone would be guarded by less."""
        return loses_a_safeguard(self.effect, self.change)

    @property
    def rank(self) -> tuple[Any, ...]:
        """Irreversible calls that lose a safeguard first, then by danger."""
        return (not self.loses_a_safeguard, _ORDER[self.change], self.agent, self.tool)


@dataclass(slots=True)
class Found:
    """How many calls of a kind there are, and the first of them."""

    count: int = 0
    examples: list[UUID] = field(default_factory=list)


class Replay:
    """Judges calls one by one; keeps counts and a few examples, however many there are."""

    def __init__(self, policies: PastPolicies, tenant: str, texts: Mapping[str, str]) -> None:
        self._policies = policies
        self._tenant = tenant
        self._texts = texts
        self.judged = 0
        self.found: dict[Kind, Found] = {}
        self.left_out: Counter[tuple[str, bool]] = Counter()
        """Calls that were not compared, by the reason and whether they cannot be undone."""

    @property
    def kinds(self) -> list[tuple[Kind, Found]]:
        """What would change, the most dangerous first."""
        return sorted(self.found.items(), key=lambda item: item[0].rank)

    @property
    def loses_a_safeguard(self) -> bool:
        """Whether any irreversible call would be guarded by less."""
        return any(kind.loses_a_safeguard for kind in self.found)

    def look(self, call: PastCall) -> None:
        """Judge one call by both policies."""
        reason = self._compare(call)
        if reason:
            self.left_out[reason, call.effect == Effect.IRREVERSIBLE] += 1
        else:
            self.judged += 1

    def look_at_shadow(self, call: PastCall) -> None:
        """Note what the policy in the shadow said of a call when it was judged."""
        shadow = (call.context or {}).get("shadow")
        if shadow is None:
            self.left_out["No policy was in the shadow.", call.effect == Effect.IRREVERSIBLE] += 1
            return
        self.judged += 1
        if shadow["change"]:
            change, policies = Change(shadow["change"]), tuple(shadow["policies"])
            self._add(call, change, shadow["verdict"], policies, shadow["reason"])

    def _compare(self, call: PastCall) -> str:
        """Note how the verdicts differ; why they cannot be compared, else nothing."""
        text = self._texts.get(call.agent)
        if text is None:
            return f"There is no policy for agent {call.agent} among those given."
        if call.context is None:
            return "No policy was asked, or what it was shown was not kept yet."
        request = call.request(self._tenant)
        try:
            recorded = self._policies.recorded(call)
        except PolicyError as refused:
            return f"The policy of the day is refused by this version: {refused.problems[0]}"
        before = recorded.decide(request)
        if before.outcome != call.verdict:
            return "The policy of the day does not give the recorded outcome any more."
        try:
            candidate = self._policies.candidate(text, call.agent, call.fingerprint)
        except PolicyError as refused:
            return f"The new policy is refused with the tools of the day: {refused.problems[0]}"
        if candidate.about(call.tool) != recorded.about(call.tool):
            after = candidate.decide(request)
            change = difference(before, after)
            if change:
                reason = "" if after.errors else after.reason
                self._add(call, change, after.outcome, after.policies, reason)
        return ""

    def _add(
        self, call: PastCall, change: Change, after: str, policies: tuple[str, ...], reason: str
    ) -> None:
        kind = Kind(
            change=change,
            agent=call.agent,
            tool=call.tool,
            effect=call.effect,
            before=call.verdict,
            before_policies=call.policies,
            after=after,
            after_policies=policies,
            reason=reason,
        )
        found = self.found.setdefault(kind, Found())
        found.count += 1
        if len(found.examples) < EXAMPLES:
            found.examples.append(call.id)

    def as_json(self) -> dict[str, Any]:
        """As it is printed for programs."""
        return {
            "judged": self.judged,
            "loses_a_safeguard": self.loses_a_safeguard,
            "changes": [_as_json(kind, found) for kind, found in self.kinds],
            "not_compared": [
                {"reason": reason, "irreversible": irreversible, "calls": count}
                for (reason, irreversible), count in sorted(self.left_out.items())
            ],
        }


def judge_all(
    look: Callable[[PastCall], None],
    database: Database,
    tenant: str,
    since: datetime,
    agent: str | None,
    tell: Callable[[int, int], None],
) -> None:
    """Look at each call since a time; `tell` hears after each batch how many of how many."""
    with database.begin() as conn:
        total = count_history(conn, tenant, since, agent)
    done = 0
    for batch in history(database, tenant, since, agent):
        for call in batch:
            look(call)
        done += len(batch)
        tell(done, total)


def _as_json(kind: Kind, found: Found) -> dict[str, Any]:
    return {
        "change": kind.change,
        "says": SAID[kind.change],
        "loses_a_safeguard": kind.loses_a_safeguard,
        "agent": kind.agent,
        "tool": kind.tool,
        "effect": kind.effect,
        "before": kind.before,
        "before_policies": list(kind.before_policies),
        "after": kind.after,
        "after_policies": list(kind.after_policies),
        "reason": kind.reason,
        "calls": found.count,
        "examples": [str(call_id) for call_id in found.examples],
    }

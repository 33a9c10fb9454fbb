"""What it would mean for a call if another policy decided over it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from ..tools.effect import Effect
from .verdict import Outcome

if TYPE_CHECKING:
    from .verdict import Verdict


class Change(StrEnum):
    """How two verdicts differ, the most dangerous first."""

    WOULD_RUN = "would_run"
    """An irreversible call that the policies let run by themselves, and only the engine holds."""
    FREED = "freed"
    ASKED = "asked"
    WEAKENED = "weakened"
    STRICTER = "stricter"
    HELD = "held"
    FORBIDDEN = "forbidden"


SAID: Final = {
    Change.WOULD_RUN: "let run by the policies; only the engine would still hold it",
    Change.FREED: "would run by itself",
    Change.ASKED: "was forbidden, a person would be asked",
    Change.WEAKENED: "still held, for fewer people or less proof",
    Change.STRICTER: "still held, for more people or more proof",
    Change.HELD: "would newly be held",
    Change.FORBIDDEN: "would be forbidden",
}
_LAXER: Final = frozenset({Change.WOULD_RUN, Change.FREED, Change.ASKED, Change.WEAKENED})


def difference(before: Verdict, after: Verdict) -> Change | None:
    """How the verdicts on a call differ; None if nothing that counts does."""
    if after.overruled and not before.overruled:
        return Change.WOULD_RUN
    if before.outcome is after.outcome:
        return _in_terms(before, after)
    if after.outcome is Outcome.FORBID:
        return Change.FORBIDDEN
    if after.outcome is Outcome.ALLOW:
        return Change.FREED
    return Change.ASKED if before.outcome is Outcome.FORBID else Change.HELD


def _in_terms(before: Verdict, after: Verdict) -> Change | None:
    """A change that is laxer in any respect counts as that."""
    if before.terms is None or after.terms is None:
        return None
    if before.terms.asks_more_than(after.terms):
        return Change.WEAKENED
    return Change.STRICTER if after.terms.asks_more_than(before.terms) else None


def compared(before: Verdict, after: Verdict) -> dict[str, Any]:
    """The second verdict beside the first, as it is kept."""
    return {
        "policy": after.policy_digest,
        "verdict": after.outcome,
        "policies": list(after.policies),
        "reason": after.reason,
        "change": difference(before, after),
    }


def loses_a_safeguard(effect: str, change: Change) -> bool:
    """Whether something that cannot be undone would be guarded by less."""
    return effect == Effect.IRREVERSIBLE and change in _LAXER

"""Why a decision was not recorded, in words for the person who sent it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..engine.errors import AlreadyDecided, DecisionRefused, NotAReviewer, StaleDigest
from . import words
from .times import exact

if TYPE_CHECKING:
    from datetime import datetime

    from ..engine.accounts import Reviewer
    from ..engine.answer import Decided

_SENT = {
    "approve": "approval",
    "reject": "rejection",
    "edit": "edit",
    "grant": "grant",
}
_NEVER_RAN = {"rejected", "expired", "cancelled", "superseded"}
_DONE = {
    "consumed": "approved",
    "superseded": "edited or replaced",
    "lapsed": "approved, then lapsed",
}


@dataclass(frozen=True, slots=True)
class Notice:
    """The banner over a page whose decision was refused."""

    tone: str
    icon: str
    strong: str
    more: str
    sent: str


def refused(error: DecisionRefused, decision: str, reviewer: Reviewer, now: datetime) -> Notice:
    """The banner for a refusal."""
    sent = _SENT.get(decision, "answer")
    lost = f"Your {sent} was not recorded"
    at = f"{sent.capitalize()}, {exact(now, now)}. Not recorded"
    if isinstance(error, AlreadyDecided):
        return Notice("warn", "warn", _first(error, reviewer, now), _then(error, lost), at)
    if isinstance(error, StaleDigest):
        strong = "The page did not show the call that is stored."
        return Notice(
            "warn", "warn", strong, f"{lost}. Read the call below, then decide again.", at
        )
    if isinstance(error, NotAReviewer):
        return Notice("warn", "lock", "You cannot decide this.", f"{error}", at)
    return Notice("warn", "warn", f"{lost}.", str(error), at)


def some_left(decided: Decided) -> Notice:
    """The banner where some of several identical calls were not open to the decision any more."""
    done, left = len(decided.also) + 1, len(decided.left)
    strong = f"Recorded for {done} of {done + left} calls."
    more = f"Not open to you any more, and not touched: {words.plural(left, 'call')}."
    return Notice("warn", "warn", strong, more, "")


def _first(error: AlreadyDecided, reviewer: Reviewer, now: datetime) -> str:
    when = f" at {exact(error.at, now)}" if error.at else ""
    if error.state == "expired":
        return f"This expired{when}, before you decided."
    if error.by == reviewer.name:
        return f"You already decided this{when}."
    done = _DONE.get(error.state, error.state)
    if error.by is None:
        return f"This was {done}{when}, while you were reading."
    return f"{error.by} {done} this{when}, while you were reading."


def _then(error: AlreadyDecided, lost: str) -> str:
    return f"{lost}, and the call did not run." if error.state in _NEVER_RAN else f"{lost}."

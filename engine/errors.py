"""Errors as sentences for the person who meets them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


_LOOK_FOR_ROOM = 300.0
"""Seconds until a run looks for room by itself; what closes an approval wakes it before."""


class InterlockError(Exception):
    """Anything Interlock refuses or cannot do; its text is one sentence for the reader."""


class UsageError(InterlockError):
    """The caller asked for something that cannot be; exit code 2 on the command line."""


class DatabaseUnavailable(UsageError):
    """The database cannot be reached or must not be used."""


class SchemaOutdated(UsageError):
    """The database's schema is older or newer than this version of Interlock."""


class IllegalTransition(InterlockError):
    """A step that the life cycle does not have."""

    def __init__(self, what: str, old: str, new: str) -> None:
        super().__init__(f"{what}: there is no step from '{old}' to '{new}'.")


class NotFound(InterlockError):
    """No such run, call, approval or account."""


class Conflict(InterlockError):
    """The thing changed under the caller; nothing was written."""


class Fenced(InterlockError):
    """The run is no longer in this executor's hands. Nothing was written."""


class Swallowed(InterlockError):
    """A node went on although a call of it waits; the run cannot be trusted any more."""


class NotRecorded(InterlockError):
    """The database refused what had to be written before the run may go on; it cannot."""


class Ambiguous(InterlockError):
    """Something is not clear, and no person's answer is to be had; nothing is guessed."""


class RejectedInARow(InterlockError):
    """People rejected one call of the run after the other; it ends."""


class ApprovalVoid(Conflict):
    """The approval did not stand any more when its call was about to start. Nothing was written."""


class Postponed(InterlockError):
    """A call is taken up again by itself, but not yet; until then the run holds nothing."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class NoRoom(Postponed):
    """The agent has as many calls that wait for people as it may; the run wants room."""

    def __init__(self, message: str) -> None:
        super().__init__(message, _LOOK_FOR_ROOM)


class DatabaseLost(InterlockError):
    """The database was away for longer than a call waits for it; the run goes on later."""


class CancelRequested(InterlockError):
    """A person cancelled the run; nothing more of it starts."""

    def __init__(self, by: str) -> None:
        super().__init__(f"Cancelled by {by}.")
        self.by = by


class DecisionRefused(InterlockError):
    """A decision that was not recorded, and why. Nothing was written."""


class NotAReviewer(DecisionRefused):
    """The person may not decide this approval."""


class AlreadyDecided(DecisionRefused):
    """Somebody was first, or the approval ended otherwise."""

    def __init__(self, message: str, *, state: str, by: str | None, at: datetime | None) -> None:
        super().__init__(message)
        self.state = state
        self.by = by
        self.at = at


class StaleDigest(DecisionRefused):
    """The decision names another digest than the one that is stored."""

    def __init__(self, message: str, *, digest: str) -> None:
        super().__init__(message)
        self.digest = digest


class NotTaken(DecisionRefused):
    """The database did not take the decision, and nothing in it says more than its own sentence."""


class InvalidDecision(DecisionRefused):
    """The decision's content does not fit what was asked."""


def said(error: BaseException) -> str:
    """An error of somebody else's code as a text, whatever its own text does."""
    try:
        return f"{type(error).__name__}: {error}".rstrip(": ")
    except Exception:  # noqa: BLE001 - the class is not ours
        return type(error).__name__

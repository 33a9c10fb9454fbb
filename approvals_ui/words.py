"""What each state is called on a page, and the icon and colour beside the word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..engine.lifecycle import ApprovalKind, ApprovalState, CallState, Exit, RunStatus
from ..engine.questions import QUESTIONS
from ..tools.effect import Effect, Source

if TYPE_CHECKING:
    from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Badge:
    """A word with an icon; the tone is a suffix of `badge-` in the stylesheet."""

    word: str
    icon: str
    tone: str = ""


EFFECTS = {
    Effect.READ: Badge("Read", "read"),
    Effect.REVERSIBLE: Badge("Reversible", "undo", "undo"),
    Effect.IRREVERSIBLE: Badge("Irreversible", "final", "final"),
}
SOURCES = {
    Source.DECLARED: "Declared by the tool",
    Source.POLICY: "Raised by a policy",
    Source.INFERRED: "Inferred from evidence",
    Source.DEFAULT: "Nothing is declared, so it counts as irreversible",
}
KINDS = {
    ApprovalKind.CALL: Badge("Tool call", "call"),
    ApprovalKind.QUESTION: Badge("Question", "question"),
    ApprovalKind.CONFLICT: Badge("Conflict", "fork"),
    ApprovalKind.IN_DOUBT: Badge("In doubt", "doubt", "doubt"),
    ApprovalKind.LIMIT: Badge("Limit", "limit"),
    ApprovalKind.ROLLBACK: Badge("Rollback plan", "rollback"),
    ApprovalKind.VERSION: Badge("New version", "agent"),
}
APPROVALS = {
    ApprovalState.PENDING: Badge("Waiting", "clock", "warn"),
    ApprovalState.APPROVED: Badge("Approved", "check"),
    ApprovalState.CONSUMED: Badge("Approved and used", "check"),
    ApprovalState.REJECTED: Badge("Rejected", "cross"),
    ApprovalState.EXPIRED: Badge("Expired", "clock"),
    ApprovalState.CANCELLED: Badge("Cancelled", "cross"),
    ApprovalState.SUPERSEDED: Badge("Replaced", "edit"),
    ApprovalState.LAPSED: Badge("Lapsed", "clock"),
}
CALLS = {
    CallState.PROPOSED: Badge("Proposed", "call"),
    CallState.ALLOWED: Badge("Allowed", "check"),
    CallState.WAITING: Badge("Held", "clock", "warn"),
    CallState.FORBIDDEN: Badge("Forbidden", "lock"),
    CallState.APPROVED: Badge("Approved, not run yet", "check"),
    CallState.REJECTED: Badge("Rejected", "cross"),
    CallState.EXPIRED: Badge("Expired", "clock"),
    CallState.CANCELLED: Badge("Cancelled", "cross"),
    CallState.SUPERSEDED: Badge("Replaced", "edit"),
    CallState.EXECUTING: Badge("Running", "clock"),
    CallState.SUCCEEDED: Badge("Done", "check"),
    CallState.FAILED: Badge("Failed", "warn"),
    CallState.IN_DOUBT: Badge("In doubt", "doubt", "doubt"),
    CallState.ABANDONED: Badge("Left in doubt", "doubt", "doubt"),
    CallState.UNDOING: Badge("Being undone", "undo"),
    CallState.UNDONE: Badge("Undone", "undo", "undo"),
    CallState.UNDO_FAILED: Badge("Not undone", "warn"),
}
UNDOS = {
    CallState.ALLOWED: Badge("To do", "clock"),
    CallState.EXECUTING: Badge("Being undone", "undo"),
    CallState.SUCCEEDED: Badge("Undone", "undo", "undo"),
    CallState.FAILED: Badge("Not undone", "warn"),
    CallState.IN_DOUBT: Badge("In doubt", "doubt", "doubt"),
    CallState.ABANDONED: Badge("Left in doubt", "doubt", "doubt"),
    CallState.CANCELLED: Badge("Not tried", "cross"),
}
ROLLBACKS = {
    "undone": ("rollback", "undo", "The run is rolled back."),
    "partial": ("warn", "warn", "The run is rolled back in part."),
    "rejected": ("cross", "", "The rollback was rejected."),
    "expired": ("clock", "", "The rollback expired without a decision."),
    "stale": ("warn", "warn", "The rollback was given up: its plan no longer held."),
}
RUNS = {
    RunStatus.QUEUED: Badge("Queued", "clock"),
    RunStatus.RUNNING: Badge("Running", "call"),
    RunStatus.WAITING: Badge("Waiting for a person", "clock", "warn"),
    RunStatus.ENDED: Badge("Ended", "check"),
}
PAUSED = Badge("Paused by a breaker", "limit", "warn")
EXITS = {
    Exit.COMPLETED: Badge("Completed", "check"),
    Exit.FAILED: Badge("Failed", "warn"),
    Exit.LIMIT_REACHED: Badge("Stopped at a limit", "limit"),
    Exit.AMBIGUOUS: Badge("Ended as ambiguous", "question"),
    Exit.REJECTED: Badge("Ended by a rejection", "cross"),
    Exit.CANCELLED: Badge("Cancelled", "cross"),
    Exit.ROLLED_BACK: Badge("Rolled back", "rollback"),
}
OUTCOMES = {
    "approved": Badge("Approved", "check", "good"),
    "rejected": Badge("Rejected", "cross", "warn"),
    "undone": Badge("Undone", "undo", "undo"),
    "wrong": Badge("Wrong", "cross", "final"),
    "unused": Badge("Unused", "clock"),
    "open": Badge("Open", "clock"),
}
"""What became of an assessment."""
EVENTS = {
    "run.created": Badge("Run asked for", "person"),
    "run.claimed": Badge("A worker took the run", "agent"),
    "run.parked": Badge("The run parked, waiting", "clock"),
    "run.woken": Badge("The run was woken", "call"),
    "run.recovered": Badge("The run was taken from a lost worker", "agent"),
    "run.released": Badge("The run went back to the queue", "clock"),
    "run.repinned": Badge("The run took the new version of its agent", "agent"),
    "run.ended": Badge("The run ended", "check"),
    "run.raised": Badge("A limit was raised, and the run goes on", "limit"),
    "run.cancel_requested": Badge("Asked to cancel the run", "cross"),
    "steps.pruned": Badge("Old checkpoints were taken away", "clock"),
    "call.allowed": Badge("Allowed", "check"),
    "call.granted": Badge("Let start by a grant", "check"),
    "call.held": Badge("Held before it ran", "lock"),
    "call.forbidden": Badge("Forbidden", "lock"),
    "call.started": Badge("Started", "call"),
    "call.succeeded": Badge("Returned", "check"),
    "call.failed": Badge("Failed", "warn"),
    "call.postponed": Badge("Taken up again later", "clock"),
    "call.in_doubt": Badge("In doubt: may or may not have happened", "doubt"),
    "call.abandoned": Badge("Left in doubt", "doubt"),
    "call.approved": Badge("The call may run", "check"),
    "call.rejected": Badge("The call will not run", "cross"),
    "call.expired": Badge("The call can no longer run", "clock"),
    "call.cancelled": Badge("The call was cancelled", "cross"),
    "call.superseded": Badge("The call was replaced", "edit"),
    "call.undoing": Badge("The call is being undone", "undo"),
    "call.undone": Badge("The call is undone", "undo"),
    "call.undo_failed": Badge("The call is not undone", "warn"),
    "rollback.asked": Badge("Asked to roll the run back", "rollback"),
    "rollback.claimed": Badge("A worker took the rollback", "agent"),
    "rollback.woken": Badge("The rollback goes on", "rollback"),
    "rollback.parked": Badge("The rollback waits for a person", "clock"),
    "rollback.released": Badge("The rollback went back to the queue", "clock"),
    "rollback.recovered": Badge("The rollback was taken from a lost worker", "agent"),
    "rollback.ended": Badge("The rollback ended", "rollback"),
    "undo.started": Badge("An undo started", "undo"),
    "undo.succeeded": Badge("An undo returned", "check"),
    "undo.failed": Badge("An undo failed", "warn"),
    "undo.in_doubt": Badge("An undo is in doubt", "doubt"),
    "undo.abandoned": Badge("An undo was left in doubt", "doubt"),
    "undo.cancelled": Badge("An undo fell away", "cross"),
    "undo.reported_late": Badge("A worker reported an undo late", "warn"),
    "approval.requested": Badge("A person is asked", "person"),
    "approval.approved": Badge("Approved", "check"),
    "approval.consumed": Badge("The approval was used up", "check"),
    "approval.rejected": Badge("Rejected", "cross"),
    "approval.expired": Badge("Expired without a decision", "clock"),
    "approval.cancelled": Badge("The approval was cancelled", "cross"),
    "approval.superseded": Badge("The approval was replaced", "edit"),
    "approval.lapsed": Badge("The approval lapsed", "clock"),
    "decision.recorded": Badge("Decided", "person"),
    "grant.made": Badge("Granted", "person"),
    "grant.used": Badge("A grant was used", "check"),
    "grant.revoked": Badge("A grant was revoked", "cross"),
    "assessment.marked_wrong": Badge("A stage was said to be wrong", "cross"),
    "breaker.tripped": Badge("A circuit breaker tripped", "limit"),
    "breaker.reset": Badge("A circuit breaker was reset", "check"),
    "breaker.set": Badge("The tenant's circuit breaker was set", "limit"),
    "agent.registered": Badge("Agent registered", "agent"),
    "policy.stored": Badge("Policy text stored", "lock"),
    "reviewer.added": Badge("Reviewer added", "person"),
    "reviewer.disabled": Badge("Reviewer disabled", "person"),
    "tenant.limited": Badge("Limits of a day set", "limit"),
    "token.added": Badge("API token added", "key"),
    "token.revoked": Badge("API token revoked", "key"),
    "session.opened": Badge("Signed in", "key"),
    "session.closed": Badge("Signed out", "key"),
    "session.refused": Badge("Sign-in refused", "key"),
}
CHANGES = {
    "target": "Its target",
    "tool": "The tool",
    "effect": "Effect",
    "policy": "Policy",
    "approvers": "Approved by",
    "window": "Its approval",
}
"""What can be otherwise than it was approved."""
DECISIONS = {"approve": "Approved", "reject": "Rejected", "edit": "Edited", "answer": "Answered"}
VIA = {"ui": "in the browser", "api": "through the API", "cli": "on the command line"}
NOUNS = {
    "approve": "approval",
    "reject": "rejection",
    "edit": "edit",
    "answer": "answer",
}


def approval(state: ApprovalState, kind: str) -> Badge:
    """Where an approval stands; a question is answered, not approved."""
    if kind in QUESTIONS and state in {ApprovalState.APPROVED, ApprovalState.CONSUMED}:
        return Badge("Answered", "check")
    return APPROVALS[state]


def event(name: str) -> Badge:
    """An event of the log in words; one that is not known keeps its name."""
    return EVENTS.get(name) or Badge(name, "call")


def who(actor: str | None) -> str:
    """A person, agent or worker without the kind before the name."""
    if actor is None or actor == "interlock":
        return "Interlock"
    kind, _, name = actor.partition(":")
    if kind == "worker":
        return f"worker {name[-8:]}"
    return name if name and kind in {"reviewer", "agent", "operator"} else actor


def usd(amount: Decimal | float) -> str:
    """An amount: to the cent from a dollar up, else to a hundredth of a cent."""
    return f"${amount:,.2f}" if amount >= 1 or not amount else f"${amount:,.4f}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """A count with its noun."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def short(identifier: object) -> str:
    """The end of an id: its beginning is the time, which neighbours share."""
    return str(identifier)[-8:]

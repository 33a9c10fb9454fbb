"""Why a call did not run, in a sentence for the agent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..tools.gated import Refused
from .database import execute
from .errors import Ambiguous, RejectedInARow
from .lifecycle import CallState
from .outcome import Succeeded, success

if TYPE_CHECKING:
    from .asking import Asking
    from .call import Call
    from .database import Database


MOST_REJECTIONS = 3
"""In a row, after which a run has no more to ask."""


def refusal(db: Database, tenant: str, call: Call) -> str:
    """The sentence for a call that is over and did not run."""
    match call.state:
        case CallState.FORBIDDEN:
            return f"{call.tool} did not run. It is forbidden: {call.reason}"
        case CallState.REJECTED:
            by, reason = _closing(db, tenant, call)
            return f"{call.tool} did not run. {by} rejected it: {reason}"
        case CallState.EXPIRED:
            return (
                f"{call.tool} did not run. Nobody decided in time, so it expired; "
                "that is not a rejection."
            )
    return f"{call.tool} did not run. It was {call.state}."


def rejected_in_a_row(db: Database, tenant: str, call: Call) -> RejectedInARow | None:
    """Why the run ends with this rejection, if it is the last of so many in a row."""
    where = {"tenant": tenant, "run_id": call.run_id}
    count = db.retry(lambda conn: execute(conn, "rejections_in_a_row", **where).scalar_one())
    if count < MOST_REJECTIONS:
        return None
    last = refusal(db, tenant, call)
    return RejectedInARow(f"{count} of its calls were rejected, one after the other. {last}")


def unanswered(db: Database, tenant: str, call: Call, asking: Asking) -> Succeeded | Ambiguous:
    """What a question comes to that nobody answered: the fallback, or the end of the run.

    Raises:
        Refused: it was no question that could be asked.
    """
    if call.state is CallState.FORBIDDEN and asking.is_asked:
        raise Refused(refusal(db, tenant, call))
    if call.state is CallState.EXPIRED and asking.fallback is not None:
        return success({"answer": asking.fallback, "answered_by": None})
    return Ambiguous(_why_ambiguous(db, tenant, call))


def _why_ambiguous(db: Database, tenant: str, call: Call) -> str:
    """Why a run ends over a question, with the question."""
    question = json.loads(call.args).get("question", "")
    match call.state:
        case CallState.FORBIDDEN:
            return f"Something was not clear, and nobody is asked in such a case: {question}"
        case CallState.REJECTED:
            by, reason = _closing(db, tenant, call)
            return f"{by} did not answer: {question} The reason given: {reason}"
        case CallState.EXPIRED:
            return f"Nobody answered in time: {question}"
    return f"The question was {call.state}: {question}"


def _closing(db: Database, tenant: str, call: Call) -> tuple[str, str]:
    with db.begin() as conn:
        row = execute(conn, "approval_closing", tenant=tenant, approval_id=call.approval_id).one()
    return row.closed_by or "A reviewer", row.close_reason or "no reason given"

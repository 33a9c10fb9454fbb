"""Why a call did not run, in a sentence for the agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .database import execute
from .lifecycle import CallState

if TYPE_CHECKING:
    from .call import Call
    from .database import Database


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


def _closing(db: Database, tenant: str, call: Call) -> tuple[str, str]:
    with db.begin() as conn:
        row = execute(conn, "approval_closing", tenant=tenant, approval_id=call.approval_id).one()
    return row.closed_by or "A reviewer", row.close_reason or "no reason given"

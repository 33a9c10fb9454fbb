"""The read side in one place: what pages, the JSON API and the command line show.

Every list is one query; every row has `as_json()`, which is what the API gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .agent_queries import PolicyRow, ToolRow, list_agents, list_policies, list_tools
from .approval_queries import (
    CLOSED,
    ApprovalDetail,
    ApprovalRow,
    ToolTerms,
    approvals_of,
    count_pending,
    find_successor,
    get_approval,
    get_approval_row,
    list_approvals,
)
from .assessments import AssessmentRow, assessments_of
from .audit_queries import AuditRow, get_audit_entry, list_audit
from .decision_queries import DecisionRow, decisions_of
from .paging import LARGEST_PAGE, InvalidCursor, Page
from .rollback_queries import RollbackRow, UndoRow, rollbacks_of
from .run_queries import (
    CallRow,
    RunRow,
    calls_of,
    get_run_row,
    list_runs,
    presentable,
)

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Connection

__all__ = [
    "CLOSED",
    "ApprovalDetail",
    "ApprovalRow",
    "AssessmentRow",
    "AuditRow",
    "CallRow",
    "DecisionRow",
    "InvalidCursor",
    "Page",
    "PolicyRow",
    "RollbackRow",
    "RunDetail",
    "RunRow",
    "ToolRow",
    "ToolTerms",
    "UndoRow",
    "count_pending",
    "find_successor",
    "get_approval",
    "get_approval_row",
    "get_audit_entry",
    "get_run",
    "list_agents",
    "list_approvals",
    "list_audit",
    "list_policies",
    "list_runs",
    "list_tools",
    "presentable",
    "rollbacks_of",
]


@dataclass(frozen=True, slots=True)
class RunDetail:
    """A run with its calls, its approvals, what people decided, and its audit entries."""

    run: RunRow
    fingerprint: str
    output: Any
    calls: tuple[CallRow, ...]
    approvals: tuple[ApprovalRow, ...]
    decisions: tuple[DecisionRow, ...]
    audit: tuple[AuditRow, ...]
    rollbacks: tuple[RollbackRow, ...] = ()
    """Newest first."""
    assessments: tuple[AssessmentRow, ...] = ()
    """What its stages stated, oldest first."""

    def as_json(self) -> dict[str, Any]:
        """The run as the API gives it."""
        return self.run.as_json() | {
            "fingerprint": self.fingerprint,
            "input": self.run.input,
            "output": self.output,
            "calls": [call.as_json() for call in self.calls],
            "approvals": [approval.as_json() for approval in self.approvals],
            "decisions": [
                decision.as_json() | {"approval_id": str(decision.approval_id)}
                for decision in self.decisions
            ],
            "rollbacks": [rollback.as_json() for rollback in self.rollbacks],
            "assessments": [stated.as_json() for stated in self.assessments],
            "timeline": [
                {
                    "seq": entry.seq,
                    "at": entry.as_json()["at"],
                    "event": entry.event,
                    "actor": entry.actor,
                }
                for entry in self.audit
            ],
        }


def get_run(conn: Connection, *, tenant: str, run_id: UUID) -> RunDetail:
    """One run: calls, approvals, decisions and its first audit entries, each oldest first.

    Raises:
        NotFound: there is no such run.
    """
    run, output, fingerprint = get_run_row(conn, tenant=tenant, run_id=run_id)
    return RunDetail(
        run=run,
        fingerprint=fingerprint,
        output=output,
        calls=calls_of(conn, tenant=tenant, run_id=run_id),
        approvals=approvals_of(conn, tenant=tenant, run_id=run_id),
        decisions=decisions_of(conn, tenant=tenant, run_id=run_id),
        audit=list_audit(
            conn, tenant=tenant, run_id=run_id, newest_first=False, limit=LARGEST_PAGE
        ).items,
        rollbacks=rollbacks_of(conn, tenant=tenant, run_id=run_id),
        assessments=assessments_of(conn, tenant=tenant, run_id=run_id),
    )

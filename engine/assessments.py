"""What the stages of a run stated, as it is read; a person's word that one was wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .audit import record
from .database import execute
from .errors import Conflict, NotAReviewer, NotFound
from .run_queries import iso

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Connection

    from .database import Database


@dataclass(frozen=True, slots=True)
class AssessmentRow:
    """How sure a stage was of what it said, and what became of it so far."""

    id: UUID
    stage: str
    confidence: float
    outcome: str
    stated_at: datetime
    taken_by: str | None
    """The person whose answer the run went on with."""
    wrong_by: str | None
    wrong_at: datetime | None
    wrong_reason: str | None

    def as_json(self) -> dict[str, Any]:
        """The assessment as the API gives it."""
        return {
            "assessment_id": str(self.id),
            "stage": self.stage,
            "confidence": self.confidence,
            "outcome": self.outcome,
            "stated_at": iso(self.stated_at),
            "answered_by": self.taken_by,
            "wrong_by": self.wrong_by,
            "wrong_at": iso(self.wrong_at),
            "wrong_reason": self.wrong_reason,
        }


def assessments_of(conn: Connection, *, tenant: str, run_id: UUID) -> tuple[AssessmentRow, ...]:
    """A run's assessments, oldest first."""
    found = execute(conn, "assessments_of", tenant=tenant, run_id=run_id)
    return tuple(AssessmentRow(**row) for row in found.mappings())


def mark_wrong(
    db: Database, *, tenant: str, run_id: UUID, assessment_id: UUID, by: str, reason: str | None
) -> None:
    """Record that what a stage said was wrong, in a person's name; twice is as good as once.

    Raises:
        NotFound: the run has no such assessment.
        NotAReviewer: there is no such account, or it is disabled.
        Conflict: somebody else said so before.
    """
    where = {"tenant": tenant, "run_id": run_id, "id": assessment_id}

    def mark(conn: Connection) -> None:
        if execute(conn, "reviewer_groups", tenant=tenant, reviewer=by).one_or_none() is None:
            raise NotAReviewer(f"There is no active account '{by}'. Nothing was recorded.")
        stage = execute(conn, "mark_wrong", **where, by=by, reason=reason).scalar_one_or_none()
        if stage is None:
            _check_marked(conn, where, by)
            return
        record(
            conn,
            tenant=tenant,
            event="assessment.marked_wrong",
            actor=f"reviewer:{by}",
            run_id=run_id,
            subject=assessment_id,
            state="wrong",
            detail={"assessment": str(assessment_id), "stage": stage, "reason": reason},
        )

    db.retry(mark, patience=5.0)


def _check_marked(conn: Connection, where: dict[str, Any], by: str) -> None:
    marked = execute(conn, "marked_wrong_by", **where).one_or_none()
    if marked is None:
        raise NotFound(f"Run {where['run_id']} has no assessment {where['id']}.")
    if marked.wrong_by != by:
        raise Conflict(f"{marked.wrong_by} said so before you. Nothing was recorded.")

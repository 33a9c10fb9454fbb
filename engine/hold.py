"""An executor's right to a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .database import execute
from .errors import CancelRequested, Fenced

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Hold:
    """A run in the hands of one executor: good while the run's epoch is still this one."""

    tenant: str
    run_id: UUID
    agent: str
    epoch: int
    worker_id: UUID


def fence(conn: Connection, hold: Hold) -> None:
    """Refuse to go on for a run that this executor no longer holds, or that was cancelled.

    Raises:
        Fenced: another epoch began, or the run is not running.
        CancelRequested: a person cancelled the run.
    """
    row = execute(
        conn, "hold_run", tenant=hold.tenant, run_id=hold.run_id, epoch=hold.epoch
    ).one_or_none()
    if row is None:
        raise Fenced(f"Run {hold.run_id} is no longer held by this worker.")
    if row.cancel_requested_by is not None:
        raise CancelRequested(row.cancel_requested_by)

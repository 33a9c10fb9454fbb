"""Calls that start on a grant: which grants cover a call, and its start, which uses one up."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import structlog

from ..policies.bounds import Bounds
from ..policies.errors import PolicyError
from ..policies.evaluator import ToolShape
from ..tools.questions import is_question
from . import journal
from .audit import record
from .call_writes import at_birth, row_of
from .database import execute
from .doubt import note
from .lapse import terms_of
from .lifecycle import CallState

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Connection, Row

    from ..tools import GatedTool
    from .begun import Begun
    from .call import Proposal
    from .database import Database
    from .hold import Hold
    from .judgement import Judgement
    from .limits import Usage

log = structlog.get_logger()


class Grants:
    """The grants that the calls of one execution of a run can start on."""

    def __init__(self, db: Database, hold: Hold) -> None:
        self._db = db
        self._hold = hold
        self._bounds: dict[tuple[str, str], Bounds | None] = {}

    def covering(self, tool: GatedTool, judgement: Judgement) -> tuple[UUID, ...]:
        """The grants that cover a call, the one that ends first before the others.

        None covers what came from untrusted content, nor what the policy asks more for by now.
        """
        if not judgement.is_for_review or judgement.is_tainted or is_question(tool):
            return ()
        found = self._db.retry(lambda conn: _standing(conn, self._hold, tool, judgement))
        return tuple(grant.id for grant in found if self._covers(grant, tool, judgement))

    def start(self, proposal: Proposal, step: Begun, grant_id: UUID, used: Usage) -> bool:
        """Write the call down as started on this grant; False if the grant does not cover it now.

        Raises:
            Fenced: this executor no longer holds the run.
            CancelRequested: a person cancelled the run.
        """
        return self._db.retry(lambda conn: start(conn, self._hold, proposal, step, grant_id, used))

    def _covers(self, grant: Row[Any], tool: GatedTool, judgement: Judgement) -> bool:
        asked = judgement.verdict.terms
        if asked is None or asked.asks_more_than(terms_of(grant)):
            return False
        bounds = self._read(grant.bounds, tool)
        return bounds is not None and bounds.contain(json.loads(judgement.args))

    def _read(self, condition: str, tool: GatedTool) -> Bounds | None:
        """The bounds, read once; None where they cannot be read, which contain nothing."""
        key = (tool.name, condition)
        if key not in self._bounds:
            try:
                self._bounds[key] = Bounds(condition, ToolShape(tool.name, tool.spec.schema))
            except PolicyError as error:
                log.warning("grant.unreadable", tool=tool.name, error=str(error))
                self._bounds[key] = None
        return self._bounds[key]


def _standing(
    conn: Connection, hold: Hold, tool: GatedTool, judgement: Judgement
) -> tuple[Row[Any], ...]:
    found = execute(
        conn,
        "standing_grants",
        tenant=hold.tenant,
        run_id=hold.run_id,
        tool=tool.name,
        tool_version=tool.spec.version,
        effect=str(judgement.classification.effect),
    )
    return tuple(found.all())


def start(
    conn: Connection, hold: Hold, proposal: Proposal, step: Begun, grant_id: UUID, used: Usage
) -> bool:
    """T1 and T3 of a granted call in one; the effect may follow once this is committed.

    True for the repeat of the same start after a lost answer. False where the call is there
    already, or the grant was used up, revoked or over meanwhile: then nothing was written.
    """
    journal.lock(conn, hold)
    found = journal.find(conn, hold, proposal.key)
    if found is not None:
        return found.start_token == step.token
    row = row_of(proposal, step.call.digest, CallState.ALLOWED)
    if not _is_good(conn, hold, grant_id, row):
        return False
    journal.count(conn, hold, used)
    more = {"approval_id": None, "grant_id": grant_id, "fingerprint": None}
    execute(
        conn,
        "insert_call",
        tenant=hold.tenant,
        id=step.call.id,
        run_id=hold.run_id,
        **row,
        **more,
    )
    detail = {**at_birth(row), "grant": str(grant_id)}
    note(conn, hold, step.call, "call.granted", CallState.ALLOWED, detail)
    record(
        conn,
        tenant=hold.tenant,
        event="grant.used",
        actor=f"worker:{hold.worker_id}",
        run_id=hold.run_id,
        call_id=step.call.id,
        subject=grant_id,
        state="used",
        detail={"grant": str(grant_id), "digest": step.call.digest.hex()},
    )
    execute(
        conn,
        "start_call",
        tenant=hold.tenant,
        call_id=step.call.id,
        digest=step.call.digest,
        state=CallState.ALLOWED,
        token=step.token,
    )
    note(conn, hold, step.call, "call.started", CallState.EXECUTING, {"starts": 1})
    return True


def _is_good(conn: Connection, hold: Hold, grant_id: UUID, row: dict[str, Any]) -> bool:
    """Whether the grant covers the call, now that nobody else can use it."""
    return bool(
        execute(
            conn,
            "lock_grant",
            tenant=hold.tenant,
            grant_id=grant_id,
            run_id=hold.run_id,
            tool=row["tool"],
            tool_version=row["tool_version"],
            effect=row["effect"],
        ).scalar_one_or_none()
    )

"""Carrying rollbacks out: a worker claims one that it has the tools for, and undoes each call."""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import structlog
from uuid_utils.compat import uuid7

from ..tools.gated import CallContext, NotDone, serving
from ..tools.vault import open_vault
from . import rollback_journal as journal
from .audit import record
from .database import execute
from .errors import Conflict, Fenced, NotFound, said
from .lifecycle import ApprovalState, RunStatus
from .outcome import Failed, InDoubt, read_outcome
from .rollback_journal import Differs, Restored, RollbackHold, note_rollback
from .rollback_plan import Scope, need
from .rollbacks import plan_rollback
from .state_before import state_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from sqlalchemy import Connection, Row

    from ..tools import GatedTool
    from .agent import Agent
    from .database import Database
    from .lease import Lease
    from .rollback_journal import UndoOutcome

log = structlog.get_logger()

_AT_ONCE = 2
_CHANGED = "The run's calls changed after the plan was confirmed. Nothing was undone."
_TOO_OLD = "The plan was approved too long ago to be carried out on that. Nothing was undone."
_LEFT = "Who approved the plan may not decide it any more. Nothing was undone."
_FOREVER = float("inf")


class Rollbacks:
    """The rollbacks of one worker, each in a thread of its own."""

    def __init__(
        self,
        db: Database,
        worker_id: UUID,
        agents: Mapping[str, Agent],
        lease: Lease,
        tenant: str,
    ) -> None:
        self._db = db
        self._worker_id = worker_id
        self._agents = agents
        self._lease = lease
        self._tenant = tenant
        self._has = [
            need(agent.name, spec.name, spec.version)
            for agent in agents.values()
            for spec in agent.specs
        ]
        self._stopping = threading.Event()
        self._in_hand: set[UUID] = set()
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="interlock-rollback")

    def look(self) -> None:
        """Give back what lost workers hold, and begin what is due. Call it from one thread only."""
        with self._db.begin() as conn:
            self._recover(conn)
        if self._stopping.is_set() or not self._lease.is_good() or len(self._in_hand) >= _AT_ONCE:
            return
        term = self._lease.term()
        with self._db.begin() as conn:
            hold = self._claim(conn)
        if hold is not None:
            self._in_hand.add(hold.rollback_id)
            self._threads.submit(self._carry_out, hold, term)

    def stop(self) -> None:
        """Finish the undos in hand, give their rollbacks back, and return."""
        self._stopping.set()
        self._threads.shutdown()

    def _recover(self, conn: Connection) -> None:
        rows = execute(
            conn,
            "recover_rollbacks",
            worker_id=self._worker_id,
            in_hand=list(self._in_hand),
        ).all()
        for row in rows:
            where = (row.tenant_id, row.run_id, row.id)
            lost = {"lost_worker": str(row.worker_id)}
            note_rollback(conn, *where, "recovered", "interlock", RunStatus.QUEUED, lost)

    def _claim(self, conn: Connection) -> RollbackHold | None:
        due = execute(conn, "due_rollback", tenant=self._tenant, has=self._has).one_or_none()
        if due is None:
            return None
        plan = json.loads(bytes(due.plan))
        actor = f"worker:{self._worker_id}"
        if due.epoch == 0:
            if self._changed(conn, due, Scope.from_json(plan)):
                self._let_lapse(conn, due, actor, _CHANGED)
                return None
            if not self._consume(conn, due, actor):
                self._let_lapse(conn, due, actor, self._why_void(conn, due))
                return None
        epoch = execute(
            conn,
            "claim_rollback",
            tenant=self._tenant,
            rollback_id=due.id,
            worker_id=self._worker_id,
        ).scalar_one()
        where = (self._tenant, due.run_id, due.id)
        note_rollback(conn, *where, "claimed", actor, RunStatus.RUNNING, {"epoch": epoch})
        return RollbackHold(self._tenant, due.id, due.run_id, plan["agent"], epoch, self._worker_id)

    def _changed(self, conn: Connection, due: Row[Any], scope: Scope) -> bool:
        """Whether the plan is not what it was, or cannot be made any more."""
        try:
            now = plan_rollback(conn, tenant=self._tenant, run_id=due.run_id, scope=scope)
        except NotFound:
            return True
        return now.digest != bytes(due.digest)

    def _let_lapse(self, conn: Connection, due: Row[Any], actor: str, reason: str) -> None:
        where = (self._tenant, due.run_id, due.id)
        journal.end_rollback(conn, *where, RunStatus.QUEUED, "stale", reason, actor)
        self._close(conn, due, "lapse_approval", ApprovalState.LAPSED, actor, reason=reason)

    def _consume(self, conn: Connection, due: Row[Any], actor: str) -> bool:
        """Use the plan's approval up, if it needs one; false if that does not stand any more."""
        return self._close(conn, due, "consume_approval", ApprovalState.CONSUMED, actor)

    def _why_void(self, conn: Connection, due: Row[Any]) -> str:
        where = {"tenant": self._tenant, "approval_id": due.approval_id}
        return _LEFT if execute(conn, "still_missing", **where).scalar_one() else _TOO_OLD

    def _close(
        self,
        conn: Connection,
        due: Row[Any],
        statement: str,
        state: ApprovalState,
        actor: str,
        **more: Any,
    ) -> bool:
        if due.approval_id is None:
            return True
        digest = bytes(due.digest)
        where = {"tenant": self._tenant, "approval_id": due.approval_id, "digest": digest}
        if execute(conn, statement, **where, **more).rowcount != 1:
            return False
        record(
            conn,
            tenant=self._tenant,
            event=f"approval.{state}",
            actor=actor,
            run_id=due.run_id,
            approval_id=due.approval_id,
            subject=due.approval_id,
            state=state,
            detail={"digest": digest.hex()},
        )
        return True

    def _carry_out(self, hold: RollbackHold, term: int) -> None:
        ids = {"rollback_id": str(hold.rollback_id), "run_id": str(hold.run_id)}
        try:
            while not self._stopping.is_set():
                step = self._db.retry(lambda conn: journal.following(conn, hold), patience=_FOREVER)
                if step is None:
                    return
                self._undo(hold, step.undo, term)
            self._db.retry(lambda conn: journal.release(conn, hold), patience=_FOREVER)
        except Fenced as stop:
            log.warning("rollback.fenced", reason=str(stop), **ids)
        except Exception:  # the thread's edge: what it left open is recovered by the next look
            log.exception("rollback.broke", **ids)
        finally:
            self._in_hand.discard(hold.rollback_id)

    def _undo(self, hold: RollbackHold, undo: Row[Any], term: int) -> None:
        """One undo, from its start to its record."""
        token: UUID = uuid7()
        tool = self._agents[hold.agent].tools[undo.tool]
        if not self._lease.is_good(term):
            raise Fenced("This worker's lease ran out, so nothing more was undone.")
        try:
            self._db.retry(lambda conn: journal.start(conn, hold, undo, token))
        except Conflict as changed:
            self._give_up(hold, str(changed))
            return
        if self._lease.is_good(term):
            outcome = carry_out(tool, hold, undo)
        elif undo.recovery == "same_key":
            raise Fenced(f"Rollback {hold.rollback_id} is no longer held by this worker.")
        else:
            outcome = Failed("The worker had lost its lease before the undo, so nothing was sent.")
        self._db.retry(
            lambda conn: journal.finish(conn, hold, undo, token, outcome), patience=_FOREVER
        )

    def _give_up(self, hold: RollbackHold, why: str) -> None:
        def end(conn: Connection) -> None:
            journal.fence(conn, hold)
            where = (hold.tenant, hold.run_id, hold.rollback_id)
            journal.end_rollback(conn, *where, RunStatus.RUNNING, "stale", why, hold.actor)

        self._db.retry(end, patience=_FOREVER)


def carry_out(tool: GatedTool, hold: RollbackHold, undo: Row[Any]) -> UndoOutcome:
    """Run a tool's undo, and compare its target with how the call had found it."""
    try:
        with serving(CallContext(hold.run_id, undo.call_id, str(undo.id))):
            _run(tool, undo)
    except BaseException as error:  # noqa: BLE001 - every way out of an effect is recorded
        return _left(undo, error)
    if undo.state_before is None:
        return Restored(proved=False)
    found = state_of(tool, bytes(undo.args))
    if found is None:
        return Restored(proved=False)
    return Restored(proved=True) if found == bytes(undo.state_before) else Differs()


def _run(tool: GatedTool, undo: Row[Any]) -> None:
    taken_back = open_vault(tool.vault_key).undo
    if taken_back is None:
        raise NotDone(f"{undo.tool} registers no undo.")
    try:
        args = json.loads(bytes(undo.args))
        known = undo.result is not None and not undo.unsure
        result = read_outcome(undo.result_type, bytes(undo.result)) if known else None
    except Exception as error:
        raise NotDone(f"What the call gave back cannot be read: {said(error)}.") from error
    answer = taken_back.call(args, result, in_doubt=undo.unsure)
    if inspect.isawaitable(answer):
        asyncio.run(_awaited(answer))


async def _awaited(answer: Any) -> Any:
    return await answer


def _left(undo: Row[Any], error: BaseException) -> Failed | InDoubt:
    """What a way out of an undo says of it: one that does not come back may have happened."""
    if isinstance(error, NotDone):
        return Failed(str(error))
    if undo.effect == "irreversible" or not isinstance(error, Exception):
        return InDoubt(f"It broke off with {said(error)}; it may have happened.")
    return Failed(said(error))

"""The test's side of the database: it asks for runs, decides, and reads what stands there."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from interlock.engine.decisions import Answer, Decided, decide
from interlock.engine.lifecycle import DecisionKind
from interlock.engine.rollback_plan import Scope
from interlock.engine.rollbacks import ask_rollback, plan_rollback
from interlock.engine.runs import create_run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from uuid import UUID

    from interlock.engine.database import Database
    from interlock.engine.rollback_plan import Plan

PATIENCE = 45.0
PAUSE = 0.05

Script = list[list[tuple[str, str]]]
Row = Any


class Desk:
    """Where Dana sits."""

    def __init__(self, database: Database, reviewer: str) -> None:
        self._db = database
        self._reviewer = reviewer

    def ask(self, script: Script) -> UUID:
        """Ask for a run of the scripted agent."""
        message = {"role": "user", "content": json.dumps(script)}
        made = create_run(
            self._db,
            tenant="default",
            agent="scripted",
            input={"messages": [message]},
            requested_by="reviewer:dana",
        )
        return made.run_id

    def rows(self, query: str, **values: Any) -> Sequence[Row]:
        """The rows of a query."""
        return self._db.retry(lambda conn: conn.exec_driver_sql(query, values).all())

    def run(self, run_id: UUID) -> Row:
        return self.rows("select * from runs where id = %(id)s", id=run_id)[0]

    def calls(self, run_id: UUID) -> Sequence[Row]:
        query = "select *, convert_from(args, 'utf8')::json as arguments from calls"
        return self.rows(f"{query} where run_id = %(id)s order by id", id=run_id)

    def call(self, run_id: UUID, tool: str) -> Row:
        """The only call of that tool."""
        found = [call for call in self.calls(run_id) if call.tool == tool]
        assert len(found) == 1
        return found[0]

    def pending(self, run_id: UUID | None = None) -> Sequence[Row]:
        """Approvals that are open now."""
        query = "select * from approvals where state = 'pending'"
        if run_id is None:
            return self.rows(f"{query} order by id")
        return self.rows(f"{query} and run_id = %(id)s order by id", id=run_id)

    def events(self, run_id: UUID, event: str) -> int:
        """How often something happened to a run."""
        query = "select from audit_log where run_id = %(id)s and event = %(event)s"
        return len(self.rows(query, id=run_id, event=event))

    def answer(self, approval: Row, kind: DecisionKind, **said: Any) -> Decided:
        """Decide an approval as Dana."""
        answer = Answer(
            tenant="default",
            approval_id=approval.id,
            reviewer=self._reviewer,
            kind=kind,
            digest=bytes(approval.digest).hex(),
            via="api",
            **said,
        )
        return decide(self._db, answer)

    def approve(self, approval: Row) -> Decided:
        return self.answer(approval, DecisionKind.APPROVE)

    def attest(self, approval: Row, said: Mapping[str, Any]) -> Decided:
        """Say what became of a call in doubt; that it did not happen, once that can be known."""
        if said.get("happened") is False:
            self.until_sent(approval)
        return self.answer(approval, DecisionKind.ANSWER, answer=said)

    def plan(self, run_id: UUID) -> Plan:
        """What rolling the run back would undo."""
        return self._db.retry(
            lambda conn: plan_rollback(conn, tenant="default", run_id=run_id, scope=Scope())
        )

    def roll_back(self, run_id: UUID) -> Plan:
        """Ask for what the plan says, as Dana."""
        plan = self.plan(run_id)
        by = f"reviewer:{self._reviewer}"
        digest = plan.digest.hex()
        ask_rollback(self._db, tenant="default", run_id=run_id, digest=digest, by=by)
        return plan

    def until_rolled_back(self, run_id: UUID, outcome: str = "undone") -> Row:
        """Wait until the newest rollback of the run is over, and check how."""

        def newest() -> Row:
            query = "select * from rollbacks where run_id = %(id)s order by id desc limit 1"
            return self.rows(query, id=run_id)[0]

        self.until(lambda: newest().state == "ended", "the rollback's end")
        assert newest().outcome == outcome, newest().reason
        return newest()

    # Waiting ---------------------------------------------------------------------------------

    def until(self, holds: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
        """Wait for something; give what it gave."""
        deadline = time.monotonic() + patience
        while not (found := holds()):
            assert time.monotonic() < deadline, f"{what} did not come in {patience:.0f} s"
            time.sleep(PAUSE)
        return found

    def until_asked(self, run_id: UUID, kind: str = "call") -> Row:
        """Wait until the run has parked with one open question of this kind."""

        def asked() -> Row | None:
            if self.run(run_id).status != "waiting":
                return None
            return next((each for each in self.pending(run_id) if each.kind == kind), None)

        return self.until(asked, f"a question of kind {kind}, and the run's park,")

    def until_sent(self, approval: Row) -> None:
        """Wait until a call in doubt cannot be sent any more."""
        query = (
            "select from calls c left join undos u on u.call_id = c.id and u.state = 'in_doubt'"
            " where c.id = %(id)s"
            " and coalesce(u.started_at + c.send_within, c.send_before) <= clock_timestamp()"
        )
        self.until(lambda: self.rows(query, id=approval.call_id), "the end of its send window")

    def until_ended(
        self, run_id: UUID, exit_: str = "completed", patience: float = PATIENCE
    ) -> Row:
        """Wait until the run is over, and check how."""
        self.until(lambda: self.run(run_id).status == "ended", "the run's end", patience)
        run = self.run(run_id)
        assert run.exit == exit_, run.exit_reason
        return run

    def until_renewed(self, worker_id: str) -> None:
        """Wait until a worker's lease is good again."""
        query = "select from workers where id = %(id)s and lease_until > clock_timestamp()"
        self.until(lambda: self.rows(query, id=worker_id), "the lease's renewal")

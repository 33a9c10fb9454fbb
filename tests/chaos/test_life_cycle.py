"""A held call's life on the real database, step by step beside a model, in any order of steps.

Two workers, a reviewer, a deadline, a cancellation and a tool that is asked what happened do what
they can at any moment, in order or not; whatever the model says is refused must be refused, and
what it allows must happen.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from hypothesis.strategies import booleans, sampled_from
from interlock import tool
from interlock.engine import journal, lapse, runs
from interlock.engine.approvals import expire_due
from interlock.engine.decisions import Answer, decide
from interlock.engine.drift import AS_IT_WAS
from interlock.engine.errors import (
    AlreadyDecided,
    CancelRequested,
    Conflict,
    Fenced,
    InvalidDecision,
    Postponed,
)
from interlock.engine.group_commit import GroupCommit
from interlock.engine.lifecycle import DecisionKind
from interlock.engine.outcome import Failed, success
from interlock.engine.recovery import Recovery
from interlock.tools.gated import Ask
from seeded_rows import TENANT, run_sql
from seeding import Seeds
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from uuid import UUID

    from conftest import Account
    from interlock.engine.call import Call
    from interlock.engine.database import Database
    from interlock.engine.hold import Hold

EXAMPLES = 40 * int(os.environ.get("INTERLOCK_CHAOS_ROUNDS", "1"))
OPEN = ("waiting", "in_doubt")


SELDOM = sampled_from([False, False, False, True])
"""What ends most lives early, and would keep the rest of them from being seen."""
SAYS = {"yes": True, "no": False, "cannot tell": None}


def asking(says: str) -> Ask:
    """The call again, by a tool whose `verify` says so; "nobody": it has none."""
    looks = {"verify": lambda **_: SAYS[says]} if says in SAYS else {}

    @tool(effect="irreversible", **looks)
    def delete_volume(at: str) -> str:
        """Delete a volume."""
        return at

    return Ask(delete_volume, b"{}", {}, {}, None)


class Life(RuleBasedStateMachine):
    """One run with one held call."""

    database: Database
    commit: GroupCommit

    @initialize(is_due=SELDOM, is_slow=booleans())
    def propose(self, *, is_due: bool, is_slow: bool) -> None:
        """Its time to decide may be over, and its time to be sent may last for ever."""
        self.seeds = Seeds(self.database)
        self.seeds.agent()
        left = timedelta(seconds=-1) if is_due else timedelta(hours=1)
        sent = timedelta(hours=1) if is_slow else timedelta(microseconds=1)
        self.asked = self.seeds.held(
            expires_in=left,
            send_within=sent,
            args={"at": "a"},
            version=asking("nobody").tool.spec.version,
        )
        self.is_due, self.is_slow = is_due, is_slow
        self.approved: Call | None = None
        self.call, self.run = "waiting", "waiting"
        self.cancelled = False
        self.holds: list[Hold] = []
        self.tokens: list[UUID] = []
        self.starts = 0

    # What people and time do -----------------------------------------------------------------

    @rule(kind=sampled_from([DecisionKind.APPROVE, DecisionKind.APPROVE, DecisionKind.REJECT]))
    def decide(self, kind: DecisionKind) -> None:
        answer = Answer(
            TENANT, self.asked.approval_id, "dana", kind, self.asked.digest, "api", reason="So."
        )
        if self.call == "waiting" and not self.is_due:
            decide(self.database, answer)
            self.call = "approved" if kind is DecisionKind.APPROVE else "rejected"
            self.decided = kind
            self._wake()
        elif getattr(self, "decided", None) is kind:
            decide(self.database, answer)  # the repeat of what stands
        else:
            with pytest.raises(AlreadyDecided):
                decide(self.database, answer)

    @rule()
    def sweep(self) -> None:
        expire_due(self.database)
        if self.call == "waiting" and self.is_due:
            self.call = "expired"
            self._wake()

    @rule(is_meant=SELDOM)
    def cancel(self, *, is_meant: bool) -> None:
        if not is_meant:
            return
        if self.run == "ended":
            with pytest.raises(Conflict):
                runs.request_cancel(
                    self.database, tenant=TENANT, run_id=self.asked.run_id, by="operator:x"
                )
            return
        runs.request_cancel(self.database, tenant=TENANT, run_id=self.asked.run_id, by="operator:x")
        if self.run == "running":
            self.cancelled = True
        else:
            self._end()

    @precondition(lambda self: self.call == "in_doubt")
    @rule(happened=booleans())
    def attest(self, *, happened: bool) -> None:
        query = "select id, digest from approvals where kind = 'in_doubt' and call_id = %s"
        with self.database.begin() as conn:
            found = conn.exec_driver_sql(query, (self.asked.call_id,)).all()
        answer = Answer(
            TENANT,
            found[-1].id,
            "dana",
            DecisionKind.ANSWER,
            bytes(found[-1].digest).hex(),
            "api",
            answer={"happened": happened},
        )
        if self.is_slow and not happened:
            with pytest.raises(InvalidDecision):
                decide(self.database, answer)
            return
        decide(self.database, answer)
        self.call = "succeeded" if happened else "failed"
        self._wake()

    # What workers do -------------------------------------------------------------------------

    @rule()
    def claim(self) -> None:
        worker = uuid7()
        with self.database.begin() as conn:
            run_sql(
                conn,
                "insert into workers (id, host, pid, lease_until, fingerprints)"
                " values (:id, 'here', 1, now() + interval '1 hour', array[:fingerprint])",
                id=worker,
                fingerprint=self.seeds.fingerprint,
            )
        query = runs.claiming(
            tenant=TENANT,
            worker_id=worker,
            agents={"fleet-ops": self.seeds.fingerprint},
            free=100,
        )
        claimed = runs.claimed(self.commit.fetch_now(query), worker)
        mine = [claim.hold for claim in claimed if claim.hold.run_id == self.asked.run_id]
        assert bool(mine) == (self.run == "queued")
        if mine:
            self.run = "running"
            self.holds += mine
            if self.call == "approved":
                self.approved = self._found(mine[0])

    @precondition(lambda self: self.approved)
    @rule(at=sampled_from([-1, -2]))
    def start(self, at: int) -> None:
        """By who holds the run, or by who held it before, on what was seen."""
        if self.approved is None or len(self.holds) < -at:
            return
        hold, call, token = self.holds[at], self.approved, uuid7()
        refused = not self._may_act(at) or self.call != "approved"
        try:
            with self.database.begin() as conn:
                journal.start(conn, hold, call, token)
        except (Fenced, CancelRequested, Conflict):
            assert refused
        else:
            assert not refused
            self.call = "executing"
            self.tokens.append(token)
            self.started_by = hold
            self.starts += 1

    @precondition(lambda self: self.tokens)
    @rule(is_good=booleans())
    def finish(self, *, is_good: bool) -> None:
        """The report of whoever started the call, however late."""
        outcome = success("gone") if is_good else Failed("It was refused.")
        with self.database.begin() as conn:
            call = self._found(self.started_by)
            written = journal.finish(conn, self.started_by, call, self.tokens[-1], outcome)
        assert written == (self.call in ("executing", "in_doubt"))
        if written:
            was, self.call = self.call, "succeeded" if is_good else "failed"
            if was == "in_doubt":
                self._wake()

    @precondition(lambda self: self.run == "running")
    @rule()
    def die(self) -> None:
        """The worker's lease is over; the sweep of another one finds its runs."""
        with self.database.begin() as conn:
            run_sql(
                conn,
                "update workers set lease_until = now() - interval '1 h' where id = :id",
                id=self.holds[-1].worker_id,
            )
        # a server that was just started gives every worker the time of its lease
        with self.database.begin() as conn:
            run_sql(
                conn,
                "update workers set heartbeat_at = lease_until where id = :id",
                id=self.holds[-1].worker_id,
            )
            runs.recover(conn, most_deaths=100, worker_id=uuid7(), in_hand=[])
        self.run = "queued"
        if self.cancelled:
            self._end()

    @precondition(lambda self: self.call == "executing")
    @rule(at=sampled_from([-1, -2]), says=sampled_from([*SAYS, "nobody"]))
    def take_over(self, at: int, says: str) -> None:
        """Who holds the run, or held it before, finds a call that another executor started."""
        if len(self.holds) < -at or self.started_by is self.holds[at]:
            return
        hold = self.holds[at]
        recovery, call = Recovery(self.database, hold), self._found(hold)
        if says == "no" and self.is_slow:
            with pytest.raises(Postponed):
                recovery.take_over(asking(says), call, "It died.")
            return
        try:
            recovery.take_over(asking(says), call, "It died.")
        except (Fenced, CancelRequested):
            assert not self._may_act(at)
        else:
            assert self._may_act(at)
            self.call = {"yes": "succeeded", "no": "failed"}.get(says, "in_doubt")

    @precondition(lambda self: self.approved)
    @rule(at=sampled_from([-1, -2]))
    def lapse(self, at: int) -> None:
        """Who holds the run, or held it before, finds that the world moved since the approval."""
        if self.approved is None or len(self.holds) < -at:
            return
        may = self._may_act(at) and self.call in ("approved", "superseded")
        try:
            with self.database.begin() as conn:
                lapse.lapse(conn, self.holds[at], self.approved, [AS_IT_WAS])
        except (Fenced, CancelRequested, Conflict):
            assert not may
        else:
            assert may
            self.call = "superseded"

    def _may_act(self, at: int) -> bool:
        return at == -1 and self.run == "running" and not self.cancelled

    # What must hold --------------------------------------------------------------------------

    @invariant()
    def the_database_is_where_the_model_is(self) -> None:
        if not hasattr(self, "asked"):
            return
        with self.database.begin() as conn:
            query = "select c.state, c.starts, r.status from calls c join runs r on r.id = c.run_id"
            found = conn.exec_driver_sql(f"{query} where c.id = %s", (self.asked.call_id,)).one()
        assert tuple(found) == (self.call, self.starts, self.run)
        assert self.starts <= 1

    def _found(self, hold: Hold) -> Call:
        with self.database.begin() as conn:
            key = conn.exec_driver_sql(
                "select key from calls where id = %s", (self.asked.call_id,)
            ).scalar_one()
            found = journal.find(conn, hold, bytes(key))
        assert found is not None
        return found

    def _wake(self) -> None:
        if self.run == "waiting":
            self.run = "queued"

    def _end(self) -> None:
        self.run = "ended"
        if self.call in ("waiting", "approved"):
            self.call = "cancelled"
        elif self.call == "executing":
            self.call = "in_doubt"


@pytest.mark.timeout(600)
def test_whatever_the_order_of_steps_the_database_is_where_the_model_is(
    database: Database, reviewer: Account
) -> None:
    with GroupCommit(database.url, threads=2) as commit:
        machine = type("Lives", (Life,), {"database": database, "commit": commit})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=30,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                print_blob=True,
            ),
        )


def test_who_lost_the_run_starts_nothing_that_it_had_seen_approved(
    database: Database, reviewer: Account
) -> None:
    with GroupCommit(database.url, threads=2) as commit:
        life = type("OneLife", (Life,), {"database": database, "commit": commit})()
        life.propose(is_due=False, is_slow=False)
        life.decide(DecisionKind.APPROVE)
        life.claim()
        life.die()
        life.start(at=-1)
        life.claim()
        life.start(at=-2)
        assert life.starts == 0
        life.start(at=-1)
        life.the_database_is_where_the_model_is()
    assert life.starts == 1

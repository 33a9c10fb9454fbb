"""Runs are claimed and ended in one statement each, with their audit entries."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from interlock import Agent
from interlock.engine import runs
from interlock.engine.database import Database
from interlock.engine.digest import canonical
from interlock.engine.errors import NotFound
from interlock.engine.group_commit import GroupCommit, Unit
from interlock.engine.lease import Lease
from interlock.engine.lifecycle import Exit
from interlock.engine.runs import InvalidInput, create_run
from interlock.engine.worker import Worker, WorkerSettings, register
from langgraph.graph import END, START, MessagesState, StateGraph
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from conftest import Lab
    from interlock.engine.runs import Claim

TENANT = 'a "quoted" tenant, é'


def idle() -> Agent:
    graph = StateGraph(MessagesState)
    graph.add_node("rest", lambda _: None)
    graph.add_edge(START, "rest")
    graph.add_edge("rest", END)
    return Agent("idle", graph=graph, tools=[])


class Desk:
    """Claims and ends runs of one agent as a worker does."""

    def __init__(self, lab: Lab, commit: GroupCommit) -> None:
        self.lab = lab
        self.worker_id: UUID = uuid7()
        self._commit = commit
        self._agent = idle()
        self._lease = Lease(lab.database, self.worker_id, 30)
        self._lease.start([self._agent.fingerprint])
        with lab.database.begin() as conn:
            register(conn, self._agent, tenant=TENANT, worker_id=self.worker_id)

    def start(self) -> UUID:
        asked = {"agent": self._agent.name, "input": {}, "requested_by": "reviewer:dana"}
        return create_run(self.lab.database, tenant=TENANT, **asked).run_id

    def claim(self, free: int = 1) -> list[Claim]:
        agents = {self._agent.name: self._agent.fingerprint}
        query = runs.claiming(tenant=TENANT, worker_id=self.worker_id, agents=agents, free=free)
        return runs.claimed(self._commit.fetch_now(query), self.worker_id)

    def end(self, claim: Claim, reason: str = "done") -> str:
        write = runs.ending(claim.hold, exit=Exit.COMPLETED, reason=reason, output={"a": [1]})
        return self._commit.write_now(Unit(None, free=(write,))).free[0]

    def entries(self, run_id: UUID, event: str) -> list[bytes]:
        query = "select entry from audit_log where run_id = %s and event = %s order by seq"
        return [bytes(row["entry"]) for row in self.lab.rows(query, run_id, event)]

    def close(self) -> None:
        self._lease.stop()


@pytest.fixture
def desk(lab: Lab) -> Iterator[Desk]:
    with GroupCommit(lab.database.url, threads=1) as commit:
        desk = Desk(lab, commit)
        yield desk
        desk.close()


def test_no_run_is_claimed_twice_and_no_slot_too_many(desk: Desk) -> None:
    asked = [desk.start() for _ in range(5)]
    first, second, third = desk.claim(3), desk.claim(3), desk.claim(3)
    assert [len(first), len(second), len(third)] == [3, 2, 0]
    assert [claim.hold.run_id for claim in (*first, *second)] == asked


@pytest.mark.parametrize("event", ["run.claimed", "run.ended"])
def test_the_entry_is_canonical_and_says_which_run_and_how(desk: Desk, event: str) -> None:
    run_id = desk.start()
    (claim,) = desk.claim()
    assert desk.end(claim) == "written"
    (entry,) = desk.entries(run_id, event)
    said: dict[str, Any] = json.loads(entry)
    assert canonical(said) == entry
    details = {
        "run.claimed": {"epoch": 1},
        "run.ended": {"exit": "completed", "reason": "done"},
    }
    assert said["detail"] == details[event]
    assert said["run"] == str(run_id)
    assert said["tenant"] == TENANT
    assert said["actor"] == f"worker:{desk.worker_id}"


def test_an_end_whose_answer_was_lost_is_written_once(desk: Desk) -> None:
    run_id = desk.start()
    (claim,) = desk.claim()
    assert [desk.end(claim), desk.end(claim)] == ["written", "written"]
    assert desk.end(claim, "another reason") == "lost"
    assert len(desk.entries(run_id, "run.ended")) == 1
    assert desk.lab.run(run_id)["output"] == {"a": [1]}


def test_who_holds_a_run_no_more_does_not_end_it(desk: Desk) -> None:
    run_id = desk.start()
    (before,) = desk.claim()
    with desk.lab.database.begin() as conn:
        runs.release(conn, before.hold, active_ms=1)
    (after,) = desk.claim()
    assert desk.end(before) == "lost"
    assert desk.lab.run(run_id)["status"] == "running"
    assert desk.end(after) == "written"


def test_a_run_with_something_open_is_not_ended_in_passing(desk: Desk) -> None:
    run_id = desk.start()
    (claim,) = desk.claim()
    approval_id = uuid7()
    with desk.lab.database.begin() as conn:
        conn.exec_driver_sql(
            "insert into approvals (tenant_id, id, kind, run_id, digest, headline, reason, "
            "reviewers) values (%s, %s, 'version', %s, sha256('x'), 'h', 'r', '{on-call}')",
            (TENANT, approval_id, run_id),
        )
        conn.exec_driver_sql(
            "insert into audit_log (tenant_id, event, actor, run_id, subject, state, entry) "
            "values (%s, 'approval.requested', 'a', %s, %s, 'pending', '')",
            (TENANT, run_id, approval_id),
        )
    assert desk.end(claim) == "open"
    with desk.lab.database.begin() as conn:
        assert runs.end(conn, claim.hold, exit=Exit.COMPLETED, reason="done")
    assert desk.lab.run(run_id)["status"] == "ended"
    assert desk.lab.one("select state from approvals where id = %s", approval_id) == "cancelled"


def test_a_worker_whose_connection_is_cut_as_it_begins_begins_all_the_same(
    lab: Lab, database_url: str
) -> None:
    apart = Database(database_url)
    with apart.begin() as conn:
        pid = conn.exec_driver_sql("select pg_backend_pid()").scalar_one()
    lab.one("select pg_terminate_backend(%s, 1000)", pid)
    agent = idle()
    worker = Worker(apart, [agent], WorkerSettings(poll_seconds=0.1))
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        lab.until(lambda: lab.one("select count(*) from workers where lease_until > now()"))
        assert lab.ended(lab.start(agent))["exit"] == "completed"
    finally:
        worker.stop()
        thread.join()
        apart.close()


def test_a_registration_whose_answer_was_lost_is_made_again(lab: Lab) -> None:
    worker_id: UUID = uuid7()
    leases = [Lease(lab.database, worker_id, seconds) for seconds in (30, 60)]
    for lease in leases:
        lease.start([])
    left = "select extract(epoch from lease_until - clock_timestamp()) from workers where id = %s"
    assert lab.one(left, worker_id) > 50
    for lease in leases:
        lease.stop()


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"input": nested(64)}, "nested more than 64 deep"),
        ({"input": {"a": ["\ud83d"]}}, "half of a character"),
        ({"input": {"\ud83d": 1}}, "half of a character"),
        ({"tags": {"team": "a\0"}}, "null character"),
    ],
)
def test_an_input_that_no_page_could_show_is_refused(
    lab: Lab, asked: dict[str, Any], why: str
) -> None:
    request: dict[str, Any] = {"agent": "any", "input": {}, "requested_by": "reviewer:dana"}
    with pytest.raises(InvalidInput, match=why):
        create_run(lab.database, tenant="default", **{**request, **asked})
    with pytest.raises(NotFound):  # which is looked at last
        create_run(lab.database, tenant="default", **{**request, "input": nested(60)})

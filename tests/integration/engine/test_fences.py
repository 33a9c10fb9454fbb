"""Whoever comes too late, twice, or in another's name writes nothing, and is told why."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from integration.schema.rows import POLICY, TENANT, Rows
from interlock import tool
from interlock.engine import (
    approvals,
    call_writes,
    journal,
    rollback_journal,
    rollbacks,
    runs,
)
from interlock.engine.answer import Answer
from interlock.engine.begun import Begun
from interlock.engine.call import Place, Proposal
from interlock.engine.database import execute
from interlock.engine.errors import (
    CancelRequested,
    Conflict,
    Fenced,
    InvalidDecision,
    UsageError,
)
from interlock.engine.hold import Hold
from interlock.engine.judgement import Shown
from interlock.engine.lifecycle import DecisionKind, Exit
from interlock.engine.limits import Usage
from interlock.engine.outcome import success
from interlock.engine.rollback_journal import Restored, RollbackHold
from interlock.engine.rollback_plan import Scope
from interlock.engine.rollback_work import Rollbacks
from interlock.engine.starting import Starts
from interlock.engine.worker import Worker
from interlock.policies.verdict import Outcome, Terms, Verdict
from langgraph.checkpoint.serde import _msgpack
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from interlock.engine.call import Call
    from interlock.engine.database import Database
    from sqlalchemy import Connection


@tool(effect="irreversible")
def wipe(volume: str) -> str:
    """Wipe a volume."""
    return volume


@pytest.fixture
def conn(database: Database) -> Iterator[Connection]:
    """A transaction, which has to stand up to every check at its commit."""
    with database.begin() as open_one:
        yield open_one


@pytest.fixture
def rows(conn: Connection) -> Rows:
    """Makes rows in it."""
    driver: Any = conn.connection.driver_connection
    return Rows(driver)


def hold_of(rows: Rows, run_id: UUID, *, behind: int = 0) -> Hold:
    """The executor of a run; one `behind` is of an earlier epoch."""
    epoch = rows.one("select epoch from runs where id = %(id)s", id=run_id)
    return Hold(TENANT, run_id, "fleet-ops", epoch - behind, rows.worker)


def seen(conn: Connection, rows: Rows, state: str, **columns: Any) -> tuple[Hold, Call]:
    """A call in a state, as its run's executor sees it."""
    made = rows.call(state, **columns)
    hold = hold_of(rows, made.run_id)
    call = journal.find(conn, hold, made.key)
    assert call is not None
    return hold, call


# T1 ----------------------------------------------------------------------------------------------


PROPOSAL = Proposal(
    key=b"k" * 32,
    revision=1,
    place=Place("", "t1", None),
    spec=wipe.spec,
    args=b'{"volume":"v7"}',
    classification=wipe.spec.classify({}),
    verdict=Verdict(Outcome.REVIEW, (), POLICY, "why", Terms(("on-call",))),
)


ONE_CALL = Usage(steps=0, calls=1, irreversible=1, active_ms=0)


def propose(conn: Connection, hold: Hold) -> Call:
    """Ask a person about the same call."""
    return journal.propose(conn, hold, PROPOSAL, Shown("Wipe", None), used=ONE_CALL)


@pytest.mark.parametrize(("status", "behind"), [("running", 1), ("waiting", 0)])
def test_nobody_is_asked_for_a_run_that_is_in_other_hands(
    conn: Connection, rows: Rows, status: str, behind: int
) -> None:
    run_id = rows.run(status)
    with pytest.raises(Fenced):
        propose(conn, hold_of(rows, run_id, behind=behind))
    assert rows.one("select count(*) from approvals") == 0


def test_a_question_whose_answer_was_lost_is_asked_once(conn: Connection, rows: Rows) -> None:
    hold = hold_of(rows, rows.run("running"))
    assert propose(conn, hold).id == propose(conn, hold).id
    assert rows.one("select count(*) from approvals") == 1


# T3 ----------------------------------------------------------------------------------------------


def test_nothing_starts_in_a_run_that_was_cancelled(conn: Connection, rows: Rows) -> None:
    hold, call = seen(conn, rows, "approved")
    rows.change("runs", hold.run_id, cancel_requested_at="now", cancel_requested_by="dana")
    with pytest.raises(CancelRequested):
        journal.start(conn, hold, call, uuid7())
    assert rows.one("select state from calls") == "approved"


def test_a_start_whose_answer_was_lost_is_the_same_start(conn: Connection, rows: Rows) -> None:
    hold, call = seen(conn, rows, "approved")
    token = uuid7()
    assert [journal.start(conn, hold, call, token) for _ in range(2)] == [True, False]
    assert rows.one("select starts from calls") == 1
    assert rows.one("select state from approvals") == "consumed"


def test_of_two_starts_one_is_told_that_it_is_none(conn: Connection, rows: Rows) -> None:
    hold, call = seen(conn, rows, "allowed")
    assert journal.start(conn, hold, call, uuid7())
    with pytest.raises(Conflict, match="was not started"):
        journal.start(conn, hold, call, uuid7())
    assert rows.one("select starts from calls") == 1


@pytest.mark.parametrize("is_good", [True, False])
def test_a_start_is_sent_only_while_the_lease_is_good(is_good: bool) -> None:  # noqa: FBT001
    hold = Hold(TENANT, uuid7(), "fleet-ops", 1, uuid7())
    lease: Any = SimpleNamespace(is_good=lambda term: is_good and term == 3)
    starts = object.__new__(Starts)
    starts._hold, starts._lease = hold, lease
    token = uuid7()
    call = call_writes.begin(hold, PROPOSAL, token)
    start = starts._start_of(Begun(call, PROPOSAL.place, token, {}, 3, PROPOSAL))
    assert start["is_wanted"]() is is_good


# T4 and doubt ------------------------------------------------------------------------------------


def test_a_report_takes_the_question_about_its_call_back(conn: Connection, rows: Rows) -> None:
    hold, call = seen(conn, rows, "in_doubt")
    asked = rows.ask(as_made(call), id=uuid7(), kind="in_doubt")
    assert call.start_token is not None
    assert journal.finish(conn, hold, call, call.start_token, success("gone"))
    state = rows.one("select state from approvals where id = %(id)s", id=asked)
    assert state == "cancelled"


def as_made(call: Call) -> Any:
    """The call as rows are made for it."""
    return SimpleNamespace(
        id=call.id, run_id=call.run_id, digest=call.digest, approval_id=call.approval_id
    )


@pytest.mark.parametrize("said", [{"happened": "yes"}, {"abandon": False}, {"maybe": True}, {}])
def test_an_answer_about_a_doubt_says_yes_no_or_abandon(said: dict[str, Any]) -> None:
    asked: Any = SimpleNamespace(may_be_sent=False)
    with pytest.raises(InvalidDecision, match="is answered with"):
        approvals.check_attestation(said, asked)


def test_what_was_settled_meanwhile_is_not_attested_over(conn: Connection, rows: Rows) -> None:
    made = rows.call("in_doubt")
    approval_id = rows.ask(made, id=uuid7(), kind="in_doubt")
    rows.decide(approval_id, "dana", "answer")
    rows.move("calls", made.id, "succeeded", result_type="json", result=b"1")
    asked = execute(conn, "lock_approval", tenant=TENANT, approval_id=approval_id).one()
    answer = answer_to(approval_id, made.digest, {"happened": False})
    with pytest.raises(Conflict, match="settled meanwhile"):
        approvals._settle_doubt(conn, answer, asked)


def answer_to(approval_id: UUID, digest: bytes, said: dict[str, Any]) -> Answer:
    """What Dana says."""
    return Answer(
        tenant=TENANT,
        approval_id=approval_id,
        reviewer="dana",
        kind=DecisionKind.ANSWER,
        digest=digest.hex(),
        via="api",
        answer=said,
    )


@pytest.mark.parametrize("is_due", [True, False])
def test_what_was_decided_since_the_look_does_not_expire(database: Database, is_due: bool) -> None:  # noqa: FBT001
    with database.begin() as conn:
        driver: Any = conn.connection.driver_connection
        rows = Rows(driver)
        call = rows.held(asked={"expires_at": rows.one("select now() + interval '1 h'")})
        if is_due:
            rows.step(call, "approved")
    assert call.approval_id is not None
    assert not approvals._expire(database, TENANT, call.run_id, call.approval_id)


# The end of a run --------------------------------------------------------------------------------


def test_who_lost_the_run_closes_nothing_of_it(conn: Connection, rows: Rows) -> None:
    call = rows.held()
    hold = hold_of(rows, call.run_id, behind=1)
    assert not runs.end(conn, hold, exit=Exit.COMPLETED, reason="It is over.")
    assert rows.one("select state from approvals") == "pending"


def test_a_run_that_kills_its_workers_ends(conn: Connection, rows: Rows) -> None:
    rows.run("running", deaths=2)
    assert runs.recover(conn, most_deaths=2, worker_id=uuid7(), in_hand=[]) == 1
    assert rows.one("select exit from runs") == "failed"


def test_a_worker_does_not_read_checkpoints_that_could_build_anything(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_msgpack, "STRICT_MSGPACK_ENABLED", False)
    with pytest.raises(UsageError, match="LANGGRAPH_STRICT_MSGPACK"):
        Worker(database, [])


# Rollbacks ---------------------------------------------------------------------------------------


def undoing(
    conn: Connection, rows: Rows, state: str = "succeeded", **columns: Any
) -> tuple[RollbackHold, Any]:
    """A rollback in hand, and its one undo, of a call in a state."""
    call = rows.call(state)
    rows.end(call.run_id)
    rollback_id = rows.rollback(call.run_id, "running")
    rows.undo(rollback_id, call, **columns)
    hold = RollbackHold(TENANT, rollback_id, call.run_id, "fleet-ops", 1, rows.worker)
    return hold, undo_of(conn, hold)


def undo_of(conn: Connection, hold: RollbackHold) -> Any:
    """The undo as it stands now."""
    return execute(conn, "undos_of", tenant=TENANT, rollback_id=hold.rollback_id).one()


def test_another_plan_does_not_take_the_place_of_the_one_under_way(
    conn: Connection, rows: Rows
) -> None:
    run_id = rows.run("ended")
    rows.rollback(run_id)
    with pytest.raises(Conflict, match="is being rolled back already"):
        rollbacks._ask(conn, TENANT, run_id, "00" * 32, "reviewer:dana", Scope())


def test_a_plan_that_undoes_nothing_is_not_carried_out(conn: Connection, rows: Rows) -> None:
    run_id = rows.run("ended")
    plan = rollbacks.plan_rollback(conn, tenant=TENANT, run_id=run_id, scope=Scope())
    with pytest.raises(Conflict, match="nothing that can be undone"):
        rollbacks._ask(conn, TENANT, run_id, plan.digest.hex(), "reviewer:dana", Scope())


def test_an_undo_whose_start_was_not_answered_is_started_once(conn: Connection, rows: Rows) -> None:
    hold, undo = undoing(conn, rows)
    token = uuid7()
    for _ in range(2):
        rollback_journal.start(conn, hold, undo, token)
    assert undo_of(conn, hold).starts == 1


def test_of_two_who_start_an_undo_again_one_is_told_that_it_did_not(
    conn: Connection, rows: Rows
) -> None:
    hold, undo = undoing(conn, rows, recovery="same_key")
    rollback_journal.start(conn, hold, undo, uuid7())
    again = undo_of(conn, hold)
    rollback_journal.start(conn, hold, again, uuid7())
    with pytest.raises(Conflict, match="was not started"):
        rollback_journal.start(conn, hold, again, uuid7())
    assert undo_of(conn, hold).starts == 2


def test_an_undo_of_a_call_that_nobody_is_sure_of_does_not_start_as_if_it_were(
    conn: Connection, rows: Rows
) -> None:
    hold, undo = undoing(conn, rows, "in_doubt")
    nested = conn.begin_nested()
    with pytest.raises(Conflict, match="changed meanwhile"):
        rollback_journal.start(conn, hold, undo, uuid7())
    nested.rollback()
    conn.info["interlock.last"] = {}


def test_an_undo_that_is_under_way_is_not_attested(conn: Connection, rows: Rows) -> None:
    hold, undo = undoing(conn, rows)
    rollback_journal.start(conn, hold, undo, uuid7())
    with pytest.raises(Conflict, match="settled meanwhile"):
        rollback_journal.attest(conn, hold, undo, {"happened": False}, "dana")


def test_a_late_report_of_an_undo_that_says_otherwise_is_written_down(
    conn: Connection, rows: Rows
) -> None:
    hold, undo = undoing(conn, rows)
    token = uuid7()
    rollback_journal.start(conn, hold, undo, token)
    rows.move("undos", undo.id, "failed")
    rows.move("calls", undo.call_id, "undo_failed")
    rollback_journal.finish(conn, hold, undo, token, Restored(proved=False))
    told = conn.info["interlock.last"]["append_audit"]["event"]
    assert told[-1] == "undo.reported_late"


def test_a_worker_whose_lease_ran_out_starts_no_undo(database: Database) -> None:
    with database.begin() as conn:
        driver: Any = conn.connection.driver_connection
        hold, undo = undoing(conn, Rows(driver))
    lease: Any = SimpleNamespace(is_good=lambda _: False)
    agent: Any = SimpleNamespace(name="fleet-ops", specs=(), tools={undo.tool: wipe})
    work = Rollbacks(database, hold.worker_id, {"fleet-ops": agent}, lease, TENANT)
    with pytest.raises(Fenced):
        work._undo(hold, undo, 1)
    work.stop()
    with database.begin() as conn:
        assert undo_of(conn, hold).state == "allowed"

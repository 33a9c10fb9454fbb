"""Rolling a run back: the plan, its order, what stays, what fails, what is in doubt."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from integration.engine.graphs import ask, scripted
from interlock import Agent, tool
from interlock.engine import rollback_journal as journal
from interlock.engine import rollbacks
from interlock.engine.database import execute
from interlock.engine.decisions import Answer, decide
from interlock.engine.errors import Conflict, Fenced, InvalidDecision, NotFound
from interlock.engine.lifecycle import DecisionKind
from interlock.engine.rollback_journal import RollbackHold
from interlock.engine.rollback_plan import Scope
from interlock.engine.rollbacks import PlanChanged, ask_rollback, plan_rollback
from interlock.engine.runs import request_cancel
from interlock.tools import NotDone, Undo, current_call
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from integration.engine.conftest import Lab
    from interlock.engine.rollback_plan import Plan
    from interlock.engine.rollbacks import Asked
    from interlock.tools import GatedTool

BY = "reviewer:erik"
SOON = timedelta(seconds=2)


class Shelf:
    """A world of boxes, of which each was put somewhere; undos are noted as they come."""

    def __init__(self) -> None:
        self.boxes: dict[str, int] = {}
        self.undone: list[str] = []
        self.fail: Callable[[str], None] = lambda _: None

    def put(self, box: str) -> None:
        self.boxes[box] = self.boxes.get(box, 0) + 1

    def take(self, box: str) -> None:
        self.undone.append(box)
        self.fail(box)
        self.boxes[box] -= 1
        if not self.boxes[box]:
            del self.boxes[box]


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def stow(shelf: Shelf) -> GatedTool:
    return stowing(shelf)


def stowing(shelf: Shelf, **declared: Any) -> GatedTool:
    """A tool that puts a box on the shelf; its undo gets what the call gave back."""

    def unstow(args: dict[str, Any], result: dict[str, Any]) -> None:
        assert result == {"put": args["box"]}
        shelf.take(args["box"])

    terms = {"effect": "reversible", "undo": unstow, **declared}

    @tool(name="stow", **terms)
    def stow(box: str) -> dict[str, str]:
        """Put a box on the shelf."""
        shelf.put(box)
        return {"put": box}

    return stow


@tool(effect="read")
def look(box: str) -> str:
    """Look at a box."""
    return box


@tool(effect="irreversible")
def ship(box: str) -> str:
    """Ship a box."""
    return f"shipped {box}"


def put_back(args: dict[str, Any], result: Any) -> None:
    """An undo that needs what the call gave back."""


def turns(*calls: tuple[str, str]) -> list[list[dict[str, Any]]]:
    return [[ask(name, {"box": box}, f"c{n}")] for n, (name, box) in enumerate(calls)]


def agent_of(tools: list[GatedTool], *calls: tuple[str, str], name: str = "depot") -> Agent:
    return Agent(name, graph=lambda: scripted(tools, *turns(*calls)), tools=tools)


def plan_of(lab: Lab, run: UUID, **scope: Any) -> Plan:
    with lab.database.begin() as conn:
        return plan_rollback(conn, tenant="default", run_id=run, scope=Scope(**scope))


def confirm(lab: Lab, run: UUID, plan: Plan | None = None, **scope: Any) -> Asked:
    plan = plan or plan_of(lab, run, **scope)
    return ask_rollback(
        lab.database,
        tenant="default",
        run_id=run,
        digest=plan.digest.hex(),
        by=BY,
        scope=plan.scope,
    )


def rollback(lab: Lab, run: UUID) -> dict[str, Any]:
    return lab.rows("select * from rollbacks where run_id = %s order by id desc limit 1", run)[0]


def over(lab: Lab, run: UUID) -> dict[str, Any]:
    lab.until(lambda: rollback(lab, run)["state"] == "ended", run)
    return rollback(lab, run)


def states(lab: Lab, run: UUID) -> list[str]:
    return [call["state"] for call in lab.calls(run)]


def done(lab: Lab, *tools: GatedTool, calls: list[tuple[str, str]]) -> UUID:
    """A run that made these calls and has ended; its worker is up."""
    agent = agent_of([*tools], *calls)
    lab.work(agent)
    run = lab.start(agent, {"messages": []})
    lab.ended(run)
    return run


THREE = [("stow", "a"), ("look", "a"), ("stow", "b"), ("stow", "c")]


def test_done_calls_are_undone_in_reverse_order_each_once(
    lab: Lab, shelf: Shelf, stow: GatedTool
) -> None:
    run = done(lab, stow, look, calls=THREE)
    assert shelf.boxes == {"a": 1, "b": 1, "c": 1}
    plan = plan_of(lab, run)
    assert [undo.tool for undo in plan.undos] == ["stow"] * 3
    assert (plan.staying, plan.reads, plan.needs_approval) == ((), 1, False)

    confirm(lab, run, plan)
    ended = over(lab, run)
    assert (ended["outcome"], ended["reason"]) == ("undone", "3 of 3 calls are undone.")
    assert shelf.undone == ["c", "b", "a"]
    assert shelf.boxes == {}
    assert states(lab, run) == ["undone", "succeeded", "undone", "undone"]
    assert lab.run(run)["exit"] == "completed"
    lab.silence()
    assert shelf.undone == ["c", "b", "a"]


def test_a_look_at_the_plan_changes_nothing(lab: Lab, shelf: Shelf, stow: GatedTool) -> None:
    run = done(lab, stow, look, calls=THREE)
    assert plan_of(lab, run).digest == plan_of(lab, run).digest
    lab.silence()
    assert shelf.undone == []
    assert lab.rows("select from rollbacks") == []


def test_every_step_of_an_undo_is_in_the_audit_log(lab: Lab, shelf: Shelf, stow: GatedTool) -> None:
    run = done(lab, stow, calls=[("stow", "a")])
    confirm(lab, run)
    over(lab, run)
    query = "select event, entry from audit_log where run_id = %s order by seq"
    found = [row["event"] for row in lab.rows(query, run)]
    assert found[found.index("rollback.asked") :] == [
        "rollback.asked",
        "rollback.claimed",
        "undo.started",
        "call.undoing",
        "undo.succeeded",
        "call.undone",
        "rollback.ended",
    ]
    asked = next(row for row in lab.rows(query, run) if row["event"] == "rollback.asked")
    entry = json.loads(bytes(asked["entry"]))
    assert (entry["actor"], len(entry["detail"]["plan"]["undos"])) == (BY, 1)


def test_what_does_not_come_back_is_named_and_stays(
    lab: Lab, shelf: Shelf, stow: GatedTool
) -> None:
    agent = agent_of([stow, ship], ("stow", "a"), ("ship", "a"), ("stow", "b"))
    lab.work(agent)
    run = lab.start(agent, {"messages": []})
    (asked,) = lab.pending(run)
    lab.decide(asked)
    lab.ended(run)
    plan = plan_of(lab, run)
    (stays,) = plan.staying
    assert stays.tool == "ship"
    assert "does not come back" in stays.why
    last, first = plan.undos
    assert (last.notes, first.notes) == (
        (),
        ("What came after it and stays may rest on it: ship.",),
    )
    confirm(lab, run, plan)
    assert over(lab, run)["outcome"] == "undone"
    assert states(lab, run) == ["undone", "succeeded", "undone"]


def test_it_goes_back_to_a_call_and_leaves_that_and_all_before_it(
    lab: Lab, shelf: Shelf, stow: GatedTool
) -> None:
    run = done(lab, stow, look, calls=THREE)
    first = lab.calls(run)[0]["id"]
    confirm(lab, run, to=first)
    assert over(lab, run)["outcome"] == "undone"
    assert shelf.boxes == {"a": 1}
    confirm(lab, run)
    lab.until(lambda: shelf.boxes == {})


def test_a_call_that_is_left_out_stays(lab: Lab, shelf: Shelf, stow: GatedTool) -> None:
    run = done(lab, stow, calls=[("stow", "a"), ("stow", "b")])
    skip = frozenset({lab.calls(run)[1]["id"]})
    (stays,) = plan_of(lab, run, skip=skip).staying
    assert stays.why == "You left it out."
    confirm(lab, run, skip=skip)
    assert over(lab, run)["outcome"] == "undone"
    assert shelf.boxes == {"b": 1}


def test_a_stale_plan_is_refused_and_changes_nothing(
    lab: Lab, shelf: Shelf, stow: GatedTool
) -> None:
    run = done(lab, stow, calls=[("stow", "a"), ("stow", "b")])
    old = plan_of(lab, run)
    confirm(lab, run, to=lab.calls(run)[0]["id"])
    over(lab, run)
    with pytest.raises(PlanChanged, match="Nothing was undone"):
        confirm(lab, run, old)
    assert shelf.undone == ["b"]


def test_the_same_confirmation_again_starts_nothing_new(lab: Lab, shelf: Shelf) -> None:
    run = done(lab, final_undo(shelf), calls=[("stow", "a")])
    plan = plan_of(lab, run)
    assert confirm(lab, run, plan) == confirm(lab, run, plan)
    assert len(lab.pending(run)) == 1
    with pytest.raises(Conflict, match="being rolled back already"):
        ask_rollback(lab.database, tenant="default", run_id=run, digest="00" * 32, by=BY)


def test_there_is_no_plan_for_what_is_not_there(lab: Lab, stow: GatedTool) -> None:
    run = done(lab, stow, calls=[("stow", "a")])
    other = done(lab, look, calls=[("look", "a")])
    with pytest.raises(NotFound, match="has made no call"):
        plan_of(lab, run, to=other)
    with pytest.raises(NotFound, match="There is no run"):
        plan_of(lab, lab.calls(run)[0]["id"])
    with pytest.raises(Conflict, match="nothing that can be undone"):
        confirm(lab, other)


# What the workers have ----------------------------------------


def test_without_a_worker_nothing_can_be_undone_and_the_plan_says_why(
    lab: Lab, stow: GatedTool
) -> None:
    run = done(lab, stow, calls=[("stow", "a")])
    lab.rest()
    (stays,) = plan_of(lab, run).staying
    assert "start one of this agent" in stays.why


def test_another_version_of_the_tool_does_not_undo_what_this_one_did(
    lab: Lab, shelf: Shelf, stow: GatedTool
) -> None:
    run = done(lab, stow, calls=[("stow", "a")])
    before = plan_of(lab, run)
    lab.rest()
    lab.work(agent_of([stowing(shelf, version="2")]))
    (stays,) = plan_of(lab, run).staying
    assert "changed since" in stays.why
    with pytest.raises(PlanChanged):
        confirm(lab, run, before)


def test_a_rollback_waits_for_a_worker_that_has_its_tools(
    lab: Lab, shelf: Shelf, stow: GatedTool
) -> None:
    run = done(lab, stow, calls=[("stow", "a")])
    plan = plan_of(lab, run)
    lab.rest()
    lab.rows("update workers set lease_until = clock_timestamp() + interval '1 minute' returning 1")
    confirm(lab, run, plan)
    lab.rows("update workers set lease_until = clock_timestamp() returning 1")
    lab.work(agent_of([stowing(shelf, version="2")]))
    lab.silence()
    assert rollback(lab, run)["state"] == "queued"
    lab.work(agent_of([stow]))
    over(lab, run)
    assert shelf.undone == ["a"]


# What needs an approval ----------------------------------------


def final_undo(shelf: Shelf, **terms: Any) -> GatedTool:
    undo = Undo(lambda args, _: shelf.take(args["box"]), effect="irreversible")
    return stowing(shelf, undo=undo, **terms)


def test_an_undo_that_does_not_come_back_waits_for_an_approval_of_the_plan(
    lab: Lab, shelf: Shelf
) -> None:
    run = done(lab, final_undo(shelf), calls=[("stow", "a")])
    plan = plan_of(lab, run)
    assert plan.needs_approval
    asked = confirm(lab, run, plan)
    (approval,) = lab.pending(run)
    assert (approval["kind"], approval["id"]) == ("rollback", asked.approval_id)
    assert bytes(approval["digest"]) == plan.digest
    assert approval["headline"].startswith("Roll back 1 call of run ")
    lab.silence()
    assert shelf.undone == []
    with pytest.raises(InvalidDecision, match="takes approve, reject"):
        lab.decide(approval, "answer", answer={"happened": True})

    lab.decide(approval)
    assert over(lab, run)["outcome"] == "undone"
    assert shelf.undone == ["a"]
    query = "select state from approvals where id = %s"
    assert lab.one(query, approval["id"]) == "consumed"


def test_a_rejected_plan_undoes_nothing_and_can_be_asked_for_again(lab: Lab, shelf: Shelf) -> None:
    run = done(lab, final_undo(shelf), calls=[("stow", "a")])
    confirm(lab, run)
    (approval,) = lab.pending(run)
    lab.decide(approval, "reject", reason="leave it")
    ended = over(lab, run)
    assert (ended["outcome"], ended["reason"]) == (
        "rejected",
        "Its plan was rejected: leave it. Nothing was undone.",
    )
    assert states(lab, run) == ["succeeded"]
    confirm(lab, run)
    assert len(lab.pending(run)) == 1


def test_a_plan_that_nobody_decides_on_expires(lab: Lab, shelf: Shelf) -> None:
    run = done(lab, final_undo(shelf), calls=[("stow", "a")])
    confirm(lab, run)
    lab.rest()
    with lab.database.begin() as conn:
        conn.exec_driver_sql("set local session_replication_role = replica")
        conn.exec_driver_sql("update approvals set expires_at = clock_timestamp()")
    lab.work(agent_of([final_undo(shelf)]))
    assert over(lab, run)["outcome"] == "expired"
    assert shelf.undone == []


def test_an_approved_plan_that_no_longer_holds_lapses(lab: Lab, shelf: Shelf) -> None:
    stow = final_undo(shelf)
    run = done(lab, stow, calls=[("stow", "a")])
    confirm(lab, run)
    (approval,) = lab.pending(run)
    lab.rest()
    with lab.database.begin() as conn:
        conn.exec_driver_sql("set local session_replication_role = replica")
        conn.exec_driver_sql("update calls set attested_by = 'dana'")
    lab.decide(approval)
    lab.work(agent_of([stow]))
    assert over(lab, run)["outcome"] == "stale"
    assert lab.one("select state from approvals where id = %s", approval["id"]) == "lapsed"
    assert shelf.undone == []


def test_a_plan_that_was_approved_too_long_ago_lapses(
    lab: Lab, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = replace(rollbacks._FINAL_TERMS, window=timedelta(microseconds=1))
    monkeypatch.setattr(rollbacks, "_FINAL_TERMS", short)
    stow = final_undo(shelf)
    run = done(lab, stow, calls=[("stow", "a")])
    confirm(lab, run)
    (approval,) = lab.pending(run)
    lab.decide(approval)
    ended = over(lab, run)
    assert ended["outcome"] == "stale"
    assert "too long ago" in ended["reason"]
    assert lab.one("select state from approvals where id = %s", approval["id"]) == "lapsed"
    assert shelf.undone == []


# Failing, and going on ----------------------------------------


def test_a_failed_undo_stops_the_rollback_and_a_new_plan_goes_on_from_there(
    lab: Lab, shelf: Shelf, stow: GatedTool
) -> None:
    def fail(box: str) -> None:
        if box == "b":
            raise ConnectionError("the shelf is away")

    shelf.fail = fail
    run = done(lab, stow, calls=[("stow", "a"), ("stow", "b"), ("stow", "c")])
    confirm(lab, run)
    ended = over(lab, run)
    assert ended["outcome"] == "partial"
    assert ended["reason"].startswith("1 of 3 calls are undone. The undo of stow came to nothing")
    assert "the shelf is away" in ended["reason"]
    assert states(lab, run) == ["succeeded", "undo_failed", "undone"]
    assert shelf.undone == ["c", "b"]

    shelf.fail = lambda _: None
    plan = plan_of(lab, run)
    again, first = plan.undos
    assert "Its undo failed before: ConnectionError: the shelf is away" in again.notes
    assert first.notes == ()
    confirm(lab, run, plan)
    assert over(lab, run)["outcome"] == "undone"
    assert states(lab, run) == ["undone"] * 3
    assert shelf.boxes == {}


def test_an_undo_that_may_have_done_harm_before_it_broke_off_is_in_doubt(
    lab: Lab, shelf: Shelf
) -> None:
    def fail(_: str) -> None:
        raise ConnectionError("no answer")

    shelf.fail = fail
    run = done(lab, final_undo(shelf), calls=[("stow", "a")])
    confirm(lab, run)
    lab.decide(lab.pending(run)[0])
    lab.until(lambda: [a["kind"] for a in lab.pending(run)] == ["in_doubt"])
    (doubt,) = lab.pending(run)
    lab.until(lambda: rollback(lab, run)["state"] == "waiting")
    assert states(lab, run) == ["undoing"]
    lab.decide(doubt, "answer", answer={"happened": True})
    assert over(lab, run)["outcome"] == "undone"
    assert states(lab, run) == ["undone"]
    assert shelf.undone == ["a"]
    assert lab.one("select attested_by from undos") == "dana"


@pytest.mark.parametrize(
    ("said", "again"),
    [({"happened": False}, True), ({"abandon": True}, False)],
)
def test_an_undo_that_did_not_happen_can_be_tried_again_and_one_given_up_cannot(
    said: dict[str, bool],
    again: bool,  # noqa: FBT001
    lab: Lab,
    shelf: Shelf,
) -> None:
    def fail(_: str) -> None:
        raise ConnectionError("no answer")

    shelf.fail = fail
    run = done(lab, final_undo(shelf, send_within=SOON), calls=[("stow", "a")])
    confirm(lab, run)
    lab.decide(lab.pending(run)[0])
    lab.until(lambda: [a["kind"] for a in lab.pending(run)] == ["in_doubt"])
    (doubt,) = lab.pending(run)
    if again:
        with pytest.raises(InvalidDecision, match="may still be sent"):
            lab.decide(doubt, "answer", answer=said)
        lab.until(lambda: lab.one("select started_at + %s < clock_timestamp() from undos", SOON))
    lab.decide(doubt, "answer", answer=said)
    assert over(lab, run)["outcome"] == "partial"
    assert states(lab, run) == ["undo_failed"]
    assert bool(plan_of(lab, run).undos) is again
    assert shelf.undone == ["a"]


def test_an_undo_that_knows_it_did_nothing_failed(lab: Lab, shelf: Shelf) -> None:
    def fail(_: str) -> None:
        raise NotDone("the depot is closed")

    shelf.fail = fail
    run = done(lab, final_undo(shelf), calls=[("stow", "a")])
    confirm(lab, run)
    lab.decide(lab.pending(run)[0])
    ended = over(lab, run)
    assert ended["reason"].endswith("came to nothing: the depot is closed")


def test_a_call_in_doubt_is_undone_by_an_undo_that_copes_with_that(lab: Lab, shelf: Shelf) -> None:
    told: list[Any] = []

    def unstow(args: dict[str, Any], result: Any, in_doubt: bool) -> None:  # noqa: FBT001
        told.append((args["box"], result, in_doubt))

    @tool(name="stow", effect="irreversible", undo=unstow)
    def stow(box: str) -> str:
        """Put a box somewhere, and lose the answer."""
        raise ConnectionError(box)

    agent = agent_of([stow], ("stow", "a"))
    lab.work(agent)
    run = lab.start(agent, {"messages": []})
    lab.decide(lab.pending(run)[0])
    lab.until(lambda: [a["kind"] for a in lab.pending(run)] == ["in_doubt"])
    (question,) = lab.pending(run)
    lab.until(lambda: lab.run(run)["status"] == "waiting")

    plan = plan_of(lab, run)
    assert plan.needs_approval
    assert plan.undos[0].unsure
    confirm(lab, run, plan)
    assert (lab.run(run)["status"], lab.run(run)["exit"]) == ("ended", "cancelled")
    approval = next(a for a in lab.pending(run, 2) if a["kind"] == "rollback")
    lab.decide(approval)
    assert over(lab, run)["outcome"] == "undone"
    assert told == [("a", None, True)]
    assert states(lab, run) == ["undone"]
    assert lab.one("select state from approvals where id = %s", question["id"]) == "cancelled"


def test_a_call_in_doubt_stays_where_its_undo_needs_the_result(
    lab: Lab, shelf: Shelf, stow: GatedTool
) -> None:
    @tool(effect="irreversible", undo=put_back)
    def lose(box: str) -> str:
        """Lose a box, and the answer with it."""
        raise ConnectionError(box)

    agent = agent_of([stow, lose], ("stow", "a"), ("lose", "b"))
    lab.work(agent)
    run = lab.start(agent, {"messages": []})
    lab.decide(lab.pending(run)[0])
    lab.until(lambda: [a["kind"] for a in lab.pending(run)] == ["in_doubt"])
    lab.until(lambda: lab.run(run)["status"] == "waiting")
    plan = plan_of(lab, run)
    assert plan.needs_approval
    (stays,) = plan.staying
    assert "cannot cope with that" in stays.why
    lab.decide(lab.pending(run)[0], "answer", answer={"happened": True, "result": "x"})
    lab.ended(run)
    (stays,) = plan_of(lab, run).staying
    assert stays.why.startswith("dana attested that it happened")


# The state of the target ----------------------------------------


def test_the_target_is_compared_with_how_the_call_found_it(lab: Lab, shelf: Shelf) -> None:
    stow = stowing(shelf, fingerprint=lambda box: shelf.boxes.get(box, 0))
    run = done(lab, stow, calls=[("stow", "a")])
    confirm(lab, run)
    assert over(lab, run)["outcome"] == "undone"
    assert lab.one("select restored from undos") is True


def test_an_undo_that_leaves_the_target_otherwise_is_not_proved_and_never_repeated(
    lab: Lab, shelf: Shelf
) -> None:
    stow = stowing(
        shelf,
        undo=lambda args, _: shelf.undone.append(args["box"]),
        fingerprint=lambda box: shelf.boxes.get(box, 0),
    )
    run = done(lab, stow, calls=[("stow", "a"), ("stow", "b")])
    confirm(lab, run)
    ended = over(lab, run)
    assert (ended["outcome"], shelf.undone) == ("partial", ["b"])
    assert states(lab, run) == ["succeeded", "undo_failed"]
    plan = plan_of(lab, run)
    assert "left its target otherwise" in plan.staying[0].why
    assert [undo.call_id for undo in plan.undos] == [lab.calls(run)[0]["id"]]


def test_a_fingerprint_that_fails_proves_nothing_and_hinders_nothing(
    lab: Lab, shelf: Shelf
) -> None:
    def broken(box: str) -> int:
        raise OSError(box)

    run = done(lab, stowing(shelf, fingerprint=broken), calls=[("stow", "a")])
    confirm(lab, run)
    assert over(lab, run)["outcome"] == "undone"
    assert lab.one("select restored from undos") is None


def test_a_target_that_cannot_be_measured_after_its_undo_proves_nothing(
    lab: Lab, shelf: Shelf
) -> None:
    looks: list[str] = []

    def once(box: str) -> str:
        looks.append(box)
        if len(looks) > 1:
            raise OSError(box)
        return "as it was"

    run = done(lab, stowing(shelf, fingerprint=once), calls=[("stow", "a")])
    confirm(lab, run)
    assert over(lab, run)["outcome"] == "undone"
    assert lab.one("select restored from undos") is None


# Runs that are open ----------------------------------------


def test_a_run_that_waits_is_ended_first_and_nothing_of_it_starts_meanwhile(
    lab: Lab, shelf: Shelf, stow: GatedTool
) -> None:
    agent = agent_of([stow, ship], ("stow", "a"), ("ship", "a"))
    lab.work(agent)
    run = lab.start(agent, {"messages": []})
    (held,) = lab.pending(run)
    lab.until(lambda: lab.run(run)["status"] == "waiting")
    confirm(lab, run)
    over(lab, run)
    assert shelf.boxes == {}
    ended = lab.run(run)
    assert (ended["exit"], ended["exit_reason"]) == (
        "cancelled",
        "Stopped by erik, to be rolled back.",
    )
    assert states(lab, run) == ["undone", "cancelled"]
    assert lab.one("select state from approvals where id = %s", held["id"]) == "cancelled"


def test_a_run_that_runs_is_stopped_and_its_plan_confirmed_after_that(
    lab: Lab, shelf: Shelf, stow: GatedTool
) -> None:
    go_on = threading.Event()

    @tool(effect="read")
    def linger(box: str) -> str:
        """Take a while."""
        go_on.wait(10)
        return box

    agent = agent_of([stow, linger], ("stow", "a"), ("linger", "a"), ("stow", "b"))
    lab.work(agent)
    run = lab.start(agent, {"messages": []})
    lab.until(lambda: states(lab, run) == ["succeeded"])
    assert confirm(lab, run).state == "stopping"
    go_on.set()
    lab.ended(run)
    assert lab.run(run)["exit"] == "cancelled"
    assert shelf.undone == []
    confirm(lab, run)
    over(lab, run)
    assert shelf.boxes == {}


# What an undo may know ----------------------------------------


def test_an_undo_may_be_async_and_has_a_key_of_its_own(lab: Lab, shelf: Shelf) -> None:
    keys: list[str] = []

    async def unstow(args: dict[str, Any], _: Any) -> None:
        keys.append(current_call().idempotency_key)
        shelf.take(args["box"])

    run = done(lab, stowing(shelf, undo=unstow), calls=[("stow", "a")])
    confirm(lab, run)
    assert over(lab, run)["outcome"] == "undone"
    assert keys == [str(lab.one("select id from undos"))]


def test_an_undo_cannot_call_a_gated_tool(lab: Lab, shelf: Shelf, stow: GatedTool) -> None:
    sly = stowing(shelf, undo=lambda args, _: stow.invoke({"box": args["box"]}))
    run = done(lab, sly, calls=[("stow", "a")])
    confirm(lab, run)
    assert "outside a run" in over(lab, run)["reason"]
    assert shelf.boxes == {"a": 1}


def test_a_decision_on_a_plan_is_bound_to_its_digest(lab: Lab, shelf: Shelf) -> None:
    run = done(lab, final_undo(shelf), calls=[("stow", "a")])
    confirm(lab, run)
    (approval,) = lab.pending(run)
    answer = Answer(
        tenant="default",
        approval_id=approval["id"],
        reviewer="dana",
        kind=DecisionKind.APPROVE,
        digest="00" * 32,
        via="api",
    )
    with pytest.raises(Exception, match="not what is stored"):
        decide(lab.database, answer)
    lab.silence()
    assert shelf.undone == []


def two_claims(lab: Lab, run: UUID, stow: GatedTool) -> list[RollbackHold]:
    """A rollback of the run in the hands of one worker, and of the next."""
    plan = plan_of(lab, run)
    lab.work(agent_of([stow]))
    lab.rest()
    with lab.database.begin() as conn:
        conn.exec_driver_sql("update workers set lease_until = 'infinity'")
    asked = confirm(lab, run, plan)
    assert asked.rollback_id is not None
    holds = []
    for epoch in (1, 2):
        with lab.database.begin() as conn:
            worker = conn.exec_driver_sql("select id from workers limit 1").scalar_one()
            claim = {"tenant": "default", "rollback_id": asked.rollback_id, "worker_id": worker}
            assert execute(conn, "claim_rollback", **claim).scalar_one() == epoch
            hold = RollbackHold("default", asked.rollback_id, run, "depot", epoch, worker)
            note = (conn, "default", run, asked.rollback_id)
            journal.note_rollback(*note, "claimed", hold.actor, "running", {})
            holds.append(hold)
        if epoch == 1:
            with lab.database.begin() as conn:
                journal.release(conn, hold)
    return holds


def test_a_worker_of_an_earlier_claim_starts_no_undo(lab: Lab, shelf: Shelf) -> None:
    earlier, now = two_claims(lab, done(lab, stowing(shelf), calls=[("stow", "a")]), stowing(shelf))
    with lab.database.begin() as conn:
        step = journal.following(conn, now)
        assert step is not None
    for act in (
        lambda conn: journal.following(conn, earlier),
        lambda conn: journal.start(conn, earlier, step.undo, uuid7()),
        lambda conn: journal.release(conn, earlier),
    ):
        with pytest.raises(Fenced), lab.database.begin() as conn:
            act(conn)
    with lab.database.begin() as conn:
        journal.start(conn, now, step.undo, uuid7())
    with pytest.raises(Conflict), lab.database.begin() as conn:
        journal.start(conn, now, step.undo, uuid7())
    assert lab.one("select starts from undos") == 1


def test_a_report_that_comes_while_its_undo_is_put_in_doubt_lets_the_rollback_go_on(
    lab: Lab, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = done(lab, stowing(shelf), calls=[("stow", "a")])
    earlier, now = two_claims(lab, run, stowing(shelf))
    token = uuid7()
    with lab.database.begin() as conn:
        step = journal.following(conn, now)
        assert step is not None
        journal.start(conn, now, step.undo, token)

    def report() -> None:
        with lab.database.begin() as conn:
            journal.finish(conn, earlier, step.undo, token, journal.Restored(proved=False))

    reporting = threading.Thread(target=report)
    waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
    really = journal.choose

    def choose(undos: Any) -> Any:
        chosen = really(undos)
        reporting.start()
        lab.until(lambda: not reporting.is_alive() or lab.one(waits))
        return chosen

    monkeypatch.setattr(journal, "choose", choose)
    with lab.database.begin() as conn:
        assert journal.following(conn, now) is None
    reporting.join()
    assert rollback(lab, run)["state"] == "queued"
    assert states(lab, run) == ["undone"]
    assert lab.rows("select from approvals where state = 'pending'") == []


def test_a_plan_that_cannot_be_made_any_more_lapses_and_holds_up_no_other(lab: Lab) -> None:
    undone: list[str] = []

    @tool(effect="reversible", undo=lambda args, _result: undone.append(args["box"]))
    def stow(box: str) -> str:
        """Stow a box."""
        return box

    @tool(effect="irreversible", send_within=timedelta(seconds=1))
    def wipe(volume: str) -> str:
        """Wipe a volume."""
        raise OSError(volume)

    first = [ask("stow", {"box": "a"}, "1")], [ask("wipe", {"volume": "v"}, "2")]
    both = Agent("both", graph=scripted([stow, wipe], *first), tools=[stow, wipe])
    alone = [ask("stow", {"box": "b"}, "1")]
    plain = Agent("plain", graph=scripted([stow], alone), tools=[stow])
    lab.work(both, plain)
    run_id = lab.start(both, {"messages": []})
    lab.decide(lab.pending(run_id)[0])
    lab.until(lambda: lab.one("select count(*) = 1 from calls where state = 'in_doubt'"))
    doubt = next(each for each in lab.pending(run_id) if each["kind"] == "in_doubt")
    lab.settled(run_id)
    request_cancel(lab.database, tenant="default", run_id=run_id, by="reviewer:dana")
    scope = Scope(None, frozenset({doubt["call_id"]}))
    with lab.database.begin() as conn:
        plan = plan_rollback(conn, tenant="default", run_id=run_id, scope=scope)
    who: Any = {"tenant": "default", "by": "reviewer:dana"}
    asked = ask_rollback(lab.database, run_id=run_id, digest=plan.digest.hex(), scope=scope, **who)
    time.sleep(1.2)  # until it cannot be sent any more
    lab.decide(doubt, "answer", answer={"happened": False})
    lab.decide(next(each for each in lab.pending(run_id) if each["kind"] == "rollback"))
    ended = "select state = 'ended' and outcome = 'stale' from rollbacks where id = %s"
    lab.until(lambda: lab.one(ended, asked.rollback_id))
    other = lab.start(plain, {"messages": []})
    lab.ended(other)
    with lab.database.begin() as conn:
        plan = plan_rollback(conn, tenant="default", run_id=other, scope=Scope())
    ask_rollback(lab.database, run_id=other, digest=plan.digest.hex(), **who)
    lab.until(lambda: undone == ["b"])

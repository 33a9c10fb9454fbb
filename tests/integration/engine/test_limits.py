"""Each limit ends a run at its number; a person may raise it, and the run goes on."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from interlock import Agent, Limits, ask_human, tool
from interlock.engine.errors import AlreadyDecided, InvalidDecision, UsageError
from interlock.engine.lifecycle import Exit
from interlock.engine.raising import end_overdue
from interlock.engine.retention import Retention, prune
from interlock.engine.rollback_plan import Scope
from interlock.engine.rollbacks import ask_rollback, plan_rollback
from interlock.engine.runs import request_cancel
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

sys.path.insert(0, str(Path(__file__).parent))
from graphs import Notes, ask, scripted

if TYPE_CHECKING:
    from conftest import Lab


def looker(lab: Lab, turns: int, *, same: bool = False, **limits: int) -> Agent:
    """A loop of so many reads, one a turn."""

    @tool(effect="read")
    def look(n: int) -> str:
        """Look."""
        lab.effects.append(str(n))
        return f"saw {n}"

    calls = [[ask("look", {"n": 0 if same else n}, str(n))] for n in range(turns)]
    return Agent("looker", graph=scripted([look], *calls), tools=[look], limits=Limits(**limits))


def wipers(lab: Lab, calls: int, **limits: int) -> Agent:
    """So many irreversible calls side by side, each in a task of its own."""

    @tool(effect="irreversible")
    def wipe(volume: str) -> str:
        """Wipe a volume."""
        lab.effects.append(volume)
        return f"wiped {volume}"

    def work(volume: str) -> dict[str, Any]:
        wipe.invoke({"volume": volume})
        return {}

    graph = StateGraph(Notes)
    graph.add_node("work", work)
    graph.add_conditional_edges(START, lambda _: [Send("work", f"v{n}") for n in range(calls)])
    graph.add_edge("work", END)
    return Agent("wipers", graph=graph, tools=[wipe], limits=Limits(**limits))


@pytest.mark.parametrize("limit", ["irreversible", "pending"])
def test_no_more_calls_are_put_to_a_person_than_the_limit_has_room_for(
    lab: Lab, limit: str
) -> None:
    agent = wipers(lab, 8, **{limit: 3})
    lab.work(agent)
    run = lab.ended(lab.start(agent))
    assert run["exit"] == "limit_reached"
    assert "limit of 3" in run["exit_reason"]
    assert "nobody was asked about the next call of wipe" in run["exit_reason"]
    calls = lab.calls(run["id"])
    assert {call["state"] for call in calls} == {"cancelled"}
    assert len(calls) == run["used_irreversible"] == 3
    assert lab.effects == []


def test_calls_that_were_decided_make_room_for_others_to_wait(lab: Lab) -> None:
    @tool(effect="irreversible")
    def wipe(volume: str) -> str:
        """Wipe a volume."""
        lab.effects.append(volume)
        return "wiped"

    turns = [[ask("wipe", {"volume": f"v{n}"}, str(n))] for n in range(3)]
    agent = Agent("a", graph=scripted([wipe], *turns), tools=[wipe], limits=Limits(pending=1))
    lab.work(agent)
    run_id = lab.start(agent, {"messages": []})
    for decision in ("approve", "reject", "approve"):
        lab.decide(lab.pending(run_id)[0], decision, reason="so")
    assert lab.ended(run_id)["exit"] == "completed"
    assert lab.effects == ["v0", "v2"]


def test_an_edited_call_is_counted_once(lab: Lab) -> None:
    agent = wipers(lab, 1, irreversible=1, pending=1)
    lab.work(agent)
    run_id = lab.start(agent)
    lab.decide(lab.pending(run_id)[0], "edit", args={"volume": "other"})
    lab.decide(lab.pending(run_id)[0])
    assert lab.ended(run_id)["exit"] == "completed"
    assert lab.effects == ["other"]
    assert lab.run(run_id)["used_irreversible"] == 1


def test_forbidden_calls_use_nothing_up_of_what_may_be_put_to_a_person(lab: Lab) -> None:
    @tool(effect="irreversible")
    def wipe(volume: str) -> str:
        """Wipe a volume."""
        lab.effects.append(volume)
        return "wiped"

    policy = """@id("held") @outcome("review") @reviewers("on-call")
        permit (principal, action, resource)
        when { context.input has volume && context.input.volume == "v9" };"""
    turns = [
        [ask("wipe", {"volume": "v1"}, "1")],
        [ask("wipe", {"volume": "v2"}, "2")],
        [ask("ask_human", {"question": "Which?"}, "3")],
        [ask("ask_human", {"question": "Sure?"}, "4")],
        [ask("wipe", {"volume": "v9"}, "5")],
    ]
    graph = scripted([wipe, ask_human], *turns)
    agent = Agent("a", graph=graph, tools=[wipe], policy=policy, limits=Limits(irreversible=1))
    lab.work(agent)
    run_id = lab.start(agent, {"messages": []})
    for _ in range(2):
        lab.decide(lab.pending(run_id)[0], "answer", answer={"text": "v9"})
    (asked,) = lab.pending(run_id)
    assert lab.run(run_id)["used_irreversible"] == 1
    lab.decide(asked)
    assert lab.ended(run_id)["exit"] == "completed"
    assert lab.effects == ["v9"]


def test_a_run_that_waits_for_too_long_ends_and_nobody_said_no(lab: Lab) -> None:
    agent = wipers(lab, 1, wall_seconds=1)
    lab.work(agent)
    run_id = lab.start(agent)
    run = lab.ended(run_id)
    assert run["exit"] == "limit_reached"
    assert "1 seconds since it was asked for" in run["exit_reason"]
    (approval,) = lab.rows("select * from approvals where run_id = %s and kind = 'call'", run_id)
    assert approval["state"] == "cancelled"
    assert lab.effects == []
    assert end_overdue(lab.database) == 0


def refuse(lab: Lab, table: str, when: str) -> None:
    """Have the database refuse updates of a table."""
    with lab.database.begin() as conn:
        conn.exec_driver_sql(
            f"create function refuse_{table}() returns trigger language plpgsql as"
            " $$ begin raise exception 'no' using errcode = 'IL002'; end $$"
        )
        conn.exec_driver_sql(
            f"create trigger refuse_{table} before update on {table} for each row"
            f" when ({when}) execute function refuse_{table}()"
        )


def test_an_approval_that_cannot_be_closed_keeps_nothing_else_from_its_end(lab: Lab) -> None:
    agent = wipers(lab, 1)
    lab.work(agent)
    stuck, other = (lab.pending(lab.start(agent))[0] for _ in range(2))
    refuse(lab, "approvals", f"new.state = 'expired' and old.id = '{stuck['id']}'")
    with lab.database.begin() as conn:
        conn.exec_driver_sql("alter table approvals disable trigger user")
        for approval, seconds in ((stuck, 2), (other, 1)):
            conn.exec_driver_sql(
                "update approvals set expires_at = now() - make_interval(secs => %s) where id = %s",
                (seconds, approval["id"]),
            )
        conn.exec_driver_sql("alter table approvals enable trigger user")
    run_id = lab.start(agent, limits={"wall_seconds": 1})
    assert lab.ended(run_id)["exit"] == "limit_reached"
    assert lab.ended(other["run_id"])["exit"] == "completed"
    assert lab.run(stuck["run_id"])["status"] == "waiting"


def test_a_run_that_cannot_be_ended_in_time_keeps_no_other_from_its_end(lab: Lab) -> None:
    agent = wipers(lab, 1)
    lab.work(agent)
    stuck = lab.start(agent, limits={"wall_seconds": 1})
    lab.pending(stuck)
    refuse(lab, "runs", f"new.status = 'ended' and old.id = '{stuck}'")
    other = lab.start(agent, limits={"wall_seconds": 1})
    assert lab.ended(other)["exit"] == "limit_reached"
    assert lab.run(stuck)["status"] == "waiting"


def test_a_run_that_works_for_too_long_ends(lab: Lab) -> None:
    import time  # noqa: PLC0415

    @tool(effect="read")
    def look(n: int) -> str:
        """Look."""
        time.sleep(0.2)
        return "ok"

    turns = [[ask("look", {"n": n}, str(n))] for n in range(12)]
    agent = Agent("a", graph=scripted([look], *turns), tools=[look], limits=Limits(wall_seconds=1))
    lab.work(agent)
    run = lab.ended(lab.start(agent, {"messages": []}))
    assert (run["exit"], "since it was asked for" in run["exit_reason"]) == ("limit_reached", True)


RAISED = [
    ("calls", 3, {"calls": 3}, 6),
    ("repeats", 2, {"repeats": 2}, 4),
    ("steps", 5, {"steps": 5}, 10),
]


@pytest.mark.parametrize(("limit", "allowed", "limits", "to"), RAISED)
def test_with_its_limit_raised_a_run_goes_on_from_where_it_was(
    lab: Lab, limit: str, allowed: int, limits: dict[str, int], to: int
) -> None:
    agent = looker(lab, 4, same=limit == "repeats", **limits)
    lab.work(agent)
    run_id = lab.start(agent, {"messages": []})
    assert lab.ended(run_id)["exit"] == "limit_reached"
    (asked,) = lab.pending(run_id)
    assert asked["kind"] == "limit"
    assert asked["preview"] == {"limit": limit, "allowed": allowed, "raise_to": to}
    seen = len(lab.effects)
    lab.decide(asked)
    lab.until(lambda: lab.run(run_id)["exit"] == "completed", run_id)
    assert lab.run(run_id)[f"limit_{limit}"] == to
    assert len(lab.effects) == 4
    assert seen < 4
    messages = lab.run(run_id)["output"]["messages"]
    assert [m["content"] for m in messages if m["type"] == "tool"] == [
        f"saw {0 if limit == 'repeats' else n}" for n in range(4)
    ]
    events = lab.rows("select event from audit_log where run_id = %s order by seq", run_id)
    assert [e["event"] for e in events if e["event"].startswith(("run.e", "run.rai"))] == [
        "run.ended",
        "run.raised",
        "run.ended",
    ]
    (approval,) = lab.rows("select * from approvals where run_id = %s", run_id)
    assert approval["state"] == "consumed"


def test_a_limit_that_is_reached_again_is_asked_about_again(lab: Lab) -> None:
    agent = looker(lab, 5, calls=1)
    lab.work(agent)
    run_id = lab.start(agent, {"messages": []})
    for allowed in (1, 2, 4):
        (asked,) = lab.pending(run_id)
        assert asked["preview"]["allowed"] == allowed
        lab.decide(asked)
    lab.until(lambda: lab.run(run_id)["exit"] == "completed", run_id)
    assert lab.effects == [str(n) for n in range(5)]


def test_calls_that_waited_when_a_limit_ended_the_run_are_asked_about_again(lab: Lab) -> None:
    agent = wipers(lab, 4, irreversible=2)
    lab.work(agent)
    run_id = lab.start(agent)
    lab.ended(run_id)
    lab.decide(lab.pending(run_id)[0])
    for asked in lab.pending(run_id, 4):
        assert asked["kind"] == "call"
        lab.decide(asked)
    lab.until(lambda: lab.run(run_id)["exit"] == "completed", run_id)
    assert sorted(lab.effects) == ["v0", "v1", "v2", "v3"]
    assert lab.run(run_id)["used_irreversible"] == 4


def test_as_proposed_a_run_whose_time_was_over_has_time_after_the_last_moment_to_decide(
    lab: Lab,
) -> None:
    agent = wipers(lab, 1, wall_seconds=1)
    lab.work(agent)
    run_id = lab.start(agent)
    lab.ended(run_id)
    (asked,) = lab.pending(run_id)
    created = lab.run(run_id)["created_at"]
    assert created + timedelta(seconds=asked["preview"]["raise_to"]) > asked["expires_at"]


def test_nobody_is_asked_about_a_run_that_was_cancelled_when_a_limit_ended_it(lab: Lab) -> None:
    runs: list[Any] = []

    @tool(effect="read")
    def look(n: int) -> str:
        """Look."""
        lab.until(lambda: runs)
        request_cancel(lab.database, tenant="default", run_id=runs[0], by="reviewer:kim")
        return "ok"

    turns = [[ask("look", {"n": n}, str(n))] for n in range(2)]
    agent = Agent("a", graph=scripted([look], *turns), tools=[look], limits=Limits(calls=1))
    lab.work(agent)
    runs.append(lab.start(agent, {"messages": []}))
    assert lab.ended(runs[0])["exit"] in {"limit_reached", "cancelled"}
    assert lab.rows("select * from approvals where run_id = %s", runs[0]) == []


def test_a_person_may_raise_further_and_other_limits_with_it(lab: Lab) -> None:
    agent = looker(lab, 6, calls=1, steps=4)
    lab.work(agent)
    run_id = lab.start(agent, {"messages": []})
    (asked,) = lab.pending(run_id)
    lab.decide(asked, "answer", answer={"limits": {asked["preview"]["limit"]: 40, "steps": 60}})
    lab.until(lambda: lab.run(run_id)["exit"] == "completed", run_id)
    assert (lab.run(run_id)["limit_calls"], lab.run(run_id)["limit_steps"]) == (40, 60)


WRONG: dict[str, tuple[Any, str]] = {
    "nothing": ({}, "is raised with"),
    "no limits": ({"limits": {}}, "No limit is named"),
    "an unknown one": ({"limits": {"patience": 9}}, "There is no limit 'patience'"),
    "the same": ({"limits": {"calls": 1}}, "is 1 already"),
    "no number": ({"limits": {"calls": "many"}}, "whole number"),
    "another one": ({"limits": {"steps": 90}}, "stopped at its limit of 'calls'"),
    "one too high": ({"limits": {"calls": 2, "wall_seconds": 10**9}}, "366 days"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_an_answer_that_raises_nothing_is_refused_with_a_sentence(lab: Lab, wrong: str) -> None:
    agent = looker(lab, 3, calls=1)
    lab.work(agent)
    run_id = lab.start(agent, {"messages": []})
    (asked,) = lab.pending(run_id)
    answer, sentence = WRONG[wrong]
    with pytest.raises(InvalidDecision, match=sentence):
        lab.decide(asked, "answer", answer=answer)
    assert lab.pending(run_id)[0]["state"] == "pending"
    assert lab.run(run_id)["status"] == "ended"


def test_rejected_or_too_late_the_run_stays_as_it_ended(lab: Lab) -> None:
    agent = looker(lab, 3, calls=1)
    lab.work(agent)
    rejected, expired = (lab.start(agent, {"messages": []}) for _ in range(2))
    before = {run_id: lab.ended(run_id) for run_id in (rejected, expired)}
    lab.decide(lab.pending(rejected)[0], "reject", reason="It is lost in a loop.")
    (asked,) = lab.pending(expired)
    with lab.database.begin() as conn:
        conn.exec_driver_sql("alter table approvals disable trigger user")
        conn.exec_driver_sql(
            "update approvals set expires_at = now() - interval '1 s' where id = %s", (asked["id"],)
        )
        conn.exec_driver_sql("alter table approvals enable trigger user")
    lab.until(lambda: lab.one("select state = 'expired' from approvals where id = %s", asked["id"]))
    with pytest.raises(AlreadyDecided, match="expired"):
        lab.decide(asked)
    lab.silence()
    for run_id, was in before.items():
        assert lab.run(run_id) == was
    assert lab.effects == ["0", "0"]


def test_what_is_rolled_back_goes_no_further(lab: Lab) -> None:
    @tool(effect="reversible", undo=lambda args, _: lab.effects.append(f"undo {args['n']}"))
    def tidy(n: int) -> str:
        """Tidy."""
        lab.effects.append(str(n))
        return "ok"

    turns = [[ask("tidy", {"n": n}, str(n))] for n in range(3)]
    agent = Agent("a", graph=scripted([tidy], *turns), tools=[tidy], limits=Limits(calls=2))
    lab.work(agent)
    run_id = lab.start(agent, {"messages": []})
    (asked,) = lab.pending(run_id)
    with lab.database.begin() as conn:
        plan = plan_rollback(conn, tenant="default", run_id=run_id, scope=Scope())
    digest = plan.digest.hex()
    ask_rollback(lab.database, tenant="default", run_id=run_id, digest=digest, by="reviewer:dana")
    with pytest.raises(AlreadyDecided, match="cancelled"):
        lab.decide(asked)
    lab.until(lambda: "undo 0" in lab.effects, run_id)
    assert lab.run(run_id)["exit"] == "limit_reached"


def test_checkpoints_stay_as_long_as_a_limit_may_be_raised(lab: Lab) -> None:
    agent = looker(lab, 3, calls=2)
    lab.work(agent)
    run_id = lab.start(agent, {"messages": []})
    (asked,) = lab.pending(run_id)
    everything = Retention([Exit.LIMIT_REACHED], timedelta(), keep_latest=False)
    assert prune(lab.database, everything, tenant="default", by="tests").runs == 0
    lab.decide(asked, "reject", reason="No.")
    assert prune(lab.database, everything, tenant="default", by="tests").runs == 1


def test_a_run_can_lower_the_limits_of_its_agent_and_not_raise_them(lab: Lab) -> None:
    agent = looker(lab, 3, calls=5)
    lab.work(agent)
    run = lab.ended(lab.start(agent, {"messages": []}, limits={"calls": 2}))
    assert (run["exit"], run["limit_calls"], len(lab.effects)) == ("limit_reached", 2, 2)
    with pytest.raises(UsageError, match="can only lower it"):
        lab.start(agent, {"messages": []}, limits={"calls": 6})
    with pytest.raises(UsageError, match="no limit 'speed'"):
        lab.start(agent, {"messages": []}, limits={"speed": 6})
    with pytest.raises(UsageError, match="whole number"):
        lab.start(agent, {"messages": []}, limits={"calls": 0})

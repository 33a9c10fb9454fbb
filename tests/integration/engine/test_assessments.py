"""What stages state is recorded with their step, and what became of it is told by what followed."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

import pytest
from interlock import Agent, Assessment, ask_human, chain, fan_out, react_agent, tool
from interlock.engine.accounts import disable_reviewer
from interlock.engine.assessments import assessments_of, mark_wrong
from interlock.engine.calibration import calibration
from interlock.engine.errors import Conflict, NotAReviewer, NotFound
from interlock.engine.patterns import Refused, majority
from interlock.engine.patterns.stage import Stage
from interlock.engine.rollback_plan import Scope
from interlock.engine.rollbacks import ask_rollback, plan_rollback
from langgraph.graph import END
from langgraph.types import RetryPolicy
from uuid_utils.compat import uuid7

sys.path.insert(0, str(Path(__file__).parent))
from graphs import ask
from models import calling, playing

if TYPE_CHECKING:
    from uuid import UUID

    from conftest import Lab

Kind = Literal["incident", "request"]


def outcomes(lab: Lab, run_id: UUID) -> list[tuple[str, float, str]]:
    """Stage, confidence and outcome, in the order in which they were stated."""
    with lab.database.begin() as conn:
        found = assessments_of(conn, tenant="default", run_id=run_id)
    return [(each.stage, each.confidence, each.outcome) for each in found]


def classify(ticket: str) -> Assessment[Kind]:
    """Sure of what names no login."""
    return Assessment("request", 0.41 if "login" in ticket else 0.95)


def route(kind: Kind) -> Assessment[str] | Refused:
    """Takes no incident that was not found by a person."""
    return Assessment(f"queue:{kind}", 0.9)


def doubting(kind: Kind) -> Assessment[str] | Refused:
    """Does not believe in requests."""
    return Refused("This is none.") if kind == "request" else Assessment(f"filed {kind}", 1.0)


def ended(lab: Lab, agent: Agent, text: Any = "please") -> UUID:
    """A run of the agent that nobody was asked about."""
    lab.work(agent)
    run_id = lab.start(agent, {"input": text})
    assert lab.ended(run_id)["exit"] == "completed"
    return run_id


def test_what_nobody_said_anything_of_is_open(lab: Lab) -> None:
    run_id = ended(lab, Agent("a", graph=chain(classify, route), tools=[]))
    assert outcomes(lab, run_id) == [("classify", 0.95, "open"), ("route", 0.9, "open")]


@pytest.mark.parametrize(("answer", "outcome"), [("request", "approved"), ("incident", "rejected")])
def test_a_question_about_a_stage_settles_it_by_whether_its_own_value_is_the_answer(
    lab: Lab, answer: str, outcome: str
) -> None:
    agent = Agent("a", graph=chain(classify, route), tools=[])
    lab.work(agent)
    run_id = lab.start(agent, {"input": "a login"})
    lab.decide(lab.pending(run_id)[0], "answer", answer={"option": answer})
    assert lab.ended(run_id)["exit"] == "completed"
    assert outcomes(lab, run_id) == [("classify", 0.41, outcome), ("route", 0.9, "open")]


@pytest.mark.parametrize(("answer", "outcome"), [("incident", "rejected"), ("request", "approved")])
def test_a_refusal_settles_the_stage_whose_value_was_refused(
    lab: Lab, answer: str, outcome: str
) -> None:
    agent = Agent("a", graph=chain(classify, doubting), tools=[])
    lab.work(agent)
    run_id = lab.start(agent, {"input": "please"})
    asked = lab.pending(run_id)[0]
    lab.decide(asked, "answer", answer={"option": answer})
    lab.until(lambda: bool(outcomes(lab, run_id)) and lab.settled(run_id))
    if answer == "request":  # it is refused once more, and what a person said is no stage's
        lab.decide(lab.pending(run_id)[0], "answer", answer={"option": "incident"})
    assert lab.ended(run_id)["exit"] == "completed"
    assert outcomes(lab, run_id)[0] == ("classify", 0.95, outcome)


def says(name: str, value: str, confidence: float) -> Any:
    """An agent with one opinion."""

    def agent(_: Any) -> Assessment[str]:
        return Assessment(value, confidence)

    agent.__name__ = name
    return agent


def test_an_opinion_that_the_rule_did_not_follow_is_unused(lab: Lab) -> None:
    opinions = says("a", "pay", 0.5), says("b", "pay", 0.6), says("c", "hold", 0.99)
    run_id = ended(lab, Agent("x", graph=fan_out(*opinions, rule=majority()), tools=[]))
    assert sorted(outcomes(lab, run_id)) == [
        ("a", 0.5, "open"), ("b", 0.6, "open"), ("c", 0.99, "unused"),
    ]  # fmt: skip


def test_a_conflict_settles_every_opinion(lab: Lab) -> None:
    opinions = says("a", "pay", 0.5), says("b", "hold", 0.6)
    agent = Agent("x", graph=fan_out(*opinions), tools=[])
    lab.work(agent)
    run_id = lab.start(agent, {"input": 1})
    lab.decide(lab.pending(run_id)[0], "answer", answer={"opinion": "a"})
    lab.ended(run_id)
    assert sorted(outcomes(lab, run_id)) == [("a", 0.5, "approved"), ("b", 0.6, "rejected")]


def test_what_stands_after_the_deadline_is_no_persons_word(lab: Lab) -> None:
    agent = Agent("a", graph=chain(classify, route), tools=[], on_deadline={"answer": "incident"})
    lab.work(agent)
    run_id = lab.start(agent, {"input": "a login"})
    lab.pending(run_id)
    with lab.database.begin() as conn:
        conn.exec_driver_sql("alter table approvals disable trigger approvals_guard")
        conn.exec_driver_sql("update approvals set expires_at = created_at")
        conn.exec_driver_sql("alter table approvals enable trigger approvals_guard")
    lab.ended(run_id)
    assert outcomes(lab, run_id)[0] == ("classify", 0.41, "unused")


@pytest.mark.parametrize(("option", "outcome"), [("A", "approved"), ("B", "rejected")])
def test_ask_human_states_how_sure_the_agent_is_of_its_first_option(
    lab: Lab, option: str, outcome: str
) -> None:
    question = {"question": "Which?", "options": ["A", "B"], "confidence": 0.7}
    other = {"question": "Why?", "confidence": 0.2}
    calls = calling(ask("ask_human", question, "q1"), ask("ask_human", other, "q2"))
    agent = Agent("a", graph=react_agent(playing(calls), []), tools=[ask_human])
    lab.work(agent)
    run_id = lab.start(agent, {"messages": [{"role": "user", "content": "go"}]})
    for asked in lab.pending(run_id, 2):
        said = {"option": option} if asked["headline"] == "Which?" else {"text": "It is."}
        lab.decide(asked, "answer", answer=said)
    assert lab.ended(run_id)["exit"] == "completed"
    assert outcomes(lab, run_id) == [("ask_human", 0.7, outcome)]


# What follows in the run -------------------------------------------------------------------------


def with_a_call(called: Any, args: dict[str, Any]) -> Any:
    """A chain of one stage, with a call after it."""
    graph = chain(classify)

    async def act(_: Any) -> dict[str, Any]:
        await called.ainvoke(ask(called.name, args, "c1"))
        return {}

    graph.add_node("act", act)
    graph.add_edge("classify", "act")
    graph.add_edge("act", END)
    return graph


@pytest.mark.parametrize(("decision", "outcome"), [("approve", "approved"), ("reject", "rejected")])
def test_a_held_call_after_a_stage_says_what_became_of_it(
    lab: Lab, decision: str, outcome: str
) -> None:
    @tool(effect="irreversible")
    def wipe(volume: str) -> str:
        """Wipe a volume."""
        return volume

    agent = Agent("a", graph=with_a_call(wipe, {"volume": "v1"}), tools=[wipe])
    lab.work(agent)
    run_id = lab.start(agent, {"input": "please"})
    asked = lab.pending(run_id)[0]
    assert outcomes(lab, run_id) == [("classify", 0.95, "open")]
    lab.decide(asked, decision, reason="so")
    lab.ended(run_id)
    assert outcomes(lab, run_id) == [("classify", 0.95, outcome)]


def test_a_call_before_a_stage_says_nothing_of_it(lab: Lab) -> None:
    @tool(effect="irreversible")
    def wipe(volume: str) -> str:
        """Wipe a volume."""
        return volume

    async def look(ticket: str) -> Assessment[str]:
        await wipe.ainvoke(ask("wipe", {"volume": ticket}, "c1"))
        return Assessment(ticket, 0.9)

    agent = Agent("a", graph=chain(look), tools=[wipe])
    lab.work(agent)
    run_id = lab.start(agent, {"input": "v1"})
    lab.decide(lab.pending(run_id)[0])
    lab.ended(run_id)
    assert outcomes(lab, run_id) == [("look", 0.9, "open")]


def test_a_call_after_it_that_was_undone_says_so(lab: Lab) -> None:
    def restore(args: Any, result: Any) -> None:
        lab.effects.append(f"restored {args['name']} of {result}")

    @tool(effect="reversible", undo=restore)
    def rename(name: str) -> str:
        """Rename."""
        return name

    agent = Agent("a", graph=with_a_call(rename, {"name": "n"}), tools=[rename])
    run_id = ended(lab, agent)
    assert outcomes(lab, run_id) == [("classify", 0.95, "open")]
    where = {"tenant": "default", "run_id": run_id}
    with lab.database.begin() as conn:
        plan = plan_rollback(conn, **where, scope=Scope())
    ask_rollback(lab.database, **where, digest=plan.digest.hex(), by="reviewer:dana")
    lab.until(lambda: outcomes(lab, run_id) == [("classify", 0.95, "undone")])


# Where it is written -----------------------------------------------------------------------------


def test_an_attempt_that_failed_states_nothing(lab: Lab) -> None:
    graph = chain(classify)
    tries: list[float] = []

    async def unsure(_: Any) -> dict[str, Any]:
        tries.append(0.1 * (len(tries) + 1))
        await Stage.of(says("guess", "x", tries[-1])).assess("t", "the input", "t")
        if len(tries) < 3:
            raise ConnectionError
        return {}

    graph.add_node("unsure", unsure, retry_policy=RetryPolicy(initial_interval=0.01))
    graph.add_edge("classify", "unsure")
    graph.add_edge("unsure", END)
    run_id = ended(lab, Agent("a", graph=graph, tools=[]))
    assert [stage for stage, *_ in outcomes(lab, run_id)] == ["classify", "guess"]
    assert outcomes(lab, run_id)[1][1] == pytest.approx(0.3)


def test_a_task_that_runs_again_states_anew_until_somebody_said_something(lab: Lab) -> None:
    run_id = ended(lab, Agent("a", graph=chain(classify), tools=[]))
    (row,) = lab.rows("select * from assessments")
    again = "select put_assessment(%s, %s, %s, %s, %s, %s, 0, %s, %s, %s, %s)"

    def state(confidence: float, value: bytes, taken: bytes | None = None) -> None:
        place = ("default", run_id, uuid4(), row["ns"], row["task_id"], row["stage"])
        with lab.database.begin() as conn:
            conn.exec_driver_sql(again, (*place, confidence, value, taken, None))

    state(0.5, b"v")
    assert outcomes(lab, run_id) == [("classify", 0.5, "open")]
    state(0.6, b"v", b"v")
    state(0.7, b"w")
    assert outcomes(lab, run_id) == [("classify", 0.6, "open")]


def test_a_graph_goes_on_after_what_each_of_its_stages_stated_last(lab: Lab) -> None:
    run_id = ended(lab, Agent("a", graph=chain(classify, route), tools=[]))
    put = "select put_assessment('default', %s, %s, %s, %s, 'classify', 0, 0.5, 'v', null, null)"
    take = "select take_assessments('default', %s, '', '{classify}', 'w', 'dana')"
    with lab.database.begin() as conn:
        for task, ns in (("t1", ""), ("t2", "inner:1")):
            conn.exec_driver_sql(put, (run_id, uuid7(), ns, task))
        for _ in range(2):  # its answer was lost, and it is asked for again
            conn.exec_driver_sql(take, (run_id,))
    assert [(stage, outcome) for stage, _, outcome in outcomes(lab, run_id)] == [
        ("classify", "open"), ("route", "open"), ("classify", "rejected"), ("classify", "open"),
    ]  # fmt: skip


def test_outside_a_run_nothing_is_recorded() -> None:
    graph: Any = chain(classify, route).compile()
    assert asyncio.run(graph.ainvoke({"input": "please"}))["value"] == "queue:request"


# A person's word ---------------------------------------------------------------------------------


def mark(lab: Lab, run_id: UUID, assessment_id: UUID, by: str = "dana") -> None:
    mark_wrong(
        lab.database, tenant="default", run_id=run_id, assessment_id=assessment_id, by=by,
        reason="It was a break-in.",
    )  # fmt: skip


def test_a_person_says_afterwards_that_it_was_wrong(lab: Lab) -> None:
    run_id = ended(lab, Agent("a", graph=chain(classify, route), tools=[]))
    first = lab.rows("select id from assessments order by id")[0]["id"]
    mark(lab, run_id, first)
    mark(lab, run_id, first)
    assert [outcome for *_, outcome in outcomes(lab, run_id)] == ["wrong", "open"]
    entries = lab.rows("select actor, state from audit_log where event = 'assessment.marked_wrong'")
    assert entries == [{"actor": "reviewer:dana", "state": "wrong"}]
    with lab.database.begin() as conn:
        (found, _) = calibration(conn, tenant="default").stages
        assert calibration(conn, tenant="default", agent="b").stages == ()
        assert calibration(conn, tenant="another").stages == ()
    assert (found.agent, found.stage, found.cases, found.judged) == ("a", "classify", 1, 1)
    (sure,) = [each for each in found.bins if each.counts["wrong"]]
    assert (sure.low, sure.high) == (0.95, 0.99)
    assert (sure.approved.hits, sure.approved.cases) == (0, 1)
    assert (sure.lets_pass.hits, sure.asks.hits) == (1, 0)


def test_who_has_no_account_comes_second_or_names_another_run_marks_nothing(lab: Lab) -> None:
    run_id = ended(lab, Agent("a", graph=chain(classify), tools=[]))
    (row,) = lab.rows("select id from assessments")
    with pytest.raises(NotAReviewer, match="no active account 'nobody'"):
        mark(lab, run_id, row["id"], "nobody")
    with pytest.raises(NotFound):
        mark(lab, uuid4(), row["id"])
    mark(lab, run_id, row["id"])
    with lab.database.begin() as conn:
        conn.exec_driver_sql(
            "insert into reviewers (tenant_id, name, password_hash, groups)"
            " values ('default', 'erin', 'x', '{on-call}')"
        )
    with pytest.raises(Conflict, match="dana said so before you"):
        mark(lab, run_id, row["id"], "erin")
    disable_reviewer(lab.database, tenant="default", name="erin", by="operator:tests")
    with pytest.raises(NotAReviewer):
        mark(lab, run_id, row["id"], "erin")

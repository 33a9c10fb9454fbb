"""The patterns in real runs: what is not clear goes to a person, and a batch is decided first."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest
from interlock import Agent, Assessment, Limits, chain, fan_out, react_agent, tool
from interlock.engine.errors import InvalidDecision
from interlock.engine.patterns import Refused, majority
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langgraph.graph import END, START

sys.path.insert(0, str(Path(__file__).parent))
from graphs import ask
from models import Playing, calling, playing

if TYPE_CHECKING:
    from conftest import Lab

Kind = Literal["incident", "request"]
HELLO = {"messages": [{"role": "user", "content": "go"}]}


def tools(lab: Lab) -> tuple[Any, Any]:
    """A read and an irreversible tool that count."""

    @tool(effect="read")
    def look(at: str) -> str:
        """Look."""
        lab.effects.append(f"look {at}")
        return f"saw {at}"

    @tool(effect="irreversible")
    def wipe(volume: str) -> str:
        """Wipe a volume."""
        lab.effects.append(f"wipe {volume}")
        return f"wiped {volume}"

    return look, wipe


# ReAct -------------------------------------------------------------------------------------------


def batch(lab: Lab) -> Agent:
    """An agent whose model makes three calls at once, two of them irreversible."""
    look, wipe = tools(lab)
    calls = calling(
        ask("look", {"at": "v0"}, "c0"),
        ask("wipe", {"volume": "v1"}, "c1"),
        ask("wipe", {"volume": "v2"}, "c1"),  # a provider that repeats its ids
    )
    return Agent("a", graph=react_agent(playing(calls), [look, wipe]), tools=[look, wipe])


def test_no_call_of_a_batch_starts_before_all_of_it_is_decided(lab: Lab) -> None:
    agent = batch(lab)
    lab.work(agent)
    run_id = lab.start(agent, HELLO)
    first, second = lab.pending(run_id, 2)
    lab.decide(first)
    lab.until(lambda: lab.run(run_id)["done"] >= 2)
    assert lab.effects == []
    lab.decide(second, "reject", reason="not that one")
    assert lab.ended(run_id)["exit"] == "completed"
    assert sorted(lab.effects) == ["look v0", "wipe v1"]
    assert len(lab.calls(run_id)) == 3
    assert "not that one" in str(lab.run(run_id)["output"])


def test_an_edited_call_of_a_batch_is_decided_before_any_starts(lab: Lab) -> None:
    agent = batch(lab)
    lab.work(agent)
    run_id = lab.start(agent, HELLO)
    first, second = lab.pending(run_id, 2)
    lab.decide(first, "edit", args={"volume": "v9"})
    lab.decide(second)
    lab.until(lambda: len(lab.calls(run_id)) == 3)
    (edited,) = [each for each in lab.pending(run_id) if each["id"] != first["id"]]
    assert lab.effects == []
    lab.decide(edited)
    assert lab.ended(run_id)["exit"] == "completed"
    assert sorted(lab.effects) == ["look v0", "wipe v2", "wipe v9"]


def test_calls_of_a_batch_that_are_alike_are_decided_once_each(lab: Lab) -> None:
    _, wipe = tools(lab)
    calls = calling(
        ask("wipe", {"volume": "v1"}, "c1"),
        ask("wipe", {"volume": "v1"}, "c1"),
        ask("ask_human", {"question": "Sure?"}, "q1"),
        ask("ask_human", {"question": "Sure?"}, "q2"),
    )
    agent = Agent("a", graph=react_agent(playing(calls), [wipe]), tools=[wipe])
    lab.work(agent)
    run_id = lab.start(agent, HELLO)
    for asked in lab.pending(run_id, 4):
        if asked["kind"] == "call":
            lab.decide(asked)
        else:
            lab.decide(asked, "answer", answer={"text": "yes"})
    lab.until(lambda: lab.run(run_id)["exit"] == "completed", run_id)
    assert lab.effects == ["wipe v1", "wipe v1"]
    assert len(lab.calls(run_id)) == 4


def test_a_single_call_needs_no_batch(lab: Lab) -> None:
    look, wipe = tools(lab)
    model = playing(calling(ask("look", {"at": "v0"}, "c0")))
    agent = Agent("a", graph=react_agent(model, [look, wipe]), tools=[look, wipe])
    lab.work(agent)
    run_id = lab.start(agent, HELLO)
    assert lab.ended(run_id)["exit"] == "completed"
    assert lab.effects == ["look v0"]
    assert lab.run(run_id)["used_steps"] == 3


def test_a_model_that_says_nothing_asks_a_person(lab: Lab) -> None:
    def play(turn: int, messages: list[Any]) -> AIMessage:
        return AIMessage("" if turn == 0 else f"I heard: {messages[-1].content}")

    agent = Agent("a", graph=react_agent(Playing(play=play), []), tools=[])
    lab.work(agent)
    run_id = lab.start(agent, HELLO)
    asked = lab.pending(run_id)[0]
    assert asked["headline"].startswith("The model answered with neither a call nor a result.")
    lab.decide(asked, "answer", answer={"text": "Refund it."})
    assert lab.ended(run_id)["exit"] == "completed"
    assert lab.run(run_id)["output"]["messages"][-1]["content"] == "I heard: Refund it."


def test_the_model_may_ask_a_person(lab: Lab) -> None:
    model = playing(calling(ask("ask_human", {"question": "Which?", "options": ["A"]}, "q")))
    agent = Agent("a", graph=react_agent(model, []), tools=[], on_ambiguity="exit")
    lab.work(agent)
    run_id = lab.start(agent, HELLO)
    assert lab.ended(run_id)["exit"] == "ambiguous"


@pytest.mark.parametrize(("more", "exit_"), [({"on_ambiguity": "exit"}, "ambiguous"), ({}, None)])
def test_a_question_in_a_batch_comes_before_all_of_it(
    lab: Lab, more: dict[str, Any], exit_: str | None
) -> None:
    look, wipe = tools(lab)
    calls = calling(ask("look", {"at": "v0"}, "c0"), ask("ask_human", {"question": "Which?"}, "c1"))
    graph = react_agent(playing(calls), [look, wipe])
    agent = Agent("a", graph=graph, tools=[look, wipe], **more)
    lab.work(agent)
    run_id = lab.start(agent, HELLO)
    assert lab.settled(run_id)["exit"] == exit_
    assert lab.effects == []
    if exit_ is None:
        lab.decide(lab.pending(run_id)[0], "answer", answer={"text": "This one."})
        assert lab.ended(run_id)["exit"] == "completed"
        assert lab.effects == ["look v0"]


def test_a_create_agent_graph_works_unchanged(lab: Lab) -> None:
    look, wipe = tools(lab)
    model = playing(calling(ask("look", {"at": "v0"}, "c0"), ask("wipe", {"volume": "v1"}, "c1")))
    graph: Any = create_agent(model, [look, wipe])
    agent = Agent("a", graph=graph, tools=[look, wipe])
    lab.work(agent)
    run_id = lab.start(agent, HELLO)
    lab.decide(lab.pending(run_id)[0])
    assert lab.ended(run_id)["exit"] == "completed"
    assert sorted(lab.effects) == ["look v0", "wipe v1"]


# Chain -------------------------------------------------------------------------------------------


def classify(ticket: str) -> Assessment[Kind]:
    """Sure of nothing that names a login."""
    sure = 0.41 if "login" in ticket else 0.95
    return Assessment("request", sure, ["it says 'could you'"])


async def route(kind: Kind) -> Assessment[str] | Refused:
    """Refuses what it was told is a request and is none."""
    return Assessment(f"queue:{kind}", 1.0)


def test_a_sure_chain_runs_to_its_end(lab: Lab) -> None:
    agent = Agent("a", graph=chain(classify, route), tools=[])
    lab.work(agent)
    run_id = lab.start(agent, {"input": "could you add a button"})
    assert lab.ended(run_id)["exit"] == "completed"
    output = lab.run(run_id)["output"]
    assert output["value"] == "queue:request"
    assert [step["stage"] for step in output["trail"]] == ["classify", "route"]


def test_what_a_stage_is_not_sure_of_does_not_reach_the_next_one(lab: Lab) -> None:
    agent = Agent("a", graph=chain(classify, route), tools=[])
    lab.work(agent)
    run_id = lab.start(agent, {"input": "could you look at this login from abroad"})
    asked = lab.pending(run_id)[0]
    assert "0.41, and 0.80 is needed" in asked["headline"]
    lab.decide(asked, "answer", answer={"option": "incident"})
    assert lab.ended(run_id)["exit"] == "completed"
    output = lab.run(run_id)["output"]
    assert output["value"] == "queue:incident"
    assert [(step["stage"], step["answered_by"]) for step in output["trail"]] == [
        ("classify", None), ("classify", "dana"), ("route", None),
    ]  # fmt: skip


def test_a_refusal_goes_to_a_person_with_the_input_and_the_trail(lab: Lab) -> None:
    def triage(ticket: str) -> Assessment[Kind]:
        return Assessment("request", 0.97, ["polite"])

    def file(kind: Kind) -> Assessment[str] | Refused:
        if kind == "request":
            return Refused("The ticket names a breach, which is no request.")
        return Assessment(f"filed {kind}", 1.0)

    agent = Agent("a", graph=chain(triage, file), tools=[])
    lab.work(agent)
    run_id = lab.start(agent, {"input": "we see logins from abroad"})
    asked = lab.pending(run_id)[0]
    (call,) = lab.calls(run_id)
    assert b'"given":"we see logins from abroad"' in bytes(call["args"])
    assert b'"stage":"triage"' in bytes(call["args"])
    with pytest.raises(InvalidDecision):
        lab.decide(asked, "answer", answer={"option": "neither"})
    lab.decide(asked, "answer", answer={"option": "incident"})
    assert lab.ended(run_id)["exit"] == "completed"
    assert lab.run(run_id)["output"]["value"] == "filed incident"


def test_an_answer_of_another_type_is_asked_for_again(lab: Lab) -> None:
    agent = Agent("a", graph=chain(classify, route), tools=[])
    lab.work(agent)
    run_id = lab.start(agent, {"input": "a login"})
    lab.decide(lab.pending(run_id)[0], "answer", answer={"text": "an incident, I think"})
    again = lab.pending(run_id)[0]
    assert again["headline"].startswith("“an incident, I think” does not fit:")
    lab.decide(again, "answer", answer={"text": "incident"})
    assert lab.ended(run_id)["exit"] == "completed"


def test_two_stages_that_do_not_fit_are_both_named(lab: Lab) -> None:
    def count(_: str) -> Assessment[str]:
        return Assessment("many", 1.0)

    def bill(items: int) -> Assessment[int]:
        return Assessment(items * 3, 1.0)

    agent = Agent("a", graph=chain(count, bill), tools=[])
    lab.work(agent)
    run_id = lab.start(agent, {"input": "x"})
    asked = lab.pending(run_id)[0]
    assert asked["headline"].startswith(
        "bill refused what it got: It does not take what count gave: Input should be a valid int"
    )
    lab.decide(asked, "answer", answer={"text": "4"})
    assert lab.ended(run_id)["exit"] == "completed"
    assert lab.run(run_id)["output"]["value"] == 12


def test_a_fallback_that_does_not_fit_is_no_guess(lab: Lab) -> None:
    agent = Agent("a", graph=chain(classify, route), tools=[], on_deadline={"answer": "whatever"})
    lab.work(agent)
    run_id = lab.start(agent, {"input": "a login"})
    asked = lab.pending(run_id)[0]
    with lab.database.begin() as conn:
        conn.exec_driver_sql("alter table approvals disable trigger approvals_guard")
        conn.exec_driver_sql("update approvals set expires_at = created_at")
        conn.exec_driver_sql("alter table approvals enable trigger approvals_guard")
    assert lab.ended(run_id)["exit"] == "failed", asked
    assert "“whatever” does not fit" in lab.run(run_id)["exit_reason"]


def test_a_chain_can_be_built_on(lab: Lab) -> None:
    graph = chain(classify, route)
    graph.add_node("shout", lambda state: {"value": state["value"].upper()})
    graph.add_edge("route", "shout")
    graph.add_edge("shout", END)
    agent = Agent("a", graph=graph, tools=[])
    lab.work(agent)
    run_id = lab.start(agent, {"input": "please"})
    lab.ended(run_id)
    assert lab.run(run_id)["output"]["value"] == "QUEUE:REQUEST"


# Fan-out -----------------------------------------------------------------------------------------


def says(name: str, value: Any, confidence: float) -> Any:
    """An agent with one opinion."""

    def agent(_: Any) -> Assessment[Any]:
        return Assessment(value, confidence, [f"{name} looked"])

    agent.__name__ = name
    return agent


def test_agents_that_agree_decide(lab: Lab) -> None:
    graph = fan_out(says("a", "pay", 0.5), says("b", "pay", 0.6), says("c", "pay", 0.7))
    agent = Agent("x", graph=graph, tools=[])
    lab.work(agent)
    run_id = lab.start(agent, {"input": {"claim": 7}})
    assert lab.ended(run_id)["exit"] == "completed"
    output = lab.run(run_id)["output"]
    assert (output["value"], output["decided_by"]) == ("pay", ["a", "b", "c"])


def test_a_conflict_shows_a_person_every_opinion_and_the_answer_is_theirs(lab: Lab) -> None:
    graph = fan_out(says("a", "pay", 0.99), says("b", "hold", 0.6), says("c", "ask", 0.6),
                    rule=majority(quorum=3))  # fmt: skip
    agent = Agent("x", graph=graph, tools=[])
    lab.work(agent)
    run_id = lab.start(agent, {"input": 1})
    asked = lab.pending(run_id)[0]
    assert asked["kind"] == "conflict"
    lab.decide(asked, "answer", answer={"opinion": "b"})
    assert lab.ended(run_id)["exit"] == "completed"
    output = lab.run(run_id)["output"]
    assert (output["value"], output["decided_by"]) == ("hold", ["dana"])


def test_a_fan_out_inside_another_graph_asks_all_the_same(lab: Lab) -> None:
    inner = fan_out(says("a", 1, 1), says("b", 2, 1)).compile()
    outer = chain(says("first", "x", 1.0))
    outer.add_node("both", inner)
    outer.add_edge("first", "both")
    agent = Agent("x", graph=outer, tools=[], limits=Limits(steps=20))
    lab.work(agent)
    run_id = lab.start(agent, {"input": 1})
    lab.decide(lab.pending(run_id)[0], "answer", answer={"opinion": "a"})
    assert lab.ended(run_id)["exit"] == "completed"
    assert START != END

"""Whatever a graph is made of, no way leads round the gate: it works, or it is refused."""

from __future__ import annotations

import asyncio
import contextvars
import operator
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import pytest
from integration.engine.graphs import Notes, ask, one_node, scripted
from interlock import Agent, Limits, gate, tool
from interlock.engine import wake
from interlock.engine.errors import UsageError
from interlock.engine.group_commit import GroupCommit
from interlock.engine.saver import StepSaver
from interlock.tools import ToolDeclarationError
from langchain_core.tools import tool as plain_tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, RetryPolicy, Send, interrupt
from pydantic import BaseModel, SecretBytes, SecretStr

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from integration.engine.conftest import Lab
    from interlock.tools import GatedTool


def wiper(lab: Lab) -> GatedTool:
    """An irreversible tool that counts."""

    @tool(effect="irreversible")
    def wipe(volume: str) -> str:
        """Wipe a volume."""
        lab.effects.append(volume)
        return f"wiped {volume}"

    return wipe


def wiping(wipe: GatedTool, volume: str = "v7") -> StateGraph[Any]:
    """A graph of one node that makes one call."""
    return one_node(lambda _: {"said": wipe.invoke({"volume": volume})})


def asked(lab: Lab, agent: Agent, count: int = 1) -> tuple[UUID, dict[str, dict[str, Any]]]:
    """A run that waits with that many questions, and these by their volume; nothing ran."""
    lab.work(agent)
    run_id = lab.start(agent)
    found = lab.pending(run_id, count)
    assert lab.settled(run_id)["status"] == "waiting"
    assert lab.effects == []
    return run_id, {each["headline"].split()[-1]: each for each in found}


def runs_once_approved(lab: Lab, agent: Agent, *, effects: int = 1) -> dict[str, Any]:
    """See a run wait, approve what it asks, and see each call run once."""
    run_id, _ = asked(lab, agent)
    for _ in range(effects):
        lab.decide(lab.pending(run_id)[0])
        lab.until(lambda: lab.run(run_id)["status"] == "ended" or lab.effects, run_id)
        lab.settled(run_id)
    run = lab.ended(run_id)
    assert run["exit"] == "completed", run["exit_reason"]
    assert len(lab.effects) == effects
    return run


# Graphs in graphs -------------------------------------------------------------------------------


class Other(TypedDict, total=False):
    """A state that has nothing in common with that of the graph around it."""

    heard: Any


@pytest.mark.parametrize("checkpointer", [None, True])
def test_an_inner_graph_with_the_same_state_waits(lab: Lab, checkpointer: Any) -> None:
    wipe = wiper(lab)
    inner = wiping(wipe).compile(checkpointer=checkpointer)
    run = runs_once_approved(lab, Agent("a", graph=one_node(inner), tools=[wipe]))
    assert run["output"] == {"said": "wiped v7"}


@pytest.mark.parametrize("checkpointer", [None, True])
def test_an_inner_graph_with_a_state_of_its_own_waits(lab: Lab, checkpointer: Any) -> None:
    wipe = wiper(lab)
    graph = StateGraph(Other)
    graph.add_node("hear", lambda _: {"heard": wipe.invoke({"volume": "v7"})})
    graph.add_edge(START, "hear")
    inner = graph.compile(checkpointer=checkpointer)
    outer = one_node(lambda _: {"said": inner.invoke({"heard": None})["heard"]})
    run = runs_once_approved(lab, Agent("a", graph=outer, tools=[wipe]))
    assert run["output"] == {"said": "wiped v7"}


def test_a_graph_three_deep_waits(lab: Lab) -> None:
    wipe = wiper(lab)
    graph = wiping(wipe)
    for _ in range(2):
        graph = one_node(graph.compile())
    runs_once_approved(lab, Agent("a", graph=graph, tools=[wipe]))


@pytest.mark.parametrize("how", ["a node of its own", "called in a node", "two deep"])
def test_an_inner_graph_without_a_saver_is_refused_when_the_agent_is_loaded(
    lab: Lab, how: str
) -> None:
    wipe = wiper(lab)
    inner = wiping(wipe).compile(checkpointer=False)
    graph = one_node(inner if how != "called in a node" else lambda _: inner.invoke({}))
    if how == "two deep":
        graph = one_node(graph.compile())
    with pytest.raises(UsageError, match=r"was compiled with checkpointer=False.*Leave that out"):
        _ = Agent("a", graph=graph, tools=[wipe]).compiled


def test_an_inner_graph_without_a_saver_that_nobody_saw_runs_nothing(lab: Lab) -> None:
    wipe = wiper(lab)

    def node(_: Any) -> dict[str, Any]:
        return {"said": wiping(wipe).compile(checkpointer=False).invoke({})["said"]}

    agent = Agent("a", graph=one_node(node), tools=[wipe])
    lab.work(agent)
    run = lab.ended(lab.start(agent))
    assert (run["exit"], lab.effects) == ("failed", [])


def test_a_graph_called_by_hand_in_a_node_with_a_retry_policy_is_refused(lab: Lab) -> None:
    wipe = wiper(lab)

    def node(_: Any) -> dict[str, Any]:
        inner = wiping(wipe).compile()  # made here, so that nobody sees it before
        return {"said": inner.invoke({})["said"]}

    graph = StateGraph(Notes)
    graph.add_node("work", node, retry_policy=RetryPolicy(max_attempts=2, initial_interval=0.01))
    graph.add_edge(START, "work")
    agent = Agent("a", graph=graph, tools=[wipe])
    lab.work(agent)
    run = lab.ended(lab.start(agent))
    assert "inside node 'work', which has a retry policy" in str(
        run["output"] or run["exit_reason"]
    )
    assert (lab.effects, lab.calls(run["id"])) == ([], [])


def test_a_node_around_a_graph_that_swallows_its_wait_fails_the_run(lab: Lab) -> None:
    wipe = wiper(lab)
    inner = wiping(wipe).compile()

    def node(_: Any) -> dict[str, Any]:
        try:
            return {"said": inner.invoke({})}
        except Exception:  # noqa: BLE001 - what this test is about
            return {"said": "never mind"}

    agent = Agent("a", graph=one_node(node), tools=[wipe])
    lab.work(agent)
    run = lab.ended(lab.start(agent))
    assert (run["exit"], lab.effects) == ("failed", [])
    assert "Node 'work' went on although a call of it waits" in run["exit_reason"]


def test_an_interrupt_out_of_an_irreversible_body_leaves_it_in_doubt(lab: Lab) -> None:
    @tool(effect="irreversible")
    def wipe(volume: str) -> str:
        """Wipe a volume."""
        lab.effects.append(volume)
        return str(interrupt("And now?"))

    agent = Agent("a", graph=wiping(wipe), tools=[wipe])
    run_id, questions = asked(lab, agent)
    lab.decide(questions["v7"])
    lab.until(lambda: lab.calls(run_id)[0]["state"] == "in_doubt", run_id)
    assert [each["kind"] for each in lab.pending(run_id)] == ["in_doubt"]
    assert lab.calls(run_id)[0]["error"].startswith("It broke off with")  # not: its worker was lost
    assert lab.effects == ["v7"]


# Branches ----------------------------------------------------------------------------------------


class Said(TypedDict, total=False):
    """What each branch said."""

    said: Annotated[list[str], operator.add]


def test_of_parallel_branches_each_waits_for_its_own_decision(lab: Lab) -> None:
    wipe = wiper(lab)
    graph = StateGraph(Said)
    for volume in ("v1", "v2"):
        graph.add_node(volume, lambda _, v=volume: {"said": [wipe.invoke({"volume": v})]})
        graph.add_edge(START, volume)
    run_id, questions = asked(lab, Agent("a", graph=graph, tools=[wipe]), 2)
    lab.decide(questions["v2"])
    lab.until(lambda: lab.effects == ["v2"], run_id)
    lab.decide(questions["v1"], "reject", reason="keep it")
    run = lab.ended(run_id)
    assert lab.effects == ["v2"]
    assert run["output"]["said"][1] == "wiped v2"


def test_of_equal_tasks_that_are_sent_each_waits_for_its_own_decision(lab: Lab) -> None:
    wipe = wiper(lab)
    graph = StateGraph(Said)
    graph.add_node("work", lambda s: {"said": [wipe.invoke({"volume": s["volume"]})]})
    graph.add_conditional_edges(START, lambda _: [Send("work", {"volume": "v7"})] * 3, ["work"])
    agent = Agent("a", graph=graph, tools=[wipe])
    lab.work(agent)
    run_id = lab.start(agent)
    questions = lab.pending(run_id, 3)
    lab.decide(questions[0])
    lab.until(lambda: lab.effects == ["v7"], run_id)
    for question in questions[1:]:
        lab.decide(question, "reject", reason="once is enough")
    assert lab.ended(run_id)["exit"] == "completed"
    assert lab.effects == ["v7"]


@pytest.mark.parametrize("way", ["to a node", "with what it is sent"])
def test_a_node_that_goes_where_it_likes_asks_there(lab: Lab, way: str) -> None:
    wipe = wiper(lab)
    there: Any = "work" if way == "to a node" else Send("work", {"volume": "v7"})
    graph = StateGraph(Notes)
    graph.add_node("go", lambda _: Command(goto=there), destinations=("work",))
    graph.add_node("work", lambda _: {"said": wipe.invoke({"volume": "v7"})})
    graph.add_edge(START, "go")
    runs_once_approved(lab, Agent("a", graph=graph, tools=[wipe]))


# History -----------------------------------------------------------------------------------------


def rewritten(lab: Lab, agent: Agent, run_id: UUID, rewrite: Callable[[Any, Any], None]) -> None:
    """Change a run's stored state from outside, and have its worker look at it."""
    config: Any = {"configurable": {"thread_id": str(run_id)}}
    with GroupCommit(lab.database.url, threads=2) as commit:
        rewrite(agent.compiled.copy({"checkpointer": StepSaver(commit, "default")}), config)
    with lab.database.begin() as conn:
        wake.wake(conn, tenant="default", run_id=run_id, why="It changed.", actor="somebody")


def two_calls(wipe: GatedTool) -> StateGraph[Any]:
    """A graph of two calls, one after the other."""
    graph = StateGraph(Said)
    for volume in ("v1", "v2"):
        graph.add_node(volume, lambda _, v=volume: {"said": [wipe.invoke({"volume": v})]})
    graph.add_edge(START, "v1")
    graph.add_edge("v1", "v2")
    return graph


def test_a_state_that_is_written_over_asks_again_and_the_old_answer_counts_no_more(
    lab: Lab,
) -> None:
    wipe = wiper(lab)
    agent = Agent("a", graph=two_calls(wipe), tools=[wipe])
    run_id, questions = asked(lab, agent)
    rewritten(lab, agent, run_id, lambda g, c: g.update_state(c, {"said": ["x"]}, as_node=START))
    lab.pending(run_id, 2)
    lab.decide(questions["v1"])
    lab.silence()
    assert (lab.settled(run_id)["status"], lab.effects) == ("waiting", [])
    lab.decide(lab.pending(run_id)[0])
    lab.until(lambda: lab.effects == ["v1"], run_id)


def test_a_state_that_is_written_past_a_call_runs_it_neither_then_nor_later(lab: Lab) -> None:
    wipe = wiper(lab)
    agent = Agent("a", graph=two_calls(wipe), tools=[wipe])
    run_id, questions = asked(lab, agent)
    rewritten(lab, agent, run_id, lambda g, c: g.update_state(c, {"said": ["x"]}, as_node="v1"))
    lab.pending(run_id, 2)
    lab.decide(questions["v1"])
    second = next(each for each in lab.pending(run_id) if each["id"] != questions["v1"]["id"])
    lab.decide(second)
    assert lab.ended(run_id)["exit"] == "completed"
    assert lab.effects == ["v2"]
    assert [call["state"] for call in lab.calls(run_id)] == ["cancelled", "succeeded"]


def test_a_run_that_is_taken_back_in_time_asks_again_for_what_it_has_done(lab: Lab) -> None:
    wipe = wiper(lab)
    agent = Agent("a", graph=two_calls(wipe), tools=[wipe])
    run_id, questions = asked(lab, agent)
    lab.decide(questions["v1"])
    lab.until(lambda: lab.effects == ["v1"], run_id)
    lab.pending(run_id)
    lab.settled(run_id)

    def fork(graph: Any, config: Any) -> None:
        first = next(s for s in graph.get_state_history(config) if s.next == ("v1",))
        graph.update_state(first.config, {"said": ["again"]}, as_node=START)

    rewritten(lab, agent, run_id, fork)
    lab.pending(run_id, 2)
    lab.settled(run_id)
    assert lab.effects == ["v1"]
    assert [call["state"] for call in lab.calls(run_id)] == ["succeeded", "waiting", "waiting"]


# Agents within agents ----------------------------------------------------------------------------


def sub_agent(wipe: GatedTool, *volumes: str) -> Any:
    """An agent of its own, which a node or a tool calls."""
    turns = [[ask("wipe", {"volume": v}, f"c-{v}")] for v in volumes]
    return scripted([wipe], *turns).compile()


def hired(wipe: GatedTool, *volumes: str) -> str:
    """Have a sub-agent work, and say what it said last."""
    said = sub_agent(wipe, *volumes).invoke({"messages": []})
    return str(said["messages"][-1].content)


def in_a_thread(work: Callable[[], Any]) -> Any:
    """As LangChain does, with the context of the caller."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(contextvars.copy_context().run, work).result()


@pytest.mark.parametrize("place", ["here", "in a thread"])
def test_a_sub_agent_that_a_node_calls_waits(lab: Lab, place: str) -> None:
    wipe = wiper(lab)

    def node(_: Any) -> dict[str, Any]:
        work = partial(hired, wipe, "v7")
        return {"said": work() if place == "here" else in_a_thread(work)}

    runs_once_approved(lab, Agent("a", graph=one_node(node), tools=[wipe]))


def test_sub_agents_that_work_side_by_side_each_wait(lab: Lab) -> None:
    wipe = wiper(lab)

    async def node(_: Any) -> dict[str, Any]:
        subs = (sub_agent(wipe, v).ainvoke({"messages": []}) for v in ("v1", "v2"))
        said = await asyncio.gather(*subs, return_exceptions=True)
        for each in said:
            if isinstance(each, BaseException):
                raise each
        return {"said": "both"}

    run_id, questions = asked(lab, Agent("a", graph=one_node(node), tools=[wipe]), 2)
    for question in questions.values():
        lab.decide(question)
    lab.ended(run_id)
    assert sorted(lab.effects) == ["v1", "v2"]


def test_a_thread_that_knows_of_no_run_calls_nothing(lab: Lab) -> None:
    wipe = wiper(lab)
    heard: list[BaseException] = []

    def node(_: Any) -> dict[str, Any]:
        def work() -> None:
            try:
                hired(wipe, "v7")
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is looked at below
                heard.append(error)

        bare = threading.Thread(target=work)
        bare.start()
        bare.join()
        return {"said": "done"}

    agent = Agent("a", graph=one_node(node), tools=[wipe])
    lab.work(agent)
    run = lab.ended(lab.start(agent))
    assert (lab.effects, lab.calls(run["id"])) == ([], [])
    assert "was called outside a run" in str(heard[0])


def test_a_sub_agent_that_a_tool_calls_waits_with_it(lab: Lab) -> None:
    wipe = wiper(lab)

    @tool(effect="read")
    def delegate(task: str) -> str:
        """Have somebody else do it."""
        return hired(wipe, task)

    graph = one_node(lambda _: {"said": delegate.invoke({"task": "v7"})})
    runs_once_approved(lab, Agent("a", graph=graph, tools=[wipe, delegate]))


def test_a_sub_agent_that_an_irreversible_tool_calls_is_refused_its_calls(lab: Lab) -> None:
    wipe = wiper(lab)
    heard: list[str] = []

    @tool(effect="irreversible")
    def delegate(task: str) -> str:
        """Have somebody else do it."""
        said = sub_agent(wipe, task).invoke({"messages": []})
        heard.extend(str(m.content) for m in said["messages"] if m.type == "tool")
        return "done"

    graph = one_node(lambda _: {"said": delegate.invoke({"task": "v7"})})
    agent = Agent("a", graph=graph, tools=[wipe, delegate])
    lab.work(agent)
    run_id = lab.start(agent)
    lab.decide(lab.pending(run_id)[0])
    lab.ended(run_id)
    assert lab.effects == []
    assert "it was called inside delegate" in heard[0]


@pytest.mark.parametrize(
    ("limits", "which"), [(Limits(calls=2), "calls"), (Limits(steps=3), "steps")]
)
def test_a_sub_agent_uses_up_the_limits_of_its_parent(lab: Lab, limits: Limits, which: str) -> None:
    @tool(effect="read")
    def look(at: str) -> str:
        """Look."""
        lab.effects.append(at)
        return at

    turns = [[ask("look", {"at": f"a{n}"}, f"c{n}")] for n in range(4)]
    sub = scripted([look], *turns).compile()
    graph = one_node(lambda _: {"said": sub.invoke({"messages": []})["messages"][-1].content})
    agent = Agent("a", graph=graph, tools=[look], limits=limits)
    lab.work(agent)
    run = lab.ended(lab.start(agent))
    assert run["exit"] == "limit_reached", run["exit_reason"]
    assert which in run["exit_reason"]
    assert len(lab.effects) <= 2


def test_a_sub_agent_cannot_call_what_its_parent_was_not_given(lab: Lab) -> None:
    wipe = wiper(lab)
    sub = sub_agent(wipe, "v7")

    def node(_: Any) -> dict[str, Any]:
        said = sub.invoke({"messages": []})["messages"]
        return {"said": [m.content for m in said if m.type == "tool"]}

    agent = Agent("a", graph=one_node(node), tools=[])
    lab.work(agent)
    assert lab.ended(lab.start(agent))["output"] == {
        "said": ["wipe did not run: agent a has no such tool."]
    }
    assert lab.effects == []


# What is refused when it is loaded ---------------------------------------------------------------


def test_a_tool_that_is_not_gated_is_refused_when_the_agent_is_made() -> None:
    @plain_tool
    def bare(volume: str) -> str:
        """Wipe."""
        return volume

    ungated: Any = bare
    with pytest.raises(UsageError, match="not gated: 'bare'"):
        Agent("a", graph=StateGraph(MessagesState), tools=[ungated])
    assert Agent("a", graph=StateGraph(MessagesState), tools=[gate(bare)]).tools


def test_two_tools_of_one_name_are_refused_when_the_agent_is_made(lab: Lab) -> None:
    with pytest.raises(UsageError, match="two tools named 'wipe'"):
        Agent("a", graph=StateGraph(MessagesState), tools=[wiper(lab), wiper(lab)])


class Login(BaseModel):
    """Who signs in."""

    name: str
    password: SecretStr


@pytest.mark.parametrize("kind", [SecretStr, SecretBytes, list[SecretStr], Login, Login | None])
def test_a_secret_among_the_arguments_is_refused_at_import(kind: Any) -> None:
    def sign_in(account: Any) -> str:
        """Sign in."""
        return str(account)

    sign_in.__annotations__["account"] = kind
    with pytest.raises(ToolDeclarationError, match="Tool 'sign_in' has a secret among its arg"):
        tool(effect="read")(sign_in)


FORBID = '@id("no") @reason("No.") forbid (principal, action, resource);'


def test_each_part_of_an_agent_is_in_its_fingerprint(lab: Lab) -> None:
    wipe = wiper(lab)

    @tool(effect="irreversible", version="2")
    def later(volume: str) -> str:
        """Wipe."""
        return volume

    def longer() -> StateGraph[Any]:
        graph = wiping(wipe)
        graph.add_node("more", lambda s: s)
        graph.add_edge("work", "more")
        return graph

    as_it_was: dict[str, Any] = {"graph": wiping(wipe), "tools": [wipe]}
    others: list[dict[str, Any]] = [
        {"graph": longer()},
        {"tools": [wipe, later]},
        {"limits": Limits(steps=7)},
        {"policy": FORBID},
    ]
    changed = [Agent("a", **{**as_it_was, **other}).fingerprint for other in others]
    assert len({Agent("a", **as_it_was).fingerprint, *changed}) == 1 + len(others)

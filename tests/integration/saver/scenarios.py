"""What LangGraph can ask of a saver, as plays whose outcome must not depend on which saver it is.

Each gives a list of what could be seen. Ids and times are left out where LangGraph makes them up.
"""

from __future__ import annotations

import itertools
import operator
import time
from collections.abc import Sequence  # noqa: TC003 - LangGraph resolves it
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage
from langgraph.channels.delta import DeltaChannel
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, Overwrite, Send, interrupt

if TYPE_CHECKING:
    from integration.saver.stage import Stage
    from langgraph.types import StateSnapshot


class Counted(MessagesState):
    """Messages, and how often a node has run."""

    n: int


class Todos(Counted):
    """Work to do, besides."""

    todos: list[dict[str, Any]]


class Sent(TypedDict):
    """What tasks are sent, and what they give."""

    work: list[int]
    out: Annotated[list[int], operator.add]


def extend(value: list[Any], writes: Sequence[Any]) -> list[Any]:
    """The reducer of a list."""
    parts = (write if isinstance(write, list) else [write] for write in writes)
    return [*value, *itertools.chain.from_iterable(parts)]


class Logged(TypedDict):
    """A list of whose value LangGraph itself stores only the writes, and now and then all."""

    log: Annotated[list[Any], DeltaChannel(extend, snapshot_frequency=4)]
    n: int


def told(values: Any) -> list[tuple[str, Any, str | None]]:
    """The messages of a state."""
    return [(m.type, m.content, m.id) for m in (values or {}).get("messages", [])]


def seen(states: Sequence[StateSnapshot]) -> list[Any]:
    """What a history shows of each state."""
    return [
        (
            state.metadata and (state.metadata["step"], state.metadata["source"]),
            told(state.values),
            state.next,
            [(bool(task.result), bool(task.error), len(task.interrupts)) for task in state.tasks],
        )
        for state in states
    ]


async def interrupts(stage: Stage) -> list[Any]:
    """A node asks twice, beside one that asks nothing."""
    ran = []

    def first(_: Any) -> Any:
        ran.append("first")
        return {"messages": [AIMessage("first", id="1")]}

    def asking(_: Any) -> Any:
        ran.append("asking")
        answers = interrupt({"question": 1}), interrupt({"question": 2})
        return {"messages": [AIMessage(f"told {answers}", id="2")]}

    def beside(_: Any) -> Any:
        ran.append("beside")
        return {"messages": [AIMessage("beside", id="3")]}

    graph = StateGraph(MessagesState)
    for node in (first, asking, beside):
        graph.add_node(node)
    graph.add_edge(START, "first")
    graph.add_edge("first", "asking")
    graph.add_edge("first", "beside")

    asked = await stage.invoke(graph, {"messages": [HumanMessage("go", id="0")]})
    state = await stage.state(graph)
    asked_again = await stage.invoke(graph, Command(resume="a"))
    done = await stage.invoke(graph, Command(resume="b"))
    return [
        [each.value for each in asked["__interrupt__"]],
        (state.next, [len(task.interrupts) for task in state.tasks]),
        [each.value for each in asked_again["__interrupt__"]],
        told(done),
        sorted(ran),
        seen(await stage.history(graph)),
    ]


async def failing_sibling(stage: Stage) -> list[Any]:
    """A node fails beside one that is done; the run goes on with the one that failed."""
    ran = []

    def good(_: Any) -> Any:
        ran.append("good")
        return {"messages": [AIMessage("good", id="good")]}

    def bad(_: Any) -> Any:
        time.sleep(0.05)  # the other one is done by then
        ran.append("bad")
        if ran.count("bad") == 1:
            raise ValueError("it failed")
        return {"messages": [AIMessage("bad", id="bad")]}

    graph = StateGraph(MessagesState)
    for node in (good, bad):
        graph.add_node(node)
        graph.add_edge(START, node.__name__)
    failure = None
    try:
        await stage.invoke(graph, {"messages": [HumanMessage("go", id="0")]})
    except ValueError as error:
        failure = str(error)
    state = await stage.state(graph)
    done = await stage.invoke(graph, None)
    return [
        failure,
        state.next,
        [(task.name, bool(task.error), bool(task.result)) for task in state.tasks],
        told(done),
        ran,
        seen(await stage.history(graph)),
    ]


async def subgraph(stage: Stage) -> list[Any]:
    """A graph inside a graph asks, and is taken up where it asked."""
    ran = []

    def before(_: Any) -> Any:
        ran.append("before")
        return {"messages": [AIMessage("before", id="before")]}

    def asking(_: Any) -> Any:
        answer = interrupt("inside?")
        return {"messages": [AIMessage(f"inside {answer}", id="inside")]}

    inner = StateGraph(MessagesState)
    inner.add_node(before)
    inner.add_node(asking)
    inner.add_edge(START, "before")
    inner.add_edge("before", "asking")
    graph = StateGraph(MessagesState)
    graph.add_node("inner", inner.compile())
    graph.add_node("after", lambda _: {"messages": [AIMessage("after", id="after")]})
    graph.add_edge(START, "inner")
    graph.add_edge("inner", "after")

    await stage.invoke(graph, {"messages": [HumanMessage("go", id="0")]})
    outer: Any = await stage.state(graph, subgraphs=True)
    inside = outer.tasks[0].state
    done = await stage.invoke(graph, Command(resume="x"))
    return [
        (outer.next, inside.next, told(inside.values)),
        told(done),
        ran,
        seen(await stage.history(graph)),
    ]


async def history(stage: Stage) -> list[Any]:
    """A run is taken up from an old state, forked by a person, and corrected."""
    ids = itertools.count()

    def node(state: Counted) -> Any:
        message = AIMessage(f"after {len(state['messages'])}", id=f"{next(ids)}")
        return {"messages": [message], "n": state.get("n", 0) + 1}

    graph = StateGraph(Counted)
    graph.add_node(node)
    graph.add_edge(START, "node")
    graph.add_conditional_edges("node", lambda state: "node" if state["n"] < 8 else END)

    await stage.invoke(graph, {"messages": [HumanMessage("go", id="go")]})
    states = await stage.history(graph)
    replayed = await stage.invoke(graph, None, states[min(4, len(states) - 1)].config)
    edited = {"messages": [HumanMessage("edited", id="edited")]}
    fork = await stage.update(graph, edited, states[min(5, len(states) - 1)].config)
    forked = await stage.invoke(graph, None, fork)
    all_states = await stage.history(graph)
    await stage.update(graph, {"messages": [RemoveMessage(id=forked["messages"][0].id)]})
    shortened = await stage.state(graph)
    again = await stage.invoke(graph, {"messages": [HumanMessage("again", id="again")], "n": 6})
    return [
        seen(states),
        told(replayed),
        told(forked),
        seen(all_states),
        told(shortened.values),
        told(again),
        seen(await stage.history(graph)),
    ]


async def sends(stage: Stage) -> list[Any]:
    """As many tasks as a node says, which end in another order than they began."""

    def worker(given: Any) -> Any:
        time.sleep(0.002 * (5 - given["one"] % 5))
        return {"out": [given["one"] * 2]}

    graph = StateGraph(Sent)
    graph.add_node("plan", lambda _: {"work": list(range(8))})
    graph.add_node("worker", worker)
    graph.add_node("last", lambda _: {"out": [-1]})
    graph.add_edge(START, "plan")
    graph.add_conditional_edges(
        "plan", lambda state: [Send("worker", {"one": one}) for one in state["work"]], ["worker"]
    )
    graph.add_edge("worker", "last")
    done = await stage.invoke(graph, {"work": []})
    states = await stage.history(graph)
    return [done["out"], [(state.next, state.values.get("out")) for state in states]]


async def in_place(stage: Stage) -> list[Any]:
    """Nodes change messages, and dicts in a list, without replacing them; others are replaced."""

    def node(state: Todos) -> Any:
        n = state.get("n", 0) + 1
        messages = state["messages"]
        todos = state.get("todos") or [{"task": at, "done": False} for at in range(5)]
        todos[n % 5]["done"] = True
        out: list[Any] = [AIMessage(f"after {n}", id=f"{n}")]
        match n:
            case 3:
                messages[0].content = "changed in place"
            case 4:
                messages[1].additional_kwargs["key"] = {"deep": [1]}
            case 5:
                out.append(AIMessage("replaced by its id", id="2"))
                messages[1].additional_kwargs["key"]["deep"].append(2)
            case 6:
                out.append(RemoveMessage(id="3"))
                todos.insert(0, {"task": "first", "done": True})
            case 7:
                del todos[2]
        return {"messages": out, "todos": todos, "n": n}

    graph = StateGraph(Todos)
    graph.add_node(node)
    graph.add_edge(START, "node")
    graph.add_conditional_edges("node", lambda state: "node" if state["n"] < 9 else END)
    await stage.invoke(graph, {"messages": [HumanMessage("go", id="0")]})
    return [
        (
            told(state.values),
            [message.additional_kwargs for message in state.values.get("messages", [])],
            state.values.get("todos"),
        )
        for state in await stage.history(graph)
    ]


async def deltas(stage: Stage) -> list[Any]:
    """A channel that LangGraph puts together from writes: read, forked, begun anew."""
    graph = StateGraph(Logged)
    graph.add_node("loop", lambda state: {"log": [state.get("n", 0)], "n": state.get("n", 0) + 1})
    graph.add_node("once", lambda state: {"log": [100 + state.get("n", 0)]})
    graph.add_edge(START, "loop")
    graph.add_edge(START, "once")
    graph.add_conditional_edges("loop", lambda state: "loop" if state["n"] % 11 else END)

    done = await stage.invoke(graph, {"log": ["in"], "n": 0})
    state = await stage.state(graph)
    again = await stage.invoke(graph, {"log": ["in again"], "n": 12})
    states = await stage.history(graph)
    old = states[min(6, len(states) - 1)].config
    fork = await stage.update(graph, {"log": ["fork"]}, old, as_node="loop")
    forked = await stage.state(graph, fork)
    reset = await stage.invoke(graph, {"log": Overwrite(["new"]), "n": 1})
    last = await stage.state(graph)
    return [
        done["log"],
        state.values["log"],
        again["log"],
        [each.values.get("log") for each in states],
        forked.values["log"],
        reset["log"],
        last.values["log"],
    ]


SCENARIOS = (interrupts, failing_sibling, subgraph, history, sends, in_place, deltas)

"""A graph that goes round, and the checkpoints that a saver is given by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.graph import END, START, MessagesState, StateGraph

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

GO: dict[str, Any] = {"messages": [HumanMessage("go", id="go")], "n": 0}


class Looped(MessagesState):
    """Messages, the number of rounds, and things that stay as they are."""

    n: int
    text: str
    table: dict[str, Any]
    numbers: list[int]


def loop(times: int, each: Callable[[int], Any] = lambda _: None) -> StateGraph[Any]:
    """So many rounds, each with a message; `each` is called in round 1 and on, and may add more."""

    def node(state: Looped) -> Any:
        n = state["n"] + 1
        return {"messages": [AIMessage(f"round {n}", id=f"{n}")], "n": n, **(each(n) or {})}

    graph = StateGraph(Looped)
    graph.add_node(node)
    graph.add_edge(START, "node")
    graph.add_conditional_edges("node", lambda state: "node" if state["n"] < times else END)
    return graph


def ids(state: Any) -> list[str]:
    """The ids of a state's messages."""
    return [message.id for message in state["messages"]]


def ids_after(rounds: int) -> list[str]:
    """What they are to be."""
    return ["go", *(str(n) for n in range(1, rounds + 1))]


def thread(run_id: UUID, checkpoint: str | None = None, ns: str = "") -> Any:
    """A config that names a run, or one checkpoint of it."""
    named = {"thread_id": str(run_id), "checkpoint_ns": ns}
    return {"configurable": {**named, **({"checkpoint_id": checkpoint} if checkpoint else {})}}


def put_of(config: Any, step: int, **values: Any) -> tuple[Any, Any, Any, Any]:
    """What LangGraph gives `put` for a step with these values."""
    versions = dict.fromkeys(values, step + 1.5)
    checkpoint = {
        **empty_checkpoint(),
        "channel_values": values,
        "channel_versions": versions,
    }
    return config, checkpoint, {"source": "loop", "step": step, "parents": {}}, versions

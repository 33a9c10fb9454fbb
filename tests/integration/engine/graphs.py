"""Graphs for tests: the ways in which a node can call a tool."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypedDict

from langchain_core.messages import AIMessage
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from interlock.tools import GatedTool

Calls = "Sequence[tuple[str, dict[str, Any]]]"


class Notes(TypedDict, total=False):
    """A state that keeps what a node returned."""

    said: Any


def in_a_loop(work: Coroutine[Any, Any, Any]) -> Any:
    """The coroutine's outcome, from a thread of its own: a browser's loop may run in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def one_node(node: Callable[..., Any]) -> StateGraph[Any]:
    """A graph of one plain node."""
    graph = StateGraph(Notes)
    graph.add_node("work", node)
    graph.add_edge(START, "work")
    graph.add_edge("work", END)
    return graph


def ask(name: str, args: dict[str, Any], call_id: str) -> dict[str, Any]:
    """One tool call as a model writes it."""
    return {"name": name, "args": args, "id": call_id, "type": "tool_call"}


def scripted(tools: Sequence[GatedTool], *turns: Sequence[dict[str, Any]]) -> StateGraph[Any]:
    """A ReAct loop whose model proposes the given calls, turn by turn, and then ends."""

    def model(state: MessagesState) -> dict[str, Any]:
        turn = sum(1 for message in state["messages"] if message.type == "ai")
        calls = list(turns[turn]) if turn < len(turns) else []
        return {"messages": [AIMessage("" if calls else "done", tool_calls=calls)]}

    graph = StateGraph(MessagesState)
    graph.add_node("model", model)
    graph.add_node("tools", ToolNode(list(tools)))
    graph.add_edge(START, "model")
    graph.add_conditional_edges(
        "model", lambda state: "tools" if state["messages"][-1].tool_calls else END
    )
    graph.add_edge("tools", "model")
    return graph

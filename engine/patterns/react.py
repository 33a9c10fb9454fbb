"""A model that calls tools until it has a result, with a way out where it has neither."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langgraph.errors import GraphInterrupt
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.runtime import get_runtime
from langgraph.types import Send

from ...tools.gated import Batch, in_batch
from ...tools.questions import ask_human

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...tools import GatedTool

MODEL, HOLD, TOOLS, ASK = "model", "hold", "tools", "ask_person"
_LOST = "The model answered with neither a call nor a result. What should it do?"


def has_text(message: AIMessage) -> bool:
    """Whether a reply says anything."""
    return bool(message.text.strip())


def react_agent(
    model: Any,
    tools: Sequence[GatedTool],
    *,
    prompt: str | None = None,
    is_result: Callable[[AIMessage], bool] = has_text,
) -> StateGraph[Any, Any, Any, Any]:
    """A ReAct loop over `messages`, in which the model may also ask a person.

    Each call is a task of its own. Of calls that the model makes at once, those that a person has
    to decide are all decided before any of them starts.

    Args:
        model: a LangChain chat model that takes tools.
        tools: gated tools; `ask_human` is added.
        prompt: the system message.
        is_result: whether a reply without a call is the result. If not, a person is asked.
    """
    every = list({tool.name: tool for tool in (*tools, ask_human)}.values())
    act = ToolNode(every)
    graph = StateGraph(MessagesState)
    graph.add_node(MODEL, _thinking(model.bind_tools(every), prompt))
    graph.add_node(HOLD, _holding(act))
    graph.add_node(TOOLS, _running(act))
    graph.add_node(ASK, _ask_person)
    graph.add_edge(START, MODEL)
    graph.add_conditional_edges(MODEL, _after_model(is_result), [HOLD, TOOLS, ASK, END])
    graph.add_conditional_edges(HOLD, _each_of_the_batch, [TOOLS])
    graph.add_edge(TOOLS, MODEL)
    graph.add_edge(ASK, MODEL)
    return graph


def _thinking(bound: Any, prompt: str | None) -> Any:
    said_first = [SystemMessage(prompt)] if prompt else []

    async def think(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await bound.ainvoke([*said_first, *state["messages"]])]}

    return think


def _holding(act: ToolNode) -> Any:
    async def hold(state: MessagesState) -> None:
        """Put what of the batch needs a person into the queue, all of it at once."""
        held: list[Any] = []
        for call in _batch(state):
            try:
                with in_batch(Batch(call["batch"], is_held=True)):
                    await act.ainvoke([call])
            except GraphInterrupt as interrupt:
                held += interrupt.args[0]
        if held:
            raise GraphInterrupt(held)

    return hold


def _running(act: ToolNode) -> Any:
    async def run(call: dict[str, Any]) -> Any:
        if call["batch"] is None:
            return await act.ainvoke([call])
        with in_batch(Batch(call["batch"], is_held=False)):
            return await act.ainvoke([call])

    return run


async def _ask_person(state: MessagesState) -> dict[str, Any]:  # noqa: ARG001 - LangGraph's name
    said = await ask_human.ainvoke({"question": _LOST})
    return {"messages": [HumanMessage(str(said["answer"]))]}


def _after_model(is_result: Callable[[AIMessage], bool]) -> Any:
    def after_model(state: MessagesState) -> list[Send] | str:
        calls = _calls(state)
        if len(calls) > 1:
            return HOLD
        if calls:
            return [Send(TOOLS, {**calls[0], "batch": None})]
        last = state["messages"][-1]
        return END if isinstance(last, AIMessage) and is_result(last) else ASK

    return after_model


def _each_of_the_batch(state: MessagesState) -> list[Send]:
    return [Send(TOOLS, call) for call in _batch(state)]


def _calls(state: MessagesState) -> list[Any]:
    last = state["messages"][-1]
    return last.tool_calls if isinstance(last, AIMessage) else []


def _batch(state: MessagesState) -> list[dict[str, Any]]:
    """The calls of the last message, each with its place in the batch.

    The batch is named by the task that holds it, so that a fork's is another one.
    """
    info = get_runtime().execution_info
    task = info.task_id if info else ""
    return [{**call, "batch": f"{task}/{index}"} for index, call in enumerate(_calls(state))]

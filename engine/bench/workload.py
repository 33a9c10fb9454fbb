"""The agent that every contender runs: a ReAct loop from a script, without a model.

The graph is one Python function for all. It differs in its tools alone: LangChain's own for the
rivals, the same bodies behind the gate here.
"""

from __future__ import annotations

import random
import string
import time
from functools import cache
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, ToolCall, ToolMessage
from langgraph.graph import END, START, MessagesState, StateGraph

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from langchain_core.tools import BaseTool

TEXTS = 50
WORD = (2, 11)
"""The shortest and the longest word."""
TOOL = "look"
"""The tool that a script calls where it has no choice."""


class Marks:
    """The moments that the nodes of a lap note; all in the event loop's thread.

    Attributes:
        turns: when each turn of the agent began, in seconds.
        calls: how long each call took that returned, in seconds.
        cpu: the process's CPU seconds when the first turn began.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget the last lap."""
        self.turns: list[float] = []
        self.calls: list[float] = []
        self.cpu: float | None = None

    def turn(self) -> None:
        """A turn of the agent begins."""
        if self.cpu is None:
            self.cpu = time.process_time()
        self.turns.append(time.perf_counter())


@cache
def texts(size: int) -> tuple[str, ...]:
    """Made-up texts of `size` bytes, the same in every process; they hardly compress."""
    letters = random.Random(size)  # noqa: S311 - made-up words, no secret
    return tuple(_text(letters, size) for _ in range(TEXTS))


def _text(letters: random.Random, size: int) -> str:
    words: list[str] = []
    length = 0
    while length <= size:
        words.append("".join(letters.choices(string.ascii_lowercase, k=letters.randint(*WORD))))
        length += len(words[-1]) + 1
    return " ".join(words)[:size]


def body(size: int) -> Callable[..., Awaitable[str]]:
    """What every tool does: it answers with a text of `size` bytes."""
    answers = texts(size)

    async def look(number: int) -> str:
        """Look up what belongs to a number."""
        return answers[number % TEXTS]

    return look


def first_message(number: int) -> dict[str, Any]:
    """The input of the run with this number, as JSON."""
    return {"messages": [{"role": "user", "content": str(number), "id": "question"}]}


def react_loop(
    *,
    steps: int,
    size: int,
    tools: Mapping[str, BaseTool],
    marks: Marks,
    choose: Callable[[int, int], str] = lambda _run, _call: TOOL,
) -> StateGraph[Any, Any, Any, Any]:
    """A graph that ends after `steps` supersteps, an even number: turn, calls, turn, calls.

    Each of its messages has `size` bytes, except the question. `choose` gets the number of the run
    and that of the call in it, and names the tool.
    """
    said = texts(size)

    async def agent(state: MessagesState) -> dict[str, Any]:
        marks.turn()
        messages = state["messages"]
        number = len(messages) // 2
        call = ToolCall(
            name=choose(int(str(messages[0].content)), number),
            args={"number": number},
            id=f"call-{number}",
            type="tool_call",
        )
        text = said[number % TEXTS]
        return {"messages": [AIMessage(text, tool_calls=[call], id=f"turn-{number}")]}

    async def call_tools(state: MessagesState) -> dict[str, Any]:
        asked = state["messages"][-1]
        assert isinstance(asked, AIMessage)  # noqa: S101 - as the edge from the agent has it
        return {"messages": [await answer(call) for call in asked.tool_calls]}

    async def answer(call: ToolCall) -> ToolMessage:
        began = time.perf_counter()
        answered: ToolMessage = await tools[call["name"]].ainvoke(call)
        marks.calls.append(time.perf_counter() - began)
        answered.id = f"answer-{call['id']}"
        return answered

    def onward(state: MessagesState) -> str:
        return END if len(state["messages"]) > steps else "agent"

    graph = StateGraph(MessagesState)
    graph.add_node("agent", agent)
    graph.add_node("tools", call_tools)
    graph.add_edge(START, "agent")
    graph.add_edge("agent", "tools")
    graph.add_conditional_edges("tools", onward, ["agent", END])
    return graph

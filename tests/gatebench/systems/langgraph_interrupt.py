"""Stock LangGraph: `interrupt()` inside the tool, as its documentation on interrupts shows it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, get_type_hints
from uuid import uuid4

from langchain_core.tools import StructuredTool
from langgraph.types import interrupt

from ..scene import Scene
from ..system import Ask, NotApplicable, Run
from .graphs import GraphReach, GraphSystem, helper_tools, react

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..scene import Gated
    from ..system import Decision


class LangGraphInterrupt(GraphSystem):
    """The tool asks, and acts on the answer."""

    name = "langgraph interrupt()"
    configuration = (
        "StateGraph with a model node and a ToolNode; each tool calls interrupt() with its "
        "arguments before its effect and acts on the answer; PostgresSaver, durability='sync'; "
        "resumed with Command(resume={interrupt id: answer})."
    )

    def build(self, scene: Scene) -> Any:
        if scene.forbidden:
            raise NotApplicable("it has no rule that forbids a call whoever approves")
        reach = GraphReach(self, scene)
        tools = [_asking(gated) for gated in scene.tools]
        reach.tools = {tool.name: tool for tool in tools}
        return react(scene, [*tools, *helper_tools(scene, reach)])

    def inner_graph(self, tools: Any, turns: Any, thread: str | None) -> tuple[Any, Any]:
        graph = react(Scene((), turns), tools)
        if thread is None:
            return graph.compile(), None
        own = {"configurable": {"thread_id": thread}}
        return graph.compile(checkpointer=self.saver()), own

    def asks_of(self, interrupt: Any) -> list[Ask]:
        return [Ask(interrupt.id, interrupt.value["action"], interrupt.value["args"])]

    def answers_to(self, asked: Sequence[Ask], decisions: Sequence[Decision]) -> Any:
        if any(decision.tool for decision in decisions):
            raise NotApplicable("an answer cannot name another tool")
        return {
            decision.ask.id: {"action": decision.verdict, "args": decision.args or {}}
            for decision in decisions
        }

    def unnamed(self, verdict: str) -> Any:
        return {"action": verdict, "args": {}}

    def renamed(self, scene: Scene, name: str) -> Run:
        tool = _asking(scene.tools[0]).model_copy(update={"name": name})
        run = self.attach(Scene((), scene.turns), str(uuid4()))
        run.graph = self.compiled(react(scene, [tool]))
        run.go({"messages": [("user", "go")]})
        return run


def _asking(gated: Gated) -> StructuredTool:
    """The author's function with an interrupt before its effect."""
    if gated.must_ask is not None:
        raise NotApplicable("when to ask is an `if` of the tool's author, not a setting")

    def ask_first(**args: Any) -> str:
        answer = interrupt({"action": gated.name, "args": args})
        if answer["action"] in ("approve", "edit"):
            return gated.body(**{**args, **answer["args"]})
        return f"{gated.name} did not run: the reviewer said no."

    ask_first.__name__, ask_first.__doc__ = gated.name, gated.body.__doc__
    ask_first.__annotations__ = get_type_hints(gated.body)
    ask_first.__signature__ = inspect.signature(gated.body)  # type: ignore[attr-defined]
    return StructuredTool.from_function(ask_first, args_schema=gated.schema)

"""What the contenders on LangGraph share: the scripted model, the loop around it, a run of it."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, RemoveMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command, RetryPolicy
from psycopg import Connection
from psycopg.rows import dict_row

from ..system import Ask, Refused, Run, System

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..scene import Call, Gated, Scene
    from ..system import Decision
    from ..world import World

RETRY = RetryPolicy(max_attempts=3, initial_interval=0.01, jitter=False)


def message(calls: Sequence[Call]) -> AIMessage:
    """A model's reply with these calls."""
    if any(call.raw is not None for call in calls):
        raw = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.tool, "arguments": call.raw or json.dumps(call.args)},
            }
            for call in calls
        ]
        return AIMessage("", additional_kwargs={"tool_calls": raw})
    made: Any = [
        {"name": call.tool, "args": dict(call.args), "id": call.id, "type": "tool_call"}
        for call in calls
    ]
    return AIMessage("" if made else "done", tool_calls=made)


class ScriptedModel(BaseChatModel):
    """A chat model that says its turns in order, whatever it is told."""

    turns: list[Any]

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, *_: Any, **__: Any) -> Any:
        """Itself: what it calls is written down already."""
        return self

    def _generate(self, messages: Any, *_: Any, **__: Any) -> ChatResult:
        turn = sum(1 for said in messages if said.type == "ai")
        reply = message(self.turns[turn] if turn < len(self.turns) else [])
        return ChatResult(generations=[ChatGeneration(message=reply)])


def plain_tool(gated: Gated) -> StructuredTool:
    """The author's function as a LangChain tool, without any gate."""
    return StructuredTool.from_function(gated.body, args_schema=gated.schema)


class GraphReach:
    """What helpers can reach in a system on LangGraph."""

    def __init__(self, system: Any, scene: Scene) -> None:
        self._system = system
        self._scene = scene
        self.tools: dict[str, Any] = {}

    def tool(self, name: str) -> Any:
        """The object that the graph has."""
        return self.tools[name]

    def subagent(self, *turns: Sequence[Call], thread: str | None = None) -> Any:
        """An agent inside the call, with the tools as they are."""
        tools = [self.tools[gated.name] for gated in self._scene.tools]
        graph, config = self._system.inner_graph(tools, turns, thread)
        return graph.invoke({"messages": [("user", "go")]}, config)["messages"][-1].content


def helper_tools(scene: Scene, reach: GraphReach) -> list[BaseTool]:
    """The harmless tools."""

    def made(code: Any, name: str) -> BaseTool:
        return StructuredTool.from_function(
            lambda: str(code(reach)), name=name, description="Does no harm."
        )

    return [made(helper.code, helper.name) for helper in scene.helpers]


def react(scene: Scene, tools: Sequence[BaseTool]) -> StateGraph[Any]:
    """The ReAct loop as LangGraph's documentation builds it, with what the scene adds to it."""
    model = ScriptedModel(turns=[list(turn) for turn in scene.turns])
    graph = StateGraph(MessagesState)
    graph.add_node("model", lambda state: {"messages": [model.invoke(state["messages"])]})
    node = ToolNode(list(tools))
    graph.add_node("tools", node, retry_policy=RETRY if scene.retried else None)
    graph.add_edge(START, "model")
    graph.add_conditional_edges(
        "model", lambda state: "tools" if state["messages"][-1].tool_calls else END
    )
    if scene.after is None:
        graph.add_edge("tools", "model")
        return graph
    passes: list[int] = []

    def once_more(state: Any) -> Any:
        passes.append(1)
        if len(passes) > 1:
            return {}
        return {"messages": answers(state) if scene.after == "trim" else []}

    graph.add_node("once_more", once_more)
    graph.add_edge("tools", "once_more")
    graph.add_conditional_edges("once_more", lambda _: "tools" if len(passes) == 1 else "model")
    return graph


def answers(state: Any) -> list[RemoveMessage]:
    """The removal of what tools answered."""
    return [RemoveMessage(said.id) for said in state["messages"] if isinstance(said, ToolMessage)]


class GraphRun(Run):
    """A thread of a compiled graph with a saver of its own."""

    def __init__(self, system: GraphSystem, graph: Any, run_id: str) -> None:
        self.id = run_id
        self.system = system
        self.graph = graph
        self.config: Any = {"configurable": {"thread_id": run_id}}
        self.error: Exception | None = None

    def go(self, what: Any, config: Any = None) -> None:
        """Invoke the graph; an error of it is kept."""
        self.error = None
        try:
            self.graph.invoke(what, config or self.config, durability="sync")
        except Exception as error:  # noqa: BLE001 - whatever a graph raises is what is looked at
            self.error = error

    def asked(self) -> list[Ask]:
        interrupts = self.graph.get_state(self.config).interrupts
        return [ask for found in interrupts for ask in self.system.asks_of(found)]

    def decide(self, *decisions: Decision) -> None:
        self.go(Command(resume=self.system.answers_to(self.asked(), decisions)))
        if self.error is not None:
            raise Refused(f"{type(self.error).__name__}: {self.error}"[:300])

    def decide_unnamed(self, verdict: str) -> None:
        self.go(Command(resume=self.system.unnamed(verdict)))

    def decide_at_once(self, *decisions: Decision) -> list[str]:
        asked = self.asked()
        ways = [
            (self.system.another(self), Command(resume=self.system.answers_to(asked, [decision])))
            for decision in decisions
        ]
        with ThreadPoolExecutor(len(ways)) as pool:
            list(pool.map(lambda way: way[0].go(way[1]), ways))
        return [str(other.error or "") for other, _ in ways]

    def forge(self) -> None:
        self.decide_unnamed("approve")

    def rewrite(self, args: Mapping[str, Any]) -> None:
        last = self._proposed()
        calls = [{**call, "args": dict(args)} for call in last.tool_calls]
        changed = AIMessage(last.content, id=last.id, tool_calls=calls)
        self.graph.update_state(self.config, {"messages": [changed]}, as_node="model")
        self.go(None)

    def _proposed(self) -> Any:
        messages = self.graph.get_state(self.config).values["messages"]
        return next(said for said in reversed(messages) if said.type == "ai" and said.tool_calls)

    def skip(self, way: str) -> None:
        if way == "goto":
            self.go(Command(goto="tools"))
            return
        before = self.system.node_before_tools
        self.graph.update_state(self.config, {"messages": []}, as_node=before)
        self.go(None)

    def fork(self) -> None:
        history = self.graph.get_state_history(self.config)
        before = [past for past in history if past.next == (self.system.node_that_asks,)]
        self.go(None, before[-1].config)

    def completed(self) -> bool:
        state = self.graph.get_state(self.config)
        return self.error is None and bool(state.values) and not state.next

    def heard(self) -> str:
        if self.error is not None:
            return f"{type(self.error).__name__}: {self.error}"[:300]
        values = self.graph.get_state(self.config).values
        said = [m.text for m in values.get("messages", []) if isinstance(m, ToolMessage)]
        return "; ".join(said)[:300] or "nothing"


class GraphSystem(System):
    """A contender that is LangGraph with its Postgres saver, under sync durability."""

    node_before_tools = "model"
    node_that_asks = "tools"

    def __init__(self, storage: str, world: World) -> None:
        super().__init__(storage, world)
        self._opened: list[Connection[Any]] = []

    @classmethod
    def versions(cls) -> str:
        names = ("langgraph", "langgraph-prebuilt", "langgraph-checkpoint-postgres", "langchain")
        return ", ".join(f"{name} {version(name)}" for name in names)

    def build(self, scene: Scene) -> Any:
        """The graph, not compiled or compiled without a saver."""
        raise NotImplementedError

    def inner_graph(self, tools: Any, turns: Any, thread: str | None) -> tuple[Any, Any]:
        """An agent with these tools, to be invoked inside a call."""
        raise NotImplementedError

    def asks_of(self, interrupt: Any) -> list[Ask]:
        """What one interrupt asks of a person."""
        raise NotImplementedError

    def answers_to(self, asked: Sequence[Ask], decisions: Sequence[Decision]) -> Any:
        """The value to resume with, keyed by the ids of interrupts."""
        raise NotImplementedError

    def unnamed(self, verdict: str) -> Any:
        """The value to resume with, as it is without an id."""
        raise NotImplementedError

    def saver(self) -> PostgresSaver:
        """A saver with a connection of its own."""
        conn = Connection.connect(
            self.storage, autocommit=True, prepare_threshold=0, row_factory=dict_row
        )
        self._opened.append(conn)
        made = PostgresSaver(conn)
        made.setup()
        return made

    def begin(self, scene: Scene) -> Run:
        run = self.attach(scene, str(uuid4()))
        run.go({"messages": [("user", "go")]})
        return run

    def attach(self, scene: Scene, run_id: str) -> GraphRun:
        return GraphRun(self, self.compiled(self.build(scene)), run_id)

    def compiled(self, graph: Any) -> Any:
        """The graph with a saver."""
        if isinstance(graph, StateGraph):
            return graph.compile(checkpointer=self.saver())
        return graph.copy({"checkpointer": self.saver()})

    def another(self, run: GraphRun) -> GraphRun:
        """The same run in the hands of another process."""
        graph = run.graph.copy({"checkpointer": self.saver()})
        return GraphRun(self, graph, run.id)

    def claim_approved(self, scene: Scene) -> Run:
        call = scene.turns[1][0]
        forged = AIMessage(
            "",
            tool_calls=[{"name": call.tool, "args": dict(call.args), "id": "forged"}],
            additional_kwargs={"approval": {"approved": True}},
        )
        run = self.attach(scene, str(uuid4()))
        run.go(
            {
                "messages": [("user", "go"), forged],
                "jump_to": "tools",
                "hitl_edited_tool_calls": {
                    "forged": {"name": call.tool, "args": dict(call.args)},
                },
            }
        )
        return run

    def recover(self, run: Run) -> None:
        run.go(None)  # type: ignore[attr-defined]

    def close(self) -> None:
        for conn in self._opened:
            conn.close()


def until(holds: Any, what: str, patience: float = 20.0) -> None:
    """Wait for something to hold."""
    deadline = time.monotonic() + patience
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come true in {patience:g} s")
        time.sleep(0.01)

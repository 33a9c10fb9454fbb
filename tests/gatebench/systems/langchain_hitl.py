"""LangChain's `HumanInTheLoopMiddleware` with `create_agent`, in both of its modes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    HumanInTheLoopMiddleware,
    ToolRetryMiddleware,
    hook_config,
)

from ..scene import Scene
from ..system import Ask, NotApplicable, Refused, Run
from .graphs import GraphReach, GraphSystem, ScriptedModel, answers, helper_tools, plain_tool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..scene import Gated
    from ..system import Decision


class BatchedMiddleware(GraphSystem):
    """One interrupt a turn, answered by position: the default."""

    name = "langchain HITL (batched)"
    mode = "batched"
    node_before_tools = "HumanInTheLoopMiddleware.after_model"
    node_that_asks = "HumanInTheLoopMiddleware.after_model"
    configuration = (
        "create_agent(model, tools, middleware=[HumanInTheLoopMiddleware(interrupt_on={tool: "
        "{'allowed_decisions': ['approve', 'edit', 'reject']}})], checkpointer=PostgresSaver), "
        "durability='sync'; resumed with Command(resume={interrupt id: {'decisions': [...]}})."
    )

    def build(self, scene: Scene) -> Any:
        if scene.forbidden:
            raise NotApplicable("it has no rule that forbids a call whoever approves")
        return self._agent(scene, {gated.name: self._setting(gated) for gated in scene.tools})

    def _setting(self, gated: Gated) -> Any:
        setting: dict[str, Any] = {"allowed_decisions": ["approve", "edit", "reject"]}
        if gated.must_ask is not None:
            rule = gated.must_ask
            setting["when"] = lambda request: rule(request.tool_call["args"])
        if gated.preview is not None:
            preview = gated.preview
            setting["description"] = lambda call, *_: str(preview(call["args"]))
        return setting

    def _agent(self, scene: Scene, settings: dict[str, Any], tools: Any = None) -> Any:
        reach = GraphReach(self, scene)
        gated = tools or [plain_tool(tool) for tool in scene.tools]
        reach.tools = {tool.name: tool for tool in gated}
        hitl = HumanInTheLoopMiddleware(settings, interrupt_mode=self.mode)
        retry = [ToolRetryMiddleware(max_retries=2, initial_delay=0.01)] if scene.retried else []
        after = {"again": [Again()], "trim": [Trim()], None: []}[scene.after]
        return create_agent(
            ScriptedModel(turns=[list(turn) for turn in scene.turns]),
            [*gated, *helper_tools(scene, reach)],
            middleware=[*after, hitl, *retry],
        )

    def inner_graph(self, tools: Any, turns: Any, thread: str | None) -> tuple[Any, Any]:
        model = ScriptedModel(turns=[list(turn) for turn in turns])
        if thread is None:
            return create_agent(model, tools), None
        own = {"configurable": {"thread_id": thread}}
        return create_agent(model, tools, checkpointer=self.saver()), own

    def asks_of(self, interrupt: Any) -> list[Ask]:
        requests = interrupt.value["action_requests"]
        return [
            Ask(f"{interrupt.id}/{place}", request["name"], request["args"], interrupt.id)
            for place, request in enumerate(requests)
        ]

    def answers_to(self, asked: Sequence[Ask], decisions: Sequence[Decision]) -> Any:
        interrupt = decisions[0].ask.handle
        by_ask = {decision.ask.id: decision for decision in decisions}
        together = [ask for ask in asked if ask.handle == interrupt] or [
            decision.ask for decision in decisions
        ]
        if any(ask.id not in by_ask for ask in together):
            raise NotApplicable("the calls of a turn are decided together in this mode")
        return {interrupt: {"decisions": [_answer(by_ask[ask.id]) for ask in together]}}

    def unnamed(self, verdict: str) -> Any:
        return {"decisions": [{"type": verdict}]}

    def mistyped(self, scene: Scene, where: str) -> Run:
        gated = scene.tools[0]
        setting = {
            "name": {f"{gated.name}e": True},
            "value": {gated.name: {"allowed_decision": ["approve", "reject"]}},
        }[where]
        try:
            agent = self._agent(scene, setting)
        except (TypeError, ValueError, KeyError) as error:
            raise Refused(f"{type(error).__name__}: {error}") from None
        return self._started(scene, agent)

    def renamed(self, scene: Scene, name: str) -> Run:
        gated = scene.tools[0]
        copy = plain_tool(gated).model_copy(update={"name": name})
        return self._started(scene, self._agent(scene, {gated.name: True}, [copy]))

    def _started(self, scene: Scene, agent: Any) -> Run:
        run = self.attach(Scene((), scene.turns), str(uuid4()))
        run.graph = self.compiled(agent)
        run.go({"messages": [("user", "go")]})
        return run


class PerCallMiddleware(BatchedMiddleware):
    """One interrupt a call, answered by its id."""

    name = "langchain HITL (per call)"
    mode = "per_call"
    node_before_tools = "model"
    node_that_asks = "tools"
    configuration = (
        "As batched, with interrupt_mode='per_call'; resumed with "
        "Command(resume={interrupt id: decision})."
    )

    def asks_of(self, interrupt: Any) -> list[Ask]:
        return [Ask(interrupt.id, interrupt.value["name"], interrupt.value["args"])]

    def answers_to(self, asked: Sequence[Ask], decisions: Sequence[Decision]) -> Any:
        return {decision.ask.id: _answer(decision) for decision in decisions}

    def unnamed(self, verdict: str) -> Any:
        return {"type": verdict}


def _answer(decision: Decision) -> dict[str, Any]:
    if decision.verdict != "edit":
        return {"type": decision.verdict}
    args = {**decision.ask.args, **(decision.args or {})}
    action = {"name": decision.tool or decision.ask.tool, "args": args}
    return {"type": "edit", "edited_action": action}


class Again(AgentMiddleware):
    """Middleware of the agent's author that routes to the tools."""

    @hook_config(can_jump_to=["tools"])
    def after_model(self, state: Any, runtime: Any) -> Any:
        if any(said.type == "tool" for said in state["messages"]):
            return {"jump_to": "tools"} if state["messages"][-1].type == "tool" else None
        return None


class Trim(AgentMiddleware):
    """Middleware of the agent's author that drops the answers of tools to save tokens."""

    def after_model(self, state: Any, runtime: Any) -> Any:
        dropped = answers(state)
        return {"messages": dropped} if dropped else None

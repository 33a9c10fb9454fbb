"""No gate at all: what shows that each attack can tell a breach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ..scene import Scene
from .graphs import GraphReach, helper_tools, plain_tool, react
from .langgraph_interrupt import LangGraphInterrupt

if TYPE_CHECKING:
    from ..system import Run


class NoGate(LangGraphInterrupt):
    """Tools that run as soon as they are called."""

    name = "no gate"
    configuration = "The same StateGraph and saver, with tools that nobody has to approve."

    def build(self, scene: Scene) -> Any:
        reach = GraphReach(self, scene)
        tools = [plain_tool(gated) for gated in scene.tools]
        reach.tools = {tool.name: tool for tool in tools}
        return react(scene, [*tools, *helper_tools(scene, reach)])

    def renamed(self, scene: Scene, name: str) -> Run:
        tool = plain_tool(scene.tools[0]).model_copy(update={"name": name})
        run = self.attach(Scene((), scene.turns), str(uuid4()))
        run.graph = self.compiled(react(scene, [tool]))
        run.go({"messages": [("user", "go")]})
        return run

    def mistyped(self, scene: Scene, where: str) -> Run:
        return self.begin(scene)

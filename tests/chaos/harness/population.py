"""The agent that the workers of a campaign run: a scripted model and tools that act on the world.

A run's input holds its script: the calls of each turn, and how they are made: by one ToolNode task,
by a task each (`Send`), or straight from a node.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rfc8785

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "acceptance"))
from harness import points, world
from interlock import Agent, Limits, tool
from interlock.policies.evaluator import default_policy_text
from interlock.tools import Happened, current_call
from langchain_core.messages import AIMessage
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Send
from support.world import World as Traps

if TYPE_CHECKING:
    from collections.abc import Mapping

traps = Traps(Path(os.environ["ACCEPTANCE_WORLD"]))
PORT = int(os.environ["CHAOS_WORLD"])
NAME = "population"
SOON = timedelta(seconds=3)
"""After this much nothing of a call may reach the world any more: shorter than the longest stop."""


def act(tool: str, args: Mapping[str, Any], *, keyed: bool = False) -> str:
    call = current_call()
    request = {
        "run": str(call.run_id),
        "call": str(call.call_id),
        "key": call.idempotency_key if keyed else None,
        "tool": tool,
        "sent": rfc8785.dumps(dict(args)).decode(),
    }
    traps.pass_by("effect.before")
    world.ask(PORT, request, sent=lambda: _pass_by(f"{tool}.sent", "effect.sent"))
    traps.pass_by("effect.answered")
    return f"done: {tool}"


def _pass_by(*points: str) -> None:
    for point in points:
        traps.pass_by(point)


@tool(effect="read")
def look(at: str) -> str:
    """Look at something."""
    return f"seen: {at}"


def untidy(args: Mapping[str, Any], result: Any) -> None:
    """Never asked for here."""


@tool(effect="reversible", undo=untidy, send_within=SOON)
def tidy(at: str) -> str:
    """Tidy up a place."""
    return act("tidy", {"at": at})


@tool(effect="reversible", undo=untidy, idempotent=True, send_within=SOON)
def file(at: str) -> str:
    """File something away with a service that takes an idempotency key."""
    return act("file", {"at": at}, keyed=True)


@tool(effect="irreversible", send_within=SOON)
def wipe(at: str) -> str:
    """Delete a volume."""
    return act("wipe", {"at": at})


@tool(effect="irreversible", send_within=SOON)
async def mail(at: str) -> str:
    """Write to somebody."""
    return act("mail", {"at": at})


@tool(effect="irreversible", idempotent=True, send_within=SOON)
def pay(at: str) -> str:
    """Pay through a service that takes an idempotency key."""
    return act("pay", {"at": at}, keyed=True)


def erased(at: str) -> Happened | bool:
    """Whether the world knows of it."""
    happened = world.knows(PORT, str(current_call().call_id))
    return Happened(f"seen: {at}") if happened else False


def disk(at: str) -> str:
    """The disk as the people left it."""
    return traps.state_of(at)


@tool(effect="irreversible", send_within=SOON, verify=erased, fingerprint=disk)
def erase(at: str) -> str:
    """Erase a disk; whether that happened can be seen."""
    return act("erase", {"at": at})


@tool(effect="irreversible", send_within=SOON)
def burn(at: str) -> str:
    """Burn something; who is asked has a second to answer."""
    return act("burn", {"at": at})


TOOLS = [look, tidy, file, wipe, mail, pay, erase, burn]
BY_NAME = {each.name: each for each in TOOLS}
POLICY = (
    default_policy_text()
    + """
@id("burn")
@outcome("review")
@reviewers("on-call")
@quorum("1")
@expires("1s")
@reason("It burns down soon.")
permit (principal, action == AgentCore::Action::"population___burn", resource);
"""
)


def script_of(state: MessagesState) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(str(state["messages"][0].content))
    return found


def model(state: MessagesState) -> Any:
    """The next turn of the script."""
    traps.pass_by("model")
    turn = sum(message.type == "ai" for message in state["messages"])
    turns = script_of(state)["turns"]
    if turn == len(turns):
        return {"messages": [AIMessage("The script is over.")]}
    calls = [
        {"name": name, "args": {"at": at}, "id": f"{turn}.{number}"}
        for number, (name, at) in enumerate(turns[turn])
    ]
    return {"messages": [AIMessage("", tool_calls=calls)]}


def straight(state: MessagesState) -> Any:
    """Call the tools one after the other, from a node of one's own."""
    last: Any = state["messages"][-1]
    return {
        "messages": [
            BY_NAME[call["name"]].invoke({**call, "type": "tool_call"}) for call in last.tool_calls
        ]
    }


def after(state: MessagesState) -> Any:
    last: Any = state["messages"][-1]
    if not last.tool_calls:
        return END
    match script_of(state)["how"]:
        case "straight":
            return "straight"
        case "spread":
            return [Send("tools", [call]) for call in last.tool_calls]
    return "tools"


def build() -> StateGraph[Any, Any, Any, Any]:
    """The model and its tools in turns."""
    graph = StateGraph(MessagesState)
    graph.add_node("model", model)
    graph.add_node("tools", ToolNode(TOOLS))
    graph.add_node("straight", straight)
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", after, ["tools", "straight", END])
    graph.add_edge("tools", "model")
    graph.add_edge("straight", "model")
    return graph


points.install(traps)
agent = Agent(
    NAME,
    graph=build,
    tools=TOOLS,
    policy=POLICY,
    limits=Limits(steps=100, calls=100, seconds=600, repeats=10),
)

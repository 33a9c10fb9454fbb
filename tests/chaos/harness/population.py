"""The agent that the workers of a campaign run: a scripted model and tools that act on the world.

A run's input holds its script: steps to muse at first, which have no effect; the calls of each
turn, and how they are made: by one ToolNode task, by a task each (`Send`), or straight from a node.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rfc8785

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "acceptance"))
from harness import clocks, points, world
from interlock import Agent, Limits, tool
from interlock.policies.evaluator import default_policy_text
from interlock.tools import Happened, Undo, current_call
from langchain_core.messages import AIMessage
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Send
from support.world import World as Traps

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "population"
SOON = timedelta(seconds=3)
"""After this much nothing of a call may reach the world any more: shorter than the longest stop."""


@cache
def traps() -> Traps:
    """Those of the campaign that this process works in."""
    return Traps(Path(os.environ["ACCEPTANCE_WORLD"]))


def port() -> int:
    return int(os.environ["CHAOS_WORLD"])


def act(tool: str, args: Mapping[str, Any], *, keyed: bool = False) -> str:
    call = current_call()
    key = call.idempotency_key if keyed else None
    _pass_by("effect.before")
    sent = _request(tool, args, key)
    world.ask(port(), sent, sent=lambda: _pass_by(f"{tool}.sent", "effect.sent"))
    _pass_by("effect.answered")
    return f"done: {tool}"


def take_back(tool: str, args: Mapping[str, Any], *, keyed: bool = False) -> None:
    undo = current_call().idempotency_key
    sent = _request(tool, args, undo if keyed else None) | {"undo": undo}
    _pass_by("undo.before")
    world.ask(port(), sent, sent=lambda: _pass_by("undo.sent"))
    _pass_by("undo.answered")


def _request(tool: str, args: Mapping[str, Any], key: str | None) -> dict[str, Any]:
    call = current_call()
    return {
        "run": str(call.run_id),
        "call": str(call.call_id),
        "key": key,
        "tool": tool,
        "sent": rfc8785.dumps(dict(args)).decode(),
    }


def _pass_by(*points: str) -> None:
    for point in points:
        traps().pass_by(point)


@tool(effect="read")
def look(at: str) -> str:
    """Look at something."""
    return f"seen: {at}"


def untidy(args: Mapping[str, Any], result: Any) -> None:
    """Leave a place as untidy as it was."""
    take_back("tidy", args)


@tool(effect="reversible", undo=untidy, send_within=SOON)
def tidy(at: str) -> str:
    """Tidy up a place."""
    return act("tidy", {"at": at})


def unfile(args: Mapping[str, Any], result: Any) -> None:
    """Take something out again, with a service that takes an idempotency key."""
    take_back("file", args, keyed=True)


@tool(
    effect="reversible",
    undo=Undo(unfile, idempotent=True),
    idempotent=True,
    send_within=SOON,
)
def file(at: str) -> str:
    """File something away with a service that takes an idempotency key."""
    return act("file", {"at": at}, keyed=True)


def refund(args: Mapping[str, Any], result: Any) -> None:
    """Give the money back, which cannot be asked for again."""
    take_back("book", args)


def booked(at: str) -> str:
    """How many bookings stand there."""
    return world.left(port(), at)


@tool(
    effect="reversible",
    undo=Undo(refund, effect="irreversible"),
    fingerprint=booked,
    send_within=SOON,
)
def book(at: str) -> str:
    """Book a place; whether that was undone can be seen."""
    return act("book", {"at": at})


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
    happened = world.knows(port(), str(current_call().call_id))
    return Happened(f"seen: {at}") if happened else False


def disk(at: str) -> str:
    """The disk as the people left it."""
    return traps().state_of(at)


@tool(effect="irreversible", send_within=SOON, verify=erased, fingerprint=disk)
def erase(at: str) -> str:
    """Erase a disk; whether that happened can be seen."""
    return act("erase", {"at": at})


@tool(effect="irreversible", send_within=SOON)
def burn(at: str) -> str:
    """Burn something; who is asked has a second to answer."""
    return act("burn", {"at": at})


TOOLS = [look, tidy, file, book, wipe, mail, pay, erase, burn]
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


class State(MessagesState):
    """The conversation, and the steps that were mused away."""

    mused: int


def script_of(state: State) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(str(state["messages"][0].content))
    return found


def muse(state: State) -> Any:
    """A step without any effect."""
    return {"mused": state.get("mused", 0) + 1}


def more(state: State) -> str:
    return "muse" if state.get("mused", 0) < script_of(state)["muse"] else "model"


def model(state: State) -> Any:
    """The next turn of the script."""
    _pass_by("model")
    turn = sum(message.type == "ai" for message in state["messages"])
    turns = script_of(state)["turns"]
    if turn == len(turns):
        return {"messages": [AIMessage("The script is over.")]}
    calls = [
        {"name": name, "args": {"at": at}, "id": f"{turn}.{number}"}
        for number, (name, at) in enumerate(turns[turn])
    ]
    return {"messages": [AIMessage("", tool_calls=calls)]}


def straight(state: State) -> Any:
    """Call the tools one after the other, from a node of one's own."""
    last: Any = state["messages"][-1]
    return {
        "messages": [
            BY_NAME[call["name"]].invoke({**call, "type": "tool_call"}) for call in last.tool_calls
        ]
    }


def after(state: State) -> Any:
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
    graph = StateGraph(State)
    graph.add_node("muse", muse)
    graph.add_node("model", model)
    graph.add_node("tools", ToolNode(TOOLS))
    graph.add_node("straight", straight)
    graph.add_conditional_edges(START, more, ["muse", "model"])
    graph.add_conditional_edges("muse", more, ["muse", "model"])
    graph.add_conditional_edges("model", after, ["tools", "straight", END])
    graph.add_edge("tools", "model")
    graph.add_edge("straight", "model")
    return graph


points.install(traps)
clocks.install()
agent = Agent(
    NAME,
    graph=build,
    tools=TOOLS,
    policy=POLICY,
    limits=Limits(steps=100, calls=100, seconds=600, repeats=10),
)

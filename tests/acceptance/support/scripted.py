"""The agent that the worker processes run: a scripted model and tools that act on the test's world.

A run's input holds the script: for each turn of the model, the calls that it makes.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from interlock import Agent, Limits, tool
from interlock.tools import Happened, Undo, current_call
from langchain_core.messages import AIMessage
from langgraph.config import get_config
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from pydantic import BaseModel, model_validator

sys.path.insert(0, str(Path(__file__).parents[1]))
from support.world import World

if TYPE_CHECKING:
    from collections.abc import Mapping

PACE = float(os.environ.get("ACCEPTANCE_PACE", "0"))
SOON = timedelta(seconds=5)
"""In which whatever a tool of these sends is sent; then a person may say that it did not happen."""
world = World(Path(os.environ["ACCEPTANCE_WORLD"]))


class Typed(BaseModel):
    """Arguments that LangChain types at the call, and the gate before T1 and before T3."""

    @model_validator(mode="before")
    @classmethod
    def pass_by(cls, given: Any) -> Any:
        world.pass_by("validate")
        return given


class Volume(Typed):
    """One volume."""

    volume: str


class Spot(Typed):
    """Where to look."""

    at: str


def measure(volume: str) -> Mapping[str, Any]:
    """What the reviewer is shown; the last thing before T1."""
    world.pass_by("preview")
    return {"Volume": volume}


def act(what: str, *, happens: bool = True) -> str:
    call = current_call()
    name = what.partition(" ")[0]
    with world.inside(call.run_id, what):
        world.pass_by(f"{name}-before")
        time.sleep(PACE)
        if happens:
            world.happen(call.run_id, call.call_id, what)
        time.sleep(PACE)
        world.pass_by(f"{name}-after")
    return f"done: {what}"


@tool(effect="read", args_schema=Spot)
def look(at: str) -> str:
    """Look at something."""
    return act(f"look {at}", happens=False)


def untidy(args: Mapping[str, Any], result: Any) -> None:
    """Undo `tidy`."""
    act(f"untidy {args['place']}")


@tool(effect="reversible", undo=untidy, send_within=SOON)
def tidy(place: str) -> str:
    """Tidy up a place."""
    return act(f"tidy {place}")


def untag(args: Mapping[str, Any], result: Any) -> None:
    """Undo `tag`, through a service that takes an idempotency key."""
    act(f"untag {args['label']} {current_call().idempotency_key}")


@tool(effect="reversible", undo=Undo(untag, idempotent=True), send_within=SOON)
def tag(label: str) -> str:
    """Put a label on something."""
    return act(f"tag {label}")


@tool(effect="irreversible", preview=measure, args_schema=Volume, send_within=SOON)
def wipe(volume: str) -> str:
    """Delete a volume."""
    return act(f"wipe {volume}")


@tool(effect="irreversible", send_within=SOON)
async def mail(to: str) -> str:
    """Write to somebody."""
    return act(f"mail {to}")


@tool(effect="irreversible", idempotent=True, send_within=SOON)
def pay(amount: str) -> str:
    """Pay through a service that takes an idempotency key."""
    return act(f"pay {amount} {current_call().idempotency_key}")


def erased(disk: str) -> Happened | bool:
    """Whether the world knows of it."""
    world.pass_by("verify")
    what, call = f"erase {disk}", str(current_call().call_id)
    done = any(effect.call == call for effect in world.effects(what))
    return Happened(f"seen: {what}") if done else False


def disk_state(disk: str) -> str:
    """The disk as the test says it is."""
    world.pass_by("fingerprint")
    return world.state_of(disk)


@tool(effect="irreversible", send_within=SOON, verify=erased, fingerprint=disk_state)
def erase(disk: str) -> str:
    """Erase a disk; whether that happened can be seen."""
    return act(f"erase {disk}")


TOOLS = [look, tidy, tag, wipe, mail, pay, erase]


def model(state: MessagesState) -> Any:
    """The next turn of the script."""
    run = get_config()["configurable"]["thread_id"]
    with world.inside(run, "model"):
        world.pass_by("model")
        messages = state["messages"]
        turn = sum(message.type == "ai" for message in messages)
        script = json.loads(str(messages[0].content))
        if turn == len(script):
            return {"messages": [AIMessage("The script is over.")]}
        calls = [
            {"name": name, "args": {_argument(name): value}, "id": f"{turn}.{at}"}
            for at, (name, value) in enumerate(script[turn])
        ]
        return {"messages": [AIMessage("", tool_calls=calls)]}


def _argument(name: str) -> str:
    return next(iter(next(each for each in TOOLS if each.name == name).args))


def _after(state: MessagesState) -> str:
    last: Any = state["messages"][-1]
    return "tools" if last.tool_calls else END


def _pass_by_events(_: Any, __: str, event: Any) -> Any:
    """What the engine logs right after T1 and T3 are points as well."""
    name = event.get("event", "")
    if name.startswith(("call.", "run.", "undo.", "rollback.")):
        world.pass_by(name)
    return event


def build() -> StateGraph[Any, Any, Any, Any]:
    """The model and its tools in turns."""
    processors = structlog.get_config()["processors"]
    if _pass_by_events not in processors:
        structlog.configure(processors=[_pass_by_events, *processors])
    graph = StateGraph(MessagesState)
    graph.add_node("model", model)
    graph.add_node("tools", ToolNode(TOOLS))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", _after, ["tools", END])
    graph.add_edge("tools", "model")
    return graph


LIMITS = Limits(steps=100, calls=100, seconds=600, repeats=10)
agent = Agent("scripted", graph=build, tools=TOOLS, limits=LIMITS)
bystander = Agent("bystander", graph=build, tools=TOOLS, limits=LIMITS)
"""A worker of it sweeps as any other, and takes up none of the test's runs."""

"""The Cedar schema of one agent, generated from its tools' own JSON schemas.

The request has the shape of AWS AgentCore Policy: `AgentCore::Action::"Target___tool"`, the
arguments under `context.input`, the user's claims as tags of the principal, one gateway resource.
Added are `context.effect`, `context.egress`, `context.tainted` and `context.run`. An effect is a
property of the call and not of the tool (one SQL tool reads or destroys by its statement), so it
cannot be an action group: Cedar fixes an action's groups in the schema.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import cedarpy

from .errors import PolicyError
from .json_schema import input_record
from .shape import Kind, Member, Record, SetOf, Shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NAMESPACE: Final = "AgentCore"
PRINCIPAL: Final = f"{NAMESPACE}::OAuthUser"
RESOURCE: Final = f"{NAMESPACE}::Gateway"
ACTION: Final = f"{NAMESPACE}::Action"
GATEWAY: Final = "interlock"
ALL_CALLS: Final = "CallTool"
"""The action group of every tool."""

_EXTENSIONS = frozenset({Kind.DECIMAL, Kind.DATETIME})


@dataclass(frozen=True, slots=True)
class ToolShape:
    """What policy needs to know of a tool: its name and the JSON schema of its arguments."""

    name: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AgentSchema:
    """Cedar's schema of an agent: action and arguments by tool, context by action."""

    actions: Mapping[str, str]
    inputs: Mapping[str, Record]
    contexts: Mapping[str, Record]
    handle: cedarpy.Schema


def agent_schema(agent: str, tools: Iterable[ToolShape]) -> AgentSchema:
    """Raises `PolicyError` if names collide or cannot be written in Cedar."""
    shapes = tuple(tools)
    problems = [
        f"Tool `{name}` is declared {times} times."
        for name, times in Counter(tool.name for tool in shapes).items()
        if times > 1
    ]
    if problems:
        raise PolicyError(problems)
    target = _target(agent)
    actions = {tool.name: f"{target}___{tool.name}" for tool in shapes}
    inputs = {tool.name: input_record(tool.schema) for tool in shapes}
    contexts = {actions[tool]: _context(record) for tool, record in inputs.items()}
    try:
        handle = cedarpy.Schema.from_json_str(json.dumps(_document(contexts)))
    except ValueError as error:
        raise PolicyError([f"Cedar refuses the schema of agent `{agent}`: {error}"]) from None
    return AgentSchema(actions, inputs, contexts, handle)


def _target(agent: str) -> str:
    """An agent's name as AgentCore allows a target's: letters, digits and single dashes."""
    target = re.sub(r"[^0-9A-Za-z]+", "-", agent).strip("-")
    if not target:
        raise PolicyError([f"Agent `{agent}` needs a letter or digit in its name to be a target."])
    return target


def _context(arguments: Record) -> Record:
    system = Record({"now": Member(Kind.DATETIME, required=True)})
    counted = ("calls", "irreversible", "active_seconds")
    run = Record({name: Member(Kind.LONG, required=True) for name in counted})
    members: dict[str, Shape] = {
        "input": arguments,
        "effect": Kind.TEXT,
        "effect_source": Kind.TEXT,
        "effect_rule": Kind.TEXT,
        "egress": SetOf(Kind.TEXT),
        "tainted": SetOf(Kind.TEXT),
        "run": run,
        "system": system,
    }
    return Record({name: Member(shape, required=True) for name, shape in members.items()})


def _document(contexts: Mapping[str, Record]) -> dict[str, Any]:
    actions: dict[str, Any] = {
        name: {"memberOf": [{"id": ALL_CALLS}], "appliesTo": _applies(context)}
        for name, context in contexts.items()
    }
    # Cedar validates no policy against a schema without a callable action, and an agent
    # without tools still has a policy.
    actions[ALL_CALLS] = {} if contexts else {"appliesTo": _applies(_context(Record({})))}
    text = {"type": "String"}
    principal = {"shape": _type(Record({"id": Member(Kind.TEXT, required=True)})), "tags": text}
    return {NAMESPACE: {"entityTypes": {"OAuthUser": principal, "Gateway": {}}, "actions": actions}}


def _applies(context: Record) -> dict[str, Any]:
    return {
        "principalTypes": ["OAuthUser"],
        "resourceTypes": ["Gateway"],
        "context": _type(context),
    }


def _type(shape: Shape) -> dict[str, Any]:
    if isinstance(shape, SetOf):
        return {"type": "Set", "element": _type(shape.element)}
    if isinstance(shape, Record):
        attributes = {
            name: {**_type(member.shape), "required": member.required}
            for name, member in shape.members.items()
        }
        return {"type": "Record", "attributes": attributes}
    if shape in _EXTENSIONS:
        return {"type": "Extension", "name": shape.value}
    return {"type": shape.value}

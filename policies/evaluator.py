"""A loaded policy: one text compiled to two sets, which decides over one agent's calls.

| in the text                  | AUTO | REVIEW |
|------------------------------|------|--------|
| permit, forbid               | yes  | yes    |
| @outcome("review") permit    |      | yes    |
| @outcome("review") forbid    | yes  |        |
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import cedarpy

from ..tools.effect import Classification, Effect, Source
from .arguments import ArgumentRefusedError, cedar_input
from .checks import policy_problems
from .compiled import CompiledSet
from .constancy import Constancy
from .errors import PolicyError
from .judge import Judge
from .schema import ACTION, GATEWAY, PRINCIPAL, RESOURCE, AgentSchema, ToolShape, agent_schema
from .shape import left_out_paths
from .statements import Statement, digest_of, read_statements
from .terms import read_rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .verdict import Verdict

__all__ = ["Policy", "PolicyError", "Principal", "Request", "ToolShape", "default_policy_text"]


_MOST_PRINCIPALS = 256
_MOST_VERDICTS = 4096


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: an agent of a tenant, and the claims of the user it stands for as tags."""

    agent: str
    tenant: str
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """One call to decide over.

    Attributes:
        args: the arguments the tool would get.
        tainted: the names of those that hold something which came from untrusted content.
    """

    tool: str
    args: Mapping[str, Any]
    classification: Classification
    now: datetime
    principal: Principal
    tainted: tuple[str, ...] = ()


class Policy:
    """The policy of one agent. `load` it once; `decide` is pure."""

    def __init__(self, text: str, agent: str, tools: Iterable[ToolShape]) -> None:
        self.text = text
        self.agent = agent
        self._schema = agent_schema(agent, tools)
        statements = read_statements(text)
        problems = tuple(policy_problems(statements, self._schema))
        if problems:
            raise PolicyError(problems)
        rules = {statement.id: read_rule(statement) for statement in statements}
        self._judge = Judge(rules, digest_of(statements))
        self._entities: dict[tuple[str, ...], cedarpy.Entities] = {}
        self._verdicts: dict[tuple[object, ...] | None, Verdict] = {}
        self._constancy = Constancy(statements)
        handle = self._schema.handle
        self._auto = CompiledSet((part for part in statements if _in_auto(part)), handle)
        self._review = CompiledSet((part for part in statements if _in_review(part)), handle)

    @classmethod
    def load(cls, text: str, agent: str, tools: Iterable[ToolShape]) -> Policy:
        """Raises `PolicyError` with every problem found in the text."""
        return cls(text, agent, tools)

    @property
    def digest(self) -> str:
        """Hex SHA-256 of the text's canonical form."""
        return self._judge.digest

    def left_out(self, tool: str) -> dict[str, str]:
        """The arguments of a tool that policies cannot refer to, with the reason, by path."""
        return dict(left_out_paths(self._schema.inputs[tool]))

    def decide(self, request: Request) -> Verdict:
        """The verdict on a call. A request that cannot be read is forbidden with the reason."""
        try:
            asked = self._cedar_request(request)
            alike = self._alike(request)
            if (known := self._verdicts.get(alike)) is not None:
                return known
            entities = self._entities_of(request.principal)
        except (_RequestRefusedError, ArgumentRefusedError) as refusal:
            return self._judge.refuse(str(refusal))
        asked["context"] = json.dumps(asked["context"])
        verdict = self._judge.judge(
            request.classification.effect,
            self._auto.ask(asked, entities),
            partial(self._review.ask, asked, entities),
        )
        if alike is not None and not verdict.errors:
            if len(self._verdicts) >= _MOST_VERDICTS:
                self._verdicts.clear()
            self._verdicts[alike] = verdict
        return verdict

    def _alike(self, request: Request) -> tuple[object, ...] | None:
        """What calls have in common that get the same verdict, if any do."""
        if not self._constancy.holds_for(self._schema.actions[request.tool]):
            return None
        found = request.classification
        return (
            request.tool,
            found.effect,
            found.source,
            found.rule,
            found.egress,
            request.tainted,
            *_key(request.principal),
        )

    def _entities_of(self, principal: Principal) -> cedarpy.Entities:
        """Parsed once for each principal; an agent meets few at a time."""
        key = _key(principal)
        found = self._entities.get(key)
        if found is None:
            if len(self._entities) >= _MOST_PRINCIPALS:
                self._entities.clear()
            found = self._entities[key] = _entities(principal, self._schema)
        return found

    def _cedar_request(self, request: Request) -> dict[str, Any]:
        action = self._schema.actions.get(request.tool)
        if action is None:
            raise _RequestRefusedError(f"Agent `{self.agent}` has no tool {request.tool!a}.")
        if request.principal.agent != self.agent:
            raise _RequestRefusedError(f"This policy is for agent `{self.agent}` only.")
        context = {
            "input": cedar_input(request.args, self._schema.inputs[request.tool]),
            **_classified(request.classification),
            "tainted": list(request.tainted),
            "system": {"now": _instant(request.now)},
        }
        return {
            "principal": {"type": PRINCIPAL, "id": request.principal.agent},
            "action": {"type": ACTION, "id": action},
            "resource": {"type": RESOURCE, "id": GATEWAY},
            "context": context,
        }


def _key(principal: Principal) -> tuple[str, ...]:
    """Tells principals apart, each tag by its name and its value."""
    tags = (text for tag in sorted(principal.tags.items()) for text in tag)
    return (principal.agent, principal.tenant, *tags)


def default_policy_text() -> str:
    """The policies of an agent that brings none."""
    return files(__package__).joinpath("default.cedar").read_text(encoding="utf-8")


class _RequestRefusedError(Exception):
    """A request cannot be put to Cedar; the message is the reason."""


def _in_auto(statement: Statement) -> bool:
    return not (statement.reviews and statement.effect == "permit")


def _in_review(statement: Statement) -> bool:
    return not (statement.reviews and statement.effect == "forbid")


def _classified(classification: Classification) -> dict[str, Any]:
    if not isinstance(classification.effect, Effect):
        raise _RequestRefusedError("The call's effect is unknown.")
    if not isinstance(classification.source, Source) or not isinstance(classification.rule, str):
        raise _RequestRefusedError("Where the call's effect comes from is unknown.")
    egress = classification.egress
    if type(egress) is not tuple or not all(isinstance(address, str) for address in egress):
        raise _RequestRefusedError("Where the call sends to is unknown.")
    return {
        "effect": classification.effect,
        "effect_source": classification.source,
        "effect_rule": classification.rule,
        "egress": list(egress),
    }


def _instant(now: datetime) -> dict[str, Any]:
    """Cedar's datetime: UTC to the millisecond."""
    if now.utcoffset() is None:
        raise _RequestRefusedError("The time of the request has no time zone.")
    try:
        utc = now.astimezone(UTC)
    except OverflowError:
        raise _RequestRefusedError("The time of the request is out of range.") from None
    text = utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"__extn": {"fn": "datetime", "arg": text}}


def _entities(principal: Principal, schema: AgentSchema) -> cedarpy.Entities:
    own = {"agent": principal.agent, "tenant": principal.tenant}
    clash = sorted(own.keys() & principal.tags.keys())
    if clash:
        raise _RequestRefusedError(f"A claim of the user may not be called `{clash[0]}`.")
    entity = {
        "uid": {"type": PRINCIPAL, "id": principal.agent},
        "attrs": {"id": principal.agent},
        "tags": {**principal.tags, **own},
        "parents": [],
    }
    gateway = {"uid": {"type": RESOURCE, "id": GATEWAY}, "attrs": {}, "parents": []}
    try:
        return cedarpy.Entities.from_json_str(json.dumps([entity, gateway]), schema.handle)
    except (ValueError, TypeError) as error:
        raise _RequestRefusedError(f"The principal cannot be read: {error}.") from None

"""A loaded policy: one text compiled to two sets, which decides over one agent's calls.

| in the text                  | AUTO | REVIEW |
|------------------------------|------|--------|
| permit, forbid               | yes  | yes    |
| @outcome("review") permit    |      | yes    |
| @outcome("review") forbid    | yes  |        |
"""

from __future__ import annotations

import json
from functools import partial
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from .arguments import ArgumentRefusedError
from .checks import policy_problems
from .compiled import compiled_for, in_auto, in_review
from .constancy import Constancy
from .errors import PolicyError
from .judge import Judge
from .request import (
    Principal,
    Request,
    RequestRefusedError,
    RunSoFar,
    cedar_request,
    entities_of,
    key_of,
)
from .schema import ToolShape, agent_schema
from .shape import left_out_paths
from .statements import digest_of, read_statements
from .terms import read_rule

if TYPE_CHECKING:
    from collections.abc import Iterable

    import cedarpy

    from .verdict import Verdict

__all__ = [
    "Policy",
    "PolicyError",
    "Principal",
    "Request",
    "RunSoFar",
    "ToolShape",
    "default_policy_text",
]


_MOST_PRINCIPALS = 256
_MOST_VERDICTS = 4096


class Policy:
    """The policy of one agent. `load` it once; `decide` is pure."""

    def __init__(self, text: str, agent: str, tools: Iterable[ToolShape]) -> None:
        self.text = text
        self.agent = agent
        self.schema = agent_schema(agent, tools)
        self.statements = statements = read_statements(text)
        problems = tuple(policy_problems(statements, self.schema))
        if problems:
            raise PolicyError(problems)
        rules = {statement.id: read_rule(statement) for statement in statements}
        self._judge = Judge(rules, digest_of(statements))
        self._about: dict[str, str] = {}
        self._entities: dict[tuple[str, ...], cedarpy.Entities] = {}
        self._verdicts: dict[tuple[object, ...] | None, Verdict] = {}
        handle = self.schema.handle
        actions = self.schema.contexts
        self._constancy = Constancy(actions, statements)
        self._auto = compiled_for(actions, filter(in_auto, statements), handle)
        self._review = compiled_for(actions, filter(in_review, statements), handle)

    @classmethod
    def load(cls, text: str, agent: str, tools: Iterable[ToolShape]) -> Policy:
        """Raises `PolicyError` with every problem found in the text."""
        return cls(text, agent, tools)

    @property
    def digest(self) -> str:
        """Hex SHA-256 of the text's canonical form."""
        return self._judge.digest

    def about(self, tool: str) -> str:
        """What the text says about a tool: where two texts say the same, they give one verdict."""
        if tool not in self._about:
            action = self.schema.actions.get(tool, "")
            self._about[tool] = digest_of(part for part in self.statements if part.is_about(action))
        return self._about[tool]

    def left_out(self, tool: str) -> dict[str, str]:
        """The arguments of a tool that policies cannot refer to, with the reason, by path."""
        return dict(left_out_paths(self.schema.inputs[tool]))

    def decide(self, request: Request) -> Verdict:
        """The verdict on a call. A request that cannot be read is forbidden with the reason."""
        try:
            asked = self._asked(request)
            alike = self._alike(request)
            if (known := self._verdicts.get(alike)) is not None:
                return known
            entities = self._entities_of(request.principal)
        except (RequestRefusedError, ArgumentRefusedError) as refusal:
            return self._judge.refuse(str(refusal))
        action = asked["action"]["id"]
        asked["context"] = json.dumps(asked["context"])
        verdict = self._judge.judge(
            request.classification.effect,
            self._auto[action].ask(asked, entities),
            partial(self._review[action].ask, asked, entities),
        )
        if alike is not None and not verdict.errors:
            if len(self._verdicts) >= _MOST_VERDICTS:
                self._verdicts.clear()
            self._verdicts[alike] = verdict
        return verdict

    def question(self, request: Request) -> tuple[dict[str, Any], cedarpy.Entities]:
        """What Cedar is asked about a call, and the entities it knows then.

        Raises:
            RequestRefusedError, ArgumentRefusedError: the call cannot be put to Cedar.
        """
        return self._asked(request), self._entities_of(request.principal)

    def _asked(self, request: Request) -> dict[str, Any]:
        action = self.schema.actions.get(request.tool)
        if action is None:
            raise RequestRefusedError(f"Agent `{self.agent}` has no tool {request.tool!a}.")
        if request.principal.agent != self.agent:
            raise RequestRefusedError(f"This policy is for agent `{self.agent}` only.")
        return cedar_request(request, action, self.schema.inputs[request.tool])

    def _alike(self, request: Request) -> tuple[object, ...] | None:
        """What calls have in common that get the same verdict, if any do."""
        if not self._constancy.holds_for(self.schema.actions[request.tool]):
            return None
        found = request.classification
        return (
            request.tool,
            found.effect,
            found.source,
            found.rule,
            found.egress,
            request.tainted,
            *key_of(request.principal),
        )

    def _entities_of(self, principal: Principal) -> cedarpy.Entities:
        """Parsed once for each principal; an agent meets few at a time."""
        key = key_of(principal)
        found = self._entities.get(key)
        if found is None:
            if len(self._entities) >= _MOST_PRINCIPALS:
                self._entities.clear()
            found = self._entities[key] = entities_of(principal, self.schema.handle)
        return found


def default_policy_text() -> str:
    """The policies of an agent that brings none."""
    return files(__package__).joinpath("default.cedar").read_text(encoding="utf-8")

"""The AUTO set as AWS AgentCore takes it: what an agent may do by itself, for a gateway to hold.

A gateway knows the arguments of a call and the claims of its user, and nothing of what Interlock
adds (`context.effect`, `.run`, `.egress`, …). So each policy is written once for each tool whose
effect is the same for every call, with that effect put in. Where something is left that a gateway
cannot tell, the safe half is exported: a permit is left out, and a tool that a forbid may be about
is not permitted at all. Irreversible calls are never permitted. What was left out is named.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import cedarpy

from ..tools.effect import Effect
from .claims import OWN
from .compiled import in_auto
from .expressions import (
    Expression,
    literals,
    nodes,
    operands,
    reference,
    references,
    split,
)
from .schema import ACTION, PRINCIPAL, RESOURCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .evaluator import Policy
    from .statements import Statement

_TRUE: Final = {"Value": True}
_FALSE: Final = {"Value": False}


@dataclass(frozen=True, slots=True)
class ToolFacts:
    """What is the same for every call of a tool.

    Attributes:
        effect: None where it is not declared, or depends on the arguments.
        sends: whether its arguments can choose where it sends to.
    """

    name: str
    effect: Effect | None
    source: str
    rule: str
    sends: bool


@dataclass(frozen=True, slots=True)
class Exported:
    """Policies for a gateway, and what could not be written there."""

    text: str
    left_out: tuple[str, ...]


def export(policy: Policy, tools: Iterable[ToolFacts], gateway: str) -> Exported:
    """The AUTO set of `policy` for the gateway of that ARN."""
    texts: list[str] = []
    left_out: list[str] = []
    for tool in tools:
        try:
            texts += _of_tool(policy, tool, gateway, left_out)
        except _CannotTellError as reason:
            left_out.append(f"Tool `{tool.name}` is not permitted: {reason}")
    return Exported("\n".join(texts), tuple(left_out))


class _CannotTellError(Exception):
    """A gateway cannot tell what a policy asks; the message is the rest of a sentence."""


def _of_tool(policy: Policy, tool: ToolFacts, gateway: str, left_out: list[str]) -> list[str]:
    if tool.effect is None:
        raise _CannotTellError("its effect is not declared as the same for every call.")
    if tool.effect is Effect.IRREVERSIBLE:
        raise _CannotTellError("it cannot be undone, so a person decides.")
    action = policy.schema.actions[tool.name]
    written = []
    for part in filter(in_auto, policy.statements):
        if not part.is_about(action) or not _is_of(part, policy.agent):
            continue
        try:
            body = _body(part, tool, action, gateway)
        except _CannotTellError as reason:
            if part.effect == "forbid":
                raise _CannotTellError(f"`{part.id}` may forbid it, and {reason}") from None
            left_out.append(f"`{part.id}` is left out for `{tool.name}`: {reason}")
            continue
        if body:
            written.append(f"// {part.id}\n{_text(body)}")
    return written


def _is_of(part: Statement, agent: str) -> bool:
    """Whether its principal can be this agent."""
    principal = part.body["principal"]
    return principal["op"] not in {"==", "in"} or principal["entity"]["id"] == agent


def _body(part: Statement, tool: ToolFacts, action: str, gateway: str) -> dict[str, Any] | None:
    """The policy about one tool; None if it never matches there."""
    kept = []
    for condition in part.body["conditions"]:
        folded = _folded(condition["body"], tool)
        if condition["kind"] == "unless":
            folded = _not(folded)
        if folded == _FALSE:
            return None
        if folded != _TRUE:
            _check_known(folded)
            kept.append({"kind": "when", "body": folded})
    return {
        "effect": part.effect,
        "principal": {"op": "is", "entity_type": PRINCIPAL},
        "action": {"op": "==", "entity": {"type": ACTION, "id": action}},
        "resource": {"op": "==", "entity": {"type": RESOURCE, "id": gateway}},
        "conditions": kept,
        "annotations": {},
    }


def _folded(expression: Expression, tool: ToolFacts) -> Expression:
    """The expression with what is known of the tool put in, as far as that decides it."""
    operator, operand = split(expression)
    if operator == "!":
        return _not(_folded(operand["arg"], tool))
    if operator in {"&&", "||"}:
        left, right = _folded(operand["left"], tool), _folded(operand["right"], tool)
        return _joined(operator, left, right)
    known = _known(expression, tool)
    if known is None:
        return expression
    return _TRUE if known else _FALSE


def _known(expression: Expression, tool: ToolFacts) -> bool | None:
    """Whether a comparison holds for every call of the tool; None if that is not known."""
    operator, operand = split(expression)
    facts = {
        ("effect",): str(tool.effect),
        ("effect_source",): tool.source,
        ("effect_rule",): tool.rule,
    }
    parts = operands(operator, operand)
    if operator == "isEmpty":
        found = reference(parts[0])
        is_egress = found is not None and (found.variable, found.path) == ("context", ("egress",))
        return True if is_egress and not tool.sends else None
    if operator not in {"==", "!=", "contains"}:
        return None
    for part, other in (parts, parts[::-1]):
        found, values = reference(part), literals(other)
        if found and found.variable == "context" and found.path in facts and values is not None:
            return (facts[found.path] in values) is not (operator == "!=")
    return None


def _joined(operator: str, left: Expression, right: Expression) -> Expression:
    deciding, other = (_FALSE, _TRUE) if operator == "&&" else (_TRUE, _FALSE)
    if deciding in (left, right):
        return deciding
    if left == other:
        return right
    return left if right == other else {operator: {"left": left, "right": right}}


def _not(expression: Expression) -> Expression:
    if expression == _TRUE:
        return _FALSE
    return _TRUE if expression == _FALSE else {"!": {"arg": expression}}


def _check_known(expression: Expression) -> None:
    """Refuse what a gateway cannot tell."""
    for found in filter(None, references(expression)):
        if found.variable == "context" and found.path[:1] != ("input",):
            raise _CannotTellError(f"a gateway cannot tell `{found}`.")
        if found.variable == "principal" and found.path:
            raise _CannotTellError("the id of a gateway's user is not that of the agent.")
    for operator, operand in nodes(expression):
        if operator in {"hasTag", "getTag"}:
            own = OWN & {str(value) for value in literals(operand["right"]) or ()}
            if own:
                raise _CannotTellError(f"a gateway's user has no claim `{min(own)}`.")


def _text(body: Mapping[str, Any]) -> str:
    document = {"templates": {}, "staticPolicies": {"policy0": body}, "templateLinks": []}
    return str(cedarpy.policies_from_json_str(json.dumps(document)))

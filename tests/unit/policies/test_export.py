"""What a gateway of AWS AgentCore is given: never more than the agent may do by itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import cedarpy
import pytest
from interlock.policies.evaluator import Policy, ToolShape, default_policy_text
from interlock.policies.export import ToolFacts, export
from interlock.tools.effect import Effect

if TYPE_CHECKING:
    from interlock.policies.export import Exported

GATEWAY = "arn:aws:bedrock-agentcore:eu-west-1:123456789012:gateway/shop"
SCHEMA = {"properties": {"amount": {"type": "integer"}}, "required": ["amount"]}
NAMES = ("look", "book", "wipe", "ask", "post")
EFFECTS = {"look": Effect.READ, "book": Effect.REVERSIBLE, "wipe": Effect.IRREVERSIBLE}


def facts(name: str) -> ToolFacts:
    """`ask` depends on its arguments; `post` reads, and sends where they say."""
    effect = Effect.READ if name == "post" else EFFECTS.get(name)
    return ToolFacts(name, effect, "declared", "declared", sends=name == "post")


def exported(text: str) -> Exported:
    shapes = [ToolShape(name, SCHEMA) for name in NAMES]
    return export(Policy.load(text, "shop", shapes), map(facts, NAMES), GATEWAY)


def gateway_schema() -> dict[str, Any]:
    """As AgentCore makes it of a gateway's tools: the arguments and nothing else."""
    inputs = {"type": "Record", "attributes": {"amount": {"type": "Long", "required": True}}}
    context = {"type": "Record", "attributes": {"input": {**inputs, "required": True}}}
    applies = {"principalTypes": ["OAuthUser"], "resourceTypes": ["Gateway"], "context": context}
    shape = {"type": "Record", "attributes": {"id": {"type": "String", "required": True}}}
    user = {"shape": shape, "tags": {"type": "String"}}
    actions = {f"shop___{name}": {"appliesTo": applies} for name in NAMES}
    return {"AgentCore": {"entityTypes": {"OAuthUser": user, "Gateway": {}}, "actions": actions}}


def permitted(found: Exported, amount: int = 5) -> list[str]:
    """The tools that a gateway with these policies lets a user call."""
    user = {"uid": {"type": "AgentCore::OAuthUser", "id": "u"}, "attrs": {"id": "u"}, "parents": []}
    request = {
        "principal": {"type": "AgentCore::OAuthUser", "id": "u"},
        "resource": {"type": "AgentCore::Gateway", "id": GATEWAY},
        "context": {"input": {"amount": amount}},
    }
    allowed = []
    for name in NAMES:
        asked = {**request, "action": {"type": "AgentCore::Action", "id": f"shop___{name}"}}
        if cedarpy.is_authorized(asked, found.text, [user], gateway_schema()).allowed:
            allowed.append(name)
    return allowed


def test_the_default_set_permits_what_is_declared_harmless_and_sends_nowhere() -> None:
    found = exported(default_policy_text())

    assert permitted(found) == ["look", "book"]
    assert cedarpy.validate_policies(found.text, json.dumps(gateway_schema())).validation_passed
    said = "\n".join(found.left_out)
    assert "Tool `wipe` is not permitted: it cannot be undone" in said
    assert "Tool `ask` is not permitted: its effect is not declared" in said
    assert "Tool `post` is not permitted: `default-egress` may forbid it" in said


READS = '@id("reads") permit (principal, action, resource) when { context.effect == "read" };'


@pytest.mark.parametrize(
    ("more", "small", "large"),
    [
        ("forbid ({}) when {{ context.input.amount > 9 }};", 2, 0),
        ("forbid ({}) unless {{ context.input.amount < 9 }};", 2, 0),
        ("forbid ({}) when {{ context.run.calls > 9 }};", 0, 0),
        ('@outcome("review") @reviewers("a") forbid ({});', 0, 0),
        ("permit ({}) when {{ context.run.calls < 9 }};", 2, 2),
    ],
)
def test_what_a_gateway_cannot_tell_is_left_out_on_the_safe_side(
    more: str, small: int, large: int
) -> None:
    actions = 'action in [AgentCore::Action::"shop___look", AgentCore::Action::"shop___post"]'
    found = exported(READS + '@id("x") ' + more.format(f"principal, {actions}, resource"))

    assert (len(permitted(found)), len(permitted(found, amount=50))) == (small, large)


def test_the_tags_of_a_user_are_claims_there_and_those_of_the_engine_are_not() -> None:
    by_tag = (
        '@id("t") @trusts("tier") permit (principal, action, resource) when {{ '
        'principal.hasTag("{0}") && principal.getTag("{0}") == "x" && context.effect == "read" }};'
    )
    ours = by_tag.replace('@trusts("tier") ', "").format("tenant")

    assert 'hasTag("tier")' in exported(by_tag.format("tier")).text
    assert "hasTag" not in exported(READS + ours).text
    assert "no claim `tenant`" in "\n".join(exported(READS + ours).left_out)

"""Values that raw Cedar answers about in a way of its own, and that are forbidden here."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import cedarpy
import pytest
from interlock.policies.evaluator import Policy, Principal, Request, ToolShape
from interlock.policies.verdict import Outcome
from interlock.tools.effect import Classification, Effect, Source

POLICIES = """
@id("reads") permit (principal, action, resource) when { context.effect == "read" };
@id("not-one") forbid (principal, action == AgentCore::Action::"a___t", resource)
when { context.input.n == 1 };
"""
SCHEMA = {
    "properties": {"n": {"type": "integer"}, "body": {"type": "object"}},
    "required": ["n"],
}
ALLOW, NO_DECISION = cedarpy.Decision.Allow, cedarpy.Decision.NoDecision


def raw(args: dict[str, Any]) -> cedarpy.Decision:
    """Cedar without a schema, with the same forbid."""
    policies = "permit (principal, action, resource); forbid (principal, action, resource)"
    request = {
        "principal": 'P::"a"',
        "action": 'Action::"t"',
        "resource": 'R::"g"',
        "context": {"input": args},
    }
    return cedarpy.is_authorized(
        request, f"{policies} when {{ context.input.n == 1 }};", []
    ).decision


def nested(levels: int) -> Any:
    """An object in an object, so many times."""
    value: Any = "end"
    for _ in range(levels):
        value = {"in": value}
    return value


@pytest.mark.parametrize(
    ("args", "cedar", "reason"),
    [
        ({"n": True}, ALLOW, "`input.n` is not an integer"),
        ({"n": "1"}, ALLOW, "`input.n` is not an integer"),
        ({"n": {"__entity": {"type": "N", "id": "1"}}}, ALLOW, "`input.n` is not an integer"),
        ({"n": {"__extn": {"fn": "decimal", "arg": "1.0"}}}, ALLOW, "is not an integer"),
        ({"n": 2, "body": {"__entity": {"type": "N", "id": "1"}}}, ALLOW, "reserved by Cedar"),
        ({"n": 2, "body": nested(60)}, ALLOW, "nested deeper than 32 levels"),
        ({"n": 1.0}, NO_DECISION, "`input.n` is not an integer"),
        ({"n": None}, NO_DECISION, "`input.n` is required and missing"),
        ({"n": 2**63}, NO_DECISION, "`input.n` does not fit into 64 bits"),
    ],
)
def test_what_cedar_takes_for_something_else_is_forbidden_and_named(
    args: dict[str, Any], cedar: cedarpy.Decision, reason: str
) -> None:
    policy = Policy.load(POLICIES, "a", [ToolShape("t", SCHEMA)])
    found = Classification(Effect.READ, Source.DECLARED, "declared")
    verdict = policy.decide(
        Request("t", args, found, datetime(2026, 11, 20, tzinfo=UTC), Principal("a", "default"))
    )

    assert raw(args) is cedar
    assert verdict.outcome is Outcome.FORBID
    assert reason in verdict.reason


def test_the_forbid_holds_for_the_value_that_it_names() -> None:
    assert raw({"n": 1}) is cedarpy.Decision.Deny

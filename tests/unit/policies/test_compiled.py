"""Cedar's own hazards: what raw Cedar allows, and that an answer here carries the error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import cedarpy
import pytest
from interlock.policies.compiled import CompiledSet, compiled_for
from interlock.policies.judge import Judge
from interlock.policies.schema import ToolShape, agent_schema
from interlock.policies.statements import read_statements
from interlock.policies.terms import read_rule
from interlock.policies.verdict import Outcome
from interlock.tools.effect import Effect

if TYPE_CHECKING:
    from interlock.policies.compiled import Answer
    from interlock.policies.verdict import Verdict


TOOL = {"properties": {"n": {"type": "integer"}, "s": {"type": "string"}}, "required": ["n"]}
SCHEMA = agent_schema("a", [ToolShape("t", TOOL)]).handle
PERMIT = '@id("all") permit (principal, action, resource);'
PRINCIPAL = {
    "uid": {"type": "AgentCore::OAuthUser", "id": "a"},
    "attrs": {"id": "a"},
    "parents": [],
}
ENTITIES = cedarpy.Entities.from_json_str(json.dumps([PRINCIPAL]))


def request(action: str = "a___t", **changed: Any) -> dict[str, Any]:
    context = {
        "input": {"n": 2**62},
        "effect": "read",
        "effect_source": "declared",
        "effect_rule": "declared",
        "egress": [],
        "tainted": [],
        "run": {"calls": 0, "irreversible": 0, "active_seconds": 0},
        "system": {"now": {"__extn": {"fn": "datetime", "arg": "2026-11-20T10:00:00.000Z"}}},
        **changed,
    }
    return {
        "principal": {"type": "AgentCore::OAuthUser", "id": "a"},
        "action": {"type": "AgentCore::Action", "id": action},
        "resource": {"type": "AgentCore::Gateway", "id": "interlock"},
        "context": json.dumps(context),
    }


def ask(text: str, asked: Any = None) -> Answer:
    return CompiledSet(read_statements(text), SCHEMA).ask(asked or request(), ENTITIES)


def judge(text: str) -> Verdict:
    rules = {statement.id: read_rule(statement) for statement in read_statements(text)}
    answer = ask(text)
    return Judge(rules, "digest").judge(Effect.READ, answer, lambda: answer)


def test_a_set_answers_with_the_ids_of_the_policies_that_decided() -> None:
    answer = ask(PERMIT)

    assert (answer.allowed, answer.policies, answer.errors) == (True, ("all",), ())


@pytest.mark.parametrize(
    ("condition", "validates"),
    [
        ("context.input.n * 1000 > 1", True),
        ('unknown("x")', True),
        ('context.input.s == "x"', False),
    ],
)
def test_raw_cedar_skips_a_forbid_that_errs_and_allows_but_here_the_call_is_forbidden(
    condition: str, *, validates: bool
) -> None:
    text = PERMIT + f'@id("f") forbid (principal, action, resource) when {{ {condition} }};'

    raw = cedarpy.is_authorized(request(), text, ENTITIES, SCHEMA)
    assert cedarpy.validate_policies(text, SCHEMA).validation_passed is validates
    assert raw.allowed

    verdict = judge(text)
    assert verdict.outcome is Outcome.FORBID
    assert "could not be evaluated" in verdict.reason
    assert "`f`" in verdict.errors[0]


def test_a_permit_that_errs_beside_one_that_allows_forbids_too() -> None:
    text = (
        PERMIT + '@id("p") permit (principal, action, resource) when { context.input.n * 9 > 1 };'
    )

    assert cedarpy.is_authorized(request(), text, ENTITIES, SCHEMA).allowed
    assert judge(text).outcome is Outcome.FORBID


@pytest.mark.parametrize(
    "asked",
    [
        request("nope"),
        request(input={}),
        request(input={"n": 1, "more": 1}),
        request(input={"n": True}),
        request(effect=None),
        request(more=1),
    ],
)
def test_a_request_that_violates_the_schema_is_an_error_and_no_decision(asked: Any) -> None:
    raw = cedarpy.is_authorized(asked, PERMIT, ENTITIES, SCHEMA)
    answer = ask(PERMIT, asked)

    assert raw.decision is cedarpy.Decision.NoDecision
    assert not answer.allowed
    assert answer.errors == tuple(raw.diagnostics.errors)


def test_without_the_schema_raw_cedar_allows_the_same_violation() -> None:
    assert cedarpy.is_authorized(request(input={}), PERMIT, ENTITIES).allowed


def test_a_request_that_is_no_request_is_an_error() -> None:
    answer = ask(PERMIT, request("\ud800"))

    assert not answer.allowed
    assert answer.errors


def test_no_decision_without_an_error_is_an_error_too(monkeypatch: pytest.MonkeyPatch) -> None:
    undecided = cedarpy.AuthzResult({"decision": "NoDecision"})
    monkeypatch.setattr(cedarpy, "is_authorized", lambda *_: undecided)

    assert ask(PERMIT).errors == ("Cedar reached no decision.",)


def test_an_empty_set_allows_nothing() -> None:
    answer = CompiledSet([], SCHEMA).ask(request(), ENTITIES)

    assert (answer.allowed, answer.policies, answer.errors) == (False, (), ())


def test_a_set_for_an_action_leaves_out_only_what_is_about_others() -> None:
    own = '@id("own") forbid (principal, action == AgentCore::Action::"a___t", resource);'
    listed = '@id("listed") permit (principal, action in [AgentCore::Action::"a___t"], resource);'
    group = '@id("group") permit (principal, action in AgentCore::Action::"CallTool", resource);'
    other = '@id("other") permit (principal, action == AgentCore::Action::"a___u", resource);'
    schema = agent_schema("a", [ToolShape("t", TOOL), ToolShape("u", TOOL)]).handle
    actions = ["a___t", "a___u", "a___v", "a___w"]
    sets = compiled_for(actions, read_statements(own + listed + group + other), schema)

    known = cedarpy.Entities.from_json_str(json.dumps([PRINCIPAL]), schema)

    assert sets["a___t"].ask(request(), known).policies == ("own",)
    assert sets["a___u"].ask(request("a___u"), known).policies == ("group", "other")
    assert sets["a___v"] is sets["a___w"]

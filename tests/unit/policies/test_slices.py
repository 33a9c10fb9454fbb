"""A call is put to the policies alone that can be about it; the answer is that of all of them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st
from interlock.policies.compiled import CompiledSet, compiled_for, in_auto, in_review
from interlock.policies.evaluator import Policy, PolicyError, Principal, Request, ToolShape
from interlock.policies.judge import Judge
from interlock.policies.statements import digest_of, read_statements
from interlock.policies.terms import read_rule
from interlock.tools.effect import Classification, Effect, Source

if TYPE_CHECKING:
    from interlock.policies.verdict import Verdict

TOOLS = ("look", "pay", "wipe")
SHAPES = [
    ToolShape(name, {"properties": {"n": {"type": "integer"}, "s": {"type": "string"}}})
    for name in TOOLS
]
ACTIONS = [
    "action",
    'action in AgentCore::Action::"CallTool"',
    *(f'action == AgentCore::Action::"a___{name}"' for name in TOOLS),
    'action in [AgentCore::Action::"a___look", AgentCore::Action::"a___wipe"]',
]
HOLDING = [
    'context.effect == "read"',
    'context.effect != "irreversible"',
    "context.input has n && context.input.n > 1",
    'context.input has s && context.input.s like "a*"',
    'context.system.now > datetime("2026-06-01T00:00:00Z")',
    "context.run.calls < 2",
    "true",
]
ERRING = ["context.input.n > 1", "9223372036854775807 + context.run.calls > 0"]
"""Refused when a policy is loaded; Cedar itself takes them, and they err on some calls."""
REVIEWS = ["", '@outcome("review") @reviewers("ops")', '@outcome("review") @reviewers("ops,sec")']


@st.composite
def texts(draw: st.DrawFn, atoms: list[str]) -> str:
    policies = []
    for number in range(draw(st.integers(1, 7))):
        action = draw(st.sampled_from(ACTIONS))
        effect = draw(st.sampled_from(["permit", "permit", "forbid"]))
        review = draw(st.sampled_from(REVIEWS))
        when = draw(st.sampled_from(atoms))
        policies.append(
            f'@id("p{number}") {review} {effect} (principal, {action}, resource) when {{ {when} }};'
        )
    return "\n".join(policies)


REQUESTS = st.builds(
    Request,
    tool=st.sampled_from(TOOLS),
    args=st.fixed_dictionaries({}, optional={"n": st.integers(0, 3), "s": st.text("ab")}),
    classification=st.builds(
        Classification, st.sampled_from(Effect), st.just(Source.DECLARED), st.just("rule")
    ),
    now=st.sampled_from([datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)]),
    principal=st.just(Principal("a", "t")),
)


def loaded(text: str) -> Policy | None:
    try:
        return Policy.load(text, "a", SHAPES)
    except PolicyError:
        return None


def by_all(policy: Policy, request: Request) -> Verdict:
    """The verdict of the whole text, with no part left out and nothing remembered."""
    judge = Judge({part.id: read_rule(part) for part in policy.statements}, policy.digest)
    asked, entities = policy.question(request)
    schema = policy.schema.handle
    auto, review = (
        CompiledSet(filter(chosen, policy.statements), schema) for chosen in (in_auto, in_review)
    )
    effect = request.classification.effect
    return judge.judge(effect, auto.ask(asked, entities), lambda: review.ask(asked, entities))


@settings(max_examples=300, deadline=None)
@given(texts(HOLDING), st.lists(REQUESTS, min_size=1, max_size=6))
def test_the_verdict_is_that_of_the_whole_text(text: str, requests: list[Request]) -> None:
    policy = loaded(text)
    if policy is not None:
        assert policy.digest == digest_of(read_statements(text))
        for request in [*requests, *requests]:
            assert policy.decide(request) == by_all(policy, request)


@settings(max_examples=300, deadline=None)
@given(texts(HOLDING), texts(HOLDING), REQUESTS)
def test_texts_that_say_the_same_of_a_tool_give_one_verdict_on_its_calls(
    text: str, other: str, request: Request
) -> None:
    action = f"a___{request.tool}"
    own = [part.text for part in read_statements(text) if part.is_about(action)]
    others = [part.text for part in read_statements(other) if not part.is_about(action)]
    strangers = [part.replace('@id("p', '@id("q') for part in others]
    first, second = loaded(text), loaded("\n".join([*strangers, *reversed(own)]) or text)
    if first is not None and second is not None:
        assert first.about(request.tool) == second.about(request.tool)
        verdict = second.decide(request)
        assert replace(verdict, policy_digest=first.digest) == first.decide(request)


def test_texts_that_differ_about_a_tool_are_told_apart_for_it_alone() -> None:
    policy = '@id("p") {}permit (principal, action == AgentCore::Action::"a___pay", resource);'
    first, second = loaded(policy.format("")), loaded(policy.format('@reason("So.") '))
    assert first is not None
    assert second is not None
    assert first.about("pay") != second.about("pay")
    assert first.about("look") == second.about("look")


@settings(max_examples=300, deadline=None)
@given(texts([*HOLDING, *ERRING]), REQUESTS, st.sampled_from([in_auto, in_review]))
def test_a_part_answers_as_the_whole_does_errors_included(
    text: str, request: Request, chosen: Any
) -> None:
    policy = Policy.load('@id("x") forbid (principal, action, resource);', "a", SHAPES)
    asked, entities = policy.question(request)
    asked["context"] = json.dumps(asked["context"])
    parts = [part for part in read_statements(text) if chosen(part)]
    schema = policy.schema.handle

    sliced = compiled_for(policy.schema.contexts, parts, schema)[asked["action"]["id"]]

    assert sliced.ask(asked, entities) == CompiledSet(parts, schema).ask(asked, entities)

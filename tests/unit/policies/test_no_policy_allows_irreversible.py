"""P1: whatever a policy text says, an irreversible call never runs by itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from interlock.policies.evaluator import Policy, PolicyError, Principal, Request, ToolShape
from interlock.policies.verdict import Outcome
from interlock.tools.effect import Classification, Effect, Source

TOOL = ToolShape(
    "run",
    {"properties": {"n": {"type": "integer"}, "s": {"type": "string"}}, "required": ["n"]},
)

if TYPE_CHECKING:
    from interlock.policies.verdict import Verdict

PRINCIPALS = [
    "principal",
    "principal is AgentCore::OAuthUser",
    'principal == AgentCore::OAuthUser::"a"',
]
ACTIONS = [
    "action",
    'action == AgentCore::Action::"a___run"',
    'action in AgentCore::Action::"CallTool"',
]
RESOURCES = ["resource", "resource is AgentCore::Gateway"]
ATOMS = [
    'context.effect == "irreversible"',
    'context.effect != "read"',
    '["read", "irreversible"].contains(context.effect)',
    'context.effect_source == "default"',
    "context.input.n > 0",
    "context.input.n == 3",
    'context.input has s && context.input.s like "a*"',
    'principal.hasTag("tenant") && principal.getTag("tenant") == "acme"',
    "true",
]
REVIEWS = ["", '@outcome("review") @reviewers("ops")', '@outcome("review") @reviewers("ops,sec")']


@st.composite
def conditions(draw: st.DrawFn) -> str:
    atoms = draw(st.lists(st.sampled_from(ATOMS), min_size=1, max_size=3))
    joined = draw(st.sampled_from([" && ", " || "])).join(f"({atom})" for atom in atoms)
    return f"{draw(st.sampled_from(['when', 'unless']))} {{ {joined} }}"


@st.composite
def texts(draw: st.DrawFn) -> str:
    policies = []
    for number in range(draw(st.integers(1, 4))):
        scope = ", ".join(draw(st.sampled_from(part)) for part in (PRINCIPALS, ACTIONS, RESOURCES))
        effect = draw(st.sampled_from(["permit", "permit", "forbid"]))
        review = draw(st.sampled_from(REVIEWS))
        condition = draw(st.just("") | conditions())
        policies.append(f'@id("p{number}") {review} {effect} ({scope}) {condition};')
    return "\n".join(policies)


@st.composite
def requests(draw: st.DrawFn, effects: st.SearchStrategy[Effect]) -> Request:
    return Request(
        "run",
        draw(st.fixed_dictionaries({"n": st.integers(0, 4)}, optional={"s": st.text("ab")})),
        Classification(draw(effects), draw(st.sampled_from(Source)), "rule"),
        datetime(2026, 11, 20, tzinfo=UTC),
        Principal("a", "t", draw(st.sampled_from([{}, {"role": "root"}, {"role": "x"}]))),
    )


def decide(text: str, request: Request) -> Verdict | None:
    try:
        return Policy.load(text, "a", [TOOL]).decide(request)
    except PolicyError:
        return None


@settings(max_examples=600, deadline=None)
@given(texts(), requests(st.just(Effect.IRREVERSIBLE)))
def test_no_policy_text_lets_an_irreversible_call_run_by_itself(
    text: str, request: Request
) -> None:
    verdict = decide(text, request)

    assert verdict is None or verdict.outcome is not Outcome.ALLOW


@settings(max_examples=300, deadline=None)
@given(texts(), requests(st.sampled_from(Effect)))
def test_a_verdict_is_closed(text: str, request: Request) -> None:
    verdict = decide(text, request)

    if verdict is not None:
        assert (verdict.terms is not None) == (verdict.outcome is Outcome.REVIEW)
        assert verdict.terms is None or verdict.terms.reviewers
        assert verdict.reason
        assert not verdict.errors


@settings(max_examples=300, deadline=None)
@given(texts(), requests(st.sampled_from([Effect.READ, Effect.REVERSIBLE])))
def test_a_forbid_of_everything_wins_over_any_other_policy(text: str, request: Request) -> None:
    verdict = decide(text + '@id("stop") forbid (principal, action, resource);', request)

    assert verdict is None or verdict.outcome is Outcome.FORBID


def test_a_bare_permit_of_the_very_action_is_held_for_a_person() -> None:
    text = '@id("go") permit (principal, action == AgentCore::Action::"a___run", resource);'
    request = Request(
        "run",
        {"n": 1},
        Classification(Effect.IRREVERSIBLE, Source.DECLARED, "declared"),
        datetime(2026, 11, 20, tzinfo=UTC),
        Principal("a", "t"),
    )

    verdict = decide(text, request)
    assert verdict.outcome is Outcome.REVIEW
    assert verdict.terms.reviewers == ("on-call",)

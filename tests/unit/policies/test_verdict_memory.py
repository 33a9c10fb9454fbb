"""A verdict is remembered only where the policy text can give no other."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product
from typing import TYPE_CHECKING, Any

import cedarpy
import pytest
from interlock.policies.evaluator import Policy, Principal, Request, ToolShape
from interlock.policies.verdict import Outcome
from interlock.tools.effect import Classification, Effect, Source

if TYPE_CHECKING:
    from interlock.policies.verdict import Verdict

SHAPES = [
    ToolShape(name, {"type": "object", "properties": {"amount": {"type": "integer"}}})
    for name in ("look", "pay")
]
READS = '@id("reads") permit (principal, action, resource) when { context.effect == "read" };'
BY_INPUT = (
    '@id("small") permit (principal, action == AgentCore::Action::"agent___pay", resource)'
    " when { context.input has amount && context.input.amount < 10 };"
)
BY_TIME = (
    '@id("late") forbid (principal, action == AgentCore::Action::"agent___pay", resource)'
    ' when { context.system.now > datetime("2026-06-01T00:00:00Z") };'
)
BY_TAG = (
    '@id("vip") @trusts("tier") permit (principal, action, resource)'
    ' when { principal.hasTag("tier") && principal.getTag("tier") == "gold" };'
)
FOR_ALL = (
    '@id("few") forbid (principal, action, resource)'
    ' when { context.effect != "read" && context.system.now < datetime("2000-01-01T00:00:00Z") };'
)


def policy(*statements: str) -> Policy:
    return Policy.load("\n".join(statements), "agent", SHAPES)


def ask(
    loaded: Policy,
    tool: str = "look",
    *,
    amount: Any = 1,
    effect: Effect = Effect.READ,
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC),
    **tags: str,
) -> Verdict:
    kind = Classification(effect, Source.DECLARED, "declared")
    principal = Principal("agent", "default", tags)
    return loaded.decide(Request(tool, {"amount": amount}, kind, now, principal))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every question that Cedar itself was asked."""
    questions: list[Any] = []
    really = cedarpy.is_authorized

    def count(*args: Any, **named: Any) -> Any:
        questions.append(args)
        return really(*args, **named)

    monkeypatch.setattr(cedarpy, "is_authorized", count)
    return questions


def test_calls_that_no_policy_can_tell_apart_are_judged_once(asked: list[Any]) -> None:
    loaded = policy(READS)
    verdicts = [ask(loaded, amount=amount) for amount in range(5)]
    assert {verdict.outcome for verdict in verdicts} == {Outcome.ALLOW}
    assert len(asked) == 1


def test_an_error_of_cedar_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = policy(READS)

    def fail(*_: Any, **__: Any) -> Any:
        raise ValueError("Cedar is not well.")

    with monkeypatch.context() as patched:
        patched.setattr(cedarpy, "is_authorized", fail)
        assert ask(loaded).outcome is Outcome.FORBID
    assert ask(loaded).outcome is Outcome.ALLOW


@pytest.mark.parametrize("statement", [BY_INPUT, BY_TIME])
def test_a_policy_that_reads_more_has_every_call_of_its_tool_judged_anew(
    statement: str, asked: list[Any]
) -> None:
    loaded = policy(READS, statement)
    for amount in range(3):
        ask(loaded, "pay", amount=amount)
    assert len(asked) == 3
    ask(loaded, "look", amount=1)
    ask(loaded, "look", amount=2)
    assert len(asked) == 4


def test_a_policy_for_every_action_that_reads_more_has_every_call_judged_anew(
    asked: list[Any],
) -> None:
    loaded = policy(READS, FOR_ALL)
    for _ in range(2):
        ask(loaded, "look")
    assert len(asked) == 2


@pytest.mark.parametrize("statements", [[READS], [READS, BY_INPUT], [READS, BY_TIME, BY_TAG]])
def test_what_is_remembered_is_what_a_policy_loaded_anew_says(statements: list[str]) -> None:
    loaded = policy(*statements)
    times = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
    tags: tuple[dict[str, str], ...] = ({}, {"tier": "gold"}, {"tier": "tin", "a": "b"})
    cases = list(product(("look", "pay"), (1, 50), Effect, times, tags))
    for tool, amount, effect, now, tag in cases * 2:
        said = ask(loaded, tool, amount=amount, effect=effect, now=now, **tag)
        fresh = ask(policy(*statements), tool, amount=amount, effect=effect, now=now, **tag)
        assert said == fresh


def test_arguments_that_cannot_be_shown_to_a_policy_are_refused_whatever_is_remembered() -> None:
    loaded = policy(READS)
    assert ask(loaded, amount=1).outcome is Outcome.ALLOW
    for amount in ("1", 1.5, 2**70, {"__entity": {"type": "a", "id": "b"}}):
        assert ask(loaded, amount=amount).outcome is Outcome.FORBID


def test_principals_whose_tags_run_together_are_told_apart() -> None:
    loaded = policy(BY_TAG)
    assert ask(loaded, tier="gold").outcome is Outcome.ALLOW
    assert ask(loaded, tier="go", ld="").outcome is Outcome.FORBID
    assert ask(loaded).outcome is Outcome.FORBID

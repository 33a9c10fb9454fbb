from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from interlock.policies.evaluator import Policy, PolicyError, Principal, ToolShape
from interlock.policies.verdict import Outcome
from interlock.tools.effect import Classification, Effect, Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from interlock.policies.evaluator import Request

    Load = Callable[[str], Policy]
    Call = Callable[..., Request]


SMALL = """
@id("small") @reason("It is little money.")
permit (principal, action == AgentCore::Action::"shop___pay", resource)
when { context.input.amount.lessThan(decimal("50.0")) };
"""
FINANCE = """
@id("finance") @trusts("role")
@outcome("review") @reviewers("finance, treasury") @quorum("2") @expires("3d")
permit (principal, action == AgentCore::Action::"shop___pay", resource)
when { principal.hasTag("role") && principal.getTag("role") == "payer" };
"""
DOLLARS = """
@id("dollars") @outcome("review") @reviewers("treasury") @expires("4h")
@reason("Dollars are risky.")
forbid (principal, action == AgentCore::Action::"shop___pay", resource)
when { context.input.currency == "USD" };
"""
EMBARGO = """
@id("embargo") @reason("The recipient is embargoed.")
forbid (principal, action == AgentCore::Action::"shop___pay", resource)
when { context.input has memo && context.input.memo like "*embargo*" };
"""
PAYMENTS = SMALL + FINANCE + DOLLARS + EMBARGO


def test_a_call_that_a_permit_covers_is_allowed_with_its_reason(load: Load, call: Call) -> None:
    verdict = load(PAYMENTS).decide(call(amount=49.9999))

    assert (verdict.outcome, verdict.policies) == (Outcome.ALLOW, ("small",))
    assert verdict.reason == "It is little money."


def test_a_call_that_only_a_review_permit_covers_is_reviewed_under_its_terms(
    load: Load, call: Call
) -> None:
    verdict = load(PAYMENTS).decide(call(amount=50))

    assert (verdict.outcome, verdict.policies) == (Outcome.REVIEW, ("finance",))
    assert verdict.terms.reviewers == ("finance", "treasury")
    assert (verdict.terms.quorum, verdict.terms.expires) == (2, timedelta(days=3))


def test_a_review_forbid_holds_a_call_that_would_be_allowed(load: Load, call: Call) -> None:
    verdict = load(SMALL + DOLLARS).decide(call(currency="USD"))

    assert (verdict.outcome, verdict.policies) == (Outcome.REVIEW, ("dollars", "small"))
    assert verdict.terms.reasons == ("Dollars are risky.",)


def test_a_review_forbid_permits_nothing_by_itself(load: Load, call: Call) -> None:
    assert load(DOLLARS).decide(call(currency="USD")).outcome is Outcome.FORBID


def test_terms_of_all_deciding_policies_are_merged_strictest_first(load: Load, call: Call) -> None:
    verdict = load(PAYMENTS).decide(call(currency="USD"))

    assert verdict.terms.reviewers == ("treasury",)
    assert (verdict.terms.quorum, verdict.terms.expires) == (2, timedelta(hours=4))


def test_a_plain_forbid_wins_over_every_permit_and_review(load: Load, call: Call) -> None:
    verdict = load(PAYMENTS).decide(call(memo="an embargo case"))

    assert (verdict.outcome, verdict.policies) == (Outcome.FORBID, ("embargo",))
    assert verdict.reason == "The recipient is embargoed."


def test_what_no_policy_permits_is_forbidden(load: Load, call: Call) -> None:
    verdict = load(SMALL).decide(call(amount=500))

    assert (verdict.outcome, verdict.policies, verdict.errors) == (Outcome.FORBID, (), ())
    assert "No policy permits" in verdict.reason


def test_claims_of_the_user_are_tags_of_the_principal(load: Load, call: Call) -> None:
    guest = Principal("shop", "acme", {"role": "guest"})

    assert load(FINANCE).decide(call(principal=guest)).outcome is Outcome.FORBID


def test_agent_and_tenant_are_tags_of_the_principal(load: Load, call: Call) -> None:
    text = """
    @id("acme") permit (principal, action, resource) when {
      principal.hasTag("tenant") && principal.getTag("tenant") == "acme" &&
      principal.hasTag("agent") && principal.getTag("agent") == "shop" };
    """

    assert load(text).decide(call()).outcome is Outcome.ALLOW
    other = Principal("shop", "evil")
    assert load(text).decide(call(principal=other)).outcome is Outcome.FORBID


@pytest.mark.parametrize("claim", ["agent", "tenant"])
def test_a_claim_cannot_take_the_place_of_agent_or_tenant(
    default: Policy, call: Call, claim: str
) -> None:
    verdict = default.decide(call(principal=Principal("shop", "acme", {claim: "boss"})))

    assert verdict.outcome is Outcome.FORBID
    assert claim in verdict.reason


def test_one_tool_may_have_several_effects(load: Load, call: Call) -> None:
    text = """
    @id("reads") permit (principal, action == AgentCore::Action::"shop___pay", resource)
    when { context.effect == "read" };
    """

    assert load(text).decide(call(Effect.READ)).outcome is Outcome.ALLOW
    assert load(text).decide(call(Effect.REVERSIBLE)).outcome is Outcome.FORBID


def test_a_policy_can_see_where_the_effect_comes_from(load: Load, call: Call) -> None:
    text = """
    @id("declared") permit (principal, action, resource)
    when { context.effect_source == "declared" };
    """
    inferred = Classification(Effect.READ, Source.INFERRED, "name")

    assert load(text).decide(call()).outcome is Outcome.ALLOW
    verdict = load(text).decide(replace(call(), classification=inferred))
    assert verdict.outcome is Outcome.FORBID


def test_a_policy_can_see_the_time_in_utc(load: Load, call: Call) -> None:
    text = """
    @id("hours") permit (principal, action, resource)
    when { context.system.now.toTime() >= duration("9h") };
    """
    morning = datetime(2026, 11, 20, 10, tzinfo=timezone(timedelta(hours=2)))

    assert load(text).decide(call()).outcome is Outcome.ALLOW
    assert load(text).decide(call(now=morning)).outcome is Outcome.FORBID


def test_a_default_that_the_tool_would_take_is_seen_by_policy(load: Load, call: Call) -> None:
    text = """
    @id("all") permit (principal, action, resource) when { context.effect == "read" };
    @id("high") forbid (principal, action == AgentCore::Action::"shop___pay", resource)
    when { context.input has limit && context.input.limit > 50 };
    """

    assert load(text).decide(call()).policies == ("high",)
    assert load(text).decide(call(limit=50)).outcome is Outcome.ALLOW


def test_values_that_policy_cannot_see_do_not_make_the_decision_fail(
    default: Policy, call: Call
) -> None:
    odd = {"mixed": [1, "two", None, 1e300, {"deep": [[]]}]}

    assert default.decide(call(body=odd)).outcome is Outcome.ALLOW
    assert default.left_out("pay") == {
        "input.body": "it is a free-form object",
        "input.to.extra": "it is a free-form object",
    }


@pytest.mark.parametrize(
    ("args", "path"),
    [
        ({"amount": float("nan")}, "input.amount"),
        ({"amount": 1.23456}, "input.amount"),
        ({"count": 2**63}, "input.count"),
        ({"memo": "\ud800"}, "input.memo"),
        ({"memo": {"__entity": {"type": "AgentCore::Gateway", "id": "x"}}}, "input.memo"),
        ({"to": {"iban": "x", "__extn": 1}}, "input.to.__extn"),
        ({"body": [{"__entity": {}}]}, "input.body[0].__entity"),
        ({"amount": None}, "input.amount"),
        ({"typo": 1}, "input.typo"),
    ],
)
def test_an_unreadable_argument_forbids_and_is_named(
    default: Policy, call: Call, args: Any, path: str
) -> None:
    verdict = default.decide(call(**args))

    assert verdict.outcome is Outcome.FORBID
    assert f"`{path}`" in verdict.reason
    assert verdict.errors == (verdict.reason,)


def test_an_unknown_tool_is_forbidden(default: Policy, call: Call) -> None:
    verdict = default.decide(call(tool="nope"))

    assert verdict.outcome is Outcome.FORBID
    assert "no tool 'nope'" in verdict.reason


def test_another_agents_call_is_forbidden(default: Policy, call: Call) -> None:
    verdict = default.decide(call(principal=Principal("other", "acme")))

    assert (verdict.outcome, verdict.reason) == (
        Outcome.FORBID,
        "This policy is for agent `shop` only.",
    )


@pytest.mark.parametrize("tags", [{"role": "\ud800"}, {"role": 1}, {"role": None}, {"role": b"x"}])
def test_an_unreadable_principal_is_forbidden(default: Policy, call: Call, tags: Any) -> None:
    verdict = default.decide(call(principal=Principal("shop", "acme", tags)))

    assert verdict.outcome is Outcome.FORBID
    assert "principal cannot be read" in verdict.reason


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (datetime(2026, 11, 20, 10), "time zone"),  # noqa: DTZ001 - the point
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=9))), "out of range"),
    ],
)
def test_a_time_that_is_no_instant_is_forbidden(
    default: Policy, call: Call, now: datetime, reason: str
) -> None:
    verdict = default.decide(call(now=now))

    assert verdict.outcome is Outcome.FORBID
    assert reason in verdict.reason


@pytest.mark.parametrize(
    "classification",
    [
        Classification("Irreversible", Source.DECLARED, "x"),
        Classification("read", Source.DECLARED, "x"),
        Classification(Effect.READ, "nowhere", "x"),
        Classification(Effect.READ, Source.DECLARED, b"x"),
    ],
)
def test_an_unknown_effect_or_source_is_forbidden(
    default: Policy, call: Call, classification: Classification
) -> None:
    verdict = default.decide(replace(call(), classification=classification))

    assert verdict.outcome is Outcome.FORBID
    assert "unknown" in verdict.reason


def test_a_request_that_cedar_cannot_read_is_forbidden(default: Policy, call: Call) -> None:
    unreadable = Classification(Effect.READ, Source.DECLARED, "\ud800")
    verdict = default.decide(replace(call(), classification=unreadable))

    assert verdict.outcome is Outcome.FORBID
    assert "could not be evaluated" in verdict.reason
    assert verdict.errors


def test_a_verdict_carries_the_digest_of_the_policy(default: Policy, call: Call) -> None:
    assert default.decide(call()).policy_digest == default.digest
    assert len(bytes.fromhex(default.digest)) == 32


def test_layout_comments_and_order_do_not_change_the_digest_but_a_term_does(
    load: Load,
) -> None:
    digest = load(SMALL + FINANCE).digest

    assert load("// reordered\n" + FINANCE + "\n\n" + SMALL).digest == digest
    assert load(SMALL + FINANCE.replace('"2"', '"1"')).digest != digest


def test_a_policy_with_a_64_bit_literal_has_a_digest(load: Load) -> None:
    text = """
    @id("big") permit (principal, action == AgentCore::Action::"shop___pay", resource)
    when { context.input has count && context.input.count < 9223372036854775807 };
    """

    assert load(text).digest


def test_deciding_twice_gives_the_same_verdict(default: Policy, call: Call) -> None:
    assert default.decide(call()) == default.decide(call())


def test_a_tool_declared_twice_is_refused() -> None:
    tools = [ToolShape("a", {}), ToolShape("a", {})]

    with pytest.raises(PolicyError, match="`a` is declared 2 times"):
        Policy.load(SMALL, "shop", tools)


def test_the_time_is_an_argument(default: Policy, call: Call) -> None:
    assert default.decide(call(now=datetime(2126, 1, 1, tzinfo=UTC))).outcome is Outcome.ALLOW

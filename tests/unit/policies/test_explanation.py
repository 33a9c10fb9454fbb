from __future__ import annotations

from typing import TYPE_CHECKING

from interlock.policies.explanation import explain
from interlock.policies.verdict import Outcome
from interlock.tools.effect import Effect, Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from interlock.policies.evaluator import Policy, Request

    Load = Callable[[str], Policy]
    Call = Callable[..., Request]

PAYMENTS = """
@id("small") @reason("It is little money.")
permit (principal, action == AgentCore::Action::"shop___pay", resource)
when { context.input.amount.lessThan(decimal("50.0")) && context.input.currency == "EUR" };

@id("large") @outcome("review") @reviewers("finance")
permit (principal, action == AgentCore::Action::"shop___pay", resource);

@id("embargo") @reason("The recipient is embargoed.")
forbid (principal, action == AgentCore::Action::"shop___pay", resource)
when { context.input has memo && context.input.memo like "*embargo*" }
unless { context.input.currency == "USD" };

@id("search")
permit (principal, action == AgentCore::Action::"shop___find", resource)
when { context.effect == "read" };
"""


def test_the_policies_that_decided_are_named_with_the_conditions_that_held(
    load: Load, call: Call
) -> None:
    found = explain(load(PAYMENTS), call(amount=10, effect=Effect.REVERSIBLE))

    (small,) = found.decided
    assert (small.id, small.line, small.matched) == ("small", 2, True)
    assert [condition.holds for condition in small.conditions] == [True, True]
    assert small.conditions[0].looks_at == {"context.input.amount": "10.0000"}
    assert small.otherwise is Outcome.REVIEW


def test_the_nearest_policy_is_the_one_with_the_fewest_conditions_against_it(
    load: Load, call: Call
) -> None:
    found = explain(load(PAYMENTS), call(amount=60, currency="EUR"))

    assert found.verdict.outcome is Outcome.REVIEW
    assert [(near.id, near.otherwise) for near in found.nearest] == [
        ("small", Outcome.ALLOW),
        ("embargo", Outcome.FORBID),
    ]
    (against,) = found.nearest[0].failed
    assert against.looks_at == {"context.input.amount": "60.0000"}
    assert "lessThan" in against.text


def test_a_policy_for_other_tools_is_out_of_scope(load: Load, call: Call) -> None:
    found = explain(load(PAYMENTS), call(amount=60))

    search = next(policy for policy in found.policies if policy.id == "search")
    assert not search.in_scope
    assert search not in found.nearest


def test_a_condition_that_stands_on_one_before_it_is_not_said_to_hold_or_not(
    load: Load, call: Call
) -> None:
    embargo = explain(load(PAYMENTS), call(amount=60)).nearest[1]

    assert [condition.holds for condition in embargo.conditions] == [False, None, True]
    assert embargo.conditions[1].looks_at == {"context.input.memo": "absent"}
    assert embargo.conditions[2].text.startswith("unless")


def test_no_policy_is_said_to_let_an_irreversible_call_run(load: Load, call: Call) -> None:
    found = explain(load(PAYMENTS), call(amount=60, effect=Effect.IRREVERSIBLE))

    assert Outcome.ALLOW not in {policy.otherwise for policy in found.policies}
    assert found.by_effect["read"].outcome is Outcome.REVIEW


def test_the_verdicts_on_other_effects_are_told(default: Policy, call: Call) -> None:
    found = explain(default, call(effect=Effect.IRREVERSIBLE, source=Source.DEFAULT))

    assert {effect: verdict.policies for effect, verdict in found.by_effect.items()} == {
        "read": ("default-read",),
        "reversible": ("default-reversible",),
    }


def test_a_request_that_cannot_be_asked_is_explained_by_its_reason(
    default: Policy, call: Call
) -> None:
    found = explain(default, call(amount="much"))

    assert found.policies == ()
    assert "is not a number" in found.verdict.reason

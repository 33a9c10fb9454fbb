from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from interlock.policies.evaluator import Policy, default_policy_text
from interlock.policies.statements import read_statements
from interlock.policies.verdict import Outcome, Terms
from interlock.tools.effect import Effect, Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from interlock.policies.evaluator import Request

    Call = Callable[..., Request]


@pytest.mark.parametrize("effect", [Effect.READ, Effect.REVERSIBLE])
def test_what_does_no_harm_or_can_be_undone_runs_at_once(
    default: Policy, call: Call, effect: Any
) -> None:
    verdict = default.decide(call(effect))

    assert verdict.outcome is Outcome.ALLOW
    assert verdict.policies == (f"default-{effect}",)
    assert verdict.terms is None


def test_what_cannot_be_undone_waits_for_someone_on_call(default: Policy, call: Call) -> None:
    verdict = default.decide(call(Effect.IRREVERSIBLE))

    assert verdict.outcome is Outcome.REVIEW
    assert verdict.policies == ("default-irreversible",)
    assert verdict.terms == Terms(
        reviewers=("on-call",),
        quorum=1,
        expires=timedelta(hours=24),
        reasons=("The call cannot be undone, so a person decides.",),
    )


def test_what_nobody_knows_waits_and_says_so(default: Policy, call: Call) -> None:
    verdict = default.decide(call(Effect.IRREVERSIBLE, source=Source.DEFAULT))

    assert verdict.outcome is Outcome.REVIEW
    assert verdict.policies == ("default-unknown",)
    assert verdict.reason == "Nobody knows what the call does, so a person decides."


@pytest.mark.parametrize("effect", [Effect.READ, Effect.REVERSIBLE])
def test_what_sends_to_an_address_of_the_agents_waits_though_it_does_no_harm_here(
    default: Policy, call: Call, effect: Any
) -> None:
    verdict = default.decide(call(effect, egress=("evil.example",)))

    assert verdict.outcome is Outcome.REVIEW
    assert set(verdict.policies) == {"default-egress", f"default-{effect}"}
    assert "an address that the agent chose" in verdict.reason
    assert default.decide(call(effect)).outcome is Outcome.ALLOW


def test_an_irreversible_call_that_sends_is_held_for_both_reasons(
    default: Policy, call: Call
) -> None:
    verdict = default.decide(call(Effect.IRREVERSIBLE, egress=("evil.example",)))

    assert set(verdict.policies) == {"default-egress", "default-irreversible"}


ALLOW_LIST = """
@id("read") permit (principal, action, resource) when { context.effect == "read" };
@id("egress") @outcome("review") @reviewers("on-call")
forbid (principal, action, resource)
when { !context.egress.isEmpty() }
unless { ["api.example", "cdn.example"].containsAll(context.egress) };
"""


@pytest.mark.parametrize(
    ("egress", "outcome"),
    [
        ((), Outcome.ALLOW),
        (("api.example",), Outcome.ALLOW),
        (("api.example", "cdn.example"), Outcome.ALLOW),
        (("evil.example",), Outcome.REVIEW),
        (("api.example", "evil.example"), Outcome.REVIEW),
        (("unknown",), Outcome.REVIEW),
    ],
)
def test_an_allow_list_of_hosts_is_a_condition(
    load: Callable[[str], Policy], call: Call, egress: Any, outcome: Outcome
) -> None:
    policy = load(ALLOW_LIST)

    for _ in range(2):  # the second is answered from memory
        assert policy.decide(call(egress=egress)).outcome is outcome


@pytest.mark.parametrize("egress", [["a.example"], "a.example", (1,), None])
def test_addresses_that_are_none_forbid(default: Policy, call: Call, egress: Any) -> None:
    assert default.decide(call(egress=egress)).outcome is Outcome.FORBID


def test_every_default_policy_has_an_id_and_a_reason_in_a_sentence() -> None:
    for statement in read_statements(default_policy_text()):
        assert statement.id
        assert statement.annotations["reason"].endswith(".")


def test_an_agent_without_tools_has_a_policy_too(call: Call) -> None:
    policy = Policy.load(default_policy_text(), "shop", [])

    assert policy.decide(call()).outcome is Outcome.FORBID

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from interlock.policies.evaluator import Policy, default_policy_text
from interlock.policies.statements import read_statements
from interlock.policies.verdict import Outcome, Terms
from interlock.tools.effect import Effect

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


def test_every_default_policy_has_an_id_and_a_reason_in_a_sentence() -> None:
    for statement in read_statements(default_policy_text()):
        assert statement.id
        assert statement.annotations["reason"].endswith(".")


def test_an_agent_without_tools_has_a_policy_too(call: Call) -> None:
    policy = Policy.load(default_policy_text(), "shop", [])

    assert policy.decide(call()).outcome is Outcome.FORBID

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Never

import pytest
from interlock.policies.compiled import Answer
from interlock.policies.judge import Judge
from interlock.policies.terms import Rule
from interlock.policies.verdict import Outcome, Terms
from interlock.tools.effect import Effect

if TYPE_CHECKING:
    from interlock.policies.verdict import Verdict


RULES = {
    "permit": Rule("permit", "It is fine.", None),
    "silent": Rule("silent", "", None),
    "finance": Rule("finance", "Money.", Terms(("finance",), 2, reasons=("Money.",))),
    "security": Rule("security", "", Terms(("security",))),
}
JUDGE = Judge(RULES, "d1")
NO = Answer(allowed=False, policies=())
YES = Answer(allowed=True, policies=("permit",))
ERRED = Answer(allowed=True, policies=("permit",), errors=("it overflowed",))


def judge(effect: Any, auto: Answer, review: Answer = NO) -> Verdict:
    return JUDGE.judge(effect, auto, lambda: review)


def never() -> Never:
    raise AssertionError("the REVIEW set was asked")


def reviewing(*policies: str) -> Answer:
    return Answer(allowed=True, policies=policies)


@pytest.mark.parametrize("effect", [Effect.READ, Effect.REVERSIBLE])
def test_auto_allows_without_asking_for_review(effect: Any) -> None:
    verdict = JUDGE.judge(effect, YES, never)

    assert (verdict.outcome, verdict.reason) == (Outcome.ALLOW, "It is fine.")
    assert (verdict.policies, verdict.policy_digest) == (("permit",), "d1")


def test_an_irreversible_call_that_auto_allows_is_reviewed_under_default_terms() -> None:
    verdict = judge(Effect.IRREVERSIBLE, YES, reviewing("permit"))

    assert verdict.outcome is Outcome.REVIEW
    assert verdict.terms.reviewers == ("on-call",)
    assert (verdict.terms.quorum, verdict.terms.expires) == (1, timedelta(hours=24))
    assert "`permit` would let this irreversible call run by itself" in verdict.reason
    assert verdict.terms.reasons == (verdict.reason,)


def test_an_irreversible_call_that_auto_allows_is_reviewed_under_the_terms_that_match_it() -> None:
    verdict = judge(Effect.IRREVERSIBLE, YES, reviewing("finance", "permit"))

    assert verdict.outcome is Outcome.REVIEW
    assert (verdict.terms.reviewers, verdict.terms.quorum) == (("finance",), 2)


@pytest.mark.parametrize("effect", ["irreversible", "other", None])
def test_what_is_not_known_to_be_mild_does_not_run_by_itself(effect: Any) -> None:
    assert judge(effect, YES, reviewing("permit")).outcome is Outcome.REVIEW


@pytest.mark.parametrize("effect", list(Effect))
@pytest.mark.parametrize(("auto", "review"), [(ERRED, YES), (NO, ERRED)])
def test_an_error_in_either_set_forbids(effect: Any, auto: Answer, review: Answer) -> None:
    verdict = judge(effect, auto, review)

    assert verdict.outcome is Outcome.FORBID
    assert verdict.errors == ("it overflowed",)


def test_an_error_while_an_irreversible_call_is_held_forbids() -> None:
    assert judge(Effect.IRREVERSIBLE, YES, ERRED).outcome is Outcome.FORBID


def test_an_irreversible_call_that_the_review_set_denies_is_forbidden() -> None:
    assert judge(Effect.IRREVERSIBLE, YES, NO).outcome is Outcome.FORBID


def test_a_review_that_names_nobody_forbids() -> None:
    verdict = judge(Effect.READ, NO, reviewing("permit"))

    assert verdict.outcome is Outcome.FORBID
    assert "no policy names who decides" in verdict.reason


@pytest.mark.parametrize("auto", [NO, YES])
def test_policies_without_a_reviewer_in_common_forbid_and_are_named(auto: Answer) -> None:
    verdict = judge(Effect.IRREVERSIBLE, auto, reviewing("finance", "security"))

    assert verdict.outcome is Outcome.FORBID
    assert "`finance`, `security`" in verdict.reason


def test_a_policy_without_a_reason_is_named_instead() -> None:
    verdict = judge(Effect.READ, Answer(allowed=True, policies=("silent",)))

    assert verdict.reason == "Decided by policy `silent`."
    assert judge(Effect.READ, NO, reviewing("security")).reason == "Decided by policy `security`."


def test_terms_are_there_exactly_if_the_outcome_is_review() -> None:
    for effect in Effect:
        for auto in (NO, YES, ERRED):
            for review in (NO, YES, ERRED, reviewing("finance"), reviewing("security")):
                verdict = judge(effect, auto, review)
                assert (verdict.terms is not None) == (verdict.outcome is Outcome.REVIEW)
                assert not verdict.errors or verdict.outcome is Outcome.FORBID

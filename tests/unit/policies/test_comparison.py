from __future__ import annotations

from dataclasses import replace

import pytest
from interlock.policies.comparison import Change, difference, loses_a_safeguard
from interlock.policies.verdict import Outcome, Terms, Verdict

ALLOW = Verdict(Outcome.ALLOW, ("a",), "d" * 64, "It reads.")
FORBID = Verdict(Outcome.FORBID, ("f",), "d" * 64, "No.")
REVIEW = Verdict(Outcome.REVIEW, ("r",), "d" * 64, "Look.", Terms(("finance",), quorum=2))
FEWER = replace(REVIEW, terms=Terms(("finance",), quorum=1))
OTHERS = replace(REVIEW, terms=Terms(("finance", "on-call"), quorum=2))
OVERRULED = replace(REVIEW, overruled=True)


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (REVIEW, ALLOW, Change.FREED),
        (FORBID, ALLOW, Change.FREED),
        (FORBID, REVIEW, Change.ASKED),
        (ALLOW, REVIEW, Change.HELD),
        (ALLOW, FORBID, Change.FORBIDDEN),
        (REVIEW, FORBID, Change.FORBIDDEN),
        (REVIEW, FEWER, Change.WEAKENED),
        (REVIEW, OTHERS, Change.WEAKENED),
        (FEWER, REVIEW, Change.STRICTER),
        (REVIEW, OVERRULED, Change.WOULD_RUN),
        (OVERRULED, OVERRULED, None),
        (REVIEW, REVIEW, None),
        (ALLOW, replace(ALLOW, policies=("b",)), None),
    ],
)
def test_two_verdicts_differ_by_what_it_means_for_the_call(
    before: Verdict, after: Verdict, change: Change | None
) -> None:
    assert difference(before, after) is change


def test_terms_that_are_laxer_in_one_respect_are_laxer() -> None:
    mixed = replace(REVIEW, terms=Terms(("finance",), quorum=1, needs_reason=True))

    assert difference(REVIEW, mixed) is Change.WEAKENED


@pytest.mark.parametrize("change", Change)
def test_only_what_cannot_be_undone_loses_a_safeguard(change: Change) -> None:
    laxer = {Change.WOULD_RUN, Change.FREED, Change.ASKED, Change.WEAKENED}

    assert loses_a_safeguard("irreversible", change) is (change in laxer)
    assert not loses_a_safeguard("reversible", change)

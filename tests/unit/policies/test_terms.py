from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from interlock.policies.statements import read_statements
from interlock.policies.terms import (
    DEFAULT_TERMS,
    NoCommonReviewer,
    annotation_problems,
    merge_terms,
    read_rule,
)
from interlock.policies.verdict import Terms

if TYPE_CHECKING:
    from interlock.policies.statements import Statement
    from interlock.policies.terms import Rule


def rule(name: str = "a", reviewers: str = "on-call", **terms: str) -> Rule:
    given = {"id": name, "outcome": "review", "reviewers": reviewers, **terms}
    return read_rule(statement(given))


def statement(annotations: dict[str, str]) -> Statement:
    written = " ".join(f'@{name}("{value}")' for name, value in annotations.items())
    text = f'{written} permit (principal, action == Action::"x", resource);'
    return read_statements(text)[0]


def problems(**annotations: str) -> list[str]:
    return list(annotation_problems(statement(annotations)))


REVIEW = {"id": "a", "outcome": "review", "reviewers": "finance"}


def test_terms_are_read_from_annotations() -> None:
    terms = rule(reviewers="finance, on-call", quorum="2", expires="90m", reason="Why.").terms

    assert terms == Terms(("finance", "on-call"), 2, timedelta(minutes=90), ("Why.",))


def test_terms_not_given_are_the_default_ones() -> None:
    terms = rule().terms

    assert (terms.quorum, terms.expires) == (1, timedelta(hours=24))
    assert terms.window == timedelta(hours=24)
    assert DEFAULT_TERMS.reviewers == ("on-call",)


def test_a_group_may_decide_only_if_every_policy_names_it() -> None:
    merged = merge_terms([rule("a", "finance,on-call"), rule("b", "on-call,security")])

    assert merged.reviewers == ("on-call",)


def test_disjoint_groups_have_no_common_reviewer() -> None:
    merged = merge_terms([rule("b", "finance"), rule("a", "security")])

    assert merged == NoCommonReviewer(("a", "b"))


def test_quorum_is_the_largest_expiry_the_shortest_and_reasons_are_kept_once() -> None:
    merged = merge_terms(
        [
            rule("a", quorum="3", expires="2d", reason="One."),
            rule("b", quorum="1", expires="1h", reason="Two."),
            rule("c", reason="One."),
        ]
    )

    assert (merged.quorum, merged.expires) == (3, timedelta(hours=1))
    assert merged.reasons == ("One.", "Two.")


def test_an_approval_is_good_for_the_shortest_window() -> None:
    merged = merge_terms([rule("a", window="2d"), rule("b", window="30m"), rule("c")])

    assert merged.window == timedelta(minutes=30)


def test_rules_that_ask_for_no_review_merge_to_no_terms() -> None:
    assert merge_terms([read_rule(statement({"id": "a", "reason": "Fine."}))]) is None
    assert merge_terms([]) is None


def test_a_review_with_all_terms_has_no_problem() -> None:
    assert problems(**REVIEW, quorum="2", expires="24h", reason="Why.") == []


@pytest.mark.parametrize(
    ("annotations", "problem"),
    [
        ({"reason": "x"}, "needs an @id"),
        ({"id": ""}, "needs an @id"),
        ({"id": "a b"}, "letters, digits"),
        ({"id": "x" * 101}, "letters, digits"),
        ({"id": "a", "severity": "high"}, "unknown annotations: @severity"),
        ({"id": "a", "outcome": "Review"}, "@outcome other than"),
        ({"id": "a", "outcome": "allow"}, "@outcome other than"),
        ({"id": "a", "reason": " "}, "empty @reason"),
        ({"id": "a", "reviewers": "finance"}, "would say nothing"),
        ({"id": "a", "quorum": "2"}, "would say nothing"),
        ({"id": "a", "expires": "2h"}, "would say nothing"),
        ({"id": "a", "outcome": "review"}, "names no groups"),
        ({**REVIEW, "reviewers": ""}, "names no groups"),
        ({**REVIEW, "reviewers": "finance,,on-call"}, "names no groups"),
        ({**REVIEW, "reviewers": "fin ance"}, "names no groups"),
        *(
            ({**REVIEW, "quorum": bad}, "@quorum")
            for bad in ("", "0", "-1", "1.5", "two", "²", "٣", "100", " 1")
        ),
        *(
            ({**REVIEW, "expires": bad}, "@expires")
            for bad in ("", "0h", "24", "h", "1w", "1h30m", "-1h", "1.5h", "367d", "999999999d")
        ),
    ],
)
def test_an_annotation_that_says_nothing_clear_is_refused(
    annotations: dict[str, str], problem: str
) -> None:
    assert any(problem in found for found in problems(**annotations))

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from interlock.policies.annotations import annotation_problems
from interlock.policies.statements import read_statements
from interlock.policies.terms import DEFAULT_TERMS, Contradiction, Rule, merge_terms, read_rule
from interlock.policies.verdict import Duty, Terms

if TYPE_CHECKING:
    from interlock.policies.statements import Statement


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

    assert merged == Contradiction(
        ("a", "b"), "No reviewer group may decide for all of `a`, `b`; give them one in common."
    )


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


def test_all_terms_are_read_from_annotations() -> None:
    terms = rule(
        reviewers="finance, security, on-call",
        each="finance: 2, security",
        quorum="4",
        separation="requester, editor",
        escalate="30m: on-call-lead; 2h: directors, board",
        require_reason="approve",
        confirm="typed",
    ).terms

    assert terms == Terms(
        ("finance", "security", "on-call"),
        4,
        each={"finance": 2, "security": 1},
        escalation={
            "on-call-lead": timedelta(minutes=30),
            "directors": timedelta(hours=2),
            "board": timedelta(hours=2),
        },
        separation=frozenset(Duty),
        needs_reason=True,
        typed=True,
    )


def test_the_groups_that_must_approve_are_the_reviewers_if_none_are_named() -> None:
    given = {"id": "a", "outcome": "review", "each": "finance: 2, security"}

    assert list(annotation_problems(statement(given))) == []
    terms = read_rule(statement(given)).terms
    assert (terms.reviewers, terms.quorum) == (("finance", "security"), 3)


def test_calls_are_decided_together_only_where_every_policy_lets_them() -> None:
    some = rule("a", together="identical")

    assert merge_terms([some, rule("b", together="identical")]).together
    assert not merge_terms([some, rule("b")]).together
    assert not rule("c").terms.together


def test_what_one_policy_has_typed_is_not_decided_together() -> None:
    merged = merge_terms([rule("a", together="identical"), rule("b", confirm="typed")])

    assert (merged.typed, merged.together) == (True, False)
    typed_too = replace(rule("a", together="identical").terms, typed=True)
    assert not merge_terms([Rule("a", "", typed_too)]).together


def test_what_each_group_must_give_is_the_most_and_the_quorum_has_room_for_it() -> None:
    both = "finance, security"
    merged = merge_terms(
        [
            rule("a", both, each="finance: 2", quorum="2"),
            rule("b", both, each="finance: 1, security: 2"),
        ]
    )

    assert (merged.each, merged.quorum) == ({"finance": 2, "security": 2}, 4)


def test_a_group_that_must_approve_and_may_not_is_a_contradiction() -> None:
    merged = merge_terms([rule("a", "finance, on-call", each="finance: 1"), rule("b", "on-call")])

    assert merged.policies == ("a", "b")
    assert merged.says.startswith("finance would have to approve and may not decide for all of")


def test_more_groups_than_can_be_looked_at_are_a_contradiction() -> None:
    names = [f"g{number}" for number in range(10)]
    every = ", ".join(names)
    halves = (", ".join(names[:5]), ", ".join(names[5:]))
    merged = merge_terms(
        [rule(name, every, each=each) for name, each in zip("ab", halves, strict=True)]
    )

    assert "more than 8 groups" in merged.says


def test_a_group_is_asked_from_when_on_every_policy_lets_it_decide() -> None:
    merged = merge_terms(
        [
            rule("a", "on-call", escalate="30m: directors, board; 2h: owners"),
            rule("b", "on-call, directors", escalate="1h: board"),
        ]
    )

    assert merged.reviewers == ("on-call",)
    assert merged.escalation == {
        "directors": timedelta(minutes=30),
        "board": timedelta(hours=1),
    }


def test_who_would_be_asked_after_the_end_is_not_asked() -> None:
    later = rule("a", "on-call", escalate="2h: directors")

    assert merge_terms([later, rule("b", "on-call, directors", expires="2h")]).escalation == {}


def test_nobody_to_ask_from_the_start_is_a_contradiction() -> None:
    merged = merge_terms([rule("a", "on-call", escalate="1h: board"), rule("b", "board")])

    assert "No reviewer group" in merged.says


def test_whoever_one_policy_sets_apart_is_set_apart_and_what_one_needs_is_needed() -> None:
    merged = merge_terms(
        [rule("a", separation="requester"), rule("b", confirm="typed"), rule("c")],
    )
    assert (merged.separation, merged.typed) == (frozenset({Duty.REQUESTER}), True)
    assert not merged.needs_reason
    assert merge_terms([rule("a"), rule("b", require_reason="approve")]).needs_reason


@pytest.mark.parametrize(
    ("terms", "apart"),
    [
        ({}, set()),
        ({"quorum": "2"}, {"editor"}),
        ({"separation": "requester"}, {"requester", "editor"}),
        ({"separation": "editor"}, {"editor"}),
    ],
)
def test_where_two_people_must_see_a_call_its_editor_is_none_of_them(
    terms: dict[str, str], apart: set[str]
) -> None:
    assert rule(**terms).terms.set_apart == apart


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
        *(
            ({"id": "a", name: text}, "would say nothing")
            for name, text in (
                ("each", "finance"),
                ("separation", "editor"),
                ("escalate", "1h: board"),
                ("require_reason", "approve"),
                ("confirm", "typed"),
            )
        ),
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
        *(
            ({**REVIEW, "each": bad}, "has an @each that does not say")
            for bad in (
                *("", ":1", "finance:", "finance: 0", "finance: two", "finance 1", "finance,"),
                *("finance, finance", "finance: 1: 2", "a, b, c, d, e, f, g, h, i"),
                "finance: 99, security: 1",
            )
        ),
        *(
            ({**REVIEW, "separation": bad}, "@separation")
            for bad in ("", "Requester", "requester,", "everybody", "requester editor")
        ),
        *(
            ({**REVIEW, "escalate": bad}, "has an @escalate that does not say")
            for bad in (
                *("", "board", "1h", "1h:", "1h board", "0h: board", "1w: board", "1h: board;"),
                *("1h: board; 2h: board", "1h: board, board", "367d: board"),
            )
        ),
        ({**REVIEW, "require_reason": "true"}, '@require_reason other than "approve"'),
        ({**REVIEW, "require_reason": ""}, '@require_reason other than "approve"'),
        ({**REVIEW, "confirm": "yes"}, '@confirm other than "typed"'),
        ({**REVIEW, "together": "all"}, '@together other than "identical"'),
        (
            {**REVIEW, "together": "identical", "confirm": "typed"},
            "a @together, but what @confirm asks to type is typed for each call by itself.",
        ),
        ({**REVIEW, "each": "security"}, "an @each of security, which its @reviewers leave out"),
        ({**REVIEW, "each": "finance: 2", "quorum": "1"}, "smaller than what its @each"),
        ({**REVIEW, "escalate": "1h: finance"}, "to finance, who are asked from the start"),
        ({**REVIEW, "escalate": "2h: board", "expires": "2h"}, "when it has expired already"),
        ({**REVIEW, "each": "finance", "escalate": "1h: board"}, "no approval to give"),
    ],
)
def test_an_annotation_that_says_nothing_clear_is_refused(
    annotations: dict[str, str], problem: str
) -> None:
    assert any(problem in found for found in problems(**annotations))

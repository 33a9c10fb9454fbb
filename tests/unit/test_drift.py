"""What voids an approval, by rule."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from interlock.engine import target
from interlock.engine.call import Call
from interlock.engine.drift import Approved, Change, Today, drift, reason_of
from interlock.engine.judgement import Judgement
from interlock.engine.lifecycle import CallState
from interlock.policies.verdict import Duty, Outcome, Terms, Verdict
from interlock.tools import Classification, Effect, Source, ToolSpec

SPEC = ToolSpec.of(
    name="wipe",
    description="Wipe a volume.",
    schema={},
    effect=Effect.IRREVERSIBLE,
    undo=None,
    verifiable=False,
    idempotent=False,
    version="1",
)
ETAG = b'{"state":"a1"}'
CALL = Call(
    id=UUID(int=1),
    run_id=UUID(int=2),
    key=bytes(32),
    revision=1,
    tool="wipe",
    tool_version=SPEC.version,
    args=b"{}",
    digest=bytes(32),
    effect="irreversible",
    verdict="review",
    reason="why",
    recovery="ask",
    state=CallState.APPROVED,
    approval_id=UUID(int=3),
    starts=0,
    start_token=None,
    result_type=None,
    result=None,
    error=None,
    edited_args=None,
    edited_by=None,
    fingerprint=ETAG,
)
DAY = timedelta(hours=24)
TERMS = Terms(("finance", "on-call"), 2)
APPROVED = Approved(TERMS, timedelta(hours=1))


def today(
    *,
    outcome: Outcome = Outcome.REVIEW,
    terms: Terms = TERMS,
    effect: Effect = Effect.IRREVERSIBLE,
    args: bytes = b"{}",
    fingerprint: bytes | None = ETAG,
    spec: ToolSpec = SPEC,
) -> Today:
    verdict = Verdict(outcome, (), "d", "No.", terms if outcome is Outcome.REVIEW else None)
    known = Classification(effect, Source.DECLARED, "declared", ())
    return Today(spec, Judgement(args, {}, known, verdict), fingerprint)


def whats(approved: Approved = APPROVED, call: Call = CALL, **now: Any) -> list[str]:
    return [change.what for change in drift(call, approved, today(**now))]


def test_nothing_changed() -> None:
    assert whats() == []


@pytest.mark.parametrize(
    ("now", "what"),
    [
        ({"spec": replace(SPEC, version="f" * 16)}, "tool"),
        ({"args": b'{"force":false}'}, "tool"),
        ({"fingerprint": b'{"state":"b2"}'}, "target"),
        ({"fingerprint": b'{"unknown":"no route"}'}, "target"),
        ({"fingerprint": None}, "target"),
        ({"outcome": Outcome.FORBID}, "policy"),
        ({"terms": Terms(("finance", "on-call"), 3)}, "policy"),
        ({"terms": Terms(("finance",), 2)}, "policy"),
        ({"terms": replace(TERMS, each={"finance": 1})}, "policy"),
        ({"terms": replace(TERMS, separation=frozenset({Duty.REQUESTER}))}, "policy"),
        ({"terms": replace(TERMS, needs_reason=True)}, "policy"),
        ({"terms": replace(TERMS, typed=True)}, "policy"),
        ({"terms": Terms(("finance", "on-call"), 2, window=timedelta(minutes=30))}, "window"),
    ],
)
def test_each_of_these_voids_an_approval(now: dict[str, Any], what: str) -> None:
    assert whats(**now) == [what]


@pytest.mark.parametrize(
    "now",
    [
        {"terms": Terms(("finance", "on-call", "storage"), 2)},
        {"terms": replace(TERMS, escalation={"directors": DAY})},
        {"terms": replace(TERMS, separation=frozenset({Duty.EDITOR}))},
        {"terms": Terms(("finance", "on-call"), 1, window=timedelta(days=9))},
        {"outcome": Outcome.ALLOW},
        {"effect": Effect.READ},
    ],
)
def test_what_is_laxer_voids_nothing(now: dict[str, Any]) -> None:
    assert whats(**now) == []


@pytest.mark.parametrize("before", ["read", "reversible"])
def test_a_graver_effect_voids_an_approval(before: str) -> None:
    assert whats(call=replace(CALL, effect=before)) == ["effect"]


def test_an_approval_is_good_until_its_window_is_over_and_not_longer() -> None:
    almost = replace(APPROVED, age=DAY - timedelta(microseconds=1))
    assert whats(almost) == []
    assert whats(replace(APPROVED, age=DAY)) == ["window"]
    later = today(terms=Terms(("finance", "on-call"), 2, window=timedelta(days=9)))
    assert [c.what for c in drift(CALL, replace(APPROVED, age=DAY), later)] == ["window"]


def test_a_group_that_may_decide_later_than_it_could_voids_an_approval() -> None:
    hour, minute = timedelta(hours=1), timedelta(minutes=1)

    def after(time: timedelta) -> Terms:
        return replace(TERMS, escalation={"directors": time})

    approved = replace(APPROVED, terms=after(minute))
    assert whats(approved, terms=after(hour)) == ["policy"]
    assert whats(approved, terms=TERMS) == ["policy"]
    assert whats(replace(APPROVED, terms=after(hour)), terms=after(minute)) == []
    at_once = Terms(("finance", "on-call", "directors"), 2)
    assert whats(replace(APPROVED, terms=at_once), terms=after(minute)) == ["policy"]


def test_an_approval_that_lacks_one_who_gave_it_is_void() -> None:
    short = replace(APPROVED, is_short=True, by=("dana", "erik"), counted=("erik",))
    (change,) = drift(CALL, short, today())
    assert (change.what, change.before, change.now) == ("approvers", "dana, erik", "erik")
    (change,) = drift(CALL, replace(short, counted=()), today())
    assert change.now == "Nobody"


def test_the_terms_are_told_in_full() -> None:
    terms = Terms(
        ("finance", "on-call"),
        2,
        each={"on-call": 1, "finance": 1},
        escalation={"directors": timedelta(hours=2)},
        separation=frozenset({Duty.REQUESTER}),
        needs_reason=True,
        typed=True,
    )
    (change,) = drift(CALL, APPROVED, today(terms=terms))
    assert change.now == (
        "2 approvals by finance or on-call, 1 of finance, 1 of on-call, 2 h later directors, "
        "not the requester, with a reason, confirmed by typing"
    )


def test_a_state_that_was_never_known_is_like_no_other() -> None:
    unknown = b'{"unknown":"no route"}'
    assert whats(call=replace(CALL, fingerprint=unknown), fingerprint=unknown) == ["target"]
    assert whats(call=replace(CALL, fingerprint=None), fingerprint=ETAG) == ["target"]
    assert whats(call=replace(CALL, fingerprint=None), fingerprint=None) == []


def test_all_that_changed_is_told() -> None:
    changes = drift(
        CALL,
        replace(APPROVED, age=timedelta(hours=30, minutes=5)),
        today(fingerprint=b'{"state":"b2"}', terms=Terms(("on-call",), 3)),
    )
    assert changes == (
        Change("target", "Its target is not as it was when it was proposed.", "a1", "b2"),
        Change(
            "policy",
            "The policy asks for more than it was approved under.",
            "2 approvals by finance or on-call",
            "3 approvals by on-call",
        ),
        Change(
            "window",
            "It was approved too long ago to run on that.",
            "Good for 24 h",
            "30 h 5 min old",
        ),
    )
    assert reason_of(changes) == " ".join(change.says for change in changes)


@pytest.mark.parametrize(
    ("fingerprint", "says"),
    [
        (None, "Not measured."),
        (b'{"state":{"etag":"a1"}}', {"etag": "a1"}),
        (b'{"state":null}', None),
        (b'{"unknown":"no route"}', "Could not be measured: no route"),
        (b'{"sha256":"ab"}', "SHA-256 ab"),
    ],
)
def test_a_fingerprint_in_words(fingerprint: bytes | None, says: Any) -> None:
    assert target.in_words(fingerprint) == says
    assert json.dumps(says)

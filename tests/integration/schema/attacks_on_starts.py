"""What cannot happen to a call once it starts, and which calls cannot be side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attack import Constraint, Index, attack, attacks
from guards_of_calls import (
    AT_MOST_ONCE,
    ATTESTED,
    BORN,
    COUNTED,
    HAS_LIFE,
    HAS_RESULT,
    HAS_TIMES,
    KEEPS_TIMES,
    KEY_FORGOTTEN,
    LIFE,
    MAY_BE_SENT,
    OF_A_RUN,
    ONE_BY_ONE,
    OUTCOME,
    RUN_ENDED,
    START_COUNTED,
    TOKEN,
    VERIFIABLE,
)
from rows import TENANT
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rows import Rows

# At most once ----------------------------------------


@attacks(dict.fromkeys(("ask", "verify"), (AT_MOST_ONCE,)))
def a_call_that_may_not_be_repeated_cannot_start_twice(rows: Rows, recovery: str) -> Iterator[None]:
    call = rows.call("executing", recovery=recovery)
    yield
    rows.start(call)


@attacks(
    {
        effect: (Constraint("calls", "only_reads_run_again"),)
        for effect in ("reversible", "irreversible")
    }
)
def only_a_read_can_be_recovered_by_running_it_again(rows: Rows, effect: str) -> Iterator[None]:
    yield
    rows.held(effect=effect, recovery="again")


@attack(LIFE, AT_MOST_ONCE)
def a_call_in_doubt_cannot_start_again(rows: Rows) -> Iterator[None]:
    call = rows.call("in_doubt")
    yield
    rows.start(call)


@attack(START_COUNTED, COUNTED)
def a_start_cannot_go_uncounted(rows: Rows) -> Iterator[None]:
    call = rows.call("allowed")
    yield
    rows.move("calls", call.id, "executing")


@attack(COUNTED)
def a_call_cannot_be_born_with_a_start(rows: Rows) -> Iterator[None]:
    yield
    rows.propose(starts=1)


@attack(ONE_BY_ONE)
def starts_cannot_be_counted_by_two(rows: Rows) -> Iterator[None]:
    call = rows.call("executing", recovery="same_key")
    yield
    rows.move("calls", call.id, "executing", starts=3)


@attack(ONE_BY_ONE)
def starts_cannot_be_forgotten(rows: Rows) -> Iterator[None]:
    call = rows.call("executing", recovery="same_key")
    rows.start(call)
    yield
    rows.move("calls", call.id, "executing", starts=1)


@attack(ONE_BY_ONE)
def starts_cannot_be_counted_where_nothing_starts(rows: Rows) -> Iterator[None]:
    call = rows.call("succeeded", recovery="same_key")
    yield
    rows.move("calls", call.id, "succeeded", starts=2)


@attack(TOKEN)
def a_start_cannot_pass_to_another_token(rows: Rows) -> Iterator[None]:
    call = rows.call("executing")
    yield
    rows.change("calls", call.id, start_token=uuid7())


@attack(RUN_ENDED)
def no_call_can_begin_in_a_run_that_has_ended(rows: Rows) -> Iterator[None]:
    run_id = rows.run("ended")
    yield
    rows.propose(run_id)


@attack(RUN_ENDED)
def an_approved_call_cannot_start_in_a_run_that_has_ended(rows: Rows) -> Iterator[None]:
    call = rows.call("approved")
    rows.end(call.run_id)
    yield
    rows.move("approvals", call.approval_id, "consumed")
    rows.start(call)


# The times of a start ----------------------------------------


@attack(KEY_FORGOTTEN)
def a_key_cannot_be_used_after_its_life(rows: Rows) -> Iterator[None]:
    call = rows.call("executing", recovery="same_key", key_life="0.2 s")
    rows.do("select pg_sleep(0.25)")
    yield
    rows.start(call)


@attack(KEY_FORGOTTEN)
def a_second_start_does_not_make_a_key_live_longer(rows: Rows) -> Iterator[None]:
    call = rows.call("executing", recovery="same_key", key_life="0.4 s")
    rows.do("select pg_sleep(0.25)")
    rows.start(call)
    rows.do("select pg_sleep(0.25)")
    yield
    rows.start(call)


@attacks(dict.fromkeys(("send_before", "key_until"), (KEEPS_TIMES,)))
def the_times_of_a_start_cannot_be_moved(rows: Rows, column: str) -> Iterator[None]:
    call = rows.call("executing", recovery="same_key")
    yield
    rows.change("calls", call.id, **{column: "yesterday"})


@attacks(dict.fromkeys(("send_before", "key_until"), (HAS_TIMES,)))
def a_call_that_has_not_started_cannot_have_its_times(rows: Rows, column: str) -> Iterator[None]:
    yield
    rows.propose(**{column: "tomorrow"})


@attack(HAS_LIFE)
def a_key_cannot_be_without_a_life(rows: Rows) -> Iterator[None]:
    yield
    rows.held(recovery="same_key", key_life=None)


@attack(HAS_LIFE)
def what_takes_no_key_cannot_have_the_life_of_one(rows: Rows) -> Iterator[None]:
    yield
    rows.held(key_life="1 hour")


_NO_TIME = {"send_within": "sending_takes_some_time", "key_life": "key_lives_some_time"}


@attacks({column: (Constraint("calls", name),) for column, name in _NO_TIME.items()})
def a_start_cannot_be_given_no_time(rows: Rows, column: str) -> Iterator[None]:
    yield
    rows.held(recovery="same_key", **{column: "0 s"})


@attacks(dict.fromkeys(("executing", "in_doubt"), (MAY_BE_SENT,)))
def a_look_cannot_settle_that_it_did_not_happen_while_it_may_be_sent(
    rows: Rows, state: str
) -> Iterator[None]:
    call = rows.call(state)
    yield
    rows.move("calls", call.id, "failed", verified=True)


@attack(MAY_BE_SENT)
def a_person_cannot_attest_that_it_did_not_happen_while_it_may_be_sent(
    rows: Rows,
) -> Iterator[None]:
    call = rows.call("in_doubt")
    rows.decide(rows.ask(call, id=uuid7(), kind="in_doubt"), "dana", "answer")
    yield
    rows.move("calls", call.id, "failed", attested_by="dana")


@attacks(dict.fromkeys(("executing", "succeeded", "failed", "abandoned"), (VERIFIABLE,)))
def what_is_not_open_cannot_be_verified(rows: Rows, state: str) -> Iterator[None]:
    call = rows.call(state)
    yield
    rows.change("calls", call.id, verified=True)


@attack(Constraint("calls", "verified_is_not_attested"))
def an_outcome_cannot_be_both_verified_and_attested(rows: Rows) -> Iterator[None]:
    call = rows.call("in_doubt", send_within="0.01 s")
    rows.decide(rows.ask(call, id=uuid7(), kind="in_doubt"), "dana", "answer")
    rows.do("select pg_sleep(0.02)")
    yield
    rows.move("calls", call.id, "failed", attested_by="dana", verified=True)


# Outcomes ----------------------------------------


_OUTCOMES = (
    ("succeeded", "result"),
    ("succeeded", "result_type"),
    ("undoing", "result"),
    ("undone", "result"),
    ("undo_failed", "result"),
    ("succeeded", "error"),
    ("failed", "error"),
    ("abandoned", "error"),
    ("undone", "error"),
    ("undo_failed", "error"),
)


@attacks(dict.fromkeys(_OUTCOMES, (OUTCOME,)))
def a_recorded_outcome_cannot_change(rows: Rows, state: str, column: str) -> Iterator[None]:
    call = rows.call(state)
    yield
    rows.change("calls", call.id, **{column: b"2" if column == "result" else "another"})


@attacks(dict.fromkeys(("succeeded", "failed", "undone"), (OUTCOME, ATTESTED)))
def nobody_can_be_named_later_for_an_outcome(rows: Rows, state: str) -> Iterator[None]:
    call = rows.call(state)
    yield
    rows.change("calls", call.id, attested_by="dana")


@attacks(dict.fromkeys(("erik", "nobody"), (ATTESTED,)))
def a_doubt_cannot_be_settled_in_the_name_of_one_who_did_not_answer(
    rows: Rows, reviewer: str
) -> Iterator[None]:
    call = rows.call("in_doubt", send_within="0.001 s")
    asked = rows.ask(call, id=uuid7(), kind="in_doubt")
    rows.decide(asked, "dana", "answer")
    yield
    rows.move("calls", call.id, "failed", error="it did not happen", attested_by=reviewer)


@attack(HAS_RESULT)
def a_call_cannot_succeed_without_a_result(rows: Rows) -> Iterator[None]:
    call = rows.call("executing")
    yield
    rows.move("calls", call.id, "succeeded")


@attacks(dict.fromkeys(("waiting", "executing", "in_doubt"), (HAS_RESULT,)))
def a_call_cannot_have_a_result_before_it_succeeded(rows: Rows, state: str) -> Iterator[None]:
    call = rows.call(state)
    yield
    rows.change("calls", call.id, result_type="json", result=b"1")


@attack(HAS_RESULT)
def a_result_cannot_be_without_its_type(rows: Rows) -> Iterator[None]:
    call = rows.call("executing")
    yield
    rows.move("calls", call.id, "succeeded", result=b"1")


# Rows that cannot be together ----------------------------------------


@attack(Index("calls_one_live_revision"))
def two_revisions_of_a_call_cannot_live_at_once(rows: Rows) -> Iterator[None]:
    call = rows.call("waiting")
    yield
    rows.propose(call.run_id, key=call.key, revision=2)


@attack(Constraint("calls", "calls_tenant_id_run_id_key_revision_key"))
def a_revision_cannot_be_there_twice(rows: Rows) -> Iterator[None]:
    call = rows.call("superseded")
    yield
    rows.propose(call.run_id, key=call.key, revision=1)


@attack(OF_A_RUN)
def a_call_cannot_belong_to_a_run_of_another_tenant(rows: Rows) -> Iterator[None]:
    run_id = rows.run("running", tenant_id=TENANT)
    yield
    call = rows.propose(run_id, tenant_id="another")
    rows.audit("call.allowed", tenant_id="another", subject=call.id, state="allowed")


@attack(Constraint("calls", "calls_policy_digest_fkey"))
def a_call_cannot_be_judged_by_a_policy_that_is_not_stored(rows: Rows) -> Iterator[None]:
    yield
    rows.propose(policy_digest="c" * 64)


_OUTSIDE = {
    "key": b"short",
    "revision": 0,
    "tool": "delete volume",
    "tool_version": "1",
    "effect": "harmless",
    "source": "guessed",
    "recovery": "twice",
    "starts": -1,
    "verdict": "perhaps",
}


@attacks({column: (Constraint("calls", f"calls_{column}_check"),) for column in _OUTSIDE})
def a_call_cannot_have_an_odd(rows: Rows, column: str) -> Iterator[None]:
    yield
    rows.held(**{column: _OUTSIDE[column]})


@attack(Constraint("calls", "calls_state_check"))
def a_call_cannot_be_in_an_unknown_state(rows: Rows) -> Iterator[None]:
    rows.without(BORN)
    yield
    rows.propose(state="unheard_of")

"""What a rollback and an undo cannot be, and what cannot be undone."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from attack import Check, Constraint, Guard, Index, Trigger, attack, attacks
from attacks_on_the_record import audited, stays
from rows import TENANT
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from rows import Call, Rows


def _rollback(message: str) -> Check:
    return Check("rollbacks_guard", message)


def _undo(message: str) -> Check:
    return Check("undos_guard", message)


BORN = _rollback("a rollback begins as queued, or waits for its approval")
RUN_OVER = _rollback("only a run that has ended is rolled back")
CONFIRMED = _rollback("what was confirmed of a rollback cannot change")
LIFE = _rollback("a rollback cannot go from % to %")
EPOCH = _rollback("a claim, and nothing else, takes the next epoch of a rollback")
APPROVED = _rollback("a rollback cannot start while its approval is %")
ENDED = _rollback("how a rollback ended cannot change")
IS_ITS_PLAN = Constraint("rollbacks", "rollback_is_its_plan")
IS_APPROVED = Constraint("rollbacks", "rollback_is_what_was_approved")
OUTCOME_FITS = Constraint("rollbacks", "rollback_outcome_fits")
HAS_WORKER = Constraint("rollbacks", "rollback_has_worker")

UNDO_BORN = _undo("an undo begins as allowed")
SECOND = Check("undos_terms_guard", "an undo that cannot be undone takes a second person")
HARM = _undo("an undo that may do harm is in no plan without an approval")
UNDO_IS = _undo("what an undo is cannot change")
UNDO_LIFE = _undo("an undo cannot go from % to %")
ONE_BY_ONE = _undo("starts of an undo are counted up one by one")
COUNTED = _undo("a start of an undo must be counted")
CARRIED_OUT = _undo("no undo starts in a rollback that nobody carries out")
IN_ORDER = _undo("an undo starts when those before it are done")
OUTCOME = _undo("a recorded outcome of an undo cannot change")
ATTESTED = _undo("% did not say what became of this undo")
AT_MOST_ONCE = Constraint("undos", "undo_at_most_once")
STARTED_COUNTED = Constraint("undos", "undo_started_was_counted")
BY_ITS_UNDO = Trigger("calls", "undone_by_its_undo", "call .* is .* and no undo says so")


def succeeded(rows: Rows) -> Call:
    """A done call of a run that has ended."""
    call = rows.call("succeeded")
    rows.end(call.run_id)
    return call


def allowed(rows: Rows, **columns: Any) -> UUID:
    """An undo that may start."""
    call = succeeded(rows)
    return rows.undo(rows.rollback(call.run_id, "running"), call, **columns)


def executing(rows: Rows, **columns: Any) -> UUID:
    """An undo that has started."""
    undo_id = allowed(rows, **columns)
    rows.start_undo(undo_id)
    return undo_id


# Rollbacks ----------------------------------------


@attack(BORN)
def a_rollback_cannot_begin_in_somebody_s_hands(rows: Rows) -> Iterator[None]:
    run_id = rows.run("ended")
    yield
    _insert(rows, run_id, state="running", worker_id=rows.worker)


@attack(BORN)
def a_plan_that_needs_an_approval_cannot_begin_without_waiting(rows: Rows) -> Iterator[None]:
    run_id = rows.run("ended")
    approval_id = rows.plan(run_id)
    yield
    _insert(rows, run_id, approval_id=approval_id, state="queued")


def _insert(rows: Rows, run_id: UUID, **columns: Any) -> UUID:
    rollback_id = uuid7()
    row = {
        "tenant_id": TENANT,
        "id": rollback_id,
        "run_id": run_id,
        "needs": [],
        "plan": b"{}",
        "digest": sha256(b"{}").digest(),
        "requested_by": "reviewer:dana",
        "state": "queued",
    }
    if "approval_id" in columns:
        row["digest"] = rows.one(
            "select digest from approvals where id = %(id)s", id=columns["approval_id"]
        )
        row["plan"] = b'{"undos":[]}'
    row |= columns
    rows.insert("rollbacks", **row)
    rows.audit("rollback.asked", subject=rollback_id, state=row["state"])
    return rollback_id


@attacks(dict.fromkeys(("queued", "running", "waiting"), (RUN_OVER,)))
def an_open_run_cannot_be_rolled_back(rows: Rows, status: str) -> Iterator[None]:
    run_id = rows.run(status)
    yield
    rows.rollback(run_id)


@attack(Constraint("rollbacks", "rollback_of_a_run"))
def a_rollback_cannot_be_of_a_run_of_another_tenant(rows: Rows) -> Iterator[None]:
    run_id = rows.run("ended")
    rows.without(RUN_OVER)
    yield
    rollback_id = _insert(rows, run_id, tenant_id="another")
    rows.audit("rollback.asked", tenant_id="another", subject=rollback_id, state="queued")


@attack(IS_ITS_PLAN)
def a_rollback_cannot_have_the_digest_of_another_plan(rows: Rows) -> Iterator[None]:
    run_id = rows.run("ended")
    yield
    _insert(rows, run_id, plan=b'{"undos":["all"]}')


@attack(IS_APPROVED)
def the_approval_of_one_plan_does_not_cover_another(rows: Rows) -> Iterator[None]:
    run_id = rows.run("ended")
    approval_id = rows.plan(run_id)
    yield
    _insert(
        rows,
        run_id,
        approval_id=approval_id,
        state="waiting",
        plan=b"{}",
        digest=sha256(b"{}").digest(),
    )


@attack(Index("rollbacks_one_at_a_time"))
def a_run_cannot_have_two_rollbacks_at_a_time(rows: Rows) -> Iterator[None]:
    run_id = rows.run("ended")
    rows.rollback(run_id)
    yield
    rows.rollback(run_id)


_CONFIRMED: dict[str, tuple[Guard, ...]] = {
    "tenant_id": (CONFIRMED, Constraint("rollbacks", "rollback_of_a_run")),
    "id": (CONFIRMED,),
    "run_id": (CONFIRMED,),
    "needs": (CONFIRMED,),
    "plan": (CONFIRMED, IS_ITS_PLAN),
    "digest": (CONFIRMED, IS_ITS_PLAN),
    "requested_by": (CONFIRMED,),
    "created_at": (CONFIRMED,),
    "approval_id": (CONFIRMED,),
}


@attacks(_CONFIRMED)
def what_was_confirmed_of_a_rollback_cannot_change(rows: Rows, column: str) -> Iterator[None]:
    run_id = rows.run("ended")
    rollback_id = rows.rollback(run_id)
    other: dict[str, Any] = {
        "tenant_id": "another",
        "id": uuid7(),
        "run_id": rows.run("ended"),
        "needs": ["more"],
        "plan": b"{}",
        "digest": bytes(32),
        "requested_by": "reviewer:erik",
        "created_at": "2020-01-01",
        "approval_id": rows.plan(run_id) if column == "approval_id" else None,
    }
    yield
    rows.change("rollbacks", rollback_id, **{column: other[column]})


@attacks({("queued", "waiting"): (LIFE,), ("ended", "queued"): (LIFE, ENDED)})
def a_rollback_takes_the_steps_of_its_life_cycle_only(
    rows: Rows, old: str, new: str
) -> Iterator[None]:
    rollback_id = rows.rollback()
    if old == "ended":
        rows.move("rollbacks", rollback_id, "ended", outcome="stale", ended_at="now")
    yield
    rows.move("rollbacks", rollback_id, new, outcome=None)


@attack(EPOCH)
def a_claim_cannot_keep_the_epoch_of_the_one_before(rows: Rows) -> Iterator[None]:
    rollback_id = rows.rollback()
    yield
    rows.move("rollbacks", rollback_id, "running", worker_id=rows.worker)


@attacks(dict.fromkeys(("pending", "approved"), (APPROVED,)))
def a_rollback_cannot_start_before_its_approval_is_used(rows: Rows, state: str) -> Iterator[None]:
    run_id = rows.run("ended")
    rollback_id = rows.rollback(run_id, approval_id=rows.plan(run_id, state))
    yield
    rows.take(rollback_id)


@attack(APPROVED)
def the_approval_of_a_call_lets_no_rollback_start(rows: Rows) -> Iterator[None]:
    call = succeeded(rows)
    assert call.approval_id is not None
    digest = rows.one("select digest from approvals where id = %(id)s", id=call.approval_id)
    rows.without(IS_ITS_PLAN)
    rollback_id = _insert(
        rows, call.run_id, approval_id=call.approval_id, state="waiting", digest=digest
    )
    yield
    rows.take(rollback_id)


@attacks(dict.fromkeys(("outcome", "reason", "ended_at"), (ENDED,)))
def how_a_rollback_ended_cannot_change(rows: Rows, column: str) -> Iterator[None]:
    rollback_id = rows.rollback()
    rows.move("rollbacks", rollback_id, "ended", outcome="stale", reason="a", ended_at="now")
    yield
    other = {"outcome": "undone", "reason": "b", "ended_at": "2020-01-01"}
    rows.change("rollbacks", rollback_id, **{column: other[column]})


@attack(OUTCOME_FITS)
def a_rollback_cannot_end_without_an_outcome(rows: Rows) -> Iterator[None]:
    rollback_id = rows.rollback()
    yield
    rows.move("rollbacks", rollback_id, "ended")


@attack(OUTCOME_FITS)
def a_rollback_cannot_have_an_outcome_that_there_is_not(rows: Rows) -> Iterator[None]:
    rollback_id = rows.rollback()
    yield
    rows.move("rollbacks", rollback_id, "ended", outcome="fine")


@attack(HAS_WORKER)
def a_rollback_cannot_be_carried_out_by_nobody(rows: Rows) -> Iterator[None]:
    rollback_id = rows.rollback()
    yield
    rows.move("rollbacks", rollback_id, "running", epoch=1)


@attack(Constraint("rollbacks", "rollback_in_hand"))
def a_rollback_cannot_be_in_the_hands_of_an_unknown_worker(rows: Rows) -> Iterator[None]:
    rollback_id = rows.rollback()
    yield
    rows.move("rollbacks", rollback_id, "running", worker_id=uuid7(), epoch=1)


@attack(audited("rollbacks", "audited_birth"))
def a_rollback_cannot_be_asked_for_without_an_entry(rows: Rows) -> Iterator[None]:
    run_id = rows.run("ended")
    yield
    rows.silent = True
    rows.rollback(run_id)


@attack(audited("rollbacks", "audited"))
def a_rollback_cannot_move_without_an_entry(rows: Rows) -> Iterator[None]:
    rollback_id = rows.rollback()
    yield
    rows.silent = True
    rows.take(rollback_id)


@attack(stays("rollbacks", "no_delete", "DELETE"))
def a_rollback_cannot_be_deleted(rows: Rows) -> Iterator[None]:
    rollback_id = rows.rollback()
    yield
    rows.do("delete from rollbacks where id = %(id)s", id=rollback_id)


# Undos ----------------------------------------


@attacks({"executing": (UNDO_BORN, STARTED_COUNTED), "succeeded": (UNDO_BORN, STARTED_COUNTED)})
def an_undo_cannot_begin_further_along(rows: Rows, state: str) -> Iterator[None]:
    call = succeeded(rows)
    rollback_id = rows.rollback(call.run_id, "running")
    yield
    rows.undo(rollback_id, call, state=state)


@attack(UNDO_BORN)
def nobody_can_have_attested_an_undo_that_begins(rows: Rows) -> Iterator[None]:
    call = succeeded(rows)
    rollback_id = rows.rollback(call.run_id, "running")
    yield
    rows.undo(rollback_id, call, attested_by="dana")


@attacks({"effect": (HARM, SECOND), "unsure": (HARM,)})
def an_undo_that_may_do_harm_cannot_be_in_a_plan_without_an_approval(
    rows: Rows, what: str
) -> Iterator[None]:
    call = succeeded(rows)
    rollback_id = rows.rollback(call.run_id)
    yield
    harm: dict[str, Any] = {"effect": "irreversible"} if what == "effect" else {"unsure": True}
    rows.undo(rollback_id, call, **harm)


@attack(SECOND)
def an_undo_that_cannot_be_undone_cannot_be_approved_by_who_asked_for_it(
    rows: Rows,
) -> Iterator[None]:
    call = succeeded(rows)
    rows.end(call.run_id)
    rollback_id = rows.rollback(call.run_id, approval_id=rows.plan(call.run_id))
    yield
    rows.undo(rollback_id, call, effect="irreversible")


@attack(Constraint("undos", "undo_of_a_rollback"))
def an_undo_cannot_be_of_no_rollback(rows: Rows) -> Iterator[None]:
    call = succeeded(rows)
    yield
    rows.undo(uuid7(), call)


@attack(Constraint("undos", "undo_of_a_call"))
def an_undo_cannot_be_of_no_call(rows: Rows) -> Iterator[None]:
    call = succeeded(rows)
    rollback_id = rows.rollback(call.run_id)
    yield
    rows.undo(rollback_id, call, call_id=uuid7())


@attack(Constraint("undos", "undo_has_its_place"))
def two_undos_cannot_have_one_place(rows: Rows) -> Iterator[None]:
    call, other = rows.call("succeeded"), rows.call("succeeded")
    rows.end(call.run_id)
    rollback_id = rows.rollback(call.run_id)
    rows.undo(rollback_id, call)
    yield
    rows.undo(rollback_id, other)


@attack(Constraint("undos", "undo_once_a_rollback"))
def a_call_cannot_be_undone_twice_in_a_rollback(rows: Rows) -> Iterator[None]:
    call = succeeded(rows)
    rollback_id = rows.rollback(call.run_id)
    rows.undo(rollback_id, call)
    yield
    rows.undo(rollback_id, call, position=2)


@attack(Constraint("undos", "undo_effect_fits"))
def an_undo_cannot_be_a_read(rows: Rows) -> Iterator[None]:
    call = succeeded(rows)
    rollback_id = rows.rollback(call.run_id)
    yield
    rows.undo(rollback_id, call, effect="read")


@attack(Constraint("undos", "undo_recovery_fits"))
def an_undo_cannot_simply_run_again(rows: Rows) -> Iterator[None]:
    call = succeeded(rows)
    rollback_id = rows.rollback(call.run_id)
    yield
    rows.undo(rollback_id, call, recovery="again")


_UNDO_IS: dict[str, tuple[Guard, ...]] = {
    "tenant_id": (
        UNDO_IS,
        Constraint("undos", "undo_of_a_rollback"),
        Constraint("undos", "undo_of_a_call"),
    ),
    **dict.fromkeys(
        ("id", "rollback_id", "call_id", "position", "effect", "recovery", "unsure"), (UNDO_IS,)
    ),
}


@attacks(_UNDO_IS)
def what_an_undo_is_cannot_change(rows: Rows, column: str) -> Iterator[None]:
    undo_id = allowed(rows)
    other: dict[str, Any] = {
        "tenant_id": "another",
        "id": uuid7(),
        "rollback_id": rows.rollback(),
        "call_id": rows.call("succeeded").id,
        "position": 2,
        "effect": "irreversible",
        "recovery": "same_key",
        "unsure": True,
    }
    yield
    rows.change("undos", undo_id, **{column: other[column]})


@attacks({("allowed", "succeeded"): (UNDO_LIFE, STARTED_COUNTED), ("failed", "succeeded"): (
    UNDO_LIFE,)})  # fmt: skip
def an_undo_takes_the_steps_of_a_call_only(rows: Rows, old: str, new: str) -> Iterator[None]:
    undo_id = allowed(rows) if old == "allowed" else executing(rows)
    if old == "failed":
        rows.move("undos", undo_id, "failed", error="no")
    yield
    rows.move("undos", undo_id, new)


@attack(ONE_BY_ONE)
def an_undo_cannot_skip_a_start(rows: Rows) -> Iterator[None]:
    undo_id = allowed(rows, recovery="same_key")
    yield
    rows.move("undos", undo_id, "executing", starts=2, start_token=uuid7())


@attack(ONE_BY_ONE)
def a_start_of_an_undo_cannot_go_by_the_token_of_another(rows: Rows) -> Iterator[None]:
    undo_id = executing(rows, recovery="same_key")
    yield
    rows.move("undos", undo_id, "executing", starts=2)


@attack(COUNTED, STARTED_COUNTED)
def an_undo_cannot_start_uncounted(rows: Rows) -> Iterator[None]:
    undo_id = allowed(rows)
    yield
    rows.move("undos", undo_id, "executing")


@attack(AT_MOST_ONCE)
def an_undo_without_a_key_cannot_start_twice(rows: Rows) -> Iterator[None]:
    undo_id = executing(rows)
    yield
    rows.start_undo(undo_id)


@attack(STARTED_COUNTED)
def an_undo_that_never_started_cannot_be_done(rows: Rows) -> Iterator[None]:
    undo_id = allowed(rows)
    rows.without(UNDO_LIFE)
    yield
    rows.move("undos", undo_id, "succeeded")


@attacks(dict.fromkeys(("queued", "ended"), (CARRIED_OUT,)))
def an_undo_cannot_start_in_a_rollback_that_nobody_carries_out(
    rows: Rows, state: str
) -> Iterator[None]:
    call = succeeded(rows)
    rollback_id = rows.rollback(call.run_id)
    undo_id = rows.undo(rollback_id, call)
    if state == "ended":
        rows.move("rollbacks", rollback_id, "ended", outcome="stale", ended_at="now")
    yield
    rows.start_undo(undo_id)


@attacks(dict.fromkeys(("allowed", "executing", "in_doubt", "failed"), (IN_ORDER,)))
def an_undo_cannot_start_before_the_one_before_it_is_done(rows: Rows, state: str) -> Iterator[None]:
    call, earlier = rows.call("succeeded"), rows.call("succeeded")
    rows.end(call.run_id)
    rollback_id = rows.rollback(call.run_id, "running")
    first = rows.undo(rollback_id, call)
    second = rows.undo(rollback_id, earlier, position=2)
    if state != "allowed":
        rows.start_undo(first)
    if state in ("in_doubt", "failed"):
        rows.move("undos", first, state)
    yield
    rows.start_undo(second)


@attacks(dict.fromkeys(("error", "restored", "finished_at"), (OUTCOME,)))
def a_recorded_outcome_of_an_undo_cannot_change(rows: Rows, column: str) -> Iterator[None]:
    undo_id = executing(rows)
    rows.move("undos", undo_id, "failed", error="no", restored=False)
    yield
    other: dict[str, Any] = {"error": "none", "restored": True, "finished_at": "2020-01-01"}
    rows.change("undos", undo_id, **{column: other[column]})


@attacks(dict.fromkeys(("erik", "nobody"), (ATTESTED,)))
def a_doubt_about_an_undo_cannot_be_settled_in_the_name_of_one_who_did_not_answer(
    rows: Rows, reviewer: str
) -> Iterator[None]:
    call = rows.call("undoing")
    undo_id = rows.one("select id from undos where call_id = %(id)s", id=call.id)
    rows.move("undos", undo_id, "in_doubt")
    asked = rows.ask(call, id=uuid7(), kind="in_doubt")
    rows.decide(asked, "dana", "answer")
    yield
    rows.move("undos", undo_id, "abandoned", attested_by=reviewer)


@attack(audited("undos", "audited"))
def an_undo_cannot_start_without_an_entry(rows: Rows) -> Iterator[None]:
    undo_id = allowed(rows)
    yield
    rows.silent = True
    rows.start_undo(undo_id)


@attack(stays("undos", "no_delete", "DELETE"))
def an_undo_cannot_be_deleted(rows: Rows) -> Iterator[None]:
    undo_id = allowed(rows)
    yield
    rows.do("delete from undos where id = %(id)s", id=undo_id)


# Calls ----------------------------------------


@attack(BY_ITS_UNDO)
def a_call_cannot_be_undone_by_nothing(rows: Rows) -> Iterator[None]:
    call = succeeded(rows)
    yield
    rows.move("calls", call.id, "undoing")


@attacks(dict.fromkeys(("undone", "undo_failed"), (BY_ITS_UNDO,)))
def a_call_cannot_be_said_undone_while_its_undo_goes_on(rows: Rows, state: str) -> Iterator[None]:
    call = rows.call("undoing")
    yield
    rows.move("calls", call.id, state)


@attack(BY_ITS_UNDO)
def a_call_whose_undo_failed_cannot_be_said_undone(rows: Rows) -> Iterator[None]:
    call = rows.call("undoing")
    undo_id = rows.one("select id from undos where call_id = %(id)s", id=call.id)
    yield
    rows.move("undos", undo_id, "failed", error="no")
    rows.move("calls", call.id, "undone")


@attack(Constraint("states_before", "state_of_a_run"))
def a_state_cannot_be_kept_for_no_run(rows: Rows) -> Iterator[None]:
    yield
    rows.insert(
        "states_before", tenant_id=TENANT, run_id=uuid7(), call_id=uuid7(), digest=bytes(32)
    )

"""The statements about runs, workers, rollbacks and undos, and the functions of the hot path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attacks_on_breakers import trip
from attacks_on_rollbacks import allowed, succeeded
from attacks_on_room import register
from bystanders import registered, stored
from rows import POLICY, RUN_STATES, TENANT, digest_of
from statement import ANOTHER, NOBODY, case, of
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from uuid import UUID

    from rows import Rows

NEEDED = "fleet-ops/delete_volume@0123456789abcdef"
ROLLBACK_STATES = ("queued", "running", "waiting", "ended")
UNDO_STATES = ("allowed", "executing", "in_doubt", "succeeded", "failed", "cancelled")


def held(rows: Rows, run_id: UUID, **more: Any) -> dict[str, Any]:
    """What names a run and the one who holds it."""
    epoch = rows.one("select epoch from runs where id = %(id)s", id=run_id)
    known = {"tenant": TENANT, "run_id": run_id, "epoch": epoch}
    return {
        **known,
        "active_ms": 0,
        "delay": 0.0,
        "wants_room": False,
        "want": 1,
        "calls": 3,
        "irreversible": 1,
        **more,
    }


@case("hold_run", finds=["running"], misses=RUN_STATES, tenant=ANOTHER, run_id=NOBODY, epoch=9)
@case(
    "park_run",
    "release_run",
    finds=["running"],
    misses=RUN_STATES,
    tenant=ANOTHER,
    run_id=NOBODY,
    epoch=9,
)
@case(
    "wake_run",
    "repin_run",
    finds=["queued", "running", "waiting"],
    misses=RUN_STATES,
    tenant=ANOTHER,
    run_id=NOBODY,
)
@case("lock_run", "rollback_run", "request_cancel", "count_calls", tenant=ANOTHER, run_id=NOBODY)
def a_run(rows: Rows, state: str) -> dict[str, Any]:
    return held(rows, rows.run(state or "running"), fingerprint="f2", by="dana")


@case("has_room", finds=["", "closed"], misses=["full"])
def with_room(rows: Rows, state: str) -> dict[str, Any]:
    """A run of an agent of which one call may wait."""
    register(rows)
    call = rows.call({"closed": "rejected", "full": "waiting"}.get(state, "forbidden"))
    return {"tenant": TENANT, "run_id": call.run_id}


@case("run_by_idempotency_key", tenant=ANOTHER, idempotency_key="other")
def repeated(rows: Rows, _: str) -> dict[str, Any]:
    rows.run(idempotency_key="once")
    return {"tenant": TENANT, "idempotency_key": "once"}


@case(
    "cancelled_runs",
    finds=["running"],
    misses=["waiting", "running, not cancelled"],
    worker_id=NOBODY,
)
def to_be_cancelled(rows: Rows, state: str) -> dict[str, Any]:
    asked = {} if "not" in state else {"cancel_requested_at": "now", "cancel_requested_by": "dana"}
    rows.run(state.partition(",")[0], **asked)
    return {"worker_id": rows.worker}


@case(
    "recover_runs",
    finds=["of a lost worker", "that it does not know of"],
    misses=["of a live worker", "in hand"],
)
@case(
    "recover_rollbacks",
    finds=["of a lost worker", "that it does not know of"],
    misses=["of a live worker", "in hand"],
)
def to_be_recovered(rows: Rows, state: str) -> dict[str, Any]:
    run_id, rollback_id = rows.run("running"), rows.rollback(state="running")
    past = rows.one("select clock_timestamp() - interval '1 h'")
    lost = {"host": "gone", "pid": 2, "fingerprints": [], "heartbeat_at": past}
    rows.insert("workers", id=uuid7(), lease_until=past, **lost)
    lease(rows, "-1 h" if state == "of a lost worker" else "1 h")
    mine = state in ("that it does not know of", "in hand")
    in_hand = [run_id, rollback_id] if state == "in hand" else []
    return {"worker_id": rows.worker if mine else uuid7(), "in_hand": in_hand}


@case(
    "prunable_runs",
    finds=["ended"],
    misses=["running", "without steps", "that may go on"],
    tenant=ANOTHER,
    exits=["failed"],
    seconds=3600.0,
)
@case("count_steps", finds=["ended"], tenant=ANOTHER, run_id=NOBODY)
def pruned(rows: Rows, state: str) -> dict[str, Any]:
    run_id = rows.run("running" if state == "running" else "ended")
    stored(rows, rows.run("waiting") if state == "without steps" else run_id)
    rows.plan(run_id, kind="version")
    asked = rows.plan(run_id, kind="limit")
    if state != "that may go on":
        rows.close(asked, "cancelled")
    terms = {"exits": ["completed"], "seconds": 0.0, "keep_latest": False}
    return {"tenant": TENANT, "run_id": run_id, **terms}


def lease(rows: Rows, lives: str) -> None:
    """For how long the worker lives."""
    rows.do(
        "update workers set lease_until = clock_timestamp() + %(lives)s::interval,"
        " heartbeat_at = clock_timestamp() + %(lives)s::interval where id = %(id)s",
        lives=lives,
        id=rows.worker,
    )


@case("renew_lease", "drop_lease", id=NOBODY)
def a_worker(rows: Rows, _: str) -> dict[str, Any]:
    return {"id": rows.worker, "lease": 1.0}


# Agents ----------------------------------------


@case("newest_agent", tenant=ANOTHER, agent="unheard-of")
@case("tool_schema", tenant=ANOTHER, run_id=NOBODY)
def an_agent(rows: Rows, _: str) -> dict[str, Any]:
    registered(rows, "fleet-ops", "f1")
    return {"tenant": TENANT, "agent": "fleet-ops", "run_id": rows.run(), "tool": "look"}


@case("tool_schema", finds=["of its own version"], misses=["of another version"])
def an_agent_of(rows: Rows, state: str) -> dict[str, Any]:
    registered(rows, "fleet-ops", "f1" if "own" in state else "f2")
    return {"tenant": TENANT, "run_id": rows.run(), "tool": "look"}


@case(
    "live_tools",
    finds=["of a live worker"],
    misses=["of a lost worker", "of no worker"],
    tenant=ANOTHER,
    agent="other",
)
def an_agent_alive(rows: Rows, state: str) -> dict[str, Any]:
    registered(rows, "fleet-ops", "f2" if state == "of no worker" else "f1")
    lives = "-1 h" if state == "of a lost worker" else "1 h"
    lease(rows, lives)
    return {"tenant": TENANT, "agent": "fleet-ops", "fingerprint": "f1"}


@case("agent_shape", "agent_tools", tenant=ANOTHER, agent="unheard-of", fingerprint="f7")
@case("registered_agents", tenant=ANOTHER)
def a_shape(rows: Rows, _: str) -> dict[str, Any]:
    registered(rows, "fleet-ops", "f1")
    return {"tenant": TENANT, "agent": "fleet-ops", "fingerprint": "f1"}


# Limits ----------------------------------------


@case("overdue_runs", finds=["waiting"], misses=[*RUN_STATES, "not over yet"])
def overdue(rows: Rows, state: str) -> dict[str, Any]:
    if state == "not over yet":
        rows.run("waiting")
    else:
        rows.run(state, created_at="2020-01-01")
    return {}


@case(
    "raise_limits",
    finds=["limit_reached"],
    misses=["completed"],
    tenant=ANOTHER,
    run_id=NOBODY,
)
def raised(rows: Rows, state: str) -> dict[str, Any]:
    run_id = rows.run("running")
    rows.end(run_id, exit=state)
    rows.plan(run_id, "approved", kind="limit")
    higher = {"steps": 26, "calls": 51, "irreversible": 11, "seconds": 301, "repeats": 4}
    return {
        "tenant": TENANT,
        "run_id": run_id,
        **higher,
        "wall_seconds": 2592001,
        "pending": 11,
        "tokens_in": 10**6 + 1,
        "tokens_out": 10**5 + 1,
        "cost_usd": 1.5,
    }


@case(
    "withdraw_raise",
    finds=["limit"],
    misses=["version", "closed"],
    tenant=ANOTHER,
    run_id=NOBODY,
)
def raise_withdrawn(rows: Rows, state: str) -> dict[str, Any]:
    run_id = rows.run("ended")
    asked = rows.plan(run_id, kind="version" if state == "version" else "limit")
    if state == "closed":
        rows.close(asked, "cancelled")
    return {"tenant": TENANT, "run_id": run_id, "reason": "why"}


# Claims ----------------------------------------


@case(
    "claim_runs",
    finds=["queued", "of a version that nobody has", "of an agent that falls back"],
    misses=[
        "running",
        "waiting",
        "ended",
        "not due yet",
        "of a version that another has",
        "foreign",
        "of an agent whose breaker is tripped",
    ],
    tenant=ANOTHER,
)
def claimed(rows: Rows, state: str) -> dict[str, Any]:
    lives = "1 h" if state == "of a version that another has" else "-1 h"
    lease(rows, lives)
    later = rows.one("select clock_timestamp() + interval '1 h'")
    agent = "other" if state == "foreign" else "fleet-ops"
    due = {"not_before": later} if state == "not due yet" else {}
    rows.run(state if state in RUN_STATES else "queued", agent=agent, **due)
    falls_back = state == "of an agent that falls back"
    if falls_back or state == "of an agent whose breaker is tripped":
        trip(rows)
    own = "f2" if state == "foreign" or state.startswith("of a version") else "f1"
    taking = {"tenant": TENANT, "worker": rows.worker, "agents": ["fleet-ops"]}
    entry = {"head": "", "middle": "", "tail": ""}
    taking |= {"fingerprints": [own], "free": 5, "actor": "worker:1"}
    return {**taking, **entry, "models": ["small" if falls_back else None]}


# Rollbacks and undos ----------------------------------------


def rollback_in(rows: Rows, state: str) -> dict[str, Any]:
    """A rollback in a state."""
    run_id = rows.run("ended")
    if state == "waiting":
        rollback_id = rows.rollback(run_id, approval_id=rows.plan(run_id))
    else:
        rollback_id = rows.rollback(run_id, "queued" if state == "queued" else "running")
    if state == "ended":
        rows.move("rollbacks", rollback_id, "ended", outcome="undone", worker_id=None)
    known = {"tenant": TENANT, "run_id": run_id, "rollback_id": rollback_id, "approval_id": None}
    epoch = rows.one("select epoch from rollbacks where id = %(id)s", id=rollback_id)
    return {**known, "epoch": epoch, "worker_id": rows.worker, "has": [NEEDED]}


@case(
    "hold_rollback",
    finds=["running"],
    misses=ROLLBACK_STATES,
    tenant=ANOTHER,
    rollback_id=NOBODY,
    epoch=9,
)
@case(
    "claim_rollback", finds=["queued"], misses=ROLLBACK_STATES, tenant=ANOTHER, rollback_id=NOBODY
)
@case(
    "due_rollback",
    finds=["queued"],
    misses=ROLLBACK_STATES,
    tenant=ANOTHER,
    has=["fleet-ops/look@1"],
)
@case(
    "open_rollback",
    finds=["queued", "running", "waiting"],
    misses=ROLLBACK_STATES,
    tenant=ANOTHER,
    run_id=NOBODY,
)
@case("lock_rollback", finds=["waiting"], tenant=ANOTHER, rollback_id=NOBODY)
def a_rollback(rows: Rows, state: str) -> dict[str, Any]:
    return rollback_in(rows, state)


@case(
    "move_rollback", finds=["running"], misses=ROLLBACK_STATES, tenant=ANOTHER, rollback_id=NOBODY
)
def moved(rows: Rows, state: str) -> dict[str, Any]:
    onwards = {"state": "queued", "before": "running", "outcome": None, "reason": None}
    return {**rollback_in(rows, state), **onwards}


def undo_in(rows: Rows, state: str) -> dict[str, Any]:
    """An undo in a state."""
    undo_id = allowed(rows)
    if state == "cancelled":
        rows.move("undos", undo_id, state)
    elif state != "allowed":
        rows.start_undo(undo_id)
        if state != "executing":
            rows.move("undos", undo_id, state)
    found = rows.do(
        "select rollback_id, start_token as token from undos where id = %(id)s", id=undo_id
    ).fetchone()
    assert found is not None
    said = {"error": None, "restored": None}
    return {
        "tenant": TENANT,
        "undo_id": undo_id,
        "rollback_id": found[0],
        "token": found[1],
        **said,
    }


@case(
    "doubt_undo",
    finds=["executing"],
    misses=UNDO_STATES,
    tenant=ANOTHER,
    undo_id=NOBODY,
    token=NOBODY,
)
@case("cancel_undos", finds=["allowed"], misses=UNDO_STATES, tenant=ANOTHER, rollback_id=NOBODY)
@case("undo_token", finds=["executing"], tenant=ANOTHER, undo_id=NOBODY)
@case("undos_of", finds=["executing"], tenant=ANOTHER, rollback_id=NOBODY)
def an_undo(rows: Rows, state: str) -> dict[str, Any]:
    return undo_in(rows, state)


@case(
    "finish_undo",
    finds=["executing", "in_doubt"],
    misses=UNDO_STATES,
    tenant=ANOTHER,
    undo_id=NOBODY,
    token=NOBODY,
)
def undo_reported(rows: Rows, state: str) -> dict[str, Any]:
    return {**undo_in(rows, state), "state": "succeeded"}


@case("attest_undo", finds=["in_doubt"], misses=UNDO_STATES, tenant=ANOTHER, undo_id=NOBODY)
def undo_attested(rows: Rows, state: str) -> dict[str, Any]:
    values = undo_in(rows, state)
    call_id, run_id, digest = rows.do(
        "select c.id, c.run_id, c.digest from undos u join calls c on c.id = u.call_id"
        " where u.id = %(id)s",
        id=values["undo_id"],
    ).fetchone() or (None, None, b"")
    asked = {"tenant_id": TENANT, "id": uuid7(), "kind": "in_doubt", "run_id": run_id}
    shown = {"call_id": call_id, "digest": digest, "headline": "?", "reason": "why"}
    rows.insert("approvals", **asked, **shown, reviewers=["on-call"])
    rows.decide(asked["id"], "erik", "answer")
    return {**values, "state": "succeeded", "by": "erik"}


@case("start_undo", finds=["allowed"], tenant=ANOTHER, undo_id=NOBODY, state="executing", starts=1)
def undo_started(rows: Rows, state: str) -> dict[str, Any]:
    return {**undo_in(rows, state), "state": state, "starts": 0, "token": uuid7()}


@case(
    "rollback_calls",
    finds=["succeeded"],
    misses=["failed", "waiting"],
    tenant=ANOTHER,
    run_id=NOBODY,
)
def to_be_undone(rows: Rows, state: str) -> dict[str, Any]:
    return of(rows, succeeded(rows) if state == "succeeded" else rows.call(state))


# The functions of the hot path ----------------------------------------


@case(
    "select advance_run(%(tenant)s, %(run_id)s, %(epoch)s, 1, 1)",
    finds=["running"],
    misses=RUN_STATES,
    tenant=ANOTHER,
    run_id=NOBODY,
    epoch=9,
)
def advanced(rows: Rows, state: str) -> dict[str, Any]:
    return held(rows, rows.run(state))


END = (
    "select end_run(%(tenant)s, %(run_id)s, %(epoch)s, %(was)s, %(exit)s, %(why)s,"
    " null, 0, 'worker:1', '')"
)


@case(
    END,
    finds=["running"],
    misses=["with a call", "with a question"],
    tenant=ANOTHER,
    run_id=NOBODY,
    epoch=9,
    was="waiting",
)
def ended(rows: Rows, state: str) -> dict[str, Any]:
    run_id = rows.run("running")
    if state == "with a call":
        rows.propose(run_id, "executing", starts=1)
    if state == "with a question":
        rows.plan(run_id, kind="version")
    return held(rows, run_id, was="running", exit="completed", why="It is over.")


@case(END, finds=["ended"], tenant=ANOTHER, run_id=NOBODY, epoch=9, exit="failed", why="No.")
def ended_again(rows: Rows, _: str) -> dict[str, Any]:
    run_id = rows.run("running")
    rows.end(run_id, exit_reason="It is over.")
    return held(rows, run_id, was="running", exit="completed", why="It is over.")


REPORT = (
    "select finish_call(%(tenant)s, %(run_id)s, %(call_id)s, null, %(token)s, %(state)s,"
    " 'json', '1', null, 'call.succeeded', 'worker:1', '')"
)


@case(
    REPORT,
    finds=["executing", "succeeded"],
    misses=["in_doubt", "failed", "abandoned"],
    tenant=ANOTHER,
    call_id=NOBODY,
    token=NOBODY,
)
def call_reported(rows: Rows, state: str) -> dict[str, Any]:
    return of(rows, rows.call(state), state="succeeded")


START = (
    "select write_call(%(tenant)s, %(run_id)s, %(call_id)s, %(key)s, 1, '', 't1', null,"
    " 'delete_volume', '0123456789abcdef', %(args)s, %(digest)s, 'read', 'declared', 'x', '[]',"
    " null, %(policy)s, '{}', 'why', 'ask', '60 s', null, 'executing', %(token)s, '0 s', null,"
    " null, null, 'call.started', 'worker:1', '')"
)


@case(
    START,
    finds=["a new call", "the same start again"],
    misses=["a cancelled run", "the start of another"],
)
def begun(rows: Rows, state: str) -> dict[str, Any]:
    asked = {"cancel_requested_at": "now", "cancel_requested_by": "dana"}
    run_id = rows.run("running", **(asked if state == "a cancelled run" else {}))
    row = {"run_id": run_id, "key": b"k" * 32, "tool": "delete_volume", "args": b"{}"}
    row["tool_version"] = "0123456789abcdef"
    known = {"tenant": TENANT, "call_id": uuid7(), "digest": digest_of(row), "policy": POLICY}
    values = {**row, **known, "token": uuid7()}
    if state in ("the same start again", "the start of another"):
        rows.do(START, **values)
    return {**values, "token": uuid7()} if state == "the start of another" else values

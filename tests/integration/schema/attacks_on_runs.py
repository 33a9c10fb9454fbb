"""What a run cannot be, and what cannot happen to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attack import Check, Constraint, Index, attack, attacks
from rows import TENANT
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from rows import Rows

BEGINS = Check("runs_guard", "a run begins as queued")
LIFE = Check("runs_guard", "a run cannot go from % to %")
GROWS = Check("runs_guard", "what a run has used only grows")
EPOCH = Check("runs_guard", "a claim, and nothing else, takes the next epoch")
SAME_WORKER = Check("runs_guard", "a run goes to another worker through the queue")
WHAT_WAS_ASKED = Check("runs_guard", "what was asked of a run cannot change")
HOW_IT_ENDED = Check("runs_guard", "how a run ended cannot change")
HAS_EXIT = Constraint("runs", "ended_has_exit")
HAS_TIME = Constraint("runs", "ended_has_time")
HAS_WORKER = Constraint("runs", "running_has_worker")
GOES_ON = Check("raised_guard", "a run that ended as % does not go on")
RAISED_BY = Check("raised_guard", "a limit is raised by a person")
NOT_ROLLED_BACK = Check("raised_guard", "a run that was rolled back does not go on")
HIGHER = Check("raised_guard", "a raised limit is higher than before, and none is lower")
BY_A_RAISE = Check("runs_guard", "a limit is raised by a person, and the run goes on with it")
IRREVERSIBLE = Constraint("runs", "irreversible_within_limit")
DUE = (Constraint("runs", "due_by_its_limit"),)
_LIMITS = (
    "limit_steps",
    "limit_calls",
    "limit_irreversible",
    "limit_seconds",
    "limit_wall_seconds",
    "limit_repeats",
    "limit_pending",
    "limit_tokens_in",
    "limit_tokens_out",
    "limit_cost_usd",
)
STEPS = Constraint("runs", "steps_within_limit")
CALLS = Constraint("runs", "calls_within_limit")


@attack(BEGINS)
def a_run_cannot_begin_as_waiting(rows: Rows) -> Iterator[None]:
    yield
    run_id = rows.run(status="waiting")
    rows.audit("run.created", subject=run_id, state="waiting")


@attack(LIFE)
def an_ended_run_cannot_run_without_the_queue(rows: Rows) -> Iterator[None]:
    run_id = rows.run("ended")
    rows.without(HOW_IT_ENDED)
    yield
    epoch = rows.one("select epoch + 1 from runs where id = %(id)s", id=run_id)
    gone = {"exit": None, "ended_at": None, "worker_id": rows.worker, "epoch": epoch}
    rows.without(EPOCH)
    rows.move("runs", run_id, "running", **gone)


def _stopped(rows: Rows, **columns: Any) -> UUID:
    """A run that ended at a limit, and what was asked about it was approved."""
    run_id = rows.run("running", **columns)
    rows.end(run_id, exit="limit_reached")
    return run_id


def _raise(rows: Rows, run_id: UUID, **columns: Any) -> None:
    rows.move("runs", run_id, "queued", exit=None, ended_at=None, **columns)


def _approve_raise(rows: Rows, run_id: UUID, kind: str = "limit") -> None:
    rows.plan(run_id, "approved", kind=kind)


@attack(GOES_ON)
def a_run_that_no_limit_ended_cannot_go_on(rows: Rows) -> Iterator[None]:
    run_id = rows.run("ended")
    _approve_raise(rows, run_id)
    yield
    _raise(rows, run_id, limit_steps=50)


@attacks({"": (RAISED_BY,), "rollback": (RAISED_BY,)})
def a_limit_cannot_be_raised_by_nobody(rows: Rows, kind: str) -> Iterator[None]:
    run_id = _stopped(rows)
    if kind:
        _approve_raise(rows, run_id, kind)
    yield
    _raise(rows, run_id, limit_steps=50)


@attack(RAISED_BY)
def an_approval_cannot_raise_the_limit_of_another_run(rows: Rows) -> Iterator[None]:
    run_id = _stopped(rows)
    _approve_raise(rows, _stopped(rows))
    yield
    _raise(rows, run_id, limit_steps=50)


@attack(NOT_ROLLED_BACK)
def a_run_that_was_rolled_back_cannot_go_on(rows: Rows) -> Iterator[None]:
    run_id = _stopped(rows)
    rows.rollback(run_id)
    _approve_raise(rows, run_id)
    yield
    _raise(rows, run_id, limit_steps=50)


@attacks(dict.fromkeys(_LIMITS, (HIGHER,)))
def no_limit_can_be_lowered_by_a_raise(rows: Rows, column: str) -> Iterator[None]:
    run_id = _stopped(rows, **dict.fromkeys(_LIMITS, 9))
    _approve_raise(rows, run_id)
    rows.without(*DUE)
    other = _LIMITS[0] if column != _LIMITS[0] else _LIMITS[1]
    yield
    _raise(rows, run_id, **{column: 8, other: 10})


@attack(HIGHER)
def a_raise_cannot_raise_nothing(rows: Rows) -> Iterator[None]:
    run_id = _stopped(rows)
    _approve_raise(rows, run_id)
    yield
    _raise(rows, run_id)


@attack(Constraint("runs", "due_by_its_limit"))
def a_run_cannot_be_due_at_another_time(rows: Rows) -> Iterator[None]:
    run_id = _stopped(rows)
    _approve_raise(rows, run_id)
    yield
    _raise(rows, run_id, limit_steps=50, due_by="tomorrow")


@attack(LIFE, EPOCH)
def a_waiting_run_cannot_run_without_the_queue(rows: Rows) -> Iterator[None]:
    run_id = rows.run("waiting")
    yield
    rows.claim(run_id)


@attack(HAS_EXIT)
def a_run_cannot_end_without_an_exit(rows: Rows) -> Iterator[None]:
    run_id = rows.run("running")
    yield
    rows.end(run_id, exit=None)


@attack(HAS_EXIT)
def a_run_that_has_not_ended_cannot_have_an_exit(rows: Rows) -> Iterator[None]:
    run_id = rows.run("running")
    yield
    rows.change("runs", run_id, exit="completed")


@attack(HAS_TIME)
def a_run_cannot_end_at_no_time(rows: Rows) -> Iterator[None]:
    run_id = rows.run("running")
    yield
    rows.end(run_id, ended_at=None)


@attack(HAS_TIME)
def a_run_that_has_not_ended_cannot_have_an_end(rows: Rows) -> Iterator[None]:
    run_id = rows.run("waiting")
    yield
    rows.change("runs", run_id, ended_at="now")


@attack(HAS_WORKER)
def a_run_cannot_be_running_on_no_worker(rows: Rows) -> Iterator[None]:
    run_id = rows.run("queued")
    yield
    rows.move("runs", run_id, "running", epoch=1)


@attacks(dict.fromkeys(("queued", "waiting", "ended"), (HAS_WORKER,)))
def a_run_that_is_not_running_cannot_hold_a_worker(rows: Rows, status: str) -> Iterator[None]:
    run_id = rows.run(status)
    yield
    rows.change("runs", run_id, worker_id=rows.worker)


@attack(Constraint("runs", "runs_worker_id_fkey"))
def a_run_cannot_be_on_a_worker_that_is_not_there(rows: Rows) -> Iterator[None]:
    run_id = rows.run("queued")
    yield
    rows.move("runs", run_id, "running", worker_id=uuid7(), epoch=1)


def _step(rows: Rows, **columns: Any) -> None:
    step = {"run_id": rows.run("running"), "ns": "", "id": "1", "state": b"", "channels": b""}
    rows.insert("steps", **{"tenant_id": TENANT, **step, "metadata": "{}", **columns})


def _step_write(rows: Rows, **columns: Any) -> None:
    write = {"run_id": rows.run("running"), "ns": "", "step_id": "1", "task_id": "t", "idx": 0}
    value = {"task_path": "", "channel": "c", "type": "msgpack", "value": b""}
    rows.insert("step_writes", **{"tenant_id": TENANT, **write, **value, **columns})


@attack(Constraint("steps", "step_of_a_run"))
def a_step_cannot_be_of_no_run(rows: Rows) -> Iterator[None]:
    yield
    _step(rows, run_id=uuid7())


@attack(Constraint("steps", "steps_id_check"))
def a_step_cannot_be_without_an_id(rows: Rows) -> Iterator[None]:
    yield
    _step(rows, id="")


@attack(Constraint("step_writes", "write_of_a_run"))
def a_write_of_a_task_cannot_be_of_no_run(rows: Rows) -> Iterator[None]:
    yield
    _step_write(rows, run_id=uuid7())


@attack(Constraint("step_writes", "step_writes_step_id_check"))
def a_write_of_a_task_cannot_be_on_no_step(rows: Rows) -> Iterator[None]:
    yield
    _step_write(rows, step_id="")


@attack(EPOCH)
def a_claim_cannot_keep_the_epoch(rows: Rows) -> Iterator[None]:
    run_id = rows.run("queued")
    yield
    rows.move("runs", run_id, "running", worker_id=rows.worker)


@attack(EPOCH)
def a_claim_cannot_skip_an_epoch(rows: Rows) -> Iterator[None]:
    run_id = rows.run("queued")
    yield
    rows.move("runs", run_id, "running", worker_id=rows.worker, epoch=2)


@attacks(dict.fromkeys(("queued", "running", "waiting"), (EPOCH,)))
def an_epoch_cannot_pass_without_a_claim(rows: Rows, status: str) -> Iterator[None]:
    run_id = rows.run(status)
    yield
    rows.change("runs", run_id, epoch=7)


@attack(SAME_WORKER)
def a_run_cannot_change_hands_within_an_epoch(rows: Rows) -> Iterator[None]:
    run_id, other = rows.run("running"), uuid7()
    rows.insert("workers", id=other, host="there", pid=2, fingerprints=["f1"], lease_until="now")
    yield
    rows.change("runs", run_id, worker_id=other)


_GROWING = ("used_steps", "used_calls", "used_irreversible", "used_ms", "want", "done")


@attacks(
    {
        "epoch": (GROWS, EPOCH),
        **dict.fromkeys(_GROWING, (GROWS,)),
    }
)
def what_a_run_has_used_cannot_shrink(rows: Rows, column: str) -> Iterator[None]:
    run_id = rows.run("running", **{**dict.fromkeys(_GROWING, 2), "want": 3})
    before = rows.one(f"select {column} from runs where id = %(id)s", id=run_id)  # noqa: S608
    yield
    rows.change("runs", run_id, **{column: before - 1})


_WITHIN = {"used_steps": (STEPS,), "used_calls": (CALLS,), "used_irreversible": (IRREVERSIBLE,)}


@attacks(_WITHIN)
def a_run_cannot_pass_its_limit(rows: Rows, column: str) -> Iterator[None]:
    limits = {"limit_steps": 3, "limit_calls": 3, "limit_irreversible": 3}
    run_id = rows.run("running", **{column: 3}, **limits)
    yield
    rows.change("runs", run_id, **{column: 4})


@attacks(_WITHIN)
def a_run_cannot_begin_below_nothing(rows: Rows, column: str) -> Iterator[None]:
    yield
    rows.run(**{column: -1})


@attack(Constraint("runs", "done_within_want"))
def a_run_cannot_have_looked_further_than_it_was_asked_to(rows: Rows) -> Iterator[None]:
    run_id = rows.run()
    yield
    rows.change("runs", run_id, done=2)


_ASKED = (
    "tenant_id",
    "id",
    "agent",
    "input",
    "tags",
    "requested_by",
    "request_digest",
    "idempotency_key",
    "created_at",
)


@attacks(
    {
        **dict.fromkeys(_ASKED, (WHAT_WAS_ASKED,)),
        **dict.fromkeys((*_LIMITS, "due_by"), (BY_A_RAISE,)),
    }
)
def what_was_asked_of_a_run_cannot_change(rows: Rows, column: str) -> Iterator[None]:
    run_id = rows.run("queued")
    other = {
        "id": uuid7(),
        "input": '{"changed": true}',
        "tags": '{"team": "another"}',
        "request_digest": b"another",
        "created_at": "yesterday",
        "due_by": "tomorrow",
    }.get(column, 1000 if column.startswith("limit_") else "another")
    if column in ("created_at", "limit_wall_seconds", "due_by"):
        rows.without(*DUE)
    yield
    rows.change("runs", run_id, **{column: other})


_ENDED = {
    "exit": "failed",
    "exit_reason": "another",
    "output": '{"answer": "another"}',
    "ended_at": "yesterday",
}


@attacks(dict.fromkeys(_ENDED, (HOW_IT_ENDED,)))
def how_a_run_ended_cannot_be_rewritten(rows: Rows, column: str) -> Iterator[None]:
    run_id = rows.run("ended")
    yield
    rows.change("runs", run_id, **{column: _ENDED[column]})


@attack(Index("runs_idempotency"))
def a_request_cannot_make_two_runs(rows: Rows) -> Iterator[None]:
    rows.run(idempotency_key="k1")
    yield
    rows.run(idempotency_key="k1")


@attacks(
    {
        **{
            column: (Constraint("runs", f"runs_{column}_check"),)
            for column in ("limit_steps", "limit_calls", "limit_seconds", "limit_repeats")
        },
        **{
            f"limit_{name}": (Constraint("runs", f"some_{name}"),)
            for name in (
                *("irreversible", "wall_seconds", "pending"),
                *("tokens_in", "tokens_out", "cost_usd"),
            )
        },
    }
)
def a_limit_cannot_be_nothing(rows: Rows, column: str) -> Iterator[None]:
    yield
    rows.run(**{column: 0})


@attack(Constraint("runs", "runs_status_check"))
def a_run_cannot_be_in_an_unknown_status(rows: Rows) -> Iterator[None]:
    run_id = rows.run()
    rows.without(LIFE)
    yield
    rows.move("runs", run_id, "unheard_of")


@attack(Constraint("runs", "runs_exit_check"))
def a_run_cannot_end_by_an_unknown_exit(rows: Rows) -> Iterator[None]:
    run_id = rows.run("running")
    yield
    rows.end(run_id, exit="unheard_of")

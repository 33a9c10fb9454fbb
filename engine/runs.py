"""Runs: created, claimed, parked, woken, recovered, ended. A run's own row is its queue entry."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError
from uuid_utils.compat import uuid7

from ..policies.claims import OWN as OWN_TAGS
from .audit import record, told
from .database import execute, run_last, statement, storable, tell
from .digest import request_digest
from .doubt import doubt
from .errors import Conflict, NotFound, UsageError
from .group_commit import Query, Write
from .hold import Hold
from .journal import find
from .lifecycle import CallState, Exit, RunStatus
from .limits import Limits, Usage
from .room import has_room
from .wake import note_run, run_entry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from .database import Database

log = structlog.get_logger()

_DEEPEST = 64
"""How deep an input may be nested."""

CHANNEL = "interlock"
"""The notification that something may be due; a hint, never needed."""
_ENDED = "run.ended"


class InvalidInput(UsageError):
    """A run's input that cannot be stored as JSON."""


@dataclass(frozen=True, slots=True)
class RunRef:
    """A run that is committed. `created` is false for the repeat of an idempotent request."""

    run_id: UUID
    status: str
    created: bool


@dataclass(frozen=True, slots=True)
class Claim:
    """A run that this worker holds, with what it needs to go on."""

    hold: Hold
    fingerprint: str
    want: int
    input: Any
    limits: Limits
    usage: Usage
    wall_left: float
    """Seconds until the run is over whatever it does."""
    tags: Mapping[str, str]
    fallback: str | None = None
    """The model that each of its model calls goes to, in place of the one that is asked."""


def _check_texts(input: Any, tags: Mapping[str, str]) -> None:  # noqa: A002 - as `create_run`
    """Refuse what could be stored and not be shown: to anybody who lists the runs."""
    todo = [(input, 1), (dict(tags), 1)]
    while todo:
        value, depth = todo.pop()
        if depth > _DEEPEST:
            raise InvalidInput(f"The input is nested more than {_DEEPEST} deep.")
        if isinstance(value, dict):
            todo += [(part, depth + 1) for pair in value.items() for part in pair]
        elif isinstance(value, list | tuple):
            todo += [(part, depth + 1) for part in value]
        elif isinstance(value, str) and not _is_unicode(value):
            raise InvalidInput("The input or a tag holds half of a character.")
    if any("\0" in text for pair in tags.items() for text in pair):
        raise InvalidInput("A tag holds a null character.")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def create_run(
    db: Database,
    *,
    tenant: str,
    agent: str,
    input: Any,  # noqa: A002 - the word of the contract
    requested_by: str,
    tags: Mapping[str, str] | None = None,
    idempotency_key: str | None = None,
    limits: Mapping[str, float] | None = None,
) -> RunRef:
    """Commit a run to the queue and return it; the same idempotency key returns the same run.

    `limits` are those of the agent's that are to be lower for this run.

    Raises:
        NotFound: no worker has registered an agent of that name.
        InvalidInput: the input is not JSON or cannot be shown, or a tag is not free.
        UsageError: a limit that there is not, or that is higher than the agent's.
        Conflict: the idempotency key was used for another request.
    """
    tags, limits = dict(tags or {}), dict(limits or {})
    for taken in sorted(OWN_TAGS & tags.keys()):
        raise InvalidInput(f"A tag may not be called '{taken}': policies know that one by the run.")
    _check_texts(input, tags)
    try:
        text = json.dumps(input, allow_nan=False)
        digest = request_digest({"agent": agent, "input": input, "tags": tags, "limits": limits})
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"The input is not JSON: {error}.") from None
    run_id: UUID = uuid7()
    with db.begin() as conn:
        known = execute(conn, "newest_agent", tenant=tenant, agent=agent).one_or_none()
        if known is None:
            raise NotFound(
                f"There is no agent '{agent}': no worker has registered it. "
                "Start one with: interlock worker MODULE:AGENT"
            )
        inserted = execute(
            conn,
            "insert_run",
            tenant=tenant,
            id=run_id,
            agent=agent,
            fingerprint=known.fingerprint,
            input=text,
            tags=json.dumps(tags),
            requested_by=requested_by,
            idempotency_key=idempotency_key,
            request_digest=digest,
            **Limits(**known.limits).lowered(limits).as_json(),
        ).rowcount
        if not inserted:
            return _repeat(conn, tenant, idempotency_key, digest)
        note_run(
            conn,
            tenant,
            run_id,
            "run.created",
            requested_by,
            RunStatus.QUEUED,
            {
                "agent": agent,
                "fingerprint": known.fingerprint,
                "request": digest.hex(),
                **({"limits": limits} if limits else {}),
            },
        )
    hint(db)
    return RunRef(run_id, RunStatus.QUEUED, created=True)


def _repeat(conn: Connection, tenant: str, key: str | None, digest: bytes) -> RunRef:
    row = execute(conn, "run_by_idempotency_key", tenant=tenant, idempotency_key=key).one()
    if bytes(row.request_digest) != digest:
        raise Conflict(
            f"The idempotency key '{key}' was used for another request (run {row.id}). "
            "Nothing was started."
        )
    return RunRef(row.id, row.status, created=False)


def hint(db: Database) -> None:
    """Tell listening workers to look now; lost hints cost a second, nothing else."""
    with suppress(SQLAlchemyError), db.begin() as conn:
        conn.exec_driver_sql("select pg_notify(%s, '')", (CHANNEL,))


def claiming(
    *,
    tenant: str,
    worker_id: UUID,
    agents: Mapping[str, str],
    free: int,
    fallbacks: Mapping[str, str] | None = None,
) -> Query:
    """Take up to `free` due runs; `agents` maps names to fingerprints. For `claimed` to read.

    `fallbacks` maps agents to the models that their new runs go on while a breaker is tripped.
    """
    actor = f"worker:{worker_id}"
    names, fingerprints = list(agents), list(agents.values())
    values = (tenant, worker_id, names, fingerprints, free, actor)
    models = [(fallbacks or {}).get(name) for name in names]
    return Query(statement("claim_runs"), (*values, *_entry_of_a_claim(tenant, actor), models))


def _entry_of_a_claim(tenant: str, actor: str) -> tuple[str, str, str]:
    """The audit entry, up to the epoch, from there to the run's id, and the rest."""
    nil = UUID(int=0)
    entry = run_entry(tenant, nil, "run.claimed", actor, RunStatus.RUNNING, {"epoch": 0}).decode()
    head, _, rest = entry.partition('"epoch":0')
    middle, _, tail = rest.partition(str(nil))
    return f'{head}"epoch":', middle, tail


def claimed(rows: Sequence[Sequence[Any]], worker_id: UUID) -> list[Claim]:
    """The runs that a claim took."""
    return [_claim(json.loads(row), worker_id) for (row,) in rows]


def _claim(row: Mapping[str, Any], worker_id: UUID) -> Claim:
    hold = Hold(row["tenant_id"], UUID(row["id"]), row["agent"], row["epoch"], worker_id)
    log.info("run.claimed", **told(_worker(hold), run_id=hold.run_id))
    return Claim(
        hold,
        row["fingerprint"],
        row["want"],
        row["input"],
        Limits.of_row(row),
        Usage.of_row(row),
        row["wall_left"],
        row["tags"],
        row["fallback"],
    )


def park(conn: Connection, held: Claim, *, active_ms: int) -> None:
    """Let go of a run that waits for a person; it holds nothing from then on."""
    hold = held.hold
    row = execute(
        conn, "park_run", **_held(hold), want=held.want, active_ms=active_ms
    ).one_or_none()
    if row is not None:
        status = RunStatus(row.status)
        note_run(conn, hold.tenant, hold.run_id, "run.parked", _worker(hold), status, {})
        _honour_cancel(conn, hold, status, row.cancel_requested_by)


def release(
    conn: Connection,
    hold: Hold,
    *,
    active_ms: int,
    delay: float = 0.0,
    wants_room: bool = False,
) -> None:
    """Put a run back into the queue for any worker to take up.

    One that `wants_room` is woken when an approval of its agent is closed, or at once if one was
    closed meanwhile.
    """
    if wants_room:
        execute(conn, "lock_run", tenant=hold.tenant, run_id=hold.run_id)
        delay = 0.0 if has_room(conn, hold) else delay
    row = execute(
        conn,
        "release_run",
        **_held(hold),
        active_ms=active_ms,
        delay=delay,
        wants_room=wants_room,
    ).one_or_none()
    if row is not None:
        detail = {"wants_room": True} if wants_room else {}
        note_run(
            conn, hold.tenant, hold.run_id, "run.released", _worker(hold), RunStatus.QUEUED, detail
        )
        _honour_cancel(conn, hold, RunStatus.QUEUED, row.cancel_requested_by)


def _honour_cancel(conn: Connection, hold: Hold, status: RunStatus, by: str | None) -> None:
    """End a run that nobody executes any more, if a person asked for that while somebody did."""
    if by is not None:
        reason = f"Cancelled by {by}."
        end(conn, hold, exit=Exit.CANCELLED, reason=reason, status=status, actor=by)


def end(
    conn: Connection,
    hold: Hold,
    *,
    exit: Exit,  # noqa: A002 - the word of the glossary
    reason: str,
    output: Any = None,
    active_ms: int = 0,
    status: RunStatus = RunStatus.RUNNING,
    actor: str | None = None,
) -> bool:
    """End a run, and with it what it left open. False when the run is no longer held."""
    row = execute(conn, "lock_run", tenant=hold.tenant, run_id=hold.run_id).one()
    if (row.epoch, row.status) != (hold.epoch, status):
        return False
    actor = actor or _worker(hold)
    _doubt_unfinished(conn, hold)
    _close_leftovers(conn, hold, f"The run ended: {exit}.", actor)
    tell(conn, _ENDED, **told(actor, run_id=hold.run_id))
    values = _end(hold, exit, reason, output, active_ms, status, actor)
    run_last(conn)  # what was left open is closed before the run is
    execute(conn, "end_run", **values)
    return True


def ending(
    hold: Hold,
    *,
    exit: Exit,  # noqa: A002 - the word of the glossary
    reason: str,
    output: Any = None,
    active_ms: int = 0,
) -> Write:
    """The end of a run that left nothing open; it says `open` where it did, and is not written."""
    actor = _worker(hold)
    values = _end(hold, exit, reason, output, active_ms, RunStatus.RUNNING, actor)
    ids = told(actor, run_id=hold.run_id)
    return Write("end_run", tuple(storable(v) for v in values.values()), _ENDED, ids)


def _end(
    hold: Hold,
    exit: Exit,  # noqa: A002 - the word of the glossary
    reason: str,
    output: Any,
    active_ms: int,
    status: RunStatus,
    actor: str,
) -> dict[str, Any]:
    """What `end_run` takes, in its order."""
    detail = {"exit": exit, "reason": reason}
    return {
        **_held(hold),
        "status": str(status),
        "exit": str(exit),
        "reason": reason,
        "output": None if output is None else json.dumps(output),
        "active_ms": active_ms,
        "actor": actor,
        "entry": run_entry(hold.tenant, hold.run_id, _ENDED, actor, RunStatus.ENDED, detail),
    }


def _doubt_unfinished(conn: Connection, hold: Hold) -> None:
    """A call that was started and never reported is in doubt, whatever becomes of its run."""
    where = {"tenant": hold.tenant, "run_id": hold.run_id}
    for row in execute(conn, "unfinished_calls", **where).all():
        call = find(conn, hold, bytes(row.key))
        if call is not None and call.state is CallState.EXECUTING:
            broke_off = "Its run ended before it reported."
            doubt(conn, hold, call, row.start_token, broke_off)


def _close_leftovers(conn: Connection, hold: Hold, reason: str, actor: str) -> None:
    where = {"tenant": hold.tenant, "run_id": hold.run_id}
    for row in execute(conn, "close_run_approvals", **where, reason=reason):
        record(
            conn,
            tenant=hold.tenant,
            event=f"approval.{row.state}",
            actor=actor,
            run_id=hold.run_id,
            call_id=row.call_id,
            approval_id=row.id,
            subject=row.id,
            state=row.state,
            detail={"reason": reason},
        )
    for row in execute(conn, "close_run_calls", **where):
        record(
            conn,
            tenant=hold.tenant,
            event="call.cancelled",
            actor=actor,
            run_id=hold.run_id,
            call_id=row.id,
            approval_id=row.approval_id,
            subject=row.id,
            state=CallState.CANCELLED,
            detail={"digest": bytes(row.digest).hex(), "reason": reason},
        )


def request_cancel(db: Database, *, tenant: str, run_id: UUID, by: str) -> str:
    """Cancel a run: at once where nothing works on it, else as soon as its worker looks up.

    Returns the run's status afterwards.

    Raises:
        NotFound: there is no such run.
        Conflict: the run has ended.
    """
    with db.begin() as conn:
        row = execute(conn, "request_cancel", tenant=tenant, run_id=run_id, by=by).one_or_none()
        if row is None:
            raise NotFound(f"There is no run {run_id}.")
        if row.status == RunStatus.ENDED:
            raise Conflict(f"Run {run_id} has ended; there is nothing to cancel.")
        record(conn, tenant=tenant, event="run.cancel_requested", actor=by, run_id=run_id)
        if row.status == RunStatus.RUNNING:
            return RunStatus.RUNNING
        hold = Hold(tenant, run_id, "", row.epoch, run_id)
        end(
            conn,
            hold,
            exit=Exit.CANCELLED,
            reason=f"Cancelled by {by}.",
            status=RunStatus(row.status),
            actor=by,
        )
        return RunStatus.ENDED


def recover(conn: Connection, *, most_deaths: int, worker_id: UUID, in_hand: Sequence[UUID]) -> int:
    """Put the runs of dead workers back into the queue; one that kills its workers ends instead.

    So do runs that this worker has without knowing, because the answer to its claim was lost: those
    that are not `in_hand`.
    """
    rows = execute(conn, "recover_runs", worker_id=worker_id, in_hand=list(in_hand)).all()
    # the end of a run locks its agent's room: all in one order, so that none waits in a circle
    for row in sorted(rows, key=attrgetter("tenant_id", "agent")):
        hold = Hold(row.tenant_id, row.id, "", row.epoch, row.worker_id)
        detail = {"lost_worker": str(row.worker_id), "deaths": row.deaths}
        note_run(
            conn, row.tenant_id, row.id, "run.recovered", "interlock", RunStatus.QUEUED, detail
        )
        if row.cancel_requested_by is not None:
            _honour_cancel(conn, hold, RunStatus.QUEUED, row.cancel_requested_by)
        elif row.deaths > most_deaths:
            end(
                conn,
                hold,
                exit=Exit.FAILED,
                reason=f"{row.deaths} workers died over this run without a step done.",
                status=RunStatus.QUEUED,
                actor="interlock",
            )
    return len(rows)


def _held(hold: Hold) -> dict[str, Any]:
    return {"tenant": hold.tenant, "run_id": hold.run_id, "epoch": hold.epoch}


def _worker(hold: Hold) -> str:
    return f"worker:{hold.worker_id}"

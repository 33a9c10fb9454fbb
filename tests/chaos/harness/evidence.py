"""What a campaign leaves behind: the ledger, what clients saw, what was done, the database."""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from interlock.engine.errors import DatabaseLost
from sqlalchemy.exc import SQLAlchemyError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from interlock.engine.database import Database

    from .world import Effect

Row = Any
AWAY = (SQLAlchemyError, DatabaseLost)
"""What a client meets while the database is away."""


@dataclass(frozen=True, slots=True)
class Ack:
    """An answer that a client saw.

    Attributes:
        kind: `created`, `cancel`, `rollback`, or the kind of a decision: `approve`, `reject`,
            `edit`, `answer`; `moved` is no answer, but that the target of a call in question was
            changed.
        said: the new arguments of an edit, or the answer.
    """

    at: float
    kind: str
    run: str
    approval: str | None = None
    digest: str | None = None
    by: str | None = None
    said: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """What was done to whom: `worker` is a worker's id in the database, where it was one."""

    at: float
    kind: str
    worker: str | None = None
    point: str | None = None


@dataclass(frozen=True)
class Evidence:
    """All of it, after healing."""

    effects: Sequence[Effect] = ()
    acks: Sequence[Ack] = ()
    faults: Sequence[Fault] = ()
    runs: Sequence[Row] = ()
    calls: Sequence[Row] = ()
    approvals: Sequence[Row] = ()
    decisions: Sequence[Row] = ()
    audit: Sequence[Row] = ()
    steps: Sequence[Row] = ()
    rollbacks: Sequence[Row] = ()
    undos: Sequence[Row] = ()


class Acks:
    """What clients saw; each line is on disk before its client goes on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = threading.Lock()
        path.touch()

    def note(self, kind: str, run: object, **more: Any) -> None:
        """An answer was seen just now."""
        ack = Ack(time.time(), kind, str(run), **more)
        with self._turn, self._path.open("a") as file:
            file.write(json.dumps(asdict(ack)) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def all(self) -> list[Ack]:
        return [Ack(**json.loads(line)) for line in self._path.read_text().splitlines()]


_QUERIES = {
    "runs": "select id::text, status, exit, exit_reason from runs",
    "calls": """select id::text, run_id::text, encode(key, 'hex') as key, revision, tool,
                       tool_version, convert_from(args, 'utf8') as args,
                       encode(digest, 'hex') as digest, effect, recovery, state, starts,
                       approval_id::text, attested_by, verified, error,
                       extract(epoch from send_before)::float8 as send_before,
                       extract(epoch from finished_at)::float8 as finished_at from calls""",
    "approvals": """select id::text, run_id::text, call_id::text, kind, state,
                           encode(digest, 'hex') as digest, closed_by, preview ->> 'undo' as undo
                    from approvals""",
    "decisions": """select approval_id::text, reviewer, kind, encode(digest, 'hex') as digest,
                           extract(epoch from decided_at)::float8 as at from decisions""",
    "audit": """select event, actor, run_id::text, call_id::text, approval_id::text,
                       subject::text,
                       convert_from(entry, 'utf8')::json #>> '{detail,lost_worker}' as lost_worker,
                       extract(epoch from at)::float8 as at from audit_log
                where event in ('call.started', 'call.in_doubt', 'undo.started', 'undo.in_doubt',
                                'run.recovered')
                order by seq""",
    "steps": "select run_id::text, ns, id, parent_id from steps",
    "rollbacks": """select id::text, run_id::text, encode(digest, 'hex') as digest, state, outcome,
                           approval_id::text,
                           extract(epoch from created_at)::float8 as created_at from rollbacks""",
    "undos": """select u.id::text, u.rollback_id::text, u.call_id::text, u.position, u.effect,
                       u.recovery, u.unsure, u.state, u.restored, u.attested_by, u.error,
                       extract(epoch from u.started_at + c.send_within)::float8 as send_before,
                       extract(epoch from u.finished_at)::float8 as finished_at
                from undos u join calls c on (c.tenant_id, c.id) = (u.tenant_id, u.call_id)""",
}


def gather(
    database: Database, effects: Sequence[Effect], acks: Sequence[Ack], faults: Sequence[Fault]
) -> Evidence:
    """The evidence as it stands now."""
    found = {
        name: database.retry(lambda conn, query=query: conn.exec_driver_sql(query).all())
        for name, query in _QUERIES.items()
    }
    return Evidence(effects=effects, acks=acks, faults=faults, **found)

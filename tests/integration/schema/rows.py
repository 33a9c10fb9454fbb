"""Valid rows by raw SQL, each transition with its audit entry: where attacks start from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Self

from psycopg import sql
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from uuid import UUID

    import psycopg
    from attack import Guard

TENANT = "default"
POLICY = "a" * 64
PLAN = b'{"undos":[]}'
REVIEWERS = {"dana": "on-call", "erik": "on-call", "fay": "finance", "gus": "on-call"}
"""Names and groups; gus is disabled."""

# How each state is reached, from a call that waits or that was allowed.
_CALL_PATHS: dict[str, tuple[str, tuple[str, ...]]] = {
    "allowed": ("allowed", ()),
    "forbidden": ("forbidden", ()),
    "waiting": ("waiting", ()),
    "approved": ("waiting", ("approved",)),
    "rejected": ("waiting", ("rejected",)),
    "expired": ("waiting", ("expired",)),
    "cancelled": ("waiting", ("cancelled",)),
    "superseded": ("waiting", ("superseded",)),
    "executing": ("waiting", ("approved", "executing")),
    "succeeded": ("waiting", ("approved", "executing", "succeeded")),
    "failed": ("waiting", ("approved", "executing", "failed")),
    "in_doubt": ("waiting", ("approved", "executing", "in_doubt")),
    "abandoned": ("waiting", ("approved", "executing", "in_doubt", "abandoned")),
    "undoing": ("waiting", ("approved", "executing", "succeeded", "undoing")),
    "undone": ("waiting", ("approved", "executing", "succeeded", "undoing", "undone")),
    "undo_failed": ("waiting", ("approved", "executing", "succeeded", "undoing", "undo_failed")),
}
CALL_STATES = tuple(_CALL_PATHS)
APPROVAL_STATES = (
    "pending",
    "approved",
    "rejected",
    "expired",
    "cancelled",
    "superseded",
    "consumed",
    "lapsed",
)
RUN_STATES = ("queued", "running", "waiting", "ended")


@dataclass(frozen=True)
class Call:
    """A call as its row has it."""

    id: UUID
    run_id: UUID
    key: bytes
    digest: bytes
    approval_id: UUID | None


class Rows:
    """Makes rows over one connection, inside its open transaction.

    Attributes:
        silent: whether entries are left out from now on.
        has_times: whether the schema has the times of starts, as it does from 0004 on.
    """

    def __init__(self, conn: psycopg.Connection[Any]) -> None:
        self.conn = conn
        self.silent = False
        self.has_times = True
        self.worker = uuid7()
        self.insert("policies", digest=POLICY, text="permit (principal, action, resource);")
        self.insert(
            "workers", id=self.worker, host="here", pid=1, fingerprints=["f1"], lease_until="now"
        )
        for name, group in REVIEWERS.items():
            self.insert("reviewers", tenant_id=TENANT, name=name, password_hash="x", groups=[group])
        self.do("update reviewers set disabled_at = now() where name = 'gus'")

    @classmethod
    def over(cls, conn: psycopg.Connection[Any]) -> Self:
        """Statements over a connection to a database that has all that these rows refer to."""
        made = cls.__new__(cls)
        made.conn = conn
        return made

    # Statements --------------------------------------------------------------------------------

    def do(self, statement: str, /, **values: Any) -> psycopg.Cursor[Any]:
        """Any statement."""
        return self.conn.execute(statement, values)

    def one(self, statement: str, /, **values: Any) -> Any:
        """The only value of the only row."""
        row = self.do(statement, **values).fetchone()
        assert row is not None
        return row[0]

    def insert(self, table: str, /, **columns: Any) -> None:
        """A row."""
        statement = sql.SQL("insert into {} ({}) values ({})").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, columns)),
            sql.SQL(", ").join(map(sql.Placeholder, columns)),
        )
        self.conn.execute(statement, columns)

    def change(self, table: str, row_id: UUID, /, **columns: Any) -> None:
        """Columns of one row, and nothing else."""
        assignments = [
            sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name))
            for name in columns
        ]
        statement = sql.SQL("update {} set {} where id = {}").format(
            sql.Identifier(table), sql.SQL(", ").join(assignments), sql.Placeholder("row_id")
        )
        changed = self.conn.execute(statement, {**columns, "row_id": row_id}).rowcount
        assert changed == 1

    def settle(self) -> None:
        """All that is checked at commit, now."""
        self.do("set constraints all immediate")
        self.do("set constraints all deferred")

    def without(self, *guards: Guard) -> None:
        """Take guards away that are not the point."""
        self.settle()
        for guard in guards:
            guard.remove(self.conn)

    def audit(
        self, event: str, *, subject: UUID | None = None, state: str | None = None, **columns: Any
    ) -> None:
        """An entry."""
        if self.silent:
            return
        self.insert(
            "audit_log",
            **{
                "tenant_id": TENANT,
                "event": event,
                "actor": "interlock",
                "subject": subject,
                "state": state,
                "entry": b"{}",
                **columns,
            },
        )

    def move(self, table: str, row_id: UUID, state: str, /, **columns: Any) -> None:
        """A step of a life cycle, with its entry."""
        column = "status" if table == "runs" else "state"
        self.change(table, row_id, **{column: state}, **columns)
        self.audit(f"{table}.moved", subject=row_id, state=state)

    # Runs --------------------------------------------------------------------------------------

    def run(self, status: str = "queued", /, **columns: Any) -> UUID:
        """A run in any status."""
        run_id = columns.pop("id", None) or uuid7()
        self.insert(
            "runs",
            **{
                "tenant_id": TENANT,
                "id": run_id,
                "agent": "fleet-ops",
                "fingerprint": "f1",
                "input": "{}",
                "tags": "{}",
                "requested_by": "reviewer:dana",
                "request_digest": b"r",
                "limit_steps": 25,
                "limit_calls": 50,
                "limit_seconds": 300,
                "limit_repeats": 3,
                **columns,
            },
        )
        self.audit("run.created", subject=run_id, state="queued")
        if status in ("running", "waiting"):
            self.claim(run_id)
        if status == "waiting":
            self.move("runs", run_id, "waiting", worker_id=None)
        if status == "ended":
            self.end(run_id)
        return run_id

    def claim(self, run_id: UUID) -> None:
        """Give a queued run to the worker."""
        epoch = self.one("select epoch from runs where id = %(id)s", id=run_id)
        self.move("runs", run_id, "running", worker_id=self.worker, epoch=epoch + 1)

    def end(self, run_id: UUID, **columns: Any) -> None:
        """Let a run end."""
        ended = {"exit": "completed", "ended_at": "now", "worker_id": None}
        self.move("runs", run_id, "ended", **{**ended, **columns})

    # Calls -------------------------------------------------------------------------------------

    def propose(self, run_id: UUID | None = None, state: str = "allowed", **columns: Any) -> Call:
        """A call that was just born; one that waits needs its approval before the end."""
        run_id = run_id or self.run("running")
        effect, verdict = {
            "allowed": ("read", "allow"),
            "waiting": ("irreversible", "review"),
            "forbidden": ("irreversible", "forbid"),
        }.get(state, ("read", "allow"))
        key = columns.pop("key", None) or sha256(uuid7().bytes).digest()
        row = {
            "tenant_id": TENANT,
            "id": uuid7(),
            "run_id": run_id,
            "key": key,
            "ns": "",
            "task_id": "t1",
            "tool": "delete_volume",
            "tool_version": "0123456789abcdef",
            "args": b'{"volume_id":"vol-1"}',
            "effect": effect,
            "source": "declared",
            "rule": "@tool(effect=...)",
            "evidence": "[]",
            "verdict": verdict,
            "policy_digest": POLICY,
            "policies": [],
            "reason": "why",
            "recovery": "ask",
            "state": state,
            "approval_id": None,
            **columns,
        }
        row.setdefault("digest", digest_of(row))
        if row["recovery"] == "same_key" and self.has_times:
            row.setdefault("key_life", "1 hour")
        if state in ("executing", "succeeded", "failed"):
            started = {"start_token": uuid7(), "started_at": "now"}
            row = {**started, "finished_at": None if state == "executing" else "now", **row}
        self.insert("calls", **row)
        self.audit("call.born", subject=row["id"], state=state)
        return Call(row["id"], run_id, key, row["digest"], row["approval_id"])

    def held(self, run_id: UUID | None = None, *, asked: Any = None, **columns: Any) -> Call:
        """A call that waits for its approval; `asked` are columns of the approval."""
        call = self.propose(run_id, "waiting", **{"approval_id": uuid7(), **columns})
        self.ask(call, **(asked or {}))
        return call

    def call(self, state: str, **columns: Any) -> Call:
        """A call in any state that it can rest in; what was decided was decided by dana."""
        born, path = _CALL_PATHS[state]
        if born != "waiting":
            return self.propose(state=born, **columns)
        expires = "clock_timestamp() - interval '1 second'" if state == "expired" else "null"
        call = self.held(asked={"expires_at": self.one(f"select {expires}")}, **columns)
        for step in path:
            self.step(call, step)
        return call

    def step(self, call: Call, state: str) -> None:
        """The next step of a call that waited, and with it that of its approval."""
        approval_id = call.approval_id
        assert approval_id is not None
        match state:
            case "approved" | "rejected":
                self.decide(approval_id, "dana", "approve" if state == "approved" else "reject")
                self.close(approval_id, state)
                self.move("calls", call.id, state)
            case "expired" | "cancelled" | "superseded":
                self.close(approval_id, state)
                self.move("calls", call.id, state)
            case "executing":
                self.move("approvals", approval_id, "consumed")
                self.start(call)
            case "succeeded":
                self.move("calls", call.id, state, result_type="json", result=b"1")
            case "failed":
                self.move("calls", call.id, state, error="it failed")
            case "undoing":
                self.undoing(call)
            case "undone" | "undo_failed":
                self.undone(call, state)
            case _:
                self.move("calls", call.id, state)

    def grant(self, call: Call | None = None, **columns: Any) -> UUID:
        """Dana's grant of two such calls, made from one that waits."""
        call = call or self.held()
        shown = "select tool, tool_version, effect from calls where id = %(id)s"
        tool, version, effect = self.do(shown, id=call.id).fetchone() or ("", "", "")
        row = {
            "tenant_id": TENANT,
            "id": uuid7(),
            "approval_id": call.approval_id,
            "digest": call.digest,
            "tool": tool,
            "tool_version": version,
            "effect": effect,
            "bounds": 'context.input.volume_id like "vol-*"',
            "most": 2,
            "granted_by": "dana",
            "expires_at": self.one("select clock_timestamp() + interval '1 hour'"),
            **columns,
        }
        self.insert("grants", **row)
        self.audit("grant.made", subject=row["id"], state="granted")
        return row["id"]

    def granted(self, grant_id: UUID, run_id: UUID | None = None, **columns: Any) -> Call:
        """A call that starts on a grant."""
        row = {"effect": "irreversible", "verdict": "review", "grant_id": grant_id, **columns}
        call = self.propose(run_id, **row)
        self.audit("grant.used", subject=grant_id, state="used")
        self.start(call)
        return call

    def lapse(self, call: Call) -> None:
        """What an approved call comes to whose approval does not stand any more."""
        self.move("approvals", call.approval_id, "lapsed")
        self.move("calls", call.id, "superseded")

    def start(self, call: Call) -> None:
        """One more start."""
        starts = self.one("select starts from calls where id = %(id)s", id=call.id)
        self.move("calls", call.id, "executing", starts=starts + 1, start_token=uuid7())

    # Rollbacks and undos -------------------------------------------------------------------------

    def plan(self, run_id: UUID, state: str = "pending", **columns: Any) -> UUID:
        """The approval of a plan for this run; approved by dana where it was."""
        row = {
            "tenant_id": TENANT,
            "id": uuid7(),
            "kind": "rollback",
            "run_id": run_id,
            "digest": sha256(PLAN).digest(),
            "headline": "Roll back 1 call",
            "reason": "why",
            "reviewers": ["on-call"],
            **columns,
        }
        self.insert("approvals", **row)
        self.audit("approval.requested", subject=row["id"], state="pending")
        if state != "pending":
            self.decide(row["id"])
            self.close(row["id"], "approved")
        if state == "consumed":
            self.move("approvals", row["id"], "consumed")
        return row["id"]

    def rollback(self, run_id: UUID | None = None, state: str = "queued", **columns: Any) -> UUID:
        """A rollback of a run that has ended."""
        run_id = run_id or self.run("ended")
        rollback_id = uuid7()
        row = {
            "tenant_id": TENANT,
            "id": rollback_id,
            "run_id": run_id,
            "needs": ["fleet-ops/delete_volume@0123456789abcdef"],
            "plan": PLAN,
            "digest": sha256(PLAN).digest(),
            "requested_by": "reviewer:dana",
            "state": "waiting" if columns.get("approval_id") else "queued",
            **columns,
        }
        self.insert("rollbacks", **row)
        self.audit("rollback.asked", subject=rollback_id, state=row["state"])
        if state == "running":
            self.take(rollback_id)
        return rollback_id

    def take(self, rollback_id: UUID) -> None:
        """Give a rollback to the worker."""
        state, epoch = self.do(
            "select state, epoch from rollbacks where id = %(id)s", id=rollback_id
        ).fetchone() or ("", 0)
        if state == "waiting":
            self.move("rollbacks", rollback_id, "queued")
        self.move("rollbacks", rollback_id, "running", worker_id=self.worker, epoch=epoch + 1)

    def undo(self, rollback_id: UUID, call: Call, **columns: Any) -> UUID:
        """An undo that was not started."""
        row = {
            "tenant_id": TENANT,
            "id": uuid7(),
            "rollback_id": rollback_id,
            "call_id": call.id,
            "position": 1,
            "effect": "reversible",
            "recovery": "ask",
            "unsure": False,
            "state": "allowed",
            **columns,
        }
        self.insert("undos", **row)
        return row["id"]

    def start_undo(self, undo_id: UUID) -> None:
        """One more start of an undo."""
        starts = self.one("select starts from undos where id = %(id)s", id=undo_id)
        self.move("undos", undo_id, "executing", starts=starts + 1, start_token=uuid7())

    def undoing(self, call: Call) -> UUID:
        """Begin to undo a call, in a rollback of its run."""
        if self.one("select status from runs where id = %(id)s", id=call.run_id) != "ended":
            self.end(call.run_id)
        undo_id = self.undo(self.rollback(call.run_id, "running"), call)
        self.start_undo(undo_id)
        self.move("calls", call.id, "undoing")
        return undo_id

    def undone(self, call: Call, state: str = "undone") -> UUID:
        """End the undo of a call."""
        undo_id = self.one("select id from undos where call_id = %(id)s", id=call.id)
        self.move("undos", undo_id, "succeeded" if state == "undone" else "failed")
        self.move("calls", call.id, state)
        return undo_id

    # Approvals and decisions -------------------------------------------------------------------

    def ask(self, call: Call, **columns: Any) -> UUID:
        """An approval of this call; its own, unless the columns say otherwise."""
        row = {
            "tenant_id": TENANT,
            "id": call.approval_id or uuid7(),
            "kind": "call",
            "run_id": call.run_id,
            "call_id": call.id,
            "digest": call.digest,
            "headline": "Delete volume vol-1",
            "reason": "why",
            "reviewers": ["on-call"],
            **columns,
        }
        self.insert("approvals", **row)
        self.audit("approval.requested", subject=row["id"], state="pending")
        return row["id"]

    def approval(self, state: str = "pending", **columns: Any) -> UUID:
        """An approval of a waiting call, in any state; approved by dana where it was approved."""
        if state in ("consumed", "lapsed"):
            call = self.call("approved")
            assert call.approval_id is not None
            if state == "consumed":
                self.step(call, "executing")
            else:
                self.lapse(call)
            return call.approval_id
        if columns:
            call = self.held(asked=columns)
        else:
            call = self.call("waiting" if state == "pending" else state)
        assert call.approval_id is not None
        return call.approval_id

    def decide(
        self, approval_id: UUID, reviewer: str = "dana", kind: str = "approve", **columns: Any
    ) -> None:
        """A decision, with its entry."""
        digest, run_id = self.do(
            "select digest, run_id from approvals where id = %(id)s", id=approval_id
        ).fetchone() or (b"", None)
        self.insert(
            "decisions",
            **{
                "tenant_id": TENANT,
                "id": uuid7(),
                "approval_id": approval_id,
                "digest": digest,
                "reviewer": reviewer,
                "kind": kind,
                "args": b"{}" if kind == "edit" else None,
                "answer": "{}" if kind == "answer" else None,
                "via": "ui",
                **columns,
            },
        )
        self.audit(
            "decision.recorded",
            actor=f"reviewer:{reviewer}",
            run_id=run_id,
            approval_id=approval_id,
        )

    def close(self, approval_id: UUID, state: str) -> None:
        """Close a pending approval."""
        self.move("approvals", approval_id, state, closed_at="now", closed_by="dana")


def digest_of(call: dict[str, Any]) -> bytes:
    """The digest of a call as DESIGN defines it, made by other means than the engine's."""
    bound = {
        "run": str(call["run_id"]),
        "key": call["key"].hex(),
        "tool": call["tool"],
        "tool_version": call["tool_version"],
        "args": json.loads(call["args"]),
    }
    text = json.dumps(bound, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256(text.encode()).digest()

"""Rows as the engine would have written them, for tests of what only reads or decides.

Every insert and every step of a life cycle is a real one: the schema's constraints and triggers
are all in force, and each transition has its audit entry.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from interlock.engine import audit
from interlock.engine.digest import canonical
from interlock.engine.hold import Hold
from interlock.engine.limits import LimitReached
from interlock.engine.raising import ask
from seeded_rows import (
    POLICY,
    POLICY_DIGEST,
    TENANT,
    TOOLS,
    VERSION,
    VOLUME,
    insert_call,
    log_entry,
    run_sql,
    step,
)
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    import sqlalchemy as sa
    from interlock.engine.database import Database


PLAIN_TERMS: Mapping[str, Any] = {
    "each": "{}",
    "escalation": "{}",
    "separation": [],
    "needs_reason": False,
    "confirm": None,
    "together": False,
}


@dataclass(frozen=True)
class Seeded:
    """What was asked, and of which call of which run."""

    approval_id: UUID
    call_id: UUID
    run_id: UUID
    digest: str


@dataclass
class Seeds:
    """Makes rows in one tenant of one database."""

    database: Database
    fingerprint: str = "f" * 64
    worker_id: UUID = field(default_factory=uuid7)

    def agent(self, name: str = "fleet-ops") -> str:
        """An agent with all tools, registered by a worker."""
        tools = {
            tool: {
                "version": VERSION,
                "source": "declared",
                "undo": terms["effect"] == "reversible",
                "verify": False,
                **terms,
            }
            for tool, terms in TOOLS.items()
        }
        with self.database.begin() as conn:
            run_sql(
                conn,
                "insert into workers (id, host, pid, lease_until, fingerprints)"
                " values (:id, 'here', 1, now(), array[:fingerprint])"
                " on conflict do nothing",
                id=self.worker_id,
                fingerprint=self.fingerprint,
            )
            run_sql(
                conn,
                "insert into policies (digest, text) values (:digest, :text)"
                " on conflict do nothing",
                digest=POLICY_DIGEST,
                text=POLICY,
            )
            run_sql(
                conn,
                "insert into agents (tenant_id, name, fingerprint, policy_digest, tools, limits)"
                " values (:tenant, :name, :fingerprint, :policy, :tools, :limits)"
                " on conflict do nothing",
                tenant=TENANT,
                name=name,
                fingerprint=self.fingerprint,
                policy=POLICY_DIGEST,
                tools=json.dumps(tools),
                limits=json.dumps({"steps": 25, "calls": 50, "seconds": 300, "repeats": 3}),
            )
        return name

    def run(
        self,
        request: Any = "Clear out the storage that the Harbour depot pilot left behind.",
        *,
        agent: str = "fleet-ops",
        requested_by: str = "reviewer:finance-lead",
        minutes_ago: float = 30,
        spent: Sequence[tuple[str, str, str]] = (),
        budget: float = 1,
        tags: Mapping[str, str] | None = None,
    ) -> UUID:
        """A run that a worker has claimed and that parked, waiting.

        `spent` has a model, USD and where the price is from, for each of its replies.
        """
        run_id = uuid7()
        at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
        with self.database.begin() as conn:
            run_sql(
                conn,
                "insert into runs (tenant_id, id, agent, fingerprint, input, tags, requested_by,"
                " request_digest, created_at, started_at, limit_steps, limit_calls, limit_seconds,"
                " limit_repeats, limit_cost_usd, used_steps, used_calls, used_ms)"
                " values (:tenant, :id, :agent, :fingerprint, :input, :tags, :by, :digest, :at,"
                " :at, 25, 50, 300, 3, :budget, 4, 3, 11400)",
                budget=budget,
                tenant=TENANT,
                id=run_id,
                agent=agent,
                fingerprint=self.fingerprint,
                input=json.dumps(request),
                tags=json.dumps(dict(tags or {})),
                by=requested_by,
                digest=sha256(b"request").digest(),
                at=at,
            )
            log_entry(conn, "run.created", requested_by, run_id=run_id, run_state="queued")
            run_sql(
                conn,
                "update runs set status = 'running', worker_id = :worker, epoch = 1 where id = :id",
                worker=self.worker_id,
                id=run_id,
            )
            log_entry(conn, "run.claimed", "worker:w1", run_id=run_id, run_state="running")
            for model, usd, price in spent:
                _reply(conn, run_id, model, usd, price)
            run_sql(
                conn,
                "update runs set status = 'waiting', worker_id = null where id = :id",
                id=run_id,
            )
            log_entry(conn, "run.parked", "worker:w1", run_id=run_id, run_state="waiting")
        return run_id

    def queued(self, *, fallback: str | None = None) -> UUID:
        """A run that nobody has taken up, or one that was and fell back to another model."""
        run_id = uuid7()
        with self.database.begin() as conn:
            run_sql(
                conn,
                "insert into runs (tenant_id, id, agent, fingerprint, input, tags, requested_by,"
                " request_digest, limit_steps, limit_calls, limit_seconds, limit_repeats)"
                " values (:tenant, :id, 'fleet-ops', :fingerprint, '1', '{}', 'reviewer:dana',"
                " 'r', 25, 50, 300, 3)",
                tenant=TENANT,
                id=run_id,
                fingerprint=self.fingerprint,
            )
            log_entry(conn, "run.created", "reviewer:dana", run_id=run_id, run_state="queued")
            if fallback:
                run_sql(
                    conn,
                    "update runs set status = 'running', worker_id = :worker, epoch = 1,"
                    " fallback = :model where id = :id",
                    worker=self.worker_id,
                    model=fallback,
                    id=run_id,
                )
                log_entry(conn, "run.claimed", "worker:w1", run_id=run_id, run_state="running")
        return run_id

    def trip(self, agent: str | None, *, model: str | None = None, minutes: int = 0) -> UUID:
        """A circuit breaker that tripped; None is the tenant's. `minutes` until it resets."""
        trip_id = uuid7()
        with self.database.begin() as conn:
            run_sql(
                conn,
                "insert into breaker_trips (tenant_id, id, agent, usd, usd_per_hour, model,"
                " resets_at) values (:tenant, :id, :agent, 6.2, 5, :model,"
                " clock_timestamp() + make_interval(mins => :minutes))",
                tenant=TENANT,
                id=trip_id,
                agent=agent,
                model=model,
                minutes=minutes or None,
            )
            audit.record(
                conn,
                tenant=TENANT,
                event="breaker.tripped",
                actor="interlock",
                subject=trip_id,
                state="tripped",
            )
        return trip_id

    def version(self, run_id: UUID) -> Seeded:
        """The agent changed under the run; a person is asked."""
        approval_id, digest = uuid7(), sha256(run_id.bytes).digest()
        with self.database.begin() as conn:
            run_sql(
                conn,
                "insert into approvals (tenant_id, id, kind, run_id, digest, headline, reason,"
                " preview, reviewers) values (:tenant, :id, 'version', :run, :digest,"
                " 'fleet-ops changed while this run was under way', 'Its tools are not those that"
                " the run began with.', :preview, array['on-call'])",
                tenant=TENANT,
                id=approval_id,
                run=run_id,
                digest=digest,
                preview=json.dumps({"from": self.fingerprint, "to": "a" * 64}),
            )
            log_entry(
                conn,
                "approval.requested",
                "interlock",
                run_id,
                None,
                approval_id,
                approval_state="pending",
            )
        return Seeded(approval_id, approval_id, run_id, digest.hex())

    def stopped(self, run_id: UUID, limit: str = "steps", allowed: int = 25) -> Seeded:
        """A limit ended the run; a person is asked whether to raise it."""
        self.end_run(run_id, how="limit_reached", reason=f"It reached {allowed} {limit}.")
        hold = Hold(TENANT, run_id, "fleet-ops", 1, run_id)
        reached = LimitReached(limit, allowed, "the next step was not taken.")
        with self.database.begin() as conn:
            ask(conn, hold, reached)
        with self.database.begin() as conn:
            row = run_sql(
                conn, "select id, digest from approvals where run_id = :id", id=run_id
            ).one()
        return Seeded(row.id, row.id, run_id, bytes(row.digest).hex())

    def end_run(self, run_id: UUID, *, how: str = "completed", reason: str | None = None) -> None:
        """Let the run leave."""
        with self.database.begin() as conn:
            run_sql(
                conn,
                "update runs set status = 'ended', exit = :exit, exit_reason = :reason,"
                " output = :output, ended_at = now() where id = :id",
                id=run_id,
                exit=how,
                reason=reason,
                output=json.dumps({"answer": "Two volumes are left."}),
            )
            log_entry(
                conn,
                "run.ended",
                "worker:w1",
                run_id=run_id,
                run_state="ended",
                detail={"exit": how},
            )

    def read(
        self, run_id: UUID, *, tool: str = "list_volumes", minutes_ago: float = 20, **args: Any
    ) -> UUID:
        """A call that the policy allowed and that succeeded."""
        at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
        effect = TOOLS[tool]["effect"]
        with self.database.begin() as conn:
            call_id, _ = insert_call(
                conn, run_id, tool, args, effect, verdict="allow", state="allowed", at=at
            )
            log_entry(
                conn, "call.allowed", "agent:fleet-ops", run_id, call_id, call_state="allowed"
            )
            step(conn, "calls", call_id, "executing", "starts = 1, started_at = :at", at=at)
            log_entry(conn, "call.started", "worker:w1", run_id, call_id, call_state="executing")
            step(
                conn,
                "calls",
                call_id,
                "succeeded",
                "finished_at = :at, result_type = 'json', result = :result",
                at=at + timedelta(seconds=1.2),
                result=b'["vol-prod-7","vol-stage-2"]',
            )
            log_entry(conn, "call.succeeded", "worker:w1", run_id, call_id, call_state="succeeded")
        return call_id

    def granted(self, run_id: UUID, grant_id: UUID, **args: Any) -> UUID:
        """A deletion that started on a grant, and is on its way."""
        with self.database.begin() as conn:
            call_id, _ = insert_call(
                conn,
                run_id,
                "delete_volume",
                VOLUME | args,
                "irreversible",
                verdict="review",
                state="allowed",
                at=datetime.now(UTC),
                grant_id=grant_id,
            )
            actor = "worker:w1"
            log_entry(conn, "call.granted", actor, run_id, call_id, call_state="allowed")
            audit.record(
                conn,
                tenant=TENANT,
                event="grant.used",
                actor=actor,
                run_id=run_id,
                call_id=call_id,
                subject=grant_id,
                state="used",
            )
            step(conn, "calls", call_id, "executing", "starts = 1, started_at = now()")
            log_entry(conn, "call.started", actor, run_id, call_id, call_state="executing")
        return call_id

    def held(
        self,
        run_id: UUID | None = None,
        *,
        tool: str = "delete_volume",
        args: Mapping[str, Any] | None = None,
        headline: str = "Delete volume vol-prod-7 and its 14 backups",
        preview: Any = None,
        reviewers: Sequence[str] = ("on-call",),
        quorum: int = 1,
        expires_in: timedelta | None = timedelta(minutes=42),
        minutes_ago: float = 18,
        revises: Seeded | None = None,
        reason: str = "No irreversible call runs without a person.",
        send_within: timedelta = timedelta(milliseconds=1),
        changes: Any = None,
        version: str = VERSION,
        kind: str = "call",
        terms: Mapping[str, Any] | None = None,
    ) -> Seeded:
        """A call that waits for a person, or a question; `terms` are columns of its approval."""
        run_id = run_id or self.run()
        args = VOLUME if args is None else args
        effect = TOOLS[tool]["effect"] if kind == "call" else "read"
        approval_id, now = uuid7(), datetime.now(UTC)
        with self.database.begin() as conn:
            call_id, digest = insert_call(
                conn,
                run_id,
                tool,
                args,
                effect,
                verdict="review",
                state="waiting",
                at=now - timedelta(minutes=minutes_ago),
                approval_id=approval_id,
                revises=revises.call_id if revises else None,
                reason=reason,
                send_within=send_within,
                version=version,
            )
            run_sql(
                conn,
                "insert into approvals (tenant_id, id, kind, run_id, call_id, digest, headline,"
                " reason, preview, reviewers, quorum, created_at, expires_at, changes, each,"
                " escalation, separation, needs_reason, confirm, together) values"
                " (:tenant, :id, :kind, :run, :call, :digest, :headline, :reason, :preview,"
                " :reviewers, :quorum, :at, :expires, :changes, :each, :escalation, :separation,"
                " :needs_reason, :confirm, :together)",
                tenant=TENANT,
                id=approval_id,
                kind=kind,
                run=run_id,
                call=call_id,
                digest=digest,
                headline=headline,
                reason=reason,
                preview=None if preview is None else json.dumps(preview),
                reviewers=list(reviewers),
                quorum=quorum,
                at=now - timedelta(minutes=minutes_ago),
                expires=now + expires_in if expires_in else None,
                changes=None if changes is None else json.dumps(changes),
                **(PLAIN_TERMS | dict(terms or {})),
            )
            seeded = Seeded(approval_id, call_id, run_id, digest.hex())
            self._both(conn, seeded, "agent:fleet-ops", "call.held", "waiting", "pending")
        return seeded

    def decide(
        self,
        seeded: Seeded,
        reviewer: str,
        kind: str,
        *,
        reason: str | None = None,
        args: Mapping[str, Any] | None = None,
        confirmed: str | None = None,
    ) -> None:
        """One reviewer's answer; the approval stays as it is."""
        with self.database.begin() as conn:
            run_sql(
                conn,
                "insert into decisions (tenant_id, id, approval_id, digest, reviewer, kind, reason,"
                " args, via, confirmed) values (:tenant, :id, :approval, :digest, :by, :kind,"
                " :reason, :args, 'ui', :confirmed)",
                tenant=TENANT,
                id=uuid7(),
                approval=seeded.approval_id,
                digest=bytes.fromhex(seeded.digest),
                by=reviewer,
                kind=kind,
                reason=reason,
                args=canonical(args) if args is not None else None,
                confirmed=confirmed,
            )
            audit.record(
                conn,
                tenant=TENANT,
                event="decision.recorded",
                actor=f"reviewer:{reviewer}",
                run_id=seeded.run_id,
                call_id=seeded.call_id,
                approval_id=seeded.approval_id,
                detail={"decision": kind},
            )

    def close(
        self, seeded: Seeded, state: str, *, by: str | None = None, reason: str | None = None
    ) -> None:
        """Close a pending approval, and its call with it."""
        with self.database.begin() as conn:
            step(
                conn,
                "approvals",
                seeded.approval_id,
                state,
                "closed_at = clock_timestamp(), closed_by = :by, close_reason = :reason",
                by=by,
                reason=reason,
            )
            step(conn, "calls", seeded.call_id, state)
            actor = f"reviewer:{by}" if by else "interlock"
            self._both(conn, seeded, actor, f"call.{state}", state, state)

    def lapse(self, seeded: Seeded, reason: str) -> None:
        """The approval does not stand any more; the call is asked for anew."""
        with self.database.begin() as conn:
            step(conn, "approvals", seeded.approval_id, "lapsed", "close_reason = :why", why=reason)
            step(conn, "calls", seeded.call_id, "superseded", "finished_at = now()")
            self._both(conn, seeded, "worker:w1", "call.superseded", "superseded", "lapsed")

    def start(self, seeded: Seeded) -> None:
        """Use the approval up: the call is sent."""
        with self.database.begin() as conn:
            step(conn, "approvals", seeded.approval_id, "consumed")
            step(conn, "calls", seeded.call_id, "executing", "starts = 1, started_at = now()")
            self._both(conn, seeded, "worker:w1", "call.started", "executing", "consumed")

    def stated(
        self, run_id: UUID, stage: str, confidence: float, taken: str = "", by: str | None = None
    ) -> UUID:
        """A stage stated “as it was”; `taken` is what a person, or the rule, said instead."""
        assessment_id = uuid7()
        with self.database.begin() as conn:
            run_sql(
                conn,
                "select put_assessment(:tenant, :run, :id, '', :task, :stage, 0, :confidence,"
                " 'as it was', :taken, :by)",
                tenant=TENANT,
                run=run_id,
                id=assessment_id,
                task=str(assessment_id),
                stage=stage,
                confidence=confidence,
                taken=taken.encode() or None,
                by=by,
            )
        return assessment_id

    def finish(self, seeded: Seeded) -> None:
        """The call returned."""
        with self.database.begin() as conn:
            step(
                conn,
                "calls",
                seeded.call_id,
                "succeeded",
                "finished_at = now(), result_type = 'json', result = :result",
                result=b'{"deleted":true}',
            )
            log_entry(
                conn,
                "call.succeeded",
                "worker:w1",
                seeded.run_id,
                seeded.call_id,
                call_state="succeeded",
            )

    def in_doubt(self, seeded: Seeded) -> Seeded:
        """The call was sent and no answer came; a person is asked."""
        approval_id = uuid7()
        with self.database.begin() as conn:
            step(
                conn,
                "calls",
                seeded.call_id,
                "in_doubt",
                "error = 'The worker stopped before the call returned.'",
            )
            run_sql(
                conn,
                "insert into approvals (tenant_id, id, kind, run_id, call_id, digest, headline,"
                " reason, reviewers, created_at) values (:tenant, :id, 'in_doubt', :run, :call,"
                " :digest, 'delete_volume may already have run',"
                " 'The worker stopped before the call returned.', array['on-call'], now())",
                tenant=TENANT,
                id=approval_id,
                run=seeded.run_id,
                call=seeded.call_id,
                digest=bytes.fromhex(seeded.digest),
            )
            doubt = Seeded(approval_id, seeded.call_id, seeded.run_id, seeded.digest)
            self._both(conn, doubt, "worker:w1", "call.in_doubt", "in_doubt", "pending")
        return doubt

    def _both(
        self,
        conn: sa.Connection,
        seeded: Seeded,
        actor: str,
        event: str,
        call_state: str,
        approval_state: str,
    ) -> None:
        ids = (seeded.run_id, seeded.call_id, seeded.approval_id)
        log_entry(conn, event, actor, *ids, call_state=call_state)
        event = {"pending": "requested"}.get(approval_state, approval_state)
        log_entry(conn, f"approval.{event}", actor, *ids, approval_state=approval_state)


def _reply(conn: sa.Connection, run_id: UUID, model: str, usd: str, price: str) -> None:
    """A reply of a run, as it is asked for and paid."""
    reply_id = uuid7()
    said = run_sql(
        conn,
        "select reserve_reply(:tenant, :run, 1, :id, :model, 'maker', 4000, 800, :usd)",
        tenant=TENANT,
        run=run_id,
        id=reply_id,
        model=model,
        usd=Decimal(usd),
    ).scalar_one()
    assert said == {"said": "reserved"}
    run_sql(
        conn,
        "select put_reply(:tenant, :run, 1, :id, :model, 'maker', 3000, 500, null, null, null,"
        " :usd, :price, null, null, null, null)",
        tenant=TENANT,
        run=run_id,
        id=reply_id,
        model=model,
        usd=Decimal(usd),
        price=price,
    )

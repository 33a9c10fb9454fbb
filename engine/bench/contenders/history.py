"""A journal full of calls, which another policy judges again as `interlock policy replay` does."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

from uuid_utils.compat import uuid7

from ....policies.verdict import Outcome
from ...audit import record
from ...call import Place, Proposal
from ...call_writes import at_birth, digest_of, row_of
from ...database import Database, execute
from ...digest import canonical
from ...hold import Hold
from ...lifecycle import ApprovalKind, CallState
from ...past_calls import PastPolicies
from ...replay import Replay, judge_all
from ...requests import request_approval
from ...runs import create_run
from ...schema import migrate
from ..readings import Judged
from .policy import AGENT, HundredPolicies, request_for
from .work import TENANT, WHO, ample

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Connection

PER_RUN = 50
"""Calls of each run."""
FINGERPRINT = "0" * 64
SINCE = timedelta(days=1)
STATES = {
    Outcome.ALLOW: CallState.ALLOWED,
    Outcome.REVIEW: CallState.WAITING,
    Outcome.FORBID: CallState.FORBIDDEN,
}


class History(HundredPolicies):
    """Calls of fifty tools, no two alike, each judged once by a hundred policies."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        db = Database(url)
        migrate(db)
        with db.begin() as conn:
            self._register(conn)
        db.close()

    def judge(self, *, calls: int) -> Judged:
        """Half of what was allowed would be held, and half of what was held forbidden."""
        db = Database(self.url)
        try:
            for first in range(0, calls, PER_RUN):
                self._make(db, range(first, min(first + PER_RUN, calls)))
            return self._judge(db)
        finally:
            db.close()

    def _judge(self, db: Database) -> Judged:
        stricter = self.text().replace("< 100 ", "< 50 ").replace("< 1000 ", "< 550 ")
        judging = Replay(PastPolicies(db, TENANT), TENANT, {AGENT: stricter})
        cpu, began = time.process_time(), time.perf_counter()
        judge_all(judging.look, db, TENANT, datetime.now(UTC) - SINCE, None, lambda *_: None)
        took, used = time.perf_counter() - began, time.process_time() - cpu
        return Judged(judging.judged, took, used)

    def _register(self, conn: Connection) -> None:
        tools = {spec.name: {"schema": spec.schema} for spec in self.specs}
        execute(conn, "store_policy", digest=self.policy.digest, text=self.policy.text)
        execute(
            conn,
            "register_agent",
            tenant=TENANT,
            name=AGENT,
            fingerprint=FINGERPRINT,
            shape=FINGERPRINT,
            policy_digest=self.policy.digest,
            tools=json.dumps(tools),
            limits=json.dumps(ample().as_json()),
            most_pending=None,
            fallback=None,
        )

    def _make(self, db: Database, numbers: range) -> None:
        """A run with these calls, as the journal has them."""
        run_id = create_run(db, tenant=TENANT, agent=AGENT, input=None, requested_by=WHO).run_id
        hold = Hold(TENANT, run_id, AGENT, 0, uuid7())
        with db.begin() as conn:
            for number in numbers:
                self._propose(conn, hold, number)

    def _propose(self, conn: Connection, hold: Hold, number: int) -> None:
        spec = self.specs[number % len(self.specs)]
        request = request_for(spec, _amount(number))
        verdict = self.policy.decide(request)
        proposal = Proposal(
            key=sha256(str(number).encode()).digest(),
            revision=1,
            place=Place("", str(number), None),
            spec=spec,
            args=canonical(request.args),
            classification=request.classification,
            verdict=verdict,
            context=request.as_json(),
        )
        call_id: UUID = uuid7()
        digest = digest_of(hold, proposal)
        approval_id: UUID | None = uuid7() if verdict.terms else None
        row = {
            **row_of(proposal, digest, STATES[verdict.outcome]),
            "approval_id": approval_id,
            "grant_id": None,
            "fingerprint": None,
        }
        execute(conn, "insert_call", tenant=TENANT, id=call_id, run_id=hold.run_id, **row)
        record(
            conn,
            tenant=TENANT,
            event="call.proposed",
            actor=WHO,
            run_id=hold.run_id,
            call_id=call_id,
            subject=call_id,
            state=row["state"],
            detail=at_birth(row),
        )
        if approval_id is not None and verdict.terms is not None:
            request_approval(
                conn,
                hold,
                approval_id=approval_id,
                kind=ApprovalKind.CALL,
                call_id=call_id,
                digest=digest,
                headline=spec.name,
                reason=verdict.reason,
                preview=None,
                terms=verdict.terms,
            )


def _amount(number: int) -> int:
    """One that is allowed, one that is held, one that is forbidden, all over their ranges."""
    place = number // 3
    return (place % 100, 100 + place % 900, 1000 + place)[number % 3]

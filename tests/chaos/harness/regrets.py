"""People who want what a run has done undone: they look at the plan and confirm it."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import TYPE_CHECKING

from interlock.engine.errors import Conflict
from interlock.engine.rollback_plan import Scope
from interlock.engine.rollbacks import STOPPING, ask_rollback, plan_rollback

from .evidence import AWAY

if TYPE_CHECKING:
    from uuid import UUID

    from interlock.engine.database import Database

    from .evidence import Acks, Row

TENANT = "default"
REGRETTED = "~"
"""Ends the name of a run that is rolled back."""
SHARES = {"ended": 0.6, "running": 0.04}
"""Of the runs that did something which can be undone, so many are rolled back."""
MOST_TRIES = 3
_DONE = """
select r.id, r.idempotency_key as name, r.status,
       (select count(*) from rollbacks b
        where (b.tenant_id, b.run_id) = (r.tenant_id, r.id)) as tries
from runs r
where r.status in ('ended', 'running')
  and exists (select from calls c
              where (c.tenant_id, c.run_id) = (r.tenant_id, r.id)
                and c.effect = 'reversible' and c.state in ('succeeded', 'undo_failed'))
  and not exists (select from rollbacks b
                  where (b.tenant_id, b.run_id) = (r.tenant_id, r.id) and b.state <> 'ended')
order by r.id desc limit 30
"""


class Regrets:
    """Rolls some runs back; the same ones, whoever of the people looks at them.

    Without `acks`, nobody hears of the answers.
    """

    def __init__(self, database: Database, acks: Acks | None) -> None:
        self._db = database
        self._acks = acks
        self._seen: set[tuple[UUID, int, str]] = set()

    def roll_back(self, name: str) -> None:
        """Ask for the rollbacks that are wanted now."""
        with suppress(*AWAY):
            with self._db.begin() as conn:
                found = conn.exec_driver_sql(_DONE).all()
            for run in found:
                self._consider(run, name)

    def _consider(self, run: Row, name: str) -> None:
        seen = (run.id, run.tries, run.status)
        if seen in self._seen or run.tries == MOST_TRIES:
            return
        luck = random.Random(f"{run.name} {run.tries} {run.status}").random()  # noqa: S311 - to be repeatable
        wanted = run.name.endswith(REGRETTED) and run.status == "ended"
        if run.tries > 0 or wanted or luck < SHARES[run.status]:
            self.ask(run.id, name)
        self._seen.add(seen)

    def ask(self, run_id: UUID, by: str) -> None:
        """Confirm the plan as it stands, if it undoes anything."""
        with self._db.begin() as conn:
            plan = plan_rollback(conn, tenant=TENANT, run_id=run_id, scope=Scope())
        digest = plan.digest.hex()
        with suppress(Conflict):
            asked = ask_rollback(
                self._db, tenant=TENANT, run_id=run_id, digest=digest, by=f"reviewer:{by}"
            )
            if self._acks is None:
                return
            if asked.state == STOPPING:
                self._acks.note("cancel", run_id, by=by)
            else:
                self._acks.note("rollback", run_id, digest=digest, by=by)

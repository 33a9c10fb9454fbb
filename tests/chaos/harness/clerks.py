"""Processes that ask, decide, cancel and roll back as the browser's server does, and can be killed.

Each is forked for one act; where it is to die, a trap of its own says.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psutil
from interlock.engine.database import Database
from interlock.engine.decisions import Answer, decide
from interlock.engine.errors import Conflict
from interlock.engine.lifecycle import DecisionKind
from interlock.engine.runs import create_run, request_cancel
from support.world import World as Traps

from .gauntlet import Patience
from .people import AGENT, TENANT, script
from .points import OF_PEOPLE, around_commits
from .regrets import Regrets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .evidence import Row
    from .field import Field

PATIENCE = 60.0
SLOWLY = 0.5
"""Seconds between two rounds of the people, who would have decided everything by then."""
ORDER = "CHAOS_ORDER"
_OPEN = """
select a.id, a.run_id, a.digest, a.confirm from approvals a join calls c on c.id = a.call_id
where a.state = 'pending'
  and a.kind = 'call' and c.tool not in ('burn', 'erase') order by random() limit 1
"""
_UNDER_WAY = "select id as run_id from runs where status <> 'ended' order by random() limit 1"
_ENDED = """
select r.id as run_id from runs r
where r.status = 'ended'
  and exists (select from calls c where c.run_id = r.id and c.state = 'succeeded'
                                    and c.effect = 'reversible')
  and not exists (select from rollbacks b where b.run_id = r.id)
order by random() limit 1
"""
SUBJECTS = {"decide": _OPEN, "cancel": _UNDER_WAY, "ask_rollback": _ENDED}
"""What each act is about: any one that fits, not the people's own choice."""


def killed(field: Field, rounds: int) -> Counter[str]:
    """Who acts is killed at each moment of it, so many times each; somebody acts again after."""
    field.people.pause = SLOWLY
    left = Counter(dict.fromkeys(OF_PEOPLE, rounds))
    hits: Counter[str] = Counter()
    patience = Patience(hits)
    while +left:
        patience.check(+left)
        field.keep_busy()
        for point in list(+left):
            if _dies_at(field, point):
                left[point] -= 1
                hits[point] += 1
        time.sleep(0.01)
    return hits


def _dies_at(field: Field, point: str) -> bool:
    """Whether a clerk was found something to do, and died of it at the point."""
    act = point.partition(".")[0]
    order = _order(field, act)
    if order is None:
        return False
    field.traps.trap(point, "kill")
    clerk = psutil.Process(
        field.nursery.fork_for(
            "harness.clerks:obey",
            field.folder / "clerks.log",
            {**field.crew.environment, ORDER: json.dumps({"act": act, **order})},
        )
    )
    with suppress(psutil.NoSuchProcess):
        clerk.wait(PATIENCE)
    died = field.traps.taken(point) == clerk.pid
    field.traps.clear(point)
    if died:
        field.note("clerk killed", point=point)
    if act == "create":
        field.people.ask_as(order["name"], order["content"])
    return died


def _order(field: Field, act: str) -> dict[str, Any] | None:
    if act == "create":
        name = f"clerk-{field.chance.getrandbits(64)}"
        return {"name": name, "content": json.dumps(script(field.chance, name))}
    found = field.rows(SUBJECTS[act])
    return _named(found[0]) if found else None


def _named(row: Row) -> dict[str, str]:
    named = {"run_id": str(row.run_id)}
    if "digest" in row._fields:
        named |= {
            "approval_id": str(row.id),
            "digest": bytes(row.digest).hex(),
            "confirm": row.confirm,
        }
    return named


def obey() -> None:
    """Do what the environment says, in a process of one's own."""
    traps = Traps(Path(os.environ["ACCEPTANCE_WORLD"]))
    around_commits(traps.pass_by)
    order = json.loads(os.environ[ORDER])
    database = Database(os.environ["INTERLOCK_DATABASE_URL"])
    with suppress(Conflict):
        _ACTS[order["act"]](database, order)


def _decide(database: Database, order: Mapping[str, str]) -> None:
    kind = DecisionKind.APPROVE
    approval, digest = UUID(order["approval_id"]), order["digest"]
    answer = Answer(TENANT, approval, "finn", kind, digest, "api", confirm=order["confirm"])
    decide(database, answer)


def _cancel(database: Database, order: Mapping[str, str]) -> None:
    request_cancel(database, tenant=TENANT, run_id=UUID(order["run_id"]), by="reviewer:finn")


def _create(database: Database, order: Mapping[str, str]) -> None:
    create_run(
        database,
        tenant=TENANT,
        agent=AGENT,
        input={"messages": [{"role": "user", "content": order["content"]}]},
        requested_by="reviewer:dana",
        idempotency_key=order["name"],
    )


def _ask_rollback(database: Database, order: Mapping[str, str]) -> None:
    Regrets(database, None).ask(UUID(order["run_id"]), "finn")


_ACTS = {"decide": _decide, "cancel": _cancel, "create": _create, "ask_rollback": _ask_rollback}

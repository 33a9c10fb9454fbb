"""Interlock's own parts as the contenders use them: a real worker, and a person at once."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from uuid_utils.compat import uuid7

from ... import accounts
from ...decisions import Answer, decide
from ...lifecycle import DecisionKind
from ...limits import Limits
from ...runs import create_run
from ...worker import Worker, WorkerSettings, register
from .patience import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from uuid import UUID

    from ...agent import Agent
    from ...database import Database

TENANT = "default"
WHO = "operator:bench"
REVIEWER = "dana"
AMPLE = 1_000_000
RARELY = 0.1
"""Seconds between two looks at runs whose time the database takes: a look costs their worker."""
AT_ONCE = 0.002
"""Seconds between two looks of a person who decides at once."""


def ample() -> Limits:
    """Limits that no measurement comes to."""
    return Limits(steps=AMPLE, calls=AMPLE, irreversible=AMPLE, seconds=AMPLE, repeats=AMPLE)


def make_known(db: Database, *agents: Agent) -> None:
    """Register agents, so that runs of them can be asked for before a worker starts."""
    with db.begin() as conn:
        for agent in agents:
            register(conn, agent, tenant=TENANT, worker_id=uuid7())


def ask_for(db: Database, agent: Agent, given: Any) -> UUID:
    """Commit one run."""
    return create_run(db, tenant=TENANT, agent=agent.name, input=given, requested_by=WHO).run_id


@contextmanager
def working(db: Database, agents: Sequence[Agent], *, concurrency: int) -> Iterator[Future[None]]:
    """A worker in a thread of its own, until the block ends."""
    worker = Worker(db, agents, WorkerSettings(concurrency=concurrency))
    with ThreadPoolExecutor(1, thread_name_prefix="bench-worker") as threads:
        work = threads.submit(worker.run)
        try:
            yield work
        finally:
            worker.stop()
        work.result()


def add_person(db: Database) -> None:
    """The account that decides."""
    accounts.add_reviewer(
        db,
        tenant=TENANT,
        name=REVIEWER,
        password="decides at once",  # noqa: S106 - in a database that lives as long as the bench
        groups=["on-call"],
        by=WHO,
    )


def pending(db: Database) -> list[Any]:
    """The approvals that wait for a decision, oldest first."""
    query = "select id, digest from approvals where state = 'pending' order by id"
    with db.begin() as conn:
        return list(conn.exec_driver_sql(query).all())


def approve(db: Database, asked: Any) -> None:
    """The person's decision, as a page or the API records it."""
    answer = Answer(
        tenant=TENANT,
        approval_id=asked.id,
        reviewer=REVIEWER,
        kind=DecisionKind.APPROVE,
        digest=bytes(asked.digest).hex(),
        via="api",
    )
    decide(db, answer)


@contextmanager
def deciding(db: Database) -> Iterator[Future[None]]:
    """A person who approves everything at once, in a thread, until the block ends."""
    ended = threading.Event()

    def attend() -> None:
        while not ended.wait(AT_ONCE):
            for asked in pending(db):
                approve(db, asked)

    with ThreadPoolExecutor(1, thread_name_prefix="bench-person") as threads:
        work = threads.submit(attend)
        try:
            yield work
        finally:
            ended.set()
        work.result()


def count(db: Database, run_ids: Sequence[UUID], status: str) -> int:
    """How many of these runs have the status."""
    query = "select count(*) from runs where tenant_id = %s and id = any(%s) and status = %s"
    with db.begin() as conn:
        counted = conn.exec_driver_sql(query, (TENANT, list(run_ids), status))
        return int(counted.scalar_one())


def wait_for(
    db: Database, run_ids: Sequence[UUID], status: str, needs: Sequence[Future[None]]
) -> None:
    """Wait until all of these runs have the status."""
    until(
        lambda: count(db, run_ids, status) == len(run_ids),
        f"{len(run_ids)} runs should come to be {status}",
        needs=needs,
        pause=RARELY,
    )

"""A laboratory: real workers on a real database, and a world that only counts."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from interlock.engine.decisions import Answer, Decided, decide
from interlock.engine.lifecycle import DecisionKind
from interlock.engine.runs import create_run
from interlock.engine.worker import Worker, WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from interlock import Agent
    from interlock.engine.database import Database

PATIENCE = 20.0


class Lab:
    """Starts workers and runs, decides, and looks at what became of it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.effects: list[str] = []
        self._workers: list[tuple[Worker, threading.Thread]] = []

    def work(self, *agents: Agent, **settings: Any) -> Worker:
        """A worker for these agents, in a thread."""
        worker = Worker(self.database, agents, WorkerSettings(poll_seconds=0.1, **settings))
        thread = threading.Thread(target=worker.run)
        thread.start()
        self._workers.append((worker, thread))
        names = [agent.fingerprint for agent in agents]
        self.until(
            lambda: self.one(
                "select count(*) = %s from agents where fingerprint = any(%s)", len(names), names
            )
        )
        return worker

    def rest(self) -> None:
        """Stop all workers in good order."""
        for worker, _ in self._workers:
            worker.stop()
        for _, thread in self._workers:
            thread.join()
        self._workers.clear()

    def start(self, agent: Agent, input: Any = None, **more: Any) -> UUID:  # noqa: A002
        """Ask for a run."""
        asked = {"agent": agent.name, "input": input or {}, "requested_by": "reviewer:dana"}
        return create_run(self.database, tenant="default", **{**asked, **more}).run_id

    def settled(self, run_id: UUID) -> dict[str, Any]:
        """The run once it waits or has ended."""
        self.until(lambda: self.run(run_id)["status"] in ("waiting", "ended"))
        return self.run(run_id)

    def ended(self, run_id: UUID) -> dict[str, Any]:
        """The run once it has ended."""
        self.until(lambda: self.run(run_id)["status"] == "ended", run_id)
        return self.run(run_id)

    def run(self, run_id: UUID) -> dict[str, Any]:
        """The run's row."""
        return self.rows("select * from runs where id = %s", run_id)[0]

    def calls(self, run_id: UUID) -> list[dict[str, Any]]:
        """The run's calls, oldest first."""
        return self.rows("select * from calls where run_id = %s order by id", run_id)

    def pending(self, run_id: UUID, count: int = 1) -> list[dict[str, Any]]:
        """The run's pending approvals, once there are that many."""
        query = "select * from approvals where run_id = %s and state = 'pending' order by id"
        self.until(lambda: len(self.rows(query, run_id)) >= count, run_id)
        return self.rows(query, run_id)

    def decide(self, approval: dict[str, Any], kind: str = "approve", **more: Any) -> Decided:
        """Answer an approval as Dana."""
        fields = {
            "reviewer": "dana",
            "digest": bytes(approval["digest"]).hex(),
            "via": "api",
            "confirm": approval.get("confirm"),
        }
        answer = Answer(
            tenant="default",
            approval_id=approval["id"],
            kind=DecisionKind(kind),
            **{**fields, **more},
        )
        return decide(self.database, answer)

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """What a query gives."""
        with self.database.begin() as conn:
            return [dict(row) for row in conn.exec_driver_sql(query, values).mappings()]

    def one(self, query: str, *values: Any) -> Any:
        """The one value that a query gives."""
        with self.database.begin() as conn:
            return conn.exec_driver_sql(query, values).scalar_one()

    def left_open(self) -> int:
        """How many transactions stay open; a worker's own, as its look at the queue, are short."""
        query = (
            "select count(*) from pg_stat_activity where datname = current_database()"
            " and state like 'idle in transaction%%' and pid <> pg_backend_pid()"
        )
        for _ in range(100):
            if (count := self.one(query)) == 0:
                break
            time.sleep(0.02)
        return int(count)

    def until(self, holds: Any, about: UUID | None = None) -> None:
        """Wait for something to hold."""
        deadline = time.monotonic() + PATIENCE
        while not holds():
            if time.monotonic() > deadline:
                state = self.run(about) if about else None
                raise AssertionError(f"did not come true in {PATIENCE} s: {state}")
            time.sleep(0.02)

    def silence(self, seconds: float = 0.5) -> None:
        """Give something that must not happen the time to happen."""
        time.sleep(seconds)


@pytest.fixture
def lab(database: Database, reviewer: object) -> Iterator[Lab]:
    """A laboratory whose workers end with the test."""
    made = Lab(database)
    yield made
    made.rest()

"""One campaign's surroundings: a database, the world, workers, people, and their faults."""

from __future__ import annotations

import random
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from argon2 import PasswordHasher
from interlock.engine import accounts
from interlock.engine.database import Database
from sqlalchemy.exc import SQLAlchemyError
from support.crew import Crew
from support.world import World as Traps

from . import checker
from .evidence import Acks, Fault, gather
from .people import NAMES, TENANT, People
from .points import AFTER
from .world import World

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from support.crew import WorkerProcess
    from support.nursery import Nursery

    from .checker import Violation

AGENT = f"{Path(__file__).parent}/population.py:agent"
NAME = "population"
HEALED_WITHIN = 60.0
"""Seconds after the last fault by which every run is at rest (I6)."""
PATIENCE = 90.0
"""Seconds to wait for a worker to come to a point, on however slow a machine."""
BUSY = 4
"""Runs that are under way at any time."""
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class NotReached(AssertionError):
    """Nobody came to a point in time: the campaign cannot say anything of it."""


class Field:
    """Where a campaign takes place; entered, it has two workers and, if `staffed`, people."""

    def __init__(
        self,
        url: str,
        nursery: Nursery,
        folder: Path,
        seed: object,
        *,
        lease: float = 10.0,
        through: str | None = None,
        staffed: bool = True,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.url = url
        self.chance = random.Random(f"{seed}")  # noqa: S311 - to be repeatable
        self.lease = lease
        self._staffed = staffed
        self.faults: list[Fault] = []
        self.acks = Acks(folder / "acks")
        self.traps = Traps(folder / "traps")
        self._open = ExitStack()
        self._folder = folder
        self.database = Database(url)
        self.world = World(folder / "ledger")
        self.crew = Crew(nursery, through or url, self.traps, folder)
        self.crew.environment["CHAOS_WORLD"] = str(self.world.port)
        self._clients = Database(through or url)
        self.people = People(self._clients, self.world, self.acks, seed, self.traps.change)
        self.workers: list[WorkerProcess] = []

    def __enter__(self) -> Self:
        self._open.callback(self._clients.close)
        self._open.callback(self.database.close)
        self._open.enter_context(self.world)
        self._open.callback(self.crew.end)
        try:
            for name in NAMES:
                accounts.add_reviewer(
                    self.database,
                    tenant=TENANT,
                    name=name,
                    password=f"a password for {name}",
                    groups=("on-call",),
                    by="operator:chaos",
                    hasher=CHEAP,
                )
            self.workers = [self.begin(), self.begin()]
            for worker in self.workers:
                worker.wait_until_up()
            if self._staffed:
                self.people.begin()
            self._open.callback(self.people.end)
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    # Workers and runs ------------------------------------------------------------------------

    def begin(self) -> WorkerProcess:
        return self.crew.begin(lease=self.lease, agent=AGENT)

    def replace(self, worker: WorkerProcess) -> None:
        """Have another worker in its place."""
        self.workers[self.workers.index(worker)] = self.begin()

    def rows(self, query: str, **values: Any) -> Sequence[Any]:
        return self.database.retry(lambda conn: conn.exec_driver_sql(query, values).all())

    def unfinished(self) -> int:
        return int(self.rows("select count(*) from runs where status <> 'ended'")[0][0])

    def keep_busy(self, runs: int = BUSY) -> None:
        """Ask for runs until so many are under way; now and then one of them is cancelled."""
        for _ in range(runs - self.unfinished()):
            run = self.people.ask(NAME)
            if self.chance.random() < 0.05:
                self.people.cancel(run, "finn")

    # Faults ----------------------------------------------------------------------------------

    def note(
        self, kind: str, worker: WorkerProcess | None = None, point: str | None = None
    ) -> None:
        self.faults.append(Fault(time.time(), kind, worker and _id_of(worker), point))

    def catch(self, point: str, *acts: str) -> WorkerProcess:
        """Have the next worker that comes to a point suffer there, and say which it was.

        Raises:
            NotReached: nobody came.
        """
        cause = AFTER.get(point.partition(".")[0])
        skipped = [] if cause else ["skip"] * self.chance.choice([0, 0, 1, 2])
        self.traps.trap(point, *skipped, *acts)
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if cause is None:
                caught = self._caught(PATIENCE, point)
            else:
                caught = self._caught_after(cause, point)
            if caught:
                return caught[1]
        raise NotReached(f"Nobody came to {point} in {PATIENCE:.0f} s.")

    def _caught_after(self, cause: str, point: str) -> tuple[str, WorkerProcess] | None:
        """Kill a worker at the cause; not every kill there has this consequence."""
        self.traps.trap(cause, "kill")
        caught = self._caught(PATIENCE, point, cause)
        self._trap(cause).unlink(missing_ok=True)
        if self._trap(f"{cause}.taken").exists() and (dead := self._caught(PATIENCE, cause)):
            dead[1].wait()
            self._bury(dead[1], cause, cut=False)
        return caught if caught and caught[0] == point else self._caught(2.0, point)

    def _trap(self, name: str) -> Path:
        return self.traps.root / "traps" / name

    def _caught(self, patience: float, *points: str) -> tuple[str, WorkerProcess] | None:
        """The first of these points that a worker is caught at, and who it is."""
        until = time.monotonic() + patience
        while time.monotonic() < until:
            for point in points:
                taken = self._trap(f"{point}.taken")
                if taken.exists() and (pid := taken.read_text()).isdecimal():
                    return point, self.crew.of(int(pid))
            self.keep_busy()
            time.sleep(0.03)
        return None

    def kill_at(self, point: str, *, cut: bool = False) -> None:
        """Kill a worker at a point; with `cut`, all connections break at the same moment."""
        worker = self.catch(point, "kill")
        worker.wait()
        self._bury(worker, point, cut=cut)

    def kill(self) -> None:
        """Kill one of the workers wherever it is."""
        worker = self.chance.choice(self.workers)
        worker.kill()
        self._bury(worker, None, cut=False)

    def _bury(self, worker: WorkerProcess, point: str | None, *, cut: bool) -> None:
        self.note("kill", worker, point)
        if cut:
            self.cut()
        # nobody waits for the lease of the dead, so that another one races what it had sent
        expire = "update workers set lease_until = heartbeat_at where pid = %(pid)s returning id"
        self.rows(expire, pid=worker.pid)
        self.replace(worker)

    def stop_at(self, point: str) -> None:
        """Have a worker stand still at a point until its lease is over, and then go on."""
        worker = self.catch(point, "stop")
        worker.wait_until_stopped()
        self.note("stop", worker, point)
        self._sleep_past_the_lease(worker)

    def stop(self) -> None:
        """The same wherever one is."""
        worker = self.chance.choice(self.workers)
        worker.stop()
        self.note("stop", worker)
        self._sleep_past_the_lease(worker)

    def _sleep_past_the_lease(self, worker: WorkerProcess) -> None:
        until = time.monotonic() + self.lease * self.chance.uniform(1.1, 1.8)
        while time.monotonic() < until:
            self.keep_busy()
            time.sleep(0.1)
        worker.go_on()

    def cut(self) -> None:
        """Break every connection to the database but one's own."""
        self.note("cut")
        with suppress(SQLAlchemyError):
            self.rows(
                """select pg_terminate_backend(pid) from pg_stat_activity
                   where datname = current_database() and pid <> pg_backend_pid()"""
            )

    # The end ---------------------------------------------------------------------------------

    def settle(self) -> list[Violation]:
        """Wait until every run is at rest, as long as that may take, and check everything."""
        deadline = time.monotonic() + HEALED_WITHIN
        while self.unfinished() and time.monotonic() < deadline:
            assert not self.people.broke, self.people.broke
            time.sleep(0.1)
        self.people.end()
        for worker in self.workers:
            with suppress(psutil.NoSuchProcess):
                worker.drain()
        for worker in self.workers:
            worker.wait()
        self.evidence = gather(self.database, self.world.effects(), self.acks.all(), self.faults)
        return checker.check(self.evidence)


def _id_of(worker: WorkerProcess) -> str | None:
    """Its id in the database; a worker may die before it has one."""
    return worker.id if worker.times_logged("worker.started") else None

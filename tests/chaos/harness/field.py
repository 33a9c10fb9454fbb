"""One campaign's surroundings: a database, the world, workers and people."""

from __future__ import annotations

import random
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from argon2 import PasswordHasher
from interlock.engine import accounts
from interlock.engine.database import Database
from support.crew import Crew
from support.world import World as Traps

from . import checker, clocks
from .evidence import AWAY, Acks, Fault, gather
from .people import NAMES, TENANT, People
from .world import World

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from support.crew import WorkerProcess
    from support.nursery import Nursery

    from .checker import Violation

AGENT = f"{Path(__file__).parent}/population.py:agent"
HEALED_WITHIN = 60.0
"""Seconds after the last fault by which every run is at rest (I6)."""
MOST_DEATHS = 200
"""Workers that one run may take along: here it is not the run that kills them."""
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@dataclass(frozen=True, slots=True)
class Staff:
    """Who is at work in a field.

    Attributes:
        at_once: runs that each executes side by side.
        busy: runs that are under way at any time.
        people: whether anybody decides; else the campaign does.
        own_clocks: whether each worker's clocks can be shifted.
    """

    workers: int = 2
    at_once: int = 8
    busy: int = 4
    lease: float = 10.0
    people: bool = True
    own_clocks: bool = False


class Field:
    """Where a campaign takes place; entered, its staff is at work.

    `through` is the way of workers and people to the database, if it is not `url`.
    """

    def __init__(
        self,
        url: str,
        nursery: Nursery,
        folder: Path,
        seed: object,
        staff: Staff | None = None,
        *,
        through: str | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.url = url
        self.seed = seed
        self.chance = random.Random(f"{seed}")  # noqa: S311 - to be repeatable
        self.staff = staff or Staff()
        self.faults: list[Fault] = []
        self.acks = Acks(folder / "acks")
        self.traps = Traps(folder / "traps")
        self._open = ExitStack()
        self.folder = folder
        self.nursery = nursery
        self.database = Database(url)
        self.world = World(folder / "ledger")
        self.crew = Crew(nursery, through or url, self.traps, folder)
        self.crew.environment["CHAOS_WORLD"] = str(self.world.port)
        self._clients = Database(through or url)
        self.people = People(self._clients, self.world, self.acks, seed, self.traps.change)
        self.workers: list[WorkerProcess] = []
        self.clocks: dict[int, Path] = {}

    def __enter__(self) -> Self:
        self._open.callback(self._clients.close)
        self._open.callback(self.database.close)
        self._open.enter_context(self.world)
        self._open.callback(self.crew.end)
        try:
            self.enlist(NAMES)
            self.workers = [self.begin() for _ in range(self.staff.workers)]
            for worker in self.workers:
                worker.wait_until_up()
            if self.staff.people:
                self.people.begin()
            self._open.callback(self.people.end)
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def enlist(self, names: Sequence[str]) -> None:
        """So many more reviewers."""
        for name in names:
            accounts.add_reviewer(
                self.database,
                tenant=TENANT,
                name=name,
                password=f"a password for {name}",
                groups=("on-call",),
                by="operator:chaos",
                hasher=CHEAP,
            )

    # Workers and runs ------------------------------------------------------------------------

    def begin(self) -> WorkerProcess:
        clock = self.folder / f"clock-{len(self.clocks)}"
        more = {}
        if self.staff.own_clocks:
            clocks.shift(clock, realtime=0.0, slept=0.0)
            more[clocks.FILE] = str(clock)
        worker = self.crew.begin(
            lease=self.staff.lease,
            concurrency=self.staff.at_once,
            agent=AGENT,
            most_deaths=MOST_DEATHS,
            more=more,
        )
        self.clocks[worker.pid] = clock
        return worker

    def replace(self, worker: WorkerProcess) -> None:
        """Have another worker in its place."""
        self.workers[self.workers.index(worker)] = self.begin()

    def rows(self, query: str, **values: Any) -> Sequence[Any]:
        return self.database.retry(lambda conn: conn.exec_driver_sql(query, values).all())

    def unfinished(self) -> int:
        """Runs and rollbacks that are not over."""
        open_ = "(select count(*) from {} where {} <> 'ended')"
        query = f"select {open_.format('runs', 'status')} + {open_.format('rollbacks', 'state')}"
        return int(self.rows(query)[0][0])

    def keep_busy(self, *, cancelled: float = 0.05) -> None:
        """Ask for runs until enough are under way; now and then one of them is cancelled."""
        self._replace_who_gave_up()
        assert not self.people.broke, self.people.broke
        for _ in range(self.staff.busy - self.unfinished()):
            run = self.people.ask()
            if self.chance.random() < cancelled:
                self.people.cancel(run, "finn")

    def _replace_who_gave_up(self) -> None:
        for worker in [each for each in self.workers if each.gave_up]:
            self.replace(worker)

    # Faults ----------------------------------------------------------------------------------

    def note(
        self, kind: str, worker: WorkerProcess | None = None, point: str | None = None
    ) -> None:
        self.faults.append(Fault(time.time(), kind, worker and _id_of(worker), point))

    def bury(
        self, worker: WorkerProcess, point: str | None, *, cut: bool = False, race: bool = True
    ) -> None:
        """Another worker in the place of one that was killed.

        With `cut`, every connection breaks at that moment. With `race`, nobody waits for the lease
        of the dead, so that what it had sent is raced; else it is over in a second.
        """
        self.note("kill", worker, point)
        if cut:
            self.cut()
        self.rows(
            """update workers set lease_until =
                   case when %(race)s then heartbeat_at else clock_timestamp() + interval '1 s' end
               where pid = %(pid)s and lease_until > clock_timestamp() returning id""",
            pid=worker.pid,
            race=race,
        )
        self.replace(worker)

    def kill(self) -> None:
        """Kill one of the workers wherever it is."""
        worker = self.chance.choice(self.workers)
        worker.kill()
        self.bury(worker, None)

    def cut(self) -> None:
        """Break every connection to the database but one's own."""
        self.note("cut")
        with suppress(*AWAY):
            self.rows(
                """select pg_terminate_backend(pid) from pg_stat_activity
                   where datname = current_database() and pid <> pg_backend_pid()"""
            )

    # The end ---------------------------------------------------------------------------------

    def settle(self) -> list[Violation]:
        """Wait until every run is at rest, as long as that may take, and check everything."""
        self.people.is_late = True
        self._replace_who_gave_up()
        died = [worker.log.read_text()[-2000:] for worker in self.workers if not worker.is_alive]
        assert not died, f"{len(died)} workers died, and nobody killed them: {died}"
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

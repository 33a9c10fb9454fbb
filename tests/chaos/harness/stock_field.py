"""A campaign against the stock engine: the same world and traps, a worker of its own kind."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from contextlib import suppress
from signal import SIGQUIT
from typing import TYPE_CHECKING, Any

import psutil
import psycopg
from interlock.engine.postgres_server import PostgresServer
from langgraph.checkpoint.postgres import PostgresSaver
from support.proxy import ForgetfulProxy
from support.world import World as Traps

from .stock import TABLES, URL
from .world import World

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Self

    from interlock.engine.embedded import EmbeddedPostgres
    from support.nursery import Nursery

PATIENCE = 30.0
BUSY = 3
AROUND = ("effect.before", "effect.sent", "effect.answered")


class LostNowAndThen(ForgetfulProxy):
    """Forgets the answer to some statement, as often as is `wanted`."""

    wanted = 0

    def _memory(self) -> Callable[[bytes], bool]:
        def is_forgotten(data: bytes) -> bool:
            if self.wanted < 1 or self._chance.random() > 0.05:
                return False
            self.wanted -= 1
            return True

        return is_forgotten


class StockField:
    """A database, the world, one worker, and a person who approves everything at once."""

    def __init__(
        self, url: str, nursery: Nursery, server: EmbeddedPostgres, folder: Path, seed: object
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.url = url
        self.server = server
        self.chance = random.Random(f"{seed}")  # noqa: S311 - to be repeatable
        self.traps = Traps(folder / "traps")
        self.log = folder / "stock.log"
        self.world = World(folder / "ledger")
        self.proxy = LostNowAndThen(url, f"{seed}")
        self._nursery = nursery
        self._environment = {
            "ACCEPTANCE_WORLD": str(self.traps.root),
            "CHAOS_WORLD": str(self.world.port),
            URL: self.proxy.url,
        }
        self._asked = 0
        self.workers: list[psutil.Process] = []

    def __enter__(self) -> Self:
        with psycopg.connect(self.url, autocommit=True) as conn:
            PostgresSaver(conn).setup()  # type: ignore[arg-type]
            conn.execute(TABLES)
        self.proxy.__enter__()
        self.begin()
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            with suppress(psutil.NoSuchProcess):
                worker.kill()
        self.proxy.__exit__()
        self.world.__exit__()

    def begin(self) -> psutil.Process:
        """One more worker."""
        pid = self._nursery.fork_for("harness.stock:main", self.log, self._environment)
        self.workers.append(psutil.Process(pid))
        return self.workers[-1]

    def rows(self, query: str, *values: Any) -> list[Any]:
        """The rows of a query, asked again while the database is away."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                with psycopg.connect(self.url, autocommit=True) as conn:
                    cursor = conn.execute(query, values)
                    return cursor.fetchall() if cursor.description else []
            except psycopg.OperationalError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def keep_busy(self) -> None:
        """Approve what is asked; ask for more runs."""
        self.rows("update threads set state = 'due', decision = 'approve' where state = 'waiting'")
        ((left,),) = self.rows("select count(*) from threads where state <> 'ended'")
        for _ in range(BUSY - left):
            self._asked += 1
            name = f"r{self._asked:05}"
            turns = [
                [(self.chance.choice(["tidy", "wipe"]), f"{name}.{turn}.{at}") for at in range(2)]
                for turn in range(2)
            ]
            self.rows("insert into threads (id, script) values (%s, %s)", name, json.dumps(turns))

    def busy_for(self, seconds: float) -> None:
        """Keep it busy for so long."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.keep_busy()
            time.sleep(0.03)

    def take_over(self) -> None:
        """Have another worker go on with what one was doing, which is at work when this returns."""
        self.rows("update threads set state = 'due' where state = 'running'")
        worker = self.begin()
        self.until(lambda: bool(self.rows("select id from threads where held_by = %s", worker.pid)))

    def until(self, holds: Callable[[], bool]) -> None:
        """Keep it busy until something holds."""
        until = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < until, self.log.read_text()[-3000:]
            self.keep_busy()
            time.sleep(0.03)

    def kill(self) -> None:
        """Kill the worker, and have another go on."""
        worker = self.workers.pop()
        with suppress(psutil.NoSuchProcess):  # it was caught, and is gone by itself
            worker.kill()
        worker.wait(PATIENCE)
        self.take_over()

    def settle(self) -> Counter[str]:
        """Work everything off; what happened more than once, by tool."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            self.rows(
                "update threads set state = 'due', decision = 'approve' where state = 'waiting'"
            )
            if not self.rows("select id from threads where state <> 'ended' limit 1"):
                break
            time.sleep(0.05)
        happened = Counter((each.call, each.tool) for each in self.world.effects())
        return Counter(tool for (_, tool), count in happened.items() if count > 1)


def points(field: StockField, rounds: int) -> Counter[str]:
    """Killed before, in and after the effect."""
    for point in AROUND * rounds:
        field.traps.trap(point, *["skip"] * field.chance.choice([0, 1, 2]), "kill")
        field.until(lambda point=point: field.traps.taken(point) is not None)  # type: ignore[misc]
        field.kill()
    return Counter(dict.fromkeys(AROUND, rounds))


def kills(field: StockField, rounds: int) -> Counter[str]:
    """Killed wherever it is."""
    for _ in range(rounds):
        field.busy_for(field.chance.uniform(0.1, 0.6))
        field.kill()
    return Counter(kills=rounds)


def stops(field: StockField, rounds: int) -> Counter[str]:
    """Stopped wherever it is, until another one is believed to be needed; then it goes on."""
    for _ in range(rounds):
        field.busy_for(field.chance.uniform(0.1, 0.6))
        slept = field.workers[-1]
        slept.suspend()
        field.take_over()
        slept.resume()
        field.busy_for(0.5)
        slept.kill()
        slept.wait(PATIENCE)
        field.workers.remove(slept)
        field.rows(
            "update threads set state = 'due' where state = 'running' and held_by = %s", slept.pid
        )
    return Counter(stops=rounds)


def lost_answers(field: StockField, rounds: int) -> Counter[str]:
    """The answer of some statement lost; the worker takes the thread up again."""
    for _ in range(rounds):
        field.proxy.wanted = 1
        field.until(lambda: field.proxy.wanted == 0)
    return Counter(lost=rounds)


def restarts(field: StockField, rounds: int) -> Counter[str]:
    """PostgreSQL ended at once, and started again."""
    for _ in range(rounds):
        field.busy_for(field.chance.uniform(0.2, 0.6))
        postmaster = PostgresServer(field.server.root).postmaster()
        assert postmaster
        postmaster.send_signal(SIGQUIT)
        postmaster.wait(30)
        field.server.start()
        field.rows("update threads set state = 'due' where state = 'running'")
    return Counter(restarts=rounds)

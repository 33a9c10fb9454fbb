"""A campaign against the stock engine: the same world and traps, a worker of its own kind."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from interlock.engine.postgres_server import PostgresServer
from langgraph.checkpoint.postgres import PostgresSaver
from support.world import World as Traps

from .evidence import Fault
from .stock import TABLES
from .world import World

if TYPE_CHECKING:
    from typing import Self

    from interlock.engine.embedded import EmbeddedPostgres

PATIENCE = 30.0
BUSY = 3
WORKER = Path(__file__).with_name("stock.py")


class StockField:
    """A database, the world, one worker, and a person who approves everything at once."""

    def __init__(self, url: str, folder: Path, seed: object) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.url = url
        self.chance = random.Random(f"{seed}")  # noqa: S311 - to be repeatable
        self.faults: list[Fault] = []
        self.traps = Traps(folder / "traps")
        self._log = (folder / "stock.log").open("ab")
        self.world = World(folder / "ledger")
        self._environment = os.environ | {
            "ACCEPTANCE_WORLD": str(self.traps.root),
            "CHAOS_WORLD": str(self.world.port),
        }
        self._asked = 0
        self._worker: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with psycopg.connect(self.url, autocommit=True) as conn:
            PostgresSaver(conn).setup()  # type: ignore[arg-type]
            conn.execute(TABLES)
        self.begin()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self.world.__exit__()
        self._log.close()

    def begin(self) -> None:
        self._worker = subprocess.Popen(
            [sys.executable, str(WORKER), self.url],
            env=self._environment,
            stdout=self._log,
            stderr=self._log,
        )

    def kill(self) -> None:
        assert self._worker
        self._worker.kill()
        self._worker.wait()

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

    def kill_at(self, point: str) -> None:
        """Kill the worker at a point, and start another, which goes on with what was under way."""
        self.traps.trap(point, *["skip"] * self.chance.choice([0, 1, 2]), "kill")
        taken = self.traps.root / "traps" / f"{point}.taken"
        until = time.monotonic() + PATIENCE
        while not (taken.exists() and taken.read_text().isdecimal()):
            assert time.monotonic() < until, Path(self._log.name).read_text()[-3000:]
            self.keep_busy()
            time.sleep(0.03)
        self._restart("kill", point)

    def kill_at_random(self) -> None:
        until = time.monotonic() + self.chance.uniform(0.3, 0.9)
        while time.monotonic() < until:
            self.keep_busy()
            time.sleep(0.03)
        self._restart("kill", None)

    def _restart(self, kind: str, point: str | None) -> None:
        self.kill()
        self.faults.append(Fault(time.time(), kind, None, point))
        self.rows("update threads set state = 'due' where state = 'running'")
        self.begin()
        self._until_at_work()

    def _until_at_work(self) -> None:
        until = time.monotonic() + PATIENCE
        while not self.rows("select id from threads where held_by = %s", self._worker.pid):  # type: ignore[union-attr]
            assert time.monotonic() < until, Path(self._log.name).read_text()[-3000:]
            self.keep_busy()
            time.sleep(0.05)

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
        self.stuck = self.rows("select count(*) from threads where state <> 'ended'")[0][0]
        happened = Counter((each.call, each.tool) for each in self.world.effects())
        return Counter(tool for (_, tool), count in happened.items() if count > 1)


def stock_points(field: StockField, rounds: int) -> int:
    for _ in range(rounds):
        for point in ("effect.before", "effect.sent", "effect.answered"):
            field.kill_at(point)
    return 3 * rounds


def stock_kills(field: StockField, rounds: int) -> int:
    for _ in range(rounds):
        field.kill_at_random()
    return rounds


def stock_restarts(field: StockField, rounds: int, server: EmbeddedPostgres) -> int:
    for _ in range(rounds):
        until = time.monotonic() + field.chance.uniform(0.2, 0.6)
        while time.monotonic() < until:
            field.keep_busy()
            time.sleep(0.03)
        postmaster = PostgresServer(server.root).postmaster()
        assert postmaster
        field.faults.append(Fault(time.time(), "postgres SIGQUIT"))
        postmaster.send_signal(signal.SIGQUIT)
        postmaster.wait(30)
        server.start()
        field.rows("update threads set state = 'due' where state = 'running'")
    return rounds

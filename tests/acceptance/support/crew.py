"""Worker processes: started, stopped, continued, killed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .nursery import Nursery
    from .world import World

PATIENCE = 60.0
AGENT = f"{Path(__file__).parent}/scripted.py:agent"
BYSTANDER = f"{Path(__file__).parent}/scripted.py:bystander"


class WorkerProcess:
    """One process that executes runs."""

    def __init__(self, process: psutil.Process, world: World, log: Path) -> None:
        self._process = process
        self._world = world
        self.log = log
        self.pid = process.pid

    def wait_until_up(self) -> WorkerProcess:
        """Wait until it has registered itself and its agents."""
        deadline = time.monotonic() + PATIENCE
        while not self.times_logged("worker.started"):
            assert self.is_alive, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)
        return self

    def times_logged(self, event: str) -> int:
        return self.log.read_text().count(f'"event": "{event}"')

    @property
    def id(self) -> str:
        """The worker's id in the database."""
        found = re.search(r'"worker_id": "([0-9a-f-]+)"', self.log.read_text())
        assert found, self.log.read_text()
        return found[1]

    @property
    def is_alive(self) -> bool:
        with suppress(psutil.NoSuchProcess):
            return self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE
        return False

    @property
    def gave_up(self) -> bool:
        """Whether it ended before it was up, as one does that cannot reach the database."""
        return not self.is_alive and not self.times_logged("worker.started")

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()
        self.wait()

    def wait(self) -> int | None:
        """Wait until it has ended; its exit code, if it is a process of ours."""
        code = self._process.wait(PATIENCE)
        self._world.mark_dead(self.pid)
        return code

    def stop(self) -> None:
        """Have it stand still, and wait until it does."""
        self._process.suspend()
        self.wait_until_stopped()

    @property
    def is_stopped(self) -> bool:
        return self._process.is_running() and self._process.status() == psutil.STATUS_STOPPED

    def wait_until_stopped(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while not self.is_stopped:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def go_on(self) -> None:
        self._process.resume()

    def drain(self) -> None:
        """Ask it to leave in good order; do not wait for that."""
        self._process.terminate()


class Crew:
    """All worker processes of one test; none outlives it."""

    def __init__(self, nursery: Nursery, url: str, world: World, logs: Path) -> None:
        self._nursery = nursery
        self.environment = {"INTERLOCK_DATABASE_URL": url, "ACCEPTANCE_WORLD": str(world.root)}
        self._world = world
        self._logs = logs
        self.spool = logs / "results"
        self._all: list[WorkerProcess] = []

    def begin(
        self,
        *,
        lease: float = 15.0,
        concurrency: int = 8,
        poll: float = 0.2,
        most_deaths: int = 10,
        agent: str = AGENT,
        more: Mapping[str, str] | None = None,
    ) -> WorkerProcess:
        """Start a worker with these settings; `wait_until_up` for when it is there.

        `more` goes into its environment.
        """
        settings = {
            "lease_seconds": lease,
            "concurrency": concurrency,
            "poll_seconds": poll,
            "spool": str(self.spool),
            "most_deaths": most_deaths,
        }
        log = self._next_log()
        pid = self._nursery.fork(agent, settings, log, {**self.environment, **(more or {})})
        return self._add(psutil.Process(pid), log)

    def begin_command(self) -> WorkerProcess:
        """Start `interlock worker`, as a user would."""
        log = self._next_log()
        with log.open("ab") as out:
            process = psutil.Popen(
                [str(Path(sys.executable).with_name("interlock")), "worker", AGENT],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                env=os.environ | self.environment,
            )
        return self._add(process, log)

    def pair(self, *, lease: float = 2.0) -> tuple[WorkerProcess, WorkerProcess]:
        """Two workers, of which one takes over when the other dies."""
        first, second = self.begin(lease=lease), self.begin(lease=lease)
        return first.wait_until_up(), second.wait_until_up()

    def of(self, pid: int) -> WorkerProcess:
        """The worker that has that process id, or had it last."""
        return next(worker for worker in reversed(self._all) if worker.pid == pid)

    def end(self) -> None:
        for worker in self._all:
            if worker.is_alive:
                worker.kill()

    def _next_log(self) -> Path:
        log = self._logs / f"worker-{len(self._all)}.log"
        log.touch()
        return log

    def _add(self, process: psutil.Process, log: Path) -> WorkerProcess:
        made = WorkerProcess(process, self._world, log)
        self._all.append(made)
        return made

"""Worker processes that start in no time: forked from one that has imported everything.

Run as a script it is that process: each line it reads names a worker to start, and it answers with
the process id. A worker has its own session, log and environment, and runs as `interlock worker`
does, but with a lease and a poll of the test's choosing, for which that has no options.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import langgraph.prebuilt  # noqa: F401 - the agent needs it
from interlock.engine.agent import load_agent
from interlock.engine.database import Database
from interlock.engine.logs import configure
from interlock.engine.worker import Worker, WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Mapping


class Nursery:
    """The process that workers are forked from."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def fork(
        self, agent: str, settings: Mapping[str, Any], log: Path, environment: Mapping[str, str]
    ) -> int:
        """Start a worker and give its process id."""
        order = {"agent": agent, "settings": settings, "log": str(log), "environment": environment}
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def end(self) -> None:
        """Start no more; what was started lives on."""
        self._process.communicate()


def work(order: Mapping[str, Any]) -> None:
    """Be a worker, in a process that was just forked."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for stream, target in ((0, os.open(os.devnull, os.O_RDONLY)), (1, log), (2, log)):
        os.dup2(target, stream)
    os.environ.update(order["environment"])
    agent = load_agent(order["agent"])
    configure(level=logging.INFO)
    database = Database(os.environ["INTERLOCK_DATABASE_URL"])
    settings = {**order["settings"], "spool": Path(order["settings"]["spool"])}
    worker = Worker(database, [agent], WorkerSettings(**settings))
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    worker.run()


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the dead
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            work(json.loads(line))
            sys.exit()
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

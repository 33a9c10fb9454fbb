"""Worker processes that start in no time: forked from one that has imported everything.

Run as a script it is that process: each line it reads names a worker to start, and it answers with
the process id. A worker has its own session, log and environment, and runs as `interlock worker`
does, but with a lease and a poll of the test's choosing, for which that has no options. What is
named on the command line is loaded once, before any worker is.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import langgraph.prebuilt  # noqa: F401 - the agent needs it
from interlock.engine.agent import load_agent
from interlock.engine.database import Database
from interlock.engine.logs import configure
from interlock.engine.worker import Worker, WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from interlock.engine.agent import Agent


class Nursery:
    """The process that workers of these agents, and of others, are forked from."""

    def __init__(self, *agents: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, *agents],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def fork(
        self, agent: str, settings: Mapping[str, Any], log: Path, environment: Mapping[str, str]
    ) -> int:
        """Start a worker and give its process id."""
        return self._fork(work=None, agent=agent, settings=settings, log=log, environ=environment)

    def fork_for(self, work: str, log: Path, environment: Mapping[str, str]) -> int:
        """Start a process that does `module:function`, and give its process id."""
        return self._fork(work=work, log=log, environ=environment)

    def _fork(self, *, log: Path, **order: Any) -> int:
        order["log"] = str(log)
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def end(self) -> None:
        """Start no more; what was started lives on."""
        self._process.communicate()


def begin(order: Mapping[str, Any]) -> None:
    """Be a process of one's own, which was just forked."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for stream, target in ((0, os.open(os.devnull, os.O_RDONLY)), (1, log), (2, log)):
        os.dup2(target, stream)
    os.environ.update(order["environ"])
    configure(level=logging.INFO)


def work(agent: Agent, settings: Mapping[str, Any]) -> None:
    """Be a worker."""
    database = Database(os.environ["INTERLOCK_DATABASE_URL"])
    settings = {**settings, "spool": Path(settings["spool"])}
    worker = Worker(database, [agent], WorkerSettings(**settings))
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    worker.run()


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the dead
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    loaded = {name: load_agent(name) for name in sys.argv[1:]}
    gc.freeze()  # a collection in a child would copy all that was imported
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            order = json.loads(line)
            begin(order)
            if order["work"] is None:
                work(loaded.get(order["agent"]) or load_agent(order["agent"]), order["settings"])
            else:
                module, _, name = order["work"].partition(":")
                getattr(import_module(module), name)()
            sys.exit()
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

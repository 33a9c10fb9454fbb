"""How long processes take to start, beside a Python that does nothing or imports LangGraph."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from ...database import Database
from ...schema import migrate
from ..figures import RATIO, Figure
from ..processes import ContenderFailed
from ..spread import ratios

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..stage import Stage

BENCH = __package__.rpartition(".")[0]
CLI = f"{BENCH.rpartition('.')[0]}.cli.main"
STARTED = b"worker.started"

PYTHON = "python -c pass"
HELP = "interlock --help"
LANGGRAPH = "python -c 'import langgraph.graph'"
WORKER = "interlock worker, until it has registered"

_COMMANDS = {
    PYTHON: ("-c", "pass"),
    HELP: ("-m", CLI, "--help"),
    LANGGRAPH: ("-c", "import langgraph.graph"),
}
_KEYS = {PYTHON: "python", HELP: "help", LANGGRAPH: "langgraph", WORKER: "worker"}
TABLE = "Start-up: milliseconds"


def startup(stage: Stage) -> list[Figure]:
    """Processes started one after the other, in turn."""
    stage.say(f"Start-up: {stage.scale.processes} processes of each kind")
    times: dict[str, list[float]] = {what: [] for what in _KEYS}
    with stage.server.databases(["startup"]) as urls:
        database = Database(urls["startup"])
        migrate(database)
        database.close()
        environ = {**os.environ, "INTERLOCK_DATABASE_URL": urls["startup"]}
        for number in range(stage.scale.processes + 1):
            for what in _KEYS:
                arguments = _COMMANDS.get(what)
                took = _worker_starts(environ) if arguments is None else _ends(arguments)
                if number > 0:  # the first one fills the disk's cache
                    times[what].append(took)
    return startup_figures(times)


def startup_figures(times: Mapping[str, Sequence[float]]) -> list[Figure]:
    """What each took, and ours as multiples of what it cannot be faster than."""
    figures = [
        Figure(f"startup/{key}", TABLE, what, "here", "ms").of(times[what])
        for what, key in _KEYS.items()
    ]
    for ours, least in ((HELP, PYTHON), (WORKER, LANGGRAPH)):
        key = f"startup/{_KEYS[ours]}:{_KEYS[least]}"
        row = f"{ours} : {least}"
        figures.append(Figure(key, TABLE, row, "here", RATIO).of(ratios(times[ours], times[least])))
    return figures


def _ends(arguments: Sequence[str]) -> float:
    """Milliseconds until the process has ended."""
    began = time.perf_counter()
    subprocess.run(  # noqa: S603 - our own program
        [sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL
    )
    return (time.perf_counter() - began) * 1000


def _worker_starts(environ: Mapping[str, str]) -> float:
    """Milliseconds until the worker says that it has started; then it is stopped."""
    began = time.perf_counter()
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", CLI, "worker", f"{BENCH}.sample:agent"],
        stderr=subprocess.PIPE,
        env=environ,
    ) as worker:
        try:
            for line in worker.stderr or ():
                if STARTED in line:
                    return (time.perf_counter() - began) * 1000
        finally:
            worker.terminate()
    raise ContenderFailed("The worker ended before it had started.")

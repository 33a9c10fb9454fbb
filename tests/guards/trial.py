"""One deletion tried: the tests that should notice, in a process that was forked for it.

The one who forks has imported what takes its time, and nothing of this repository: that is read
from the copy, with the guard deleted.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PRELOADED = (
    "alembic.command",
    "cedarpy",
    "fastapi.testclient",
    "langchain_core.tools",
    "langgraph.graph",
    "langgraph.prebuilt",
    "psycopg_pool",
    "sqlalchemy",
    "xdist",
)
PATIENCE = 150.0
"""Seconds for the tests of one deletion; tests that hang without a guard have noticed."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the tests said.

    Attributes:
        noticed: whether one of them failed.
        sound: whether they ran at all.
        by: the test that failed first, or what kept them from running.
        ended: whether they came to an end.
    """

    noticed: bool
    sound: bool
    by: str
    ended: bool = True


class Witness:
    """Remembers the first test that failed."""

    def __init__(self) -> None:
        self.failed = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.failed:
            crash: Any = getattr(report.longrepr, "reprcrash", None)
            said = str(crash.message).splitlines()[0] if crash else "it could not run"
            self.failed = f"{report.nodeid.rpartition('::')[2]}: {said}"


def preload() -> None:
    """Import what takes its time."""
    os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")
    sys.dont_write_bytecode = True
    for module in PRELOADED:
        import_module(module)


def try_tests(home: Path, tests: Sequence[str], *, stop_at_first: bool = True) -> Verdict:
    """Run them in the copy of the tree under `home`."""
    answer = home / "answer.json"
    answer.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        try:
            _be_pytest(home, tests, answer, stop_at_first=stop_at_first)
        finally:
            os._exit(1)
    if not _ended(child):
        return Verdict(noticed=True, sound=True, by=f"no end within {PATIENCE:.0f} s", ended=False)
    if not answer.exists():
        return Verdict(noticed=False, sound=False, by="pytest itself ended")
    code, failed = json.loads(answer.read_text("utf-8"))
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        return Verdict(noticed=False, sound=False, by=f"exit code {code} of pytest")
    return Verdict(noticed=code == pytest.ExitCode.TESTS_FAILED, sound=True, by=failed)


def _be_pytest(home: Path, tests: Sequence[str], answer: Path, *, stop_at_first: bool) -> None:
    os.setsid()
    tree = home / "interlock"
    os.chdir(tree)
    output = os.open(home / "pytest.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for stream in (1, 2):
        os.dup2(output, stream)
    sys.path.insert(0, str(home))
    os.environ["PYTHONPATH"] = str(home)
    os.environ["INTERLOCK_TESTS_SERVER"] = str(home / "server")
    witness = Witness()
    options = ["--basetemp", str(home / "tmp"), "-p", "no:xdist", *(["-x"] * stop_at_first)]
    code = pytest.main([*options, *tests], plugins=[witness])
    answer.write_text(json.dumps([int(code), witness.failed]), "utf-8")


def _ended(child: int) -> bool:
    """Wait for a child's end; what does not end is killed with all that it started."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if os.waitpid(child, os.WNOHANG) != (0, 0):
            return True
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False

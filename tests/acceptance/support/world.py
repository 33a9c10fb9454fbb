"""The world that the tools of the tests act on: files that are only ever appended to.

The worker processes write, the test reads. Nothing here removes a duplicate, so what the files hold
is what happened. A *trap* is the test's way to catch a worker at an exact point.
"""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from interlock.tools.gated import current_gate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE = 30.0
PAUSE = 0.01
LOST_AFTER = 2.0


@dataclass(frozen=True, slots=True)
class Effect:
    """Something that happened to the world."""

    run: str
    call: str
    what: str
    pid: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A span of work inside a run begins or ends, or a whole process ends."""

    edge: str
    pid: int
    run: str = ""
    epoch: int = 0
    what: str = ""


class World:
    """A folder that outlives every process of a test."""

    def __init__(self, root: Path) -> None:
        self._effects = root / "effects"
        self._marks = root / "marks"
        self._traps = root / "traps"
        self._traps.mkdir(parents=True, exist_ok=True)
        self.root = root

    # What workers do -------------------------------------------------------------------------

    def happen(self, run: object, call: object, what: str) -> None:
        """Have an effect; on disk before it returns."""
        line = {"run": str(run), "call": str(call), "what": what, "pid": os.getpid()}
        _append(self._effects, line, sync=True)

    @contextmanager
    def inside(self, run: object, what: str) -> Iterator[None]:
        """Mark that this process is inside a run, under the epoch that it holds the run by."""
        hold: Any = getattr(current_gate.get(), "_hold", None)
        epoch = hold.epoch if hold else -1
        mark = {"pid": os.getpid(), "run": str(run), "epoch": epoch, "what": what}
        _append(self._marks, {"edge": "begin", **mark})
        try:
            yield
        finally:
            _append(self._marks, {"edge": "end", **mark})

    def state_of(self, thing: str) -> str:
        """As the test left it."""
        state = self.root / f"state-{thing}"
        return state.read_text() if state.exists() else "as it was"

    def pass_by(self, point: str, before: Callable[[], object] = lambda: None) -> None:
        """Go on, unless the test has set a trap here; the first process to come is caught.

        Whoever is caught does `before` first.
        """
        trap, taken = self._traps / point, self._traps / f"{point}.taken"
        with suppress(FileNotFoundError):
            act, *rest = trap.read_text().split()
            if act == "skip":
                _replace(trap, " ".join(rest))
                return
            trap.rename(taken)
            _replace(taken, str(os.getpid()))
            before()
            for each in (act, *rest):
                self._suffer(each, taken)

    def _suffer(self, act: str, taken: Path) -> None:
        match act:
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "stop":
                time.sleep(0.25)  # other threads may be in the middle of a transaction
                os.kill(os.getpid(), signal.SIGSTOP)
            case "hold":
                while taken.exists():
                    time.sleep(PAUSE)

    # What the test does ----------------------------------------------------------------------

    def trap(self, point: str, *acts: str) -> None:
        """Catch the next process at `point`: `kill`, `stop` or `hold` it; `skip` lets one pass."""
        (self._traps / f"{point}.taken").unlink(missing_ok=True)
        _replace(self._traps / point, " ".join(acts))

    def is_set(self, point: str) -> bool:
        """Whether there is a trap at `point` that caught nobody so far."""
        return (self._traps / point).exists()

    def clear(self, point: str) -> None:
        """Take a trap away, if it caught nobody so far."""
        (self._traps / point).unlink(missing_ok=True)

    def taken(self, point: str) -> int | None:
        """The process that was caught at `point`, if one was."""
        with suppress(FileNotFoundError):
            pid = (self._traps / f"{point}.taken").read_text()
            return int(pid) if pid.isdecimal() else None
        return None

    def is_lost(self, point: str) -> bool:
        """Whether whoever was caught at `point` ended before it could say so."""
        taken = self._traps / f"{point}.taken"
        with suppress(FileNotFoundError):
            age = time.time() - taken.stat().st_ctime  # when it was renamed
            return age > LOST_AFTER and not taken.read_text().isdecimal()
        return False

    def change(self, thing: str, state: str) -> None:
        """Let a thing be otherwise from now on."""
        _replace(self.root / f"state-{thing}", state)

    def caught(self, point: str) -> int:
        """Wait until a process is caught, and give its id."""
        deadline = time.monotonic() + PATIENCE
        while (pid := self.taken(point)) is None:
            assert time.monotonic() < deadline, f"nobody came to {point}"
            time.sleep(PAUSE)
        return pid

    def let_go(self, point: str) -> None:
        """Let a held process go on."""
        (self._traps / f"{point}.taken").unlink()

    def mark_dead(self, pid: int) -> None:
        """Note that a process is gone, and with it all it was inside of."""
        _append(self._marks, {"edge": "dead", "pid": pid})

    def effects(self, what: str = "", run: object = "") -> list[Effect]:
        """What happened, in order; only of this kind and this run if they are given."""
        found = [Effect(**line) for line in _lines(self._effects)]
        return [
            effect
            for effect in found
            if effect.what.startswith(what) and effect.run.startswith(str(run))
        ]

    def marks(self) -> list[Mark]:
        """Who was inside what, in order."""
        return [Mark(**line) for line in _lines(self._marks)]

    def overlaps(self) -> list[str]:
        """Each time that a process entered a run while another, alive, was inside it."""
        found = []
        inside: dict[str, list[Mark]] = {}
        for mark in self.marks():
            if mark.edge == "dead":
                for marks in inside.values():
                    marks[:] = [other for other in marks if other.pid != mark.pid]
                continue
            here = inside.setdefault(mark.run, [])
            if mark.edge == "begin":
                found += [f"{mark} inside {other}" for other in here if other.pid != mark.pid]
                here.append(mark)
            else:
                _leave(here, mark)
        return found

    def comebacks(self) -> list[str]:
        """Each body that began for an executor after one of a later epoch had begun."""
        found = []
        latest: dict[str, Mark] = {}
        for mark in self.marks():
            if mark.edge != "begin" or mark.what == "model":
                continue
            last = latest.get(mark.run, mark)
            if mark.epoch < last.epoch:
                found.append(f"{mark} after {last}")
            latest[mark.run] = max(mark, last, key=lambda each: each.epoch)
        return found


def _leave(here: list[Mark], end: Mark) -> None:
    for mark in here:
        if (mark.pid, mark.epoch, mark.what) == (end.pid, end.epoch, end.what):
            here.remove(mark)
            return


def _append(path: Path, line: dict[str, Any], *, sync: bool = False) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, json.dumps(line).encode() + b"\n")
        if sync:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replace(path: Path, text: str) -> None:
    new = path.with_name(f"{path.name}.new.{os.getpid()}")
    new.write_text(text)
    new.replace(path)


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]

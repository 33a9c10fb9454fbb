"""Clocks that jump: a worker's own, shifted from outside by what a file says.

The realtime clock jumps either way, as when somebody sets it or two hosts disagree; the clock that
counts while the machine sleeps jumps ahead alone, as when a machine was asleep. What the engine and
LangGraph read in Python follows: `time.time`, `time.time_ns`, `time.clock_gettime`, `datetime.now`,
and the ids that are made of the time.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uuid_utils import compat

if TYPE_CHECKING:
    from uuid import UUID

FILE = "CHAOS_CLOCK"
"""Names the file in the environment: seconds of the realtime clock, and seconds slept."""
_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_real = {name: getattr(time, name) for name in ("time", "time_ns", "clock_gettime")}


def shift(file: Path, *, realtime: float, slept: float) -> None:
    """Have the clocks of the process that this file belongs to show other times from now on."""
    new = file.with_suffix(".new")
    new.write_text(f"{realtime} {slept}")
    new.replace(file)


def install() -> None:
    """Read this process's clocks through its file, if it has one."""
    time.time = lambda: _real["time"]() + _shifts()[0]
    time.time_ns = lambda: _real["time_ns"]() + int(_shifts()[0] * 1e9)
    time.clock_gettime = _clock_gettime
    for name, module in list(sys.modules.items()):
        if name.startswith("interlock.engine."):
            for known, shifted in (("datetime", _Datetime), ("uuid7", _uuid7)):
                if known in vars(module):
                    setattr(module, known, shifted)


def _shifts() -> tuple[float, float]:
    file = os.environ.get(FILE)
    if file is None:
        return 0.0, 0.0
    realtime, slept = Path(file).read_text().split()
    return float(realtime), float(slept)


def _clock_gettime(which: int) -> float:
    now: float = _real["clock_gettime"](which)
    return now + _shifts()[1] if which == _BOOT else now


class _Datetime(datetime):
    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return datetime.now(tz) + timedelta(seconds=_shifts()[0])


def _uuid7() -> UUID:
    if FILE not in os.environ:
        return compat.uuid7()
    nanoseconds = time.time_ns()
    return compat.uuid7(nanoseconds // 10**9, nanoseconds % 10**9)

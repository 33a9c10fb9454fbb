"""The bench: its sections, one after the other, on one server."""

from __future__ import annotations

import fcntl
import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import UsageError
from .machine import GIB, this_machine, versions
from .report import Report
from .scale import MESSAGE_BYTES
from .sections.calls import calls
from .sections.loops import loops
from .sections.memory import memory
from .sections.queue import queue
from .sections.replay import replay
from .sections.resting import resting
from .sections.startup import startup
from .sections.waits import waits
from .server import DATA_PREFIX, configured_server, own_server
from .stage import Stage
from .targets import judge, targets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from .figures import Figure
    from .scale import Scale
    from .server import Server

LOCK = ".lock"
MEASURED: Mapping[str, Callable[[Stage], list[Figure]]] = {
    "loops": loops,
    "calls": calls,
    "waits": waits,
    "queue": queue,
    "startup": startup,
    "memory": memory,
    "resting": resting,
    "replay": replay,
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure, and on what.

    Attributes:
        is_whole: the scale has every row of its sections, so that a figure that is not there is
            missing.
        database_url: the server to measure on, if `on_configured`.
        folder: where the logs go, and the data of a server of the bench's own.
    """

    sections: Sequence[str]
    scale: Scale
    is_whole: bool
    folder: Path
    on_configured: bool = False
    database_url: str | None = None

    @property
    def whole(self) -> list[str]:
        """The sections of which every row is measured."""
        return list(self.sections) if self.is_whole else []


def measure(plan: Plan, say: Callable[[str], None]) -> Report:
    """Measure, and judge by the targets.

    Raises:
        ContenderFailed: a contender ended; nothing is reported then.
        DatabaseUnavailable: there is no server to measure on.
    """
    machine = this_machine(plan.folder)
    began = time.monotonic()
    figures: list[Figure] = []
    with alone(plan.folder), _server(plan) as server:
        logs = _emptied(plan.folder / "logs")
        with Stage(server, logs, plan.scale, say) as stage:
            for name in plan.sections:
                figures += MEASURED[name](stage)
        found = versions(server.version())
        shutil.rmtree(logs)
    return Report(
        machine=machine,
        versions=found,
        conditions={
            "sections": ", ".join(plan.sections),
            "rounds": plan.scale.rounds,
            "bytes of a message": MESSAGE_BYTES,
            "jobs side by side": plan.scale.slots,
            "server": "INTERLOCK_DATABASE_URL" if plan.on_configured else "embedded, defaults",
            "seconds": round(time.monotonic() - began),
        },
        figures=figures,
        verdicts=judge(targets(), figures, plan.whole),
    )


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Only one bench works in a folder at a time; what one that was killed left there is removed.

    Raises:
        UsageError: another one does.
    """
    with (folder / LOCK).open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"A bench runs in {folder} already. Wait for its end, or choose another --out."
            ) from None
        for left in folder.glob(f"{DATA_PREFIX}*"):
            # a server whose folder is gone stops by itself
            shutil.rmtree(left)
        yield


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def _server(plan: Plan) -> AbstractContextManager[Server]:
    if plan.on_configured:
        return configured_server(plan.database_url)
    free = shutil.disk_usage(plan.folder).free / GIB
    if free < plan.scale.disk_gib:
        raise UsageError(
            f"The bench needs {plan.scale.disk_gib} GiB on the disk of {plan.folder}, which has"
            f" {free:.1f} GiB free. Make room, or choose another --out."
        )
    return own_server(plan.folder)

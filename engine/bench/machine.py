"""What the figures were measured on: the machine and the versions."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from .contenders.table import installed

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGES = (
    *("interlock", "langgraph", "langgraph-checkpoint", "langgraph-checkpoint-postgres"),
    *("langchain-core", "psycopg", "psycopg-pool", "sqlalchemy", "procrastinate", "dbos"),
)
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine, without anything that names it.

    Attributes:
        filesystem: the kind that the server's data is on; in `tmpfs` a commit costs nothing.
        load: how many processes wanted a core when the bench began, over a minute.
    """

    system: str
    processor: str
    cores: int
    memory_gib: float
    filesystem: str
    load: float

    def as_json(self) -> dict[str, Any]:
        """The facts by name."""
        return asdict(self)


def this_machine(data: Path) -> Machine:
    """The machine, and the file system of the folder `data`."""
    return Machine(
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        processor=_processor(),
        cores=os.cpu_count() or 0,
        memory_gib=round(psutil.virtual_memory().total / GIB, 1),
        filesystem=_filesystem(data.resolve()),
        load=round(psutil.getloadavg()[0], 2),
    )


def versions(server: str) -> Mapping[str, str]:
    """Of Python, of the server as it says itself, and of the packages."""
    found = {name: installed(name) or "not installed" for name in PACKAGES}
    return {"python": platform.python_version(), "postgresql": server, **found}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown")


def _filesystem(folder: Path) -> str:
    above = {folder, *folder.parents}
    mounts = [part for part in psutil.disk_partitions(all=True) if Path(part.mountpoint) in above]
    return max(mounts, key=lambda part: len(part.mountpoint)).fstype if mounts else "unknown"

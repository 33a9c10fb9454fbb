"""A disk that is soon full: a file system in memory, with a cluster on it."""

from __future__ import annotations

import os
import subprocess
import time
from collections import Counter
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psycopg
from interlock.engine.postgres_server import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from interlock.engine.embedded import EmbeddedPostgres

    from .field import Field

SIZE = "300m"


class NoSuchDisk(Exception):
    """None can be made by this process."""


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A folder that is such a disk.

    Raises:
        NoSuchDisk: this process may not mount anything.
    """
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=755", "chaos", str(folder)]
    made = subprocess.run(mount, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise NoSuchDisk(made.stderr.strip())
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def full(field: Field, rounds: int, server: EmbeddedPostgres) -> Counter[str]:
    """The disk full for a second; PostgreSQL may die of it, and is started again."""
    ballast = server.root / "ballast"
    found: Counter[str] = Counter()
    for _ in range(rounds):
        until = time.monotonic() + field.chance.uniform(0.5, 1.5)
        while time.monotonic() < until:
            field.keep_busy()
            time.sleep(0.01)
        field.note("disk full")
        found["full"] += 1
        _fill(ballast)
        if field.chance.random() < 0.5:
            _want_more_log(server)
        time.sleep(field.chance.uniform(0.5, 1.5))
        found["server died"] += not PostgresServer(server.root).answers()
        ballast.unlink()
        server.start()
    return found


def _fill(ballast: Path) -> None:
    block = b"\0" * 2**16
    descriptor = os.open(ballast, os.O_WRONLY | os.O_CREAT, 0o600)
    with suppress(OSError):
        while True:
            os.write(descriptor, block)
    os.close(descriptor)


def _want_more_log(server: EmbeddedPostgres) -> None:
    """Have the server take another segment of its log, for which there is no room."""
    with suppress(psycopg.Error), psycopg.connect(server.url, autocommit=True) as conn:
        for _ in range(8):
            conn.execute("select pg_switch_wal()")
            conn.execute("select pg_logical_emit_message(false, 'chaos', 'more')")

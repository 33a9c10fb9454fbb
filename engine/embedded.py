"""A PostgreSQL of our own: started by the first process that needs it, stopped by the last.

The processes that share a root folder meet in two lock files. The kernel drops a `flock` when its
holder dies, however it dies, so neither can be left behind:

- `users.lock` is shared by all users. Who gets it exclusively is the last one and stops the server;
  whoever wants to join waits for the end of that.
- `server.lock` is inherited by initdb and by every process of the server. Who gets it knows that
  none of them lives, which a process id cannot tell (it may be a zombie's, or somebody else's now),
  and alone may start one.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import time
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Self

from .errors import DatabaseUnavailable
from .postgres_server import PostgresServer, shut_down

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE = 120.0
PAUSE = 0.01


class EmbeddedPostgres:
    """A server on the data in `root`, shared by every process that names the same folder.

    It listens on a Unix socket only, which nobody but the folder's owner and root can open.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._server = PostgresServer(self.root)
        self._users: IO[bytes] | None = None
        self._joined_by = 0
        self.url = self.database_url("postgres")

    def database_url(self, name: str) -> str:
        """The address of the database `name` on this server, for libpq and psycopg."""
        return self._server.url(name)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Become a user of the server; return when it answers.

        The first start makes the cluster. A user may call it again at any time, to revive a server
        that died.

        Raises:
            DatabaseUnavailable: the server cannot run here; the sentence says why.

        """
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                self._join()
                self._server.guard_sockets()
                self._ensure_answer()
            except BaseException:
                self.stop()
                raise
        except OSError as error:
            raise DatabaseUnavailable(
                f"The embedded PostgreSQL in {self.root} cannot start: {error}."
                " Correct that, or choose another folder."
            ) from error

    def stop(self) -> None:
        """Stop being a user; the last one stops the server. Does nothing if not started."""
        # A forked child has a copy of its parent's object, and is no user for that.
        if self._users is None or self._joined_by != os.getpid():
            return
        users, self._users = self._users, None
        atexit.unregister(self.stop)
        # A server whose folder was deleted stops by itself within a minute.
        with users, suppress(FileNotFoundError):
            if _take(users):
                self._stop_server()
                self._server.remove_sockets()
            # Closing alone would not do it while a forked child has a copy of the file.
            fcntl.flock(users, fcntl.LOCK_UN)

    def _join(self) -> None:
        if self._users is not None and self._joined_by == os.getpid():
            return
        self._users = (self.root / "users.lock").open("ab")
        self._joined_by = os.getpid()
        atexit.register(self.stop)
        fcntl.flock(self._users, fcntl.LOCK_SH)

    def _ensure_answer(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while not self._server.answers():
            with self._no_server() as lock:
                if lock is not None:
                    self._server.launch(lock, PATIENCE)
                    return
            if postmaster := self._server.cut_off():
                shut_down(postmaster)
            if time.monotonic() > deadline:
                raise DatabaseUnavailable(
                    f"The PostgreSQL in {self.root} runs but did not answer for {PATIENCE:.0f} s:"
                    f" see what it does in {self._server.log}, then start again."
                )
            time.sleep(PAUSE)

    def _stop_server(self) -> None:
        deadline = time.monotonic() + PATIENCE
        # A server that takes longer finishes on its own, and the next start waits for that.
        while time.monotonic() < deadline:
            # Each time: a server that is just starting may not have shown its process id yet.
            if postmaster := self._server.postmaster():
                shut_down(postmaster)
            with self._no_server() as lock:
                if lock is not None:
                    return
            time.sleep(PAUSE)

    @contextmanager
    def _no_server(self) -> Iterator[int | None]:
        """Hold `server.lock` and give its descriptor; give None if a server process lives."""
        with (self.root / "server.lock").open("ab") as file:
            yield file.fileno() if _take(file) else None


def _take(file: IO[bytes]) -> bool:
    """Lock the file for this process alone; False if somebody else has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

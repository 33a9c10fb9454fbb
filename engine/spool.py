"""Results on this machine's own disk, for as long as the database cannot take them.

A worker that still has a result in memory writes it when the database is back. One that dies before
has left it here, and the next worker on this machine hands it in: so that an outage of the database
and the death of the worker after it do not make a doubt of what is known.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from base64 import b64decode, b64encode
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog
from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError

from . import journal
from .hold import Hold
from .outcome import Failed, Succeeded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from .call import Call
    from .database import Database

log = structlog.get_logger()

_PATIENCE = 1.0
"""Seconds that a result waits for the database before it is kept here."""
_STRANGE = (ValueError, LookupError, TypeError, ProgrammingError, DataError, IntegrityError)
"""What is wrong with a file, and not with the database."""


class Spool:
    """The folder of one machine's workers; each file is locked by the worker that lives.

    Attributes:
        folder: where; made when it is first needed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._strange: set[Path] = set()

    @contextmanager
    def holding(
        self, hold: Hold, call: Call, token: UUID, outcome: Succeeded | Failed
    ) -> Iterator[None]:
        """The block writes a result to the database; the result is kept here if that takes long."""
        path = self.folder / f"{call.id}.{token}.json"
        lock = threading.Lock()
        kept: list[int] = []
        is_over = False

        def keep() -> None:
            with lock:
                if not is_over:
                    kept.append(_write(path, _packed(hold, call, token, outcome)))
                    log.warning("result.kept", run_id=str(call.run_id), call_id=str(call.id))

        timer = threading.Timer(_PATIENCE, _quietly, (keep,))
        timer.daemon = True
        timer.start()
        try:
            yield
            is_over = True
        finally:
            timer.cancel()
            with lock:
                if kept and is_over:
                    path.unlink(missing_ok=True)
                is_over = True
            for descriptor in kept:
                os.close(descriptor)

    def deliver(self, db: Database) -> int:
        """Hand in what workers left that are gone; how many results."""
        if not self.folder.is_dir():
            return 0
        left = set(self.folder.glob("*.json")) - self._strange
        return sum(self._deliver(db, path) for path in sorted(left))

    def _deliver(self, db: Database, path: Path) -> bool:
        try:
            descriptor = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return False
        except OSError as error:  # perhaps another user's
            self._leave(path, error)
            return False
        with os.fdopen(descriptor, "rb") as file:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False  # its worker lives, and hands it in itself
            if not os.fstat(descriptor).st_nlink:
                return False
            try:
                _hand_in(db, json.loads(file.read()))
            except _STRANGE as error:
                # perhaps another database's, whose workers share this folder
                self._leave(path, error)
                return False
            path.unlink()
            return True

    def _leave(self, path: Path, error: Exception) -> None:
        self._strange.add(path)
        log.warning("result.not_handed_in", file=str(path), error=str(error))


def _quietly(keep: Callable[[], None]) -> None:
    """A disk that is full leaves the result in memory, as it was."""
    try:
        keep()
    except OSError as error:
        log.warning("result.not_kept", error=str(error))


def _packed(hold: Hold, call: Call, token: UUID, outcome: Succeeded | Failed) -> bytes:
    said = (
        {"type": outcome.type, "data": b64encode(outcome.data).decode()}
        if isinstance(outcome, Succeeded)
        else {"error": outcome.error}
    )
    ids = {
        "tenant": hold.tenant,
        "run": str(hold.run_id),
        "agent": hold.agent,
        "epoch": hold.epoch,
        "worker": str(hold.worker_id),
        "key": call.key.hex(),
        "call": str(call.id),
        "token": str(token),
    }
    return json.dumps({**ids, **said}).encode()


def _write(path: Path, content: bytes) -> int:
    """The file, on disk under its name once this returns, and locked; its descriptor."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        while content:
            content = content[os.write(descriptor, content) :]
        os.fsync(descriptor)
        draft.rename(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except BaseException:
        draft.unlink(missing_ok=True)
        os.close(descriptor)
        raise
    return descriptor


def _hand_in(db: Database, found: dict[str, Any]) -> None:
    """Write a result as its own worker would: it is never fenced.

    Raises:
        LookupError: the journal has no such call.
    """
    worker, run_id = UUID(found["worker"]), UUID(found["run"])
    hold = Hold(found["tenant"], run_id, found["agent"], found["epoch"], worker)
    outcome = (
        Failed(found["error"])
        if "error" in found
        else Succeeded(found["type"], b64decode(found["data"]))
    )
    with db.begin() as conn:
        call = journal.find(conn, hold, bytes.fromhex(found["key"]))
        if call is None or str(call.id) != found["call"]:
            raise LookupError(f"There is no call {found['call']} in run {run_id}.")
        journal.finish(conn, hold, call, UUID(found["token"]), outcome)
    log.info("result.handed_in", run_id=str(run_id), call_id=found["call"])

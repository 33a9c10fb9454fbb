"""Which calls a run has made, as its executor knows it: nobody else may make any."""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING

from .database import execute

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from .hold import Hold


class CallsMade:
    """The keys of a run's calls, and how often each tool was called with the same arguments.

    A key that is not here is a new call: only the run's executor proposes any. What became of one
    that is here, the journal says.

    Attributes:
        irreversible: keys of those that cannot be undone and were put to a person.
        waiting: keys of those that waited for a person when they were last looked at.
    """

    def __init__(self) -> None:
        self._keys: dict[bytes, int] = {}
        self.irreversible: set[bytes] = set()
        self.waiting: set[bytes] = set()
        self._alike: dict[bytes, set[bytes]] = {}
        self._lock = threading.Lock()

    def recall(self, conn: Connection, hold: Hold) -> None:
        """Add those of earlier executions; once the run is claimed, when they add no more."""
        for row in execute(conn, "calls_made", tenant=hold.tenant, run_id=hold.run_id):
            key = bytes(row.key)
            self._add(key, bytes(row.sameness))
            if row.irreversible:
                self.irreversible.add(key)
            if row.waits:
                self.waiting.add(key)

    def __len__(self) -> int:
        """How many they are: one that broke off unwritten is the same when it is made again."""
        with self._lock:
            return len(self._keys)

    def __contains__(self, key: bytes) -> bool:
        with self._lock:
            return key in self._keys

    def before(self, key: bytes) -> tuple[int, int]:
        """How many calls were made before this one, and how many of them cannot be undone."""
        with self._lock:
            at = self._keys.get(key, len(self._keys))
            return at, sum(self._keys.get(other, at) < at for other in tuple(self.irreversible))

    def repeats(self, tool: str, args: bytes) -> int:
        """Calls of this tool with these arguments."""
        with self._lock:
            return len(self._alike.get(_sameness(tool, args), ()))

    def add(self, key: bytes, tool: str, args: bytes) -> None:
        """One more call."""
        with self._lock:
            self._add(key, _sameness(tool, args))

    def _add(self, key: bytes, sameness: bytes) -> None:
        self._keys.setdefault(key, len(self._keys))
        self._alike.setdefault(sameness, set()).add(key)


def _sameness(tool: str, args: bytes) -> bytes:
    """As the database has it."""
    return hashlib.sha256(tool.encode() + b"\0" + args).digest()

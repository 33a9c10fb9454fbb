"""The world: a process of its own that does what it is asked to and removes no duplicate.

Run as a script it is that process: it prints the port that it listens on, and appends each request
to its ledger, on disk, before it answers. It can be asked whether a call or an undo happened, and
how a place is left: with how many effects that were not taken back.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Self

DONE, YES, NO = b"done\n", b"yes\n", b"no\n"
PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Effect:
    """Something that happened.

    Attributes:
        at: when, by the world's clock, in seconds since the epoch.
        key: the idempotency key that came with it, if its tool takes one.
        sent: the bytes that were sent, as text.
        undo: the undo that this is the effect of; None for a call's own.
    """

    at: float
    run: str
    call: str
    key: str | None
    tool: str
    sent: str
    pid: int
    undo: str | None = None


class World:
    """Starts the process; reads what happened."""

    def __init__(self, ledger: Path) -> None:
        self._ledger = ledger
        ledger.touch()
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(ledger)], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout
        self.port = int(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def knows(self, what: str) -> bool:
        """Whether a call, or an undo, had an effect so far."""
        return knows(self.port, what)

    def effects(self) -> list[Effect]:
        """What happened, in order."""
        return [Effect(**json.loads(line)) for line in self._ledger.read_text().splitlines()]


def ask(port: int, request: dict[str, Any], *, sent: Callable[[], None] = lambda: None) -> None:
    """Have an effect; `sent` is called once it was asked for and was not answered yet."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as world:
        world.sendall(json.dumps({**request, "pid": os.getpid()}).encode() + b"\n")
        sent()
        if world.recv(len(DONE)) != DONE:
            raise ConnectionError("The world did not say that it was done.")


def knows(port: int, what: str) -> bool:
    """Whether a call, or an undo, had an effect so far."""
    return _answer(port, {"knows": what}) == "yes"


def left(port: int, at: str) -> str:
    """How a place is left."""
    return _answer(port, {"at": at})


def _answer(port: int, question: dict[str, str]) -> str:
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as world:
        world.sendall(json.dumps(question).encode() + b"\n")
        answer = world.makefile("rb").readline()
    if not answer.endswith(b"\n"):
        raise ConnectionError("The world did not answer.")
    return answer.decode().strip()


class Ledger:
    """What happened, on disk."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._turn = threading.Lock()
        self._known: set[str] = set()
        self._left: Counter[str] = Counter()

    def answer(self, request: dict[str, Any]) -> bytes:
        with self._turn:
            if "knows" in request:
                return YES if request["knows"] in self._known else NO
            if "at" in request:
                return b"%d\n" % self._left[request["at"]]
            self._known.add(request.get("undo") or request["call"])
            self._left[json.loads(request["sent"])["at"]] += -1 if request.get("undo") else 1
            effect = {"at": time.time(), **request}
            os.write(self._file, json.dumps(effect).encode() + b"\n")
            os.fsync(self._file)
        return DONE


def _serve(client: socket.socket, ledger: Ledger) -> None:
    with client, suppress(OSError), client.makefile("rb") as lines:
        line = lines.readline()
        if line.endswith(b"\n"):
            client.sendall(ledger.answer(json.loads(line)))


def main() -> None:
    ledger = Ledger(sys.argv[1])
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_serve, args=(client, ledger), daemon=True).start()


if __name__ == "__main__":
    main()

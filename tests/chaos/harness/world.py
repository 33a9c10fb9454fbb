"""The world: a process of its own that does what it is asked to and removes no duplicate.

Run as a script it is that process: it prints the port that it listens on, and appends each request
to its ledger, on disk, before it answers. It can be asked whether a call happened.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
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
    """

    at: float
    run: str
    call: str
    key: str | None
    tool: str
    sent: str
    pid: int


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


def knows(port: int, call: str) -> bool:
    """Whether a call had an effect so far."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as world:
        world.sendall(json.dumps({"knows": call}).encode() + b"\n")
        answer = world.recv(len(YES))
    if answer not in (YES, NO):
        raise ConnectionError("The world did not say whether it happened.")
    return answer == YES


class Ledger:
    """What happened, on disk."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._turn = threading.Lock()
        self._calls: set[str] = set()

    def answer(self, request: dict[str, Any]) -> bytes:
        with self._turn:
            if "knows" in request:
                return YES if request["knows"] in self._calls else NO
            self._calls.add(request["call"])
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

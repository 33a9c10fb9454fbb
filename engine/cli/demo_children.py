"""The demo's processes: each imports what it needs while the world is still being set up.

A child waits for a line on its standard input that says what to do. After that the pipe is what it
is for all children: it closes when the demo ends, however it ends, and the child stops.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Self

from ..errors import InterlockError
from .children import ChildDied, Children

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LAST_LINES = 12
STDIN = 0
PRELOADED = {
    "serve": ("uvicorn", "interlock.approvals_ui.app"),
    "worker": ("interlock.engine.worker", "interlock.examples.fleet_ops.agent"),
}


class PreparedChildren(Children):
    """Children that are started early and told later; their output goes to log files."""

    def __init__(self, logs: Path) -> None:
        super().__init__()
        self._logs = logs
        self._told: set[str] = set()

    def __enter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    def prepare(self, command: str) -> None:
        """Start the process, so that it has imported what it needs once it is told what to do."""
        with self._log(command).open("wb") as output:
            self._children[command] = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", __name__, command],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C on the terminal is for the demo, which stops its children in order.
                start_new_session=True,
            )

    def start(self, *arguments: str, environ: Mapping[str, str]) -> None:
        """Have the process run the command; does nothing if it does already."""
        command = arguments[0]
        if command not in self._children:
            self.prepare(command)
        order = self._children[command].stdin
        if command in self._told or order is None:
            return
        self._told.add(command)
        # If the process has died, `check` says so.
        with suppress(BrokenPipeError):
            order.write(json.dumps({"arguments": arguments, "environ": environ}).encode() + b"\n")

    def check(self) -> None:
        """Raise if one has ended.

        Raises:
            InterlockError: with the last lines of its log.
        """
        try:
            super().check()
        except ChildDied as died:
            ended = (name for name, child in self._children.items() if child.poll() is not None)
            log = self._log(next(ended))
            lines = log.read_text(errors="replace").strip().splitlines()[-LAST_LINES:]
            raise InterlockError("\n".join([f"{died} The end of {log}:", *lines])) from None

    def _log(self, command: str) -> Path:
        return self._logs / f"{command}.log"


def obey(command: str) -> None:
    """What a child does: import, wait for its order, run the command."""
    for module in PRELOADED[command]:
        import_module(module)
    with os.fdopen(STDIN, "rb", buffering=0, closefd=False) as orders:
        order = orders.readline()
    if not order:
        return
    threading.Thread(target=_end_with_parent, name="parent-watch", daemon=True).start()
    told = json.loads(order)
    os.environ.update(told["environ"])
    sys.argv[1:] = told["arguments"]
    from .main import main

    main()


def _end_with_parent() -> None:
    # Not through `sys.stdin`: its lock, held by this thread, would abort the process at its end.
    os.read(STDIN, 1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    obey(sys.argv[1])

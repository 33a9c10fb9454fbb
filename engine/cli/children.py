"""Processes that belong to this one, and end with it.

A child's standard input is a pipe that its parent holds and never writes to. However the parent
dies, the kernel closes the pipe, and the child asks itself to stop: it never outlives its parent.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from ..errors import InterlockError

if TYPE_CHECKING:
    from collections.abc import Mapping

GRACE = 20.0


class ChildDied(InterlockError):
    """A process that this one depends on ended by itself; `code` is its exit code."""

    def __init__(self, name: str, code: int) -> None:
        super().__init__(f"`interlock {name}` ended with exit code {code}, and all with it.")
        self.code = code


class Children:
    """Started one by one; asked to stop together when the block ends."""

    def __init__(self) -> None:
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, *arguments: str, environ: Mapping[str, str]) -> None:
        """Start `interlock` with these arguments; its output goes where ours does."""
        self._children[arguments[0]] = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", __name__, *arguments],
            stdin=subprocess.PIPE,
            env={**os.environ, **environ},
            # Ctrl-C on the terminal is for the parent, which stops its children in order.
            start_new_session=True,
        )

    def check(self) -> None:
        """Raise if one has ended.

        Raises:
            ChildDied: with its exit code.
        """
        for name, child in self._children.items():
            code = child.poll()
            if code is not None:
                raise ChildDied(name, code)

    def stop(self) -> None:
        """Ask all to stop, wait, and kill what does not."""
        for child in self._children.values():
            child.terminate()
        deadline = time.monotonic() + GRACE
        for child in self._children.values():
            with suppress(subprocess.TimeoutExpired):
                child.wait(max(0.0, deadline - time.monotonic()))
            child.kill()
            child.wait()
        self._children.clear()


def _end_with_parent() -> None:
    # not sys.stdin: Python cannot end while a thread waits in one of its readers
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    from .main import main

    threading.Thread(target=_end_with_parent, name="parent-watch", daemon=True).start()
    main()

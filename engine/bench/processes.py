"""The contenders' processes: started together, asked one at a time."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from contextlib import ExitStack, contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any

from ..errors import InterlockError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PATIENCE = 1200.0
"""Seconds within which a contender must answer."""
GRACE = 10.0
CHILD = f"{__package__}.child"


class ContenderFailed(InterlockError):
    """A contender ended or did not answer, so there is nothing to compare with."""


class Contestant:
    """A contender's process. Its log is `log`."""

    def __init__(self, name: str, url: str, log: Path) -> None:
        self.name = name
        self._log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", CHILD, name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, "LANGSMITH_TRACING": "false"},
                # Ctrl-C on the terminal is for the parent, which ends its children.
                start_new_session=True,
            )
        self._send({"url": url})

    def ready(self) -> None:
        """Wait until it can be asked."""
        self._answer()

    def ask(self, verb: str, **arguments: Any) -> Any:
        """Have it measure once.

        Raises:
            ContenderFailed: it ended, or did not answer within `PATIENCE`.
        """
        self._send({"verb": verb, "arguments": arguments})
        return self._answer()

    def stop(self) -> None:
        """End the process; it has nothing to lose."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            # closing sends what a dead process could not be sent before
            with suppress(BrokenPipeError):
                _open(pipe).close()

    def _send(self, order: Mapping[str, Any]) -> None:
        try:
            pipe = _open(self._process.stdin)
            pipe.write(json.dumps(order).encode() + b"\n")
            pipe.flush()
        except BrokenPipeError:
            raise self._ended() from None

    def _answer(self) -> Any:
        pipe = _open(self._process.stdout)
        if not select.select([pipe], [], [], PATIENCE)[0]:
            raise self._failed(f"did not answer within {PATIENCE:.0f} s")
        line = pipe.readline()
        if not line:
            raise self._ended()
        return json.loads(line)["value"]

    def _ended(self) -> ContenderFailed:
        # without a pipe to it, a process that is not ended yet is about to
        return self._failed(f"ended with exit code {self._process.wait(GRACE)}")

    def _failed(self, how: str) -> ContenderFailed:
        lines = self._log.read_text("utf-8", "replace").splitlines()
        last = next((line for line in reversed(lines) if line.strip()), "it said nothing")
        return ContenderFailed(
            f"The contender '{self.name}' {how}: {last.strip()} (all of it is in {self._log})"
        )


@contextmanager
def contestants(urls: Mapping[str, str], logs: Path) -> Iterator[dict[str, Contestant]]:
    """One process for each name, ready, until the block ends."""
    with ExitStack() as stack:
        started = {}
        for name, url in urls.items():
            started[name] = Contestant(name, url, logs / f"{name}.log")
            stack.callback(started[name].stop)
        for one in started.values():
            one.ready()
        yield started


def _open(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise ValueError("the pipe was not asked for")
    return pipe

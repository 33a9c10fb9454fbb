"""`interlock` as processes that start in no time: forked from one that has imported everything.

Run as a script it is that process: each line it reads is a command to run, and it answers with the
exit code. Where the start itself is tested, a process is started from nothing instead.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

MAIN = "interlock.engine.cli.main"
PRELOADED = (
    "langgraph.graph",
    "interlock.engine.accounts",
    "interlock.engine.decisions",
    "interlock.engine.logs",
    "interlock.engine.opening",
    "interlock.engine.queries",
    "interlock.engine.worker",
)


class ForkServer:
    """The process that commands are forked from."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(
        self, arguments: tuple[str, ...], folder: Path, environ: Mapping[str, str], typed: str
    ) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        with TemporaryDirectory() as place:
            streams = [Path(place, name) for name in ("in", "out", "err")]
            streams[0].write_text(typed)
            order = {
                "arguments": arguments,
                "folder": str(folder),
                "environ": dict(environ),
                "streams": [str(stream) for stream in streams],
            }
            assert self._process.stdin
            assert self._process.stdout
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            code = int(self._process.stdout.readline())
            out, err = (stream.read_text() for stream in streams[1:])
        return subprocess.CompletedProcess(["interlock", *arguments], code, out, err)

    def end(self) -> None:
        """Start no more."""
        self._process.communicate()


@dataclass(frozen=True)
class CommandLine:
    """`interlock` as real processes, in a folder of its own."""

    server: ForkServer
    folder: Path
    environ: Mapping[str, str] = field(repr=False)

    def __call__(
        self, *arguments: str, typed: str = "", **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return self.server.run(arguments, self.folder, {**self.environ, **environ}, typed)

    def start(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        """Start a command from nothing and return; its output is in two pipes."""
        return subprocess.Popen(
            [sys.executable, "-m", MAIN, *arguments],
            cwd=self.folder,
            env={**self.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def obey(order: Mapping[str, Any]) -> None:
    """Be the command, in a process that was just forked."""
    modes = (os.O_RDONLY, os.O_WRONLY | os.O_CREAT, os.O_WRONLY | os.O_CREAT)
    for number, (path, mode) in enumerate(zip(order["streams"], modes, strict=True)):
        os.dup2(os.open(path, mode, 0o600), number)
    os.environ.clear()
    os.environ.update(order["environ"])
    os.chdir(order["folder"])
    sys.argv[1:] = order["arguments"]
    import_module(MAIN).main()


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for module in (MAIN, *PRELOADED):
        import_module(module)
    gc.freeze()  # a collection in a child would copy all that was imported
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            obey(json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()

"""A command line in a process group of its own, which ends with it."""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..gated import NotDone

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_CHUNK = 65_536
_LOOK = 0.05
"""Seconds between two looks whether the process has ended, while it says nothing."""


class TookTooLong(Exception):
    """The command was killed at the end of its time; what it had done stays done."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended; `cut` says that it said more than is kept."""

    exit_code: int
    output: str
    cut: bool


def run(
    command: str, *, folder: Path, environ: Mapping[str, str], seconds: float, most_bytes: int
) -> Ran:
    """Run a command line with bash, or with sh where there is none; blocks.

    Its whole process group is killed once it ends. A process that left the group lives on.

    Raises:
        NotDone: it could not be started.
        TookTooLong: it was killed.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - running it is what the tool is for
            [*_shell(), "-c", command],
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise NotDone(f"The command could not be started: {error}.") from None
    said = _Said(most_bytes)
    try:
        in_time = _follow(process, said, time.monotonic() + seconds)
    finally:
        # before the leader is reaped, so that no other group can have got its number
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        said.drain(process)
    if not in_time:
        raise TookTooLong(
            f"The command ran longer than {seconds:g} s and was killed. What it did stays."
        )
    return Ran(process.returncode, said.text, said.is_cut)


class _Said:
    """What a process writes, up to so many bytes; the rest is read and thrown away."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept = bytearray()
        self.is_cut = False

    def take(self, handle: int) -> bool:
        """Read once; whether there may be more."""
        try:
            piece = os.read(handle, _CHUNK)
        except BlockingIOError:
            return False
        room = self._most - len(self._kept)
        self._kept += piece[:room]
        self.is_cut |= len(piece) > room
        return bool(piece)

    def drain(self, process: subprocess.Popen[bytes]) -> None:
        """What is left in the pipe; not what somebody who lives on may write later."""
        assert process.stdout is not None  # noqa: S101 - it was asked for
        with process.stdout:
            os.set_blocking(process.stdout.fileno(), False)
            ends = time.monotonic() + 1
            while time.monotonic() < ends and self.take(process.stdout.fileno()):
                pass

    @property
    def text(self) -> str:
        """What was kept."""
        return self._kept.decode(errors="replace")


def _follow(process: subprocess.Popen[bytes], said: _Said, ends: float) -> bool:
    """Read until the process has ended; whether it did in time."""
    assert process.stdout is not None  # noqa: S101 - it was asked for
    handle = process.stdout.fileno()
    os.set_blocking(handle, False)
    with selectors.DefaultSelector() as selector:
        selector.register(handle, selectors.EVENT_READ)
        is_open = True
        while time.monotonic() < ends:
            if _has_ended(process):
                return True
            if not is_open:
                time.sleep(_LOOK)
            elif selector.select(_LOOK) and not said.take(handle):
                is_open = False
    return False


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has ended; it is not reaped by looking."""
    look = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, process.pid, look) is not None


def _shell() -> list[str]:
    bash = shutil.which("bash", path="/bin:/usr/bin")
    return [bash, "--noprofile", "--norc"] if bash else ["/bin/sh"]

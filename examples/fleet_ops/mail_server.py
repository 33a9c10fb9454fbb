"""A mail server on loopback that keeps what it receives as files and sends nothing on.

It knows as much of SMTP (RFC 5321) as `smtplib` needs to hand over a message.
"""

from __future__ import annotations

import itertools
import socketserver
import threading
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

LONGEST_LINE = 4096
LARGEST_MESSAGE = 10_000_000


class _Session(socketserver.StreamRequestHandler):
    server: MailServer
    timeout = 60

    def handle(self) -> None:
        self._say(220, "loopback mail server of the Interlock demo")
        while line := self.rfile.readline(LONGEST_LINE):
            verb = line.strip().split(b" ")[0].split(b":")[0].upper()
            if verb == b"QUIT":
                self._say(221, "closing")
                return
            if verb == b"DATA":
                self._say(354, "end with a line that has only a full stop")
                self._receive()
            elif verb in (b"EHLO", b"HELO", b"MAIL", b"RCPT", b"RSET", b"NOOP"):
                self._say(250, "fine")
            else:
                self._say(502, "this server knows no such command")

    def _receive(self) -> None:
        lines: list[bytes] = []
        size = 0
        while (line := self.rfile.readline()) != b".\r\n":
            size += len(line)
            if not line or size > LARGEST_MESSAGE:
                self._say(552, "the message is too long or broke off; it was not kept")
                return
            # RFC 5321, 4.5.2: a leading full stop is doubled on the way
            lines.append(line[1:] if line.startswith(b".") else line)
        # Only a kept message is acknowledged.
        self.server.keep(b"".join(lines))
        self._say(250, "kept")

    def _say(self, code: int, text: str) -> None:
        self.wfile.write(f"{code} {text}\r\n".encode())


class MailServer(socketserver.ThreadingTCPServer):
    """Listens on a free port of 127.0.0.1 from construction; serves in a `with` block."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self._folder = folder
        self._numbers = itertools.count()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        threading.Thread(target=self.serve_forever, name="mail-server", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def keep(self, message: bytes) -> None:
        """Write a message under a name that sorts by arrival; a whole file or none."""
        name = f"{time.time_ns()}-{next(self._numbers)}"
        part = self._folder / f"{name}.part"
        part.write_bytes(message)
        part.rename(self._folder / f"{name}.eml")

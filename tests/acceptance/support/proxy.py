"""Stands between a worker and PostgreSQL; now and then keeps the answer to a commit to itself."""

from __future__ import annotations

import random
import select
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from psycopg.conninfo import conninfo_to_dict

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

COMMIT = b"COMMIT\x00"


class ForgetfulProxy:
    """Passes everything on; of the commits, this share is carried out and never answered."""

    def __init__(self, url: str, seed: int | str) -> None:
        self.share = 0.0
        self._chance = random.Random(seed)  # noqa: S311 - to be repeatable
        found = conninfo_to_dict(url)
        self._server = f"{found['host']}/.s.PGSQL.{found['port']}"
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        plain = "sslmode=disable&gssencmode=disable"
        self.url = f"postgresql://{found['user']}@127.0.0.1:{port}/{found['dbname']}?{plain}"
        self.forgotten = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _memory(self) -> Callable[[bytes], bool]:
        """Says of all that one connection sends, in turn, whether its answer is forgotten."""
        return lambda data: COMMIT in data and self._chance.random() < self.share

    def _serve(self, client: socket.socket) -> None:
        with (
            suppress(OSError),
            client,
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server,
        ):
            server.connect(self._server)
            is_forgotten, is_done = self._memory(), False
            while True:
                ready, _, _ = select.select([client, server], [], [])
                for source in ready:
                    data = source.recv(65536)
                    if not data:
                        return
                    if source is client:
                        server.sendall(data)
                        is_done = is_done or is_forgotten(data)
                    elif is_done:  # and nobody hears of it
                        self.forgotten += 1
                        return
                    else:
                        client.sendall(data)

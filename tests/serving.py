"""The web app over a real socket, in a thread."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn
from interlock.approvals_ui.app import create_app
from interlock.engine.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from interlock.engine.database import Database


@contextmanager
def serving(database: Database, environment: str = "Production") -> Iterator[str]:
    """The app's address while the block runs."""
    app = create_app(database, Settings(environment=environment))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()

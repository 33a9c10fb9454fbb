"""`interlock serve`: the pages and the JSON API."""

from __future__ import annotations

import logging
import socket
import sys
from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from .exits import DONE
from .opened import opened, settings_with
from .signals import on_stop

if TYPE_CHECKING:
    from ..settings import Settings

# Pages hold a stream open for live updates; it is cut after this many seconds.
DRAIN_SECONDS = 3


@click.command()
@click.option("--host", help="The address to listen on; INTERLOCK_HOST or 127.0.0.1 without.")
@click.option("--port", type=int, help="The port; INTERLOCK_PORT or 8400 without.")
def serve(host: str | None, port: int | None) -> None:
    """Serve the pages and the JSON API until stopped."""
    on_stop(lambda: sys.exit(DONE))
    settings = settings_with(host=host, port=port)
    listener = listen(settings)
    with opened(settings, level=logging.INFO) as at:
        import uvicorn

        from ...approvals_ui.app import create_app

        config = uvicorn.Config(
            create_app(at.database, settings),
            log_config=None,
            timeout_graceful_shutdown=DRAIN_SECONDS,
            server_header=False,
        )
        uvicorn.Server(config).run(sockets=[listener])


def listen(settings: Settings) -> socket.socket:
    """The socket to serve on.

    Raises:
        UsageError: the port is taken, or the address is not this machine's.
    """
    where = (settings.host, settings.port)
    try:
        found = socket.getaddrinfo(*where, type=socket.SOCK_STREAM)
        return socket.create_server(where, family=found[0][0], backlog=2048)
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (")[0]
        raise UsageError(
            f"Cannot listen on {settings.host} port {settings.port}: {reason}."
            " Choose another with INTERLOCK_PORT or --port."
        ) from None

"""`interlock dev`: pages, API and a worker in one process tree."""

from __future__ import annotations

import http.client
import logging
import secrets
import threading
from http import HTTPStatus
from typing import TYPE_CHECKING

import click

from .children import ChildDied, Children
from .exits import DONE, FAILED, USAGE
from .opened import opened, operator, settings_with
from .serve import listen
from .signals import on_stop

if TYPE_CHECKING:
    from ..settings import Settings
    from .opened import Opened

REVIEWER = "reviewer"
POLL_SECONDS = 0.1


@click.command()
@click.argument("agents", metavar="MODULE:AGENT...", nargs=-1, required=True)
@click.option("--host", help="The address to listen on; INTERLOCK_HOST or 127.0.0.1 without.")
@click.option("--port", type=int, help="The port; INTERLOCK_PORT or 8400 without.")
@click.pass_context
def dev(
    context: click.Context, agents: tuple[str, ...], host: str | None, port: int | None
) -> None:
    """Serve the pages and run these agents until stopped.

    Migrates the database first, and adds a reviewer if there is none.
    """
    stop = threading.Event()
    on_stop(stop.set)
    settings = settings_with(host=host, port=port)
    listen(settings).close()
    with opened(settings, migrate=True, level=logging.INFO) as at, Children() as children:
        password = first_password(at)
        environ = {
            "INTERLOCK_DATABASE_URL": at.database.url,
            "INTERLOCK_HOST": settings.host,
            "INTERLOCK_PORT": str(settings.port),
        }
        children.start("serve", environ=environ)
        children.start("worker", *agents, environ=environ)
        try:
            watch(children, stop, settings, password)
        except ChildDied as died:
            click.echo(died, err=True)
            context.exit(USAGE if died.code == USAGE else FAILED)
    context.exit(DONE)


def first_password(at: Opened) -> str | None:
    """The password of a reviewer added now, or None if there are reviewers."""
    from ...policies.terms import DEFAULT_TERMS
    from ..accounts import add_reviewer, list_reviewers

    with at.database.begin() as conn:
        if list_reviewers(conn, at.tenant):
            return None
    password = secrets.token_urlsafe(12)
    add_reviewer(
        at.database,
        tenant=at.tenant,
        name=REVIEWER,
        password=password,
        groups=DEFAULT_TERMS.reviewers,
        by=operator(),
    )
    return password


def watch(
    children: Children, stop: threading.Event, settings: Settings, password: str | None
) -> None:
    """Say where the pages are once they answer, then wait until stopped.

    Raises:
        ChildDied: one ended by itself.
    """
    announced = False
    while not stop.wait(POLL_SECONDS):
        children.check()
        if not announced and answers(settings):
            announced = True
            announce(settings, password)


def announce(settings: Settings, password: str | None) -> None:
    """The address, and the password of a reviewer who is new."""
    click.echo(f"Interlock is at {settings.address}. Stop it with Ctrl-C.")
    if password is not None:
        click.echo(f"Sign in as '{REVIEWER}' with the password {password} (shown only now).")


def answers(settings: Settings) -> bool:
    """Whether the pages are served."""
    where = settings.address.removeprefix("http://")
    connection = http.client.HTTPConnection(where, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()

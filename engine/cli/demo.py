"""`interlock demo`: an agent's bad day in a world of its own, held by the gate."""

from __future__ import annotations

import fcntl
import logging
import signal
import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from ..logs import configure
from .demo_children import PreparedChildren
from .opened import settings_with
from .serve import listen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@click.command("demo")
@click.option("--port", type=click.IntRange(1, 65535), help="Serve on this port.")
@click.option("--model", metavar="PROVIDER:NAME", help="Use a real model, not the script.")
@click.option("--headless", is_flag=True, help="Open no browser.")
@click.option("--fresh", is_flag=True, help="Begin anew: drop what an earlier demo left.")
def command(port: int | None, model: str | None, *, headless: bool, fresh: bool) -> None:
    """Show an agent that goes for the production volume, and decide yourself."""
    configure(level=logging.WARNING)
    settings = settings_with(port=port)
    settings = replace(settings, home=settings.home.resolve())
    # Now, before anything is set up for it.
    listen(settings).close()
    if model is not None:
        _check_model(model)
    logs = settings.home / "log"
    with _stop_signals() as stop, locked(settings.home), PreparedChildren(logs) as started:
        # What takes longest is importing: the processes do it while the world is set up.
        started.prepare("serve")
        from . import demo_story

        demo_story.play(settings, started, stop, model=model, browser=not headless, fresh=fresh)


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Only one demo works in a folder at a time.

    Raises:
        UsageError: another one does.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (home / "demo.lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"A demo runs in {home} already. Stop it first, or start this one in another"
                " folder."
            ) from None
        yield


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _check_model(name: str) -> None:
    from ...examples.fleet_ops.model import choose_model

    choose_model(name)

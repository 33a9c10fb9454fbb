"""`interlock worker`: what runs agents."""

from __future__ import annotations

import logging
import os

import click

from .. import strict
from .exits import FAILED
from .opened import opened
from .signals import on_stop


@click.command()
@click.argument("agents", metavar="MODULE:AGENT...", nargs=-1, required=True)
@click.option("--concurrency", type=click.IntRange(1, 1000), default=8, show_default=True)
def worker(agents: tuple[str, ...], concurrency: int) -> None:
    """Run the runs of these agents until stopped.

    The first Ctrl-C or SIGTERM lets the work in hand come to its next safe place; the second ends
    the process at once, and another worker takes over what it held.
    """
    strict.require_strict()
    from ..agent import load_agent

    loaded = [load_agent(reference) for reference in agents]
    with opened(level=logging.INFO) as at:
        from ..worker import Worker, WorkerSettings

        settings = WorkerSettings(
            concurrency=concurrency, tenant=at.tenant, spool=at.settings.results
        )
        running = Worker(at.database, loaded, settings=settings)
        asked = False

        def stop() -> None:
            nonlocal asked
            if asked:
                os._exit(FAILED)
            asked = True
            running.stop()

        on_stop(stop)
        running.run()

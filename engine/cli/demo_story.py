"""The demo from its setting to its end: what is started when, and what is told."""

from __future__ import annotations

import http.client
import os
import time
import webbrowser
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click
import sqlalchemy as sa

from ...examples.fleet_ops import world
from ...examples.fleet_ops.home import Home
from ...examples.fleet_ops.mail_server import MailServer
from ..database import Database, lost
from ..errors import Conflict, DatabaseUnavailable, InterlockError, NotFound, UsageError
from ..runs import create_run
from ..schema import approvals, runs
from . import demo_setting as setting

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator
    from pathlib import Path
    from uuid import UUID

    from ..settings import Settings
    from .demo_children import PreparedChildren

AGENT = "fleet-ops"
AGENT_REFERENCE = "interlock.examples.fleet_ops.agent:agent"
SCRIPTED = "scripted"
POLL = 0.05
WATCH = 0.5
PATIENCE = 60.0
READY = 200


def play(
    settings: Settings,
    children: PreparedChildren,
    stop: threading.Event,
    *,
    model: str | None,
    browser: bool,
    fresh: bool,
) -> None:
    """Set the world up and run the story until `stop`.

    Raises:
        InterlockError: something cannot be set up, or a process died.
    """
    folder = settings.home / "demo"
    with ExitStack() as stack:
        server = stack.enter_context(setting.open_server(settings))
        if fresh:
            setting.begin_anew(server, folder)
        folder.mkdir(mode=0o700, exist_ok=True)
        if not (folder / "token").exists():
            click.echo(f"Setting up the demo's world in {_short(folder)} …")
            children.prepare("worker")
        database = stack.enter_context(setting.open_own_database(server))
        password = setting.reviewer_password(database, settings.tenant, folder)
        mail = stack.enter_context(MailServer(folder / "mail"))
        home = Home(folder, server.url(setting.RENTAL), mail.port)
        world.build(home)
        token = setting.ensure_token(database, settings.tenant, folder)
        environ = _environment(settings, server, home, model or SCRIPTED)
        # Left last, entered last: the children stop before what they use.
        stack.callback(children.stop)
        demo = Demo(settings, database, server, children, stop, environ)
        demo.begin(model or SCRIPTED)
        demo.open()
        if not stop.is_set():
            _welcome(settings, password, token, model)
            if browser:
                webbrowser.open(settings.address)
            demo.watch()
        click.echo("Stopping.")


@dataclass
class Demo:
    """The story as it runs: what waits for a person, how it ended, whether all parts live."""

    settings: Settings
    database: Database
    server: setting.Server
    children: PreparedChildren
    stop: threading.Event
    environ: dict[str, str]
    run_id: UUID | None = None
    told: set[str] = field(default_factory=set)

    def begin(self, model: str) -> None:
        """Create the run, once in the life of these databases.

        Raises:
            UsageError: it was begun with another model or another task.
        """
        for _ in self._polls():
            try:
                self.run_id = create_run(
                    self.database,
                    tenant=self.settings.tenant,
                    agent=AGENT,
                    input={"messages": [{"role": "user", "content": world.TASK}]},
                    requested_by=setting.BY,
                    tags={"model": model},
                    idempotency_key="interlock demo",
                ).run_id
            except NotFound:  # until a worker has registered the agent
                self._work()
                continue
            except Conflict:
                raise UsageError(
                    "The story in these databases was begun with another model or another version"
                    " of the demo. Go on with that one, or begin anew with: interlock demo --fresh"
                ) from None
            return

    def open(self) -> None:
        """Serve the pages, but not before there is something to decide: /readyz says just that."""
        for _ in self._polls():
            if self._pending() or self._exit():
                break
            self._work()
        if not self.stop.is_set():
            self.children.start("serve", environ=self.environ)
            self._await_page()
            self._work()

    def watch(self) -> None:
        """Tell what changes, until the demo is asked to stop or a part of it dies."""
        while not self.stop.is_set():
            self.children.check()
            for line in self._news():
                if line not in self.told:
                    self.told.add(line)
                    click.echo(line)
            self.stop.wait(WATCH)

    def _work(self) -> None:
        self.children.start("worker", AGENT_REFERENCE, environ=self.environ)

    def _await_page(self) -> None:
        deadline = time.monotonic() + PATIENCE
        for _ in self._polls():
            if _answers(self.settings):
                return
            if time.monotonic() > deadline:
                raise InterlockError(f"{self.settings.address}/readyz did not answer 200 in time.")

    def _news(self) -> list[str]:
        try:
            self.server.tend()
            lines = [f"Waits for you: {headline}" for headline in self._pending()]
            if ended := self._exit():
                lines.append(f"The story has ended ({ended}). Begin anew: interlock demo --fresh")
        except DatabaseUnavailable as error:
            return [str(error)]
        except sa.exc.DBAPIError as error:
            if not lost(error):
                raise
            return []
        return lines

    def _polls(self) -> Iterator[None]:
        while not self.stop.is_set():
            self.children.check()
            yield
            self.stop.wait(POLL)

    def _pending(self) -> list[str]:
        """What a person can decide now."""
        decidable = sa.or_(approvals.c.expires_at.is_(None), approvals.c.expires_at > sa.func.now())
        found = (
            sa.select(approvals.c.headline)
            .where(
                approvals.c.tenant_id == self.settings.tenant,
                approvals.c.run_id == self.run_id,
                approvals.c.state == "pending",
                decidable,
            )
            .order_by(approvals.c.id)
        )
        with self.database.begin() as conn:
            return list(conn.scalars(found))

    def _exit(self) -> str | None:
        own = sa.select(runs.c.exit, runs.c.exit_reason).where(
            runs.c.tenant_id == self.settings.tenant, runs.c.id == self.run_id
        )
        with self.database.begin() as conn:
            row = conn.execute(own).first()
        if row is None or row.exit is None:
            return None
        return str(row.exit) if row.exit == "completed" else f"{row.exit}: {row.exit_reason}"


def _welcome(settings: Settings, password: str, token: Path, model: str | None) -> None:
    who = (
        "The model is scripted: it plays the incident step by step. --model provider:name uses a"
        " real one."
        if model is None
        else f"The model is {model}; what it does is not foreseen."
    )
    click.echo(
        f"""
A car-rental company's fleet-ops agent, after the incident of April 2026 in which an agent
deleted a production database and its backups in nine seconds. Here, the gate holds it.
{who}

  Open      {settings.address}
  Name      {setting.REVIEWER}
  Password  {password}

Sign in and decide. Reject with a reason and the agent takes the safe way; edit the call and you
are asked again for what it became; approve and it happens to the files in {_short(token.parent)}.
API token: {_short(token)}. Stop: Ctrl-C. Begin anew: interlock demo --fresh
"""
    )


def _environment(
    settings: Settings, server: setting.Server, home: Home, model: str
) -> dict[str, str]:
    return {
        "INTERLOCK_DATABASE_URL": server.url(setting.OWN),
        "INTERLOCK_HOME": str(settings.home),
        "INTERLOCK_HOST": settings.host,
        "INTERLOCK_PORT": str(settings.port),
        "INTERLOCK_ENVIRONMENT": os.environ.get("INTERLOCK_ENVIRONMENT", "Demo"),
        "FLEET_OPS_HOME": str(home.root),
        "FLEET_OPS_DATABASE_URL": home.database_url,
        "FLEET_OPS_SMTP_PORT": str(home.smtp_port),
        "FLEET_OPS_MODEL": model,
    }


def _answers(settings: Settings) -> bool:
    where = settings.address.removeprefix("http://")
    connection = http.client.HTTPConnection(where, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == READY
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _short(path: Path) -> str:
    return os.path.relpath(path)

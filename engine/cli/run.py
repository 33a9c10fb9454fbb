"""`interlock run`: one run from start to end, or to where a person is needed."""

from __future__ import annotations

import json
import re
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import strict
from ..errors import UsageError
from ..lifecycle import ApprovalState, Exit, RunStatus
from .approvals import print_approvals
from .exits import DONE, FAILED, WAITING
from .opened import opened, operator, settings_with
from .printing import as_json, print_json

_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from ..agent import Agent
    from ..queries import RunDetail
    from .opened import Opened

POLL_SECONDS = 0.1


@click.command()
@click.argument("agent", metavar="MODULE:AGENT")
@click.option("--input", "input_", required=True, metavar="JSON|@FILE", help="What it works on.")
@click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="NAME=NUMBER",
    help="A limit of the agent's that is lower for this run; may be repeated.",
)
@as_json
@click.pass_context
def run(
    context: click.Context, agent: str, input_: str, limits: tuple[str, ...], *, json_: bool
) -> None:
    """Run an agent once in this process; needs no other worker.

    Prints the output. Exit code 0 if the run completed, 1 if it ended otherwise, 3 if it waits for
    a person: any worker of the agent goes on with it after the decision.
    """
    value, lower = read_input(input_), read_limits(limits)
    strict.require_strict()
    from ..agent import load_agent

    loaded = load_agent(agent)
    settings = settings_with()
    # the embedded database is this command's own affair; another one is its operator's
    own = settings.database_url is None
    with opened(settings, migrate=own) as at, working(at, loaded) as worker:
        from ..runs import create_run

        made = create_run(
            at.database,
            tenant=at.tenant,
            agent=loaded.name,
            input=value,
            requested_by=operator(),
            limits=lower,
        )
        click.echo(f"Run {made.run_id} of {loaded.name} began.", err=True)
        detail = follow(at, made.run_id, worker)
    if json_:
        print_json(detail.as_json())
    else:
        print_outcome(detail)
    context.exit(exit_code(detail))


def read_limits(given: tuple[str, ...]) -> dict[str, float]:
    """Limits by name.

    Raises:
        UsageError: one is not a name and a number.
    """
    limits: dict[str, float] = {}
    for text in given:
        name, _, number = text.partition("=")
        if not (name and _NUMBER.fullmatch(number)):
            raise UsageError(f"A limit is given as NAME=NUMBER, not '{text}'.")
        limits[name] = float(number) if "." in number else int(number)
    return limits


def read_input(text: str) -> Any:
    """The JSON value of the option, or of the file after its `@`.

    Raises:
        UsageError: there is no such file, or it is not JSON.
    """
    source = "--input"
    if text.startswith("@"):
        source = text[1:]
        try:
            text = Path(source).read_text("utf-8")
        except OSError as error:
            raise UsageError(f"Cannot read {source}: {error.strerror}.") from None
        except UnicodeDecodeError:
            raise UsageError(f"{source} is not a UTF-8 text.") from None
    try:
        return json.loads(text)
    except ValueError as error:
        raise UsageError(f"{source} is not JSON: {error}.") from None


@contextmanager
def working(at: Opened, agent: Agent) -> Iterator[threading.Thread]:
    """A worker of this agent in a thread, until the block ends; its agent is registered."""
    from ..worker import Worker, WorkerSettings, register

    settings = WorkerSettings(tenant=at.tenant, spool=at.settings.results)
    worker = Worker(at.database, [agent], settings=settings)
    with at.database.begin() as conn:
        register(conn, agent, tenant=at.tenant, worker_id=worker.id)
    thread = threading.Thread(target=worker.run, name="worker")
    thread.start()
    try:
        yield thread
    finally:
        worker.stop()
        thread.join()


def follow(at: Opened, run_id: UUID, worker: threading.Thread) -> RunDetail:
    """The run once it has ended, waits for a person, or lost its worker."""
    from ..queries import get_run

    while True:
        with at.database.begin() as conn:
            detail = get_run(conn, tenant=at.tenant, run_id=run_id)
        waits = detail.run.status == RunStatus.WAITING and detail.run.pending
        waits = waits or detail.run.paused_by is not None
        if detail.run.status == RunStatus.ENDED or waits or not worker.is_alive():
            return detail
        time.sleep(POLL_SECONDS)


def print_outcome(detail: RunDetail) -> None:
    """The output on stdout, everything else on stderr."""
    if detail.run.exit == Exit.COMPLETED:
        print_json(detail.output)
    elif detail.run.exit:
        click.echo(f"The run ended as {detail.run.exit}: {detail.run.exit_reason}", err=True)
    elif trip := detail.run.paused_by:
        how = f"interlock breakers reset {trip}"
        click.echo(f"The run waits: a circuit breaker is tripped. Reset it with: {how}", err=True)
    else:
        pending = [a for a in detail.approvals if a.state == ApprovalState.PENDING]
        print_approvals(tuple(pending), empty="The run stopped before its end.")


def exit_code(detail: RunDetail) -> int:
    """The exit code that tells how the run stands."""
    if detail.run.exit == Exit.COMPLETED:
        return DONE
    is_paused = detail.run.paused_by is not None
    return WAITING if is_paused or detail.run.status == RunStatus.WAITING else FAILED

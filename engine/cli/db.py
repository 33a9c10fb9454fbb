"""`interlock db`."""

from __future__ import annotations

from datetime import timedelta

import click

from ..lifecycle import Exit
from .opened import opened, operator
from .printing import as_json, print_json


@click.group()
def db() -> None:
    """Look after the database."""


@db.command()
@as_json
def migrate(*, json_: bool) -> None:
    """Bring the schema to this version's; safe to repeat, and to run from many places."""
    with opened(migrate=True):
        pass
    if json_:
        print_json({"migrated": True})
    else:
        click.echo("The schema is this version's.")


@db.command()
@click.option(
    "--older-than",
    "days",
    type=click.FloatRange(min=0),
    required=True,
    metavar="DAYS",
    help="Only runs that ended so many days ago.",
)
@click.option(
    "--exit",
    "exits",
    type=click.Choice([str(each) for each in Exit]),
    multiple=True,
    help="Only runs that ended so; may be given more than once. All without it.",
)
@click.option(
    "--keep",
    type=click.Choice(["latest", "nothing"]),
    default="latest",
    show_default=True,
    help="Whether a run's newest checkpoint stays.",
)
@as_json
def prune(days: float, exits: tuple[str, ...], keep: str, *, json_: bool) -> None:
    """Take the checkpoints of ended runs away. The journal and the audit log stay as they are."""
    from ..retention import Retention, prune

    wanted = [Exit(each) for each in exits] or list(Exit)
    retention = Retention(wanted, timedelta(days=days), keep == "latest")
    with opened() as at:
        gone = prune(at.database, retention, tenant=at.tenant, by=operator())
    if json_:
        print_json({"runs": gone.runs, "steps": gone.steps})
    else:
        click.echo(f"{gone.steps} steps of {gone.runs} runs are gone.")

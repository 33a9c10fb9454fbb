"""`interlock db`."""

from __future__ import annotations

import click

from .opened import opened
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

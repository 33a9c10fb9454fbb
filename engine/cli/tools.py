"""`interlock tools`."""

from __future__ import annotations

import click

from .opened import opened
from .printing import as_json, print_items, print_table


@click.group()
def tools() -> None:
    """List the tools that agents brought."""


@tools.command("list")
@as_json
def list_(*, json_: bool) -> None:
    """List each agent's tools with what they do to the world."""
    with opened() as at, at.database.begin() as conn:
        from ..queries import list_tools

        found = list_tools(conn, tenant=at.tenant)
    if json_:
        print_items(found)
        return
    rows = [(t.agent, t.name, t.effect, "yes" if t.undo else "no", t.version) for t in found]
    empty = "There are no tools yet: workers register their agents' tools when they start."
    print_table(("agent", "tool", "effect", "undo", "version"), rows, empty=empty)

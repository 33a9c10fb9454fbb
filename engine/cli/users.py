"""`interlock users`: the accounts of those who decide."""

from __future__ import annotations

import click

from .identity import ask_password
from .opened import opened, operator
from .printing import as_json, print_items, print_json, print_table


@click.group()
def users() -> None:
    """Add, list and disable reviewers."""


@users.command()
@click.argument("name")
@click.option("--group", "groups", multiple=True, help="A group to decide for, as in policies.")
@as_json
def add(name: str, groups: tuple[str, ...], *, json_: bool) -> None:
    """Add a reviewer; the password is asked for, or taken from INTERLOCK_PASSWORD."""
    with opened() as at:
        from ..accounts import add_reviewer

        add_reviewer(
            at.database,
            tenant=at.tenant,
            name=name,
            password=ask_password(f"Password for {name}", twice=True),
            groups=groups,
            by=operator(),
        )
    if json_:
        print_json({"name": name, "groups": sorted(set(groups))})
        return
    click.echo(f"{name} can sign in.")
    if not groups:
        click.echo("Without a --group they can look at everything and decide nothing.", err=True)


@users.command("list")
@as_json
def list_(*, json_: bool) -> None:
    """List reviewers, the disabled ones too."""
    with opened() as at, at.database.begin() as conn:
        from ..accounts import list_reviewers

        found = list_reviewers(conn, at.tenant)
    if json_:
        print_items(found)
        return
    rows = [(r.name, ", ".join(r.groups), r.created_at, r.disabled_at) for r in found]
    empty = "There are no reviewers. Add one: interlock users add NAME --group on-call"
    print_table(("reviewer", "groups", "added", "disabled"), rows, empty=empty)


@users.command()
@click.argument("name")
@as_json
def disable(name: str, *, json_: bool) -> None:
    """Close a reviewer's account; sessions and tokens stop working at once."""
    with opened() as at:
        from ..accounts import disable_reviewer

        disable_reviewer(at.database, tenant=at.tenant, name=name, by=operator())
    if json_:
        print_json({"name": name, "disabled": True})
    else:
        click.echo(f"{name} is disabled.")

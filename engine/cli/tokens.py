"""`interlock tokens`: what programs that act for a reviewer sign in with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from .opened import opened, operator
from .printing import as_json, print_items, print_json, print_table

if TYPE_CHECKING:
    from uuid import UUID


@click.group()
def tokens() -> None:
    """Add, list and revoke API tokens."""


@tokens.command()
@click.argument("reviewer")
@click.option("--label", default="command line", show_default=True, help="What it is for.")
@click.option("--days", type=click.IntRange(1, 3660), help="How long it works; for ever without.")
@as_json
def add(reviewer: str, label: str, days: int | None, *, json_: bool) -> None:
    """Make a token of a reviewer and print its secret, which is not kept."""
    expires = datetime.now(UTC) + timedelta(days=days) if days else None
    with opened() as at:
        from ..accounts import add_token

        token_id, secret = add_token(
            at.database,
            tenant=at.tenant,
            reviewer=reviewer,
            label=label,
            expires=expires,
            by=operator(),
        )
    if json_:
        print_json({"id": str(token_id), "secret": secret})
        return
    click.echo(
        f"Token {token_id} of {reviewer}. This is its secret; it is shown only now:", err=True
    )
    click.echo(secret)


@tokens.command("list")
@as_json
def list_(*, json_: bool) -> None:
    """List tokens without their secrets, the revoked ones too."""
    with opened() as at, at.database.begin() as conn:
        from ..accounts import list_tokens

        found = list_tokens(conn, at.tenant)
    if json_:
        print_items(found)
        return
    rows = [(t.id, t.reviewer, t.label, t.expires_at, t.revoked_at) for t in found]
    headings = ("token", "reviewer", "label", "expires", "revoked")
    print_table(headings, rows, empty="There are no tokens.")


@tokens.command()
@click.argument("token_id", type=click.UUID)
@as_json
def revoke(token_id: UUID, *, json_: bool) -> None:
    """Make a token worthless from now on."""
    with opened() as at:
        from ..accounts import revoke_token

        revoke_token(at.database, tenant=at.tenant, token_id=token_id, by=operator())
    if json_:
        print_json({"id": str(token_id), "revoked": True})
    else:
        click.echo(f"Token {token_id} is revoked.")

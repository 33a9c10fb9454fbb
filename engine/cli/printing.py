"""What commands print: JSON for programs, aligned lines for people.

Arguments and texts of agents can hold anything. What a terminal would obey, or what would show one
character as another place or order, is printed as its code instead.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

as_json = click.option("--json", "json_", is_flag=True, help="Print JSON.")


def print_json(value: Any) -> None:
    """One JSON document, in ASCII."""
    click.echo(json.dumps(value, indent=2))


def print_items(items: Iterable[Any]) -> None:
    """A list that has no pages, in the shape of one that has."""
    print_json({"items": [item.as_json() for item in items], "cursor": None})


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Aligned columns under their headings, or the sentence for no rows."""
    cells = [[shown("" if cell is None else cell) for cell in row] for row in rows]
    if not cells:
        click.echo(empty)
        return
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    for line in ([heading.upper() for heading in headings], *cells):
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


def print_fields(fields: Iterable[tuple[str, object]]) -> None:
    """Names and values, one a line; values that are None are left out."""
    for name, value in fields:
        if value is not None:
            click.echo(f"{name + ':':<12} {shown(value)}")


def print_block(title: str, value: Any) -> None:
    """A value as indented JSON under its title."""
    lines = json.dumps(value, indent=2, ensure_ascii=False).splitlines()
    click.echo("\n".join([f"{title}:", *(f"  {shown(line)}" for line in lines)]))


def shown(value: object) -> str:
    """The value's text with every character that is not plainly visible as its code."""
    text = when(value) if isinstance(value, datetime) else str(value)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def when(at: datetime) -> str:
    """A time to the second, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"

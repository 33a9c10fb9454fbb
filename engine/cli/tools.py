"""`interlock tools`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, BinaryIO

import click

from .exits import FAILED
from .opened import opened
from .printing import as_json, print_items, print_json, print_table

if TYPE_CHECKING:
    from .catalogue import Entry


@click.group()
def tools() -> None:
    """List the tools that agents brought, and say what calls do."""


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


@tools.command()
@click.argument("agents", metavar="[MODULE:AGENT]...", nargs=-1)
@click.option(
    "--jsonl",
    metavar="FILE",
    type=click.File("rb"),
    help="Answer one JSON row a line, of a call or a tool; - is the standard input.",
)
@as_json
@click.pass_context
def classify(
    context: click.Context, agents: tuple[str, ...], jsonl: BinaryIO | None, *, json_: bool
) -> None:
    """Say what the tools of agents do, how that is known, and what to declare.

    With --jsonl, rows are judged under the default policy, each answered in its turn:
    {"kind": "sql"|"shell"|"http", "call": "..."}, an HTTP call as METHOD /path, SQL with its
    "dialect" where it is known, or {"kind": "tool", "name", "description", "params": [...],
    "annotations"?, "trusted"?, "args"?}.
    A row that cannot be read counts as irreversible, and the exit code is then 1.
    """
    if bool(agents) == bool(jsonl):
        raise click.UsageError("Name agents as MODULE:AGENT, or give rows with --jsonl.")
    if jsonl is not None:
        context.exit(0 if _answer_rows(jsonl) else FAILED)
    from .catalogue import entries_of

    found = [entry for agent in agents for entry in entries_of(agent)]
    if json_:
        print_json({"items": [entry.as_json() for entry in found]})
        return
    _print_catalogue(found)


def _answer_rows(rows: BinaryIO) -> bool:
    """Print one answer a row; whether every row could be read."""
    from .classified import Classifier

    classifier = Classifier()
    all_readable = True
    for row in rows:
        answer = classifier.answer(row.rstrip(b"\r\n"))
        all_readable = all_readable and answer.is_readable
        sys.stdout.write(json.dumps(answer.as_json()) + "\n")
        sys.stdout.flush()
    return all_readable


def _print_catalogue(entries: list[Entry]) -> None:
    headings = ("tool", "effect", "source", "rule", "evidence", "declare")
    rows = [(e.tool, e.effect, e.source, e.rule, " ".join(e.evidence), e.advice) for e in entries]
    print_table(headings, rows, empty="These agents have no tools.")

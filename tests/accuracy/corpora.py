"""The labelled corpora as rows of `interlock tools classify --jsonl`, with what is true of each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

DATA = Path(__file__).parent.parent / "data" / "corpora"


@dataclass(frozen=True)
class Case:
    """A row, and whether what it describes only reads."""

    row: Mapping[str, Any]
    only_reads: bool

    @property
    def line(self) -> bytes:
        """As it is put to the command line."""
        return json.dumps(self.row).encode()


def rows(name: str) -> list[dict[str, Any]]:
    """The rows of one file."""
    return [json.loads(line) for line in (DATA / name).read_text("utf-8").splitlines()]


def http() -> Iterator[Case]:
    for row in rows("http_calls.jsonl"):
        call = f"{row['method']} {row['path']}"
        yield Case({"kind": "http", "call": call}, row["label"] == "read_only")


def sql() -> Iterator[Case]:
    for row in rows("sql_calls.jsonl"):
        yield Case({"kind": "sql", "call": row["sql"]}, row["label_autocommit"] == "read_only")


def shell() -> Iterator[Case]:
    for row in rows("shell_calls.jsonl"):
        yield Case({"kind": "shell", "call": row["cmd"]}, row["label"] == "read_only")


def mcp(*, hints: bool = True, trusted: bool = False) -> Iterator[Case]:
    """What the vendors' hints say counts as true here, though some are known to be wrong."""
    for row in rows("mcp_tools.jsonl"):
        told = {"annotations": row["annotations"], "trusted": trusted} if hints else {}
        keys = ("name", "description", "params")
        tool = {"kind": "tool", **{key: row[key] for key in keys}, **told}
        yield Case(tool, row["annotations"].get("readOnlyHint") is True)


def tau2_tools() -> Iterator[Case]:
    for row in rows("tau2_tools.jsonl"):
        params = list(row["schema"]["properties"])
        keys = ("name", "description")
        tool = {"kind": "tool", **{key: row[key] for key in keys}, "params": params}
        yield Case(tool, not row["mutates_state"] and row["type"] != "write")


def own(kind: str, name: str = "own") -> Iterator[Case]:
    """What was written for this project before its rules were looked at."""
    for row in rows(f"{name}_{kind}.jsonl"):
        told = {"kind": kind, **{key: value for key, value in row.items() if key in _ASKED}}
        yield Case(told, row["label"] == "read_only")


_ASKED = frozenset({"call", "name", "description", "params", "annotations"})

CORPORA: Mapping[str, Callable[[], Iterator[Case]]] = {
    "SQL": sql,
    "shell": shell,
    "HTTP": http,
    "MCP tools": mcp,
    "MCP tools, no hints": lambda: mcp(hints=False),
    "MCP tools, trusted hints": lambda: mcp(trusted=True),
    "tau2 tools": tau2_tools,
    "own SQL": lambda: own("sql"),
    "own shell": lambda: own("shell"),
    "own HTTP": lambda: own("http"),
    "own MCP tools": lambda: own("tool"),
    "held-out SQL": lambda: own("sql", "heldout"),
    "held-out shell": lambda: own("shell", "heldout"),
    "held-out HTTP": lambda: own("http", "heldout"),
    "held-out MCP tools": lambda: own("tool", "heldout"),
    "probe SQL": lambda: own("sql", "probe"),
    "probe shell": lambda: own("shell", "probe"),
    "probe HTTP": lambda: own("http", "probe"),
    "probe MCP tools": lambda: own("tool", "probe"),
}

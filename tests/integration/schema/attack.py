"""What an attack on the schema is: something that must not be, and the one guard that prevents it.

An attack is written as a generator: rows are made, then a bare `yield`, then the attempt. It runs
twice: with all guards it must be refused by the one it names; without that guard it must succeed,
or else it proves nothing about the guard.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from psycopg import sql

if TYPE_CHECKING:
    import psycopg
    from rows import Rows

Steps = Callable[..., Iterator[None]]


@dataclass(frozen=True)
class Constraint:
    """A CHECK, UNIQUE or FOREIGN KEY constraint."""

    table: str
    name: str

    def remove(self, conn: psycopg.Connection[Any]) -> None:
        """Take the guard away."""
        statement = sql.SQL("alter table {} drop constraint {} cascade")
        conn.execute(statement.format(sql.Identifier(self.table), sql.Identifier(self.name)))

    def refused(self, error: psycopg.Error) -> bool:
        """Whether this guard said no."""
        return (error.diag.table_name, error.diag.constraint_name) == (self.table, self.name)


@dataclass(frozen=True)
class Index:
    """A unique index."""

    name: str

    def remove(self, conn: psycopg.Connection[Any]) -> None:
        """Take the guard away."""
        conn.execute(sql.SQL("drop index {}").format(sql.Identifier(self.name)))

    def refused(self, error: psycopg.Error) -> bool:
        """Whether this guard said no."""
        return error.diag.constraint_name == self.name


@dataclass(frozen=True)
class Trigger:
    """A trigger as a whole; `says` is its refusal, as a regular expression."""

    table: str
    name: str
    says: str

    def remove(self, conn: psycopg.Connection[Any]) -> None:
        """Take the guard away."""
        statement = sql.SQL("drop trigger {} on {}")
        conn.execute(statement.format(sql.Identifier(self.name), sql.Identifier(self.table)))

    def refused(self, error: psycopg.Error) -> bool:
        """Whether this guard said no."""
        return re.fullmatch(self.says, error.diag.message_primary or "") is not None


@dataclass(frozen=True)
class Check:
    """One check in a trigger's function: the one that raises `message`."""

    function: str
    message: str

    def remove(self, conn: psycopg.Connection[Any]) -> None:
        """Take the guard away: the function goes on where it raised."""
        row = conn.execute("select pg_get_functiondef(%s::regproc)", (self.function,)).fetchone()
        assert row is not None
        raising = rf"raise exception '{re.escape(self.message)}'.*?;"
        without, found = re.subn(raising, "null;", row[0], flags=re.DOTALL)
        assert found == 1, f"{self.function} raises '{self.message}' {found} times"
        conn.execute(without)

    def refused(self, error: psycopg.Error) -> bool:
        """Whether this guard said no."""
        says = ".*".join(map(re.escape, self.message.split("%")))
        return re.fullmatch(says, error.diag.message_primary or "") is not None


Guard = Constraint | Index | Trigger | Check


@dataclass(frozen=True)
class Attack:
    """A sentence about what cannot be, what prevents it, and the attempt.

    `guards` has first the guard that says no, then what would say no in its place.
    """

    name: str
    guards: tuple[Guard, ...]
    steps: Callable[[Rows], Iterator[None]]


ATTACKS: list[Attack] = []


def attack(*guards: Guard) -> Callable[[Steps], Steps]:
    """Add an attack to the list; the function's name is the sentence."""

    def add(steps: Steps) -> Steps:
        ATTACKS.append(Attack(steps.__name__, guards, steps))
        return steps

    return add


def attacks(table: Mapping[Any, tuple[Guard, ...]]) -> Callable[[Steps], Steps]:
    """Add one attack for each key; the function gets the key, or its parts, after the rows."""

    def add(steps: Steps) -> Steps:
        for key, guards in table.items():
            parts = key if isinstance(key, tuple) else (key,)
            name = f"{steps.__name__}-{'-'.join(map(str, parts))}"
            ATTACKS.append(Attack(name, guards, partial(_with, steps, parts)))
        return steps

    return add


def _with(steps: Steps, parts: tuple[Any, ...], rows: Rows) -> Iterator[None]:
    return steps(rows, *parts)

"""What a statement of the engine needs to find its row, and what must keep it from finding one.

A case makes rows in a state, and gives the values with which the statement finds one of them, if
the state is one of its own. With any of the other values in place of its own it must find none: so
each condition of its `where` has rows that only that condition keeps apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
from interlock.engine.database import statement
from rows import TENANT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rows import Call, Rows

    Make = Callable[[Rows, str], dict[str, Any]]

ANOTHER = "another"
NOBODY = UUID(int=1)
_NOTHING = (0, False, "known", "lost", "open", "cancelled", "f")


@dataclass(frozen=True)
class Case:
    """A statement, the states in which it finds a row and those in which not, and other values."""

    name: str
    make: Make
    finds: Sequence[str]
    misses: Sequence[str]
    others: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The statement; a call of one of the schema's functions is its own text."""
        return self.name if self.name.startswith("select ") else statement(self.name)

    def trials(self) -> Iterator[tuple[str, str, Mapping[str, Any], bool]]:
        """Label, state, values in place of its own, and whether it finds a row then."""
        short = self.name.removeprefix("select ").partition("(")[0]
        for state in self.finds:
            yield f"{short} finds {state or 'its row'}", state, {}, True
        for state in self.misses:
            yield f"{short} leaves {state}", state, {}, False
        for name, value in self.others.items():
            yield f"{short} with another {name}", self.finds[0], {name: value}, False


CASES: list[Case] = []


def case(
    *names: str, finds: Sequence[str] = ("",), misses: Sequence[str] = (), **others: Any
) -> Callable[[Make], Make]:
    """Add a case for each of these statements; those in `finds` are left out of `misses`."""

    def add(make: Make) -> Make:
        for name in names:
            left = [state for state in misses if state not in finds]
            CASES.append(Case(name, make, finds, left, others))
        return make

    return add


def found(rows: Rows, text: str, values: Mapping[str, Any]) -> int:
    """How many rows the statement found: changed, or read and saying something."""
    if "$1" in text:
        cursor: Any = psycopg.RawCursor(rows.conn)
        cursor.execute(text, list(values.values()))
    else:
        cursor = rows.do(text, **values)
    if cursor.description is None:
        return int(cursor.rowcount)
    return sum(any(value not in _NOTHING for value in row) for row in cursor.fetchall())


def of(rows: Rows, call: Call, **more: Any) -> dict[str, Any]:
    """What names a call."""
    return {
        "tenant": TENANT,
        "run_id": call.run_id,
        "call_id": call.id,
        "approval_id": call.approval_id,
        "key": call.key,
        "digest": call.digest,
        "token": rows.one("select start_token from calls where id = %(id)s", id=call.id),
        **more,
    }

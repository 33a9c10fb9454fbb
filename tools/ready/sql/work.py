"""What the SQL tools do: read, change rows so that they can be brought back, and execute."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core import to_jsonable_python
from sqlalchemy.exc import DBAPIError

from ...classify.sql import classify_sql
from ...effect import Effect
from ...gated import Happened, NotDone, current_call
from . import notes
from .change import Change, one_statement, read_change
from .connection import first_line
from .notes import Touched
from .rows import rows_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    import sqlalchemy as sa

    from .connection import UserDatabase

if TYPE_CHECKING:
    Done = tuple[Any, Touched | None]
    """What a call came to, and the rows that it changed."""

_SHOWN = 5
_LONGEST = 300
"""Characters of a row that a reviewer sees."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most rows that a call reads or changes, and the most bytes that it gives back."""

    rows: int
    bytes: int


class Work:
    """Carries statements out in one database."""

    def __init__(self, database: UserDatabase, bounds: Bounds) -> None:
        self.database = database
        self.bounds = bounds

    # Arguments: what they raise is told to the agent, and nobody is asked ---------------------

    def only_reads(self, statement: str) -> str:
        """A statement that only reads, or `ValueError`."""
        one_statement(statement, self.database.dialect)
        judged = classify_sql(statement, dialect=self.database.dialect.name)
        if judged.effect is not Effect.READ:
            raise ValueError(f"sql_query only reads. {' '.join(judged.evidence)}".rstrip("."))
        return statement

    def is_change(self, statement: str) -> str:
        """A statement that changes the rows of one table, or `ValueError`."""
        self.is_single(statement)
        read_change(statement, self.database.dialect)
        return statement

    def is_single(self, statement: str) -> str:
        """One statement that leaves the tools' own table alone, or `ValueError`."""
        tokens = one_statement(statement, self.database.dialect)
        if any(notes.TABLE in token.value.lower() for token in tokens):
            raise ValueError(f"The table '{notes.TABLE}' is kept for undoing calls")
        return statement

    # Calls ------------------------------------------------------------------------------------

    def query(self, statement: str) -> list[dict[str, Any]]:
        """The rows that a statement gives, read where the database lets nothing be written."""
        self.only_reads(statement)
        with self.database.reading() as conn:
            return self._answer(conn.exec_driver_sql(statement))

    def execute(self, statement: str) -> dict[str, Any]:
        """Carry a statement out, once."""
        self.is_single(statement)
        if classify_sql(statement, dialect=self.database.dialect.name).effect is Effect.READ:
            return {"rows": self.query(statement)}

        def work(conn: sa.Connection) -> tuple[Any, None]:
            done = conn.exec_driver_sql(statement)
            if done.returns_rows:
                return {"rows": self._answer(done)}, None
            return {"changed": max(done.rowcount, 0)}, None

        answer: dict[str, Any] = self._once(work)
        return answer

    def change(self, statement: str) -> dict[str, Any]:
        """Change rows, and keep what they were in the same transaction."""
        self.is_change(statement)

        def work(conn: sa.Connection) -> tuple[Any, Touched]:
            touched = self._changed(conn, read_change(statement, self.database.dialect))
            return {"changed": len(touched.before or touched.after)}, touched

        answer: dict[str, Any] = self._once(work)
        return answer

    def take_back(self, _args: dict[str, Any], _result: Any, in_doubt: bool) -> None:  # noqa: FBT001 - an undo's
        """Bring back the rows that a call changed.

        Raises:
            NotDone: they were changed since, or are not kept.
        """
        call = current_call().call_id
        notes.make(self.database)
        with self.database.writing() as conn:
            known = notes.claim(conn, call, "given_up")
            if known is None or known.state == "given_up":
                if in_doubt:
                    return
                raise NotDone("What the rows were is not kept any more. Nothing was undone.")
            if known.state == "undone":
                return
            if known.touched is None:
                raise NotDone("The call kept no rows. Nothing was undone.")
            self._restore(conn, known.touched)
            notes.mark_undone(conn, call)

    def what_became(self) -> Happened | bool:
        """Whether a call in doubt happened; one that did not never will, from now on."""
        notes.make(self.database)
        with self.database.writing() as conn:
            known = notes.claim(conn, current_call().call_id, "given_up")
        return Happened(known.result) if known and known.state != "given_up" else False

    # What is measured -------------------------------------------------------------------------

    def state(self, statement: str) -> dict[str, Any] | None:
        """The rows that a change would meet, as a digest; None where no table of it can be told."""
        change = self._change_in(statement)
        if change is None:
            return None
        with self.database.reading() as conn:
            rows = rows_of(self.database, conn, change.table)
            found = [] if change.verb == "insert" else rows.matching(change.condition, self._most)
        digest = hashlib.sha256(json.dumps([rows.table, rows.shape, found]).encode()).hexdigest()
        return {"rows": len(found), "sha256": digest}

    def preview_change(self, statement: str) -> dict[str, Any]:
        """What a change would do, by making it and rolling it back."""
        with self.database.trying() as conn:
            try:
                touched = self._changed(conn, read_change(statement, self.database.dialect))
            except NotDone as refusal:
                return {"Would be refused": str(refusal)}
        return _in_words(touched)

    def preview(self, statement: str) -> dict[str, Any]:
        """What a statement would do, as far as reading tells."""
        judged = classify_sql(statement, dialect=self.database.dialect.name)
        facts: dict[str, Any] = {"Effect": " ".join(judged.evidence)}
        change = self._change_in(statement)
        if change is None or change.verb == "insert":
            return facts
        with self.database.reading() as conn:
            rows = rows_of(self.database, conn, change.table)
            found = rows.matching(change.condition, self._most)
        more = "more than " if len(found) > self._most else ""
        facts["Rows"] = f"{more}{min(len(found), self._most):,} of {'.'.join(rows.table)}"
        return facts | {f"Row {at}": row[:_LONGEST] for at, row in enumerate(found[:_SHOWN], 1)}

    # ------------------------------------------------------------------------------------------

    @property
    def _most(self) -> int:
        return self.bounds.rows

    def _once(self, work: Callable[[sa.Connection], Done]) -> Any:
        call = current_call().call_id
        if not self.database.is_undoable:
            with self.database.writing() as conn:
                return work(conn)[0]
        notes.make(self.database)
        try:
            return self._noted(call, work)
        except DBAPIError as lost:
            return self._after_loss(lost)

    def _noted(self, call: UUID, work: Callable[[sa.Connection], Done]) -> Any:
        with self.database.writing() as conn:
            known = notes.claim(conn, call, "done")
            if known is None:
                result, touched = work(conn)
                notes.settle(conn, call, result, touched)
                return result
        if known.state == "done":
            return known.result
        raise NotDone("The call was given up or taken back before; it does not start again.")

    def _after_loss(self, lost: DBAPIError) -> Any:
        """What a call came to whose connection was lost: the database is asked.

        Raises:
            NotDone: it did nothing, and never will.
            sqlalchemy.exc.DBAPIError: nobody answers, so nobody knows.
        """
        try:
            found = self.what_became()
        except (NotDone, DBAPIError):
            raise lost from None
        if isinstance(found, Happened):
            return found.result
        raise NotDone(f"The connection was lost: {first_line(lost)}. Nothing was done.") from None

    def _changed(self, conn: sa.Connection, change: Change) -> Touched:
        rows = rows_of(self.database, conn, change.table)
        rows.check()
        before: dict[str, str] = {}
        if change.verb != "insert":
            before = rows.held(change.condition, self._most)
        self._check_count(len(before))
        after = rows.run(change)
        self._check_count(len(after))
        if change.verb != "insert" and set(after) != set(before):
            raise NotDone(
                "The rows that were met are not the ones that were kept: others changed them "
                "meanwhile, or their keys would change. Nothing was done."
            )
        after = {} if change.verb == "delete" else after
        return Touched(rows.table, rows.shape, before, after)

    def _check_count(self, count: int) -> None:
        if count > self._most:
            raise NotDone(f"It would change more than {self._most:,} rows. Nothing was done.")

    def _restore(self, conn: sa.Connection, touched: Touched) -> None:
        rows = rows_of(self.database, conn, (touched.table[0], touched.table[1]))
        if rows.shape != touched.shape:
            raise NotDone("The table's columns are others by now. Nothing was undone.")
        rows.check()
        if rows.now(touched.before or touched.after) != touched.after:
            raise NotDone("The rows were changed after the call. Nothing was undone.")
        if not touched.before:
            rows.delete(touched.after)
        elif not touched.after:
            rows.insert(touched.before)
        else:
            rows.update(touched.before)
        if rows.now(touched.before or touched.after) != touched.before:
            raise NotDone("The rows did not come back as they were. Nothing was undone.")

    def _change_in(self, statement: str) -> Change | None:
        try:
            return read_change(statement, self.database.dialect)
        except ValueError:
            return None

    def _answer(self, done: sa.CursorResult[Any]) -> list[dict[str, Any]]:
        """The rows, as many as the bounds allow.

        Raises:
            NotDone: there are more.
        """
        found = done.mappings().fetchmany(self.bounds.rows + 1)
        plain = to_jsonable_python([dict(row) for row in found], fallback=str, bytes_mode="base64")
        size = len(json.dumps(plain))
        if len(found) > self.bounds.rows or size > self.bounds.bytes:
            raise NotDone(
                f"It gives more than {self.bounds.rows:,} rows or {self.bounds.bytes:,} bytes. "
                "Ask for fewer, with LIMIT or fewer columns."
            )
        return list(plain)


def _in_words(touched: Touched) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "Rows": f"{len(touched.before or touched.after):,} of {'.'.join(touched.table)}"
    }
    keys = list(touched.before or touched.after)[:_SHOWN]
    for at, key in enumerate(keys, 1):
        before, after = (side.get(key, "—") for side in (touched.before, touched.after))
        facts[f"Row {at}"] = f"{before[:_LONGEST]} → {after[:_LONGEST]}"
    return facts

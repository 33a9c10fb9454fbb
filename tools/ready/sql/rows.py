"""The rows that a change touches: what they are before and after it, and how to bring them back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from .postgres import PostgresRows
from .sqlite import SqliteRows

if TYPE_CHECKING:
    from collections.abc import Mapping

    import sqlalchemy as sa

    from .change import Change
    from .connection import UserDatabase

Images = "Mapping[str, str]"


class Rows(Protocol):
    """The rows of one table; an image is a row's exact text, kept by the row's primary key."""

    @property
    def table(self) -> list[str]:
        """The table's schema and name."""

    @property
    def shape(self) -> list[str]:
        """Its columns with their types: an image is of no use where they are others."""

    def check(self) -> None:
        """Raises `NotDone` where a change of this table could not be taken back, and says why."""

    def matching(self, condition: str | None, most: int) -> list[str]:
        """The images of the rows that a condition meets, in order; one more than `most` at most."""

    def held(self, condition: str | None, most: int) -> dict[str, str]:
        """The same by key, with the rows locked."""

    def run(self, change: Change) -> dict[str, str]:
        """Make the change; the images of its rows as they are after it (before it, if deleted)."""

    def now(self, images: Mapping[str, str]) -> dict[str, str]:
        """The rows with these images' keys as they are, locked."""

    def insert(self, images: Mapping[str, str]) -> None:
        """Put rows back."""

    def update(self, images: Mapping[str, str]) -> None:
        """Give rows their former values."""

    def delete(self, images: Mapping[str, str]) -> None:
        """Take rows away."""


def rows_of(database: UserDatabase, conn: sa.Connection, table: tuple[str, ...]) -> Rows:
    """The rows of a table.

    Raises:
        NotDone: there is no such table.
    """
    return PostgresRows(conn, table) if database.is_postgres else SqliteRows(conn, table)

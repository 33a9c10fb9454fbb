"""Where attacks run: a database or a folder of its own for each."""

from __future__ import annotations

import itertools
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from .world import World

if TYPE_CHECKING:
    from .bench import Attack, Outcome
    from .system import System


class Stage:
    """Gives each attack a fresh world, and each contender its storage."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._folder = Path(self._open.enter_context(tempfile.TemporaryDirectory()))
        self._number = itertools.count()
        self._postgres: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def run(self, attack: Attack, kind: type[System]) -> Outcome:
        """One attack on one contender."""
        folder = self._folder / str(next(self._number))
        world = World(folder)
        storage = str(folder / "storage") if kind.storage_kind == "folder" else self._database()
        system = kind(storage, world)
        try:
            return attack.run(system, world)
        finally:
            system.close()

    def _database(self) -> str:
        import psycopg  # noqa: PLC0415 - not every contender has it
        from interlock.engine import schema  # noqa: PLC0415
        from interlock.engine.database import Database  # noqa: PLC0415
        from interlock.engine.embedded import EmbeddedPostgres  # noqa: PLC0415

        if self._postgres is None:
            self._postgres = self._open.enter_context(EmbeddedPostgres(self._folder / "postgres"))
            with psycopg.connect(self._postgres.url, autocommit=True) as conn:
                conn.execute("create database gatebench")
            template = Database(self._postgres.database_url("gatebench"))
            schema.migrate(template)
            template.close()
        name = f"gatebench_{next(self._number)}"
        with psycopg.connect(self._postgres.url, autocommit=True) as conn:
            conn.execute(f"create database {name} template gatebench strategy wal_log")
        return str(self._postgres.database_url(name))

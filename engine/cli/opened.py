"""What a command begins with: its settings, its logging, the open database."""

from __future__ import annotations

import getpass
import logging
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from ..settings import PREFIX, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..database import Database


class Opened(NamedTuple):
    """The database and the settings that named it."""

    database: Database
    settings: Settings

    @property
    def tenant(self) -> str:
        """Whose rows the command sees."""
        return self.settings.tenant


def settings_with(**overrides: object) -> Settings:
    """The environment's settings, changed by the options that were given."""
    given = {f"{PREFIX}{name.upper()}": str(v) for name, v in overrides.items() if v is not None}
    return Settings.from_environment({**os.environ, **given})


@contextmanager
def opened(
    settings: Settings | None = None, *, migrate: bool = False, level: int = logging.WARNING
) -> Iterator[Opened]:
    """Configure logging, then open the database until the block ends.

    Raises:
        UsageError: a setting is wrong, the database cannot be used, or its schema is not current.
    """
    from ..logs import configure
    from ..opening import open_database

    configure(level=level)
    settings = settings or Settings.from_environment()
    with open_database(settings, migrate=migrate) as database:
        yield Opened(database, settings)


def operator() -> str:
    """The actor for what somebody with access to the database does: their name on this machine."""
    try:
        return f"operator:{getpass.getuser()}"
    except (KeyError, OSError):
        return f"operator:{os.getuid()}"

"""Where the demo's world is: its folders, its database, its mail server."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMES = ("FLEET_OPS_HOME", "FLEET_OPS_DATABASE_URL", "FLEET_OPS_SMTP_PORT")


class NoWorld(RuntimeError):
    """The agent runs where no world was set up for it."""


@dataclass(frozen=True)
class Home:
    """The world's folder, the address of the rental database, the port of the mail server."""

    root: Path
    database_url: str
    smtp_port: int

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read the `FLEET_OPS_…` variables, which `interlock demo` sets for its worker.

        Raises:
            NoWorld: one of them is missing or not a port.
        """
        missing = [name for name in NAMES if not environ.get(name)]
        if missing:
            raise NoWorld(
                f"The fleet-ops agent needs {', '.join(missing)}. `interlock demo` sets up its"
                " world and starts it."
            )
        port = environ["FLEET_OPS_SMTP_PORT"]
        if not port.isdecimal():
            raise NoWorld(f"FLEET_OPS_SMTP_PORT is '{port}'; it must be a port number.")
        root = Path(environ["FLEET_OPS_HOME"])
        return cls(root, environ["FLEET_OPS_DATABASE_URL"], int(port))

    @property
    def volumes(self) -> Path:
        """The volumes, and beside each the folder of its backups."""
        return self.root / "volumes"

    @property
    def offsite(self) -> Path:
        """Backups that are kept elsewhere."""
        return self.root / "offsite"

    @property
    def trash(self) -> Path:
        """Detached volumes, until somebody attaches them again."""
        return self.root / "trash"

    @property
    def config(self) -> Path:
        """The configuration files that the agent may read."""
        return self.root / "config"

    @property
    def mail(self) -> Path:
        """What the mail server received, one file for each message."""
        return self.root / "mail"

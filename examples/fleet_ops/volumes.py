"""The company's volume store: a folder for each volume, and one beside it for its backups.

Who may change a volume is decided by the token in use (`access.py`), as with any cloud's storage.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
from typing import TYPE_CHECKING, Any

from . import access

if TYPE_CHECKING:
    from pathlib import Path

    from .home import Home

_ID = re.compile(r"vol-[a-z]+-\d{1,4}")
_UNITS = ("kB", "MB", "GB", "TB")


class VolumeStore:
    """What can be done with volumes; the figures are read from the disk."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def ids(self) -> list[str]:
        """The attached volumes."""
        return sorted(path.name for path in self._home.volumes.iterdir() if self._is(path.name))

    def describe(self, volume_id: str) -> dict[str, Any]:
        """A volume's state, as the store gives it."""
        folder = self._existing(volume_id)
        label = json.loads((folder / "volume.json").read_text("utf-8"))
        described = {
            "volume": volume_id,
            "environment": label["environment"],
            "used_by": label["used_by"],
            "data": size_in_words(self.data_bytes(volume_id)),
            "customer_records": self.customer_records(volume_id),
            "backups": len(self.backups(volume_id)),
        }
        if label["credential_sha256"]:
            fits = access.staging_credential_fits(self._home, label["credential_sha256"])
            described["staging_credential"] = "accepted" if fits else "refused: it does not match"
        return described

    def backups(self, volume_id: str) -> list[Path]:
        """The volume's backups, oldest first; none if it has no folder of them."""
        return sorted(self._backups_of(volume_id).glob("*.tar.gz"))

    def data_bytes(self, volume_id: str) -> int:
        """What the volume's files take, without its backups."""
        files = self._existing(volume_id).rglob("*")
        return sum(path.stat().st_size for path in files if path.is_file())

    def customer_records(self, volume_id: str) -> int:
        """How many customers are in the volume's data."""
        table = self._existing(volume_id) / "data" / "customers.csv"
        if not table.exists():
            return 0
        with table.open(encoding="utf-8", newline="") as file:
            return sum(1 for _ in csv.DictReader(file))

    def last_backup_elsewhere(self, volume_id: str) -> str:
        """The day of the newest off-site backup, or "None"."""
        found = sorted(self._home.offsite.glob(f"{volume_id}_*.tar.gz"))
        return found[-1].name.removeprefix(f"{volume_id}_")[:10] if found else "None"

    def exists(self, volume_id: str) -> bool:
        """Whether the volume is attached."""
        return self._is(volume_id) and (self._home.volumes / volume_id).is_dir()

    def detach(self, volume_id: str) -> None:
        """Put the volume and its backups in the trash."""
        access.require_scope(self._home, volume_id)
        self._home.trash.mkdir(exist_ok=True)
        for path in self._parts(volume_id):
            path.rename(self._home.trash / path.name)

    def attach(self, volume_id: str) -> None:
        """Bring a detached volume and its backups back."""
        if not self._is(volume_id) or not (self._home.trash / volume_id).is_dir():
            raise ValueError(f"There is no detached volume '{volume_id}'.")
        for path in (self._backups_of(volume_id), self._home.volumes / volume_id):
            if (self._home.trash / path.name).exists():
                (self._home.trash / path.name).rename(path)

    def require_deletable(self, volume_id: str) -> None:
        """Refuse a volume that is not there or that the token in use does not cover.

        Raises:
            ValueError, PermissionError: with the sentence to show.
        """
        self._existing(volume_id)
        access.require_scope(self._home, volume_id)

    def delete(self, volume_id: str, *, include_backups: bool) -> dict[str, Any]:
        """Remove the volume's data from the disk, and its backups if asked."""
        self.require_deletable(volume_id)
        deleted = len(self.backups(volume_id)) if include_backups else 0
        # The volume goes last: once it is gone, all that was asked is gone (see `deletion_of`).
        if include_backups and self._backups_of(volume_id).exists():
            _remove(self._backups_of(volume_id))
        _remove(self._home.volumes / volume_id)
        return {**self.deletion_of(volume_id), "backups_deleted": deleted}

    def deletion_of(self, volume_id: str) -> dict[str, Any]:
        """What a deletion left behind."""
        return {"deleted": volume_id, "backups_left": len(self.backups(volume_id))}

    def _parts(self, volume_id: str) -> list[Path]:
        parts = [self._existing(volume_id), self._backups_of(volume_id)]
        return [path for path in parts if path.exists()]

    def _existing(self, volume_id: str) -> Path:
        if not self.exists(volume_id):
            raise ValueError(f"There is no volume '{volume_id}'.")
        return self._home.volumes / volume_id

    def _backups_of(self, volume_id: str) -> Path:
        return self._home.volumes / f"{volume_id}.backups"

    def _is(self, name: str) -> bool:
        return _ID.fullmatch(name) is not None


def size_in_words(size: int) -> str:
    """Bytes in decimal units, one digit after the point."""
    if size < 1000:  # noqa: PLR2004 - the unit itself
        return f"{size} B"
    amount, unit = float(size), ""
    for unit in _UNITS:  # noqa: B007 - the last one is wanted
        amount /= 1000
        if amount < 999.95:  # noqa: PLR2004 - would round to the next unit
            break
    return f"{amount:.1f} {unit}"


def _remove(folder: Path) -> None:
    """Out of sight in one step, so that a crash leaves no half a volume in its place."""
    doomed = folder.with_name(f".deleted-{folder.name}")
    folder.rename(doomed)
    shutil.rmtree(doomed)

"""Small records that are whole on disk, or not there."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from pathlib import Path


def put(path: Path, record: Any) -> None:
    """Write a record for good, readable by this account alone; its folder is made where needed."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    piece = path.with_name(f"{uuid4()}.part")
    with os.fdopen(os.open(piece, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(record, file)
        file.flush()
        os.fsync(file.fileno())
    move(piece, path)


def move(path: Path, new: Path) -> None:
    """Rename a record for good.

    Raises:
        FileNotFoundError: somebody else renamed it before.
    """
    new.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.rename(new)
    for folder in {path.parent, new.parent}:
        sync(folder)


def sync(folder: Path) -> None:
    """Have the names in a folder on disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

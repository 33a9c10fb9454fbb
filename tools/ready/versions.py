"""What files held before calls changed them, kept apart from them."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import durable
from .folder import Content

if TYPE_CHECKING:
    from uuid import UUID


@dataclass(frozen=True, slots=True)
class Version:
    """What a file held before a call, and what it holds after it; None for no file."""

    path: str
    before: Content | None
    after: Content | None


class Versions:
    """One file a call, written whole and for good before the call changes anything."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).resolve()

    def keep(self, call_id: UUID, version: Version) -> None:
        """Write down what a call changes; a call that begins again finds it by `find`."""
        record = {
            "path": version.path,
            "before": _packed(version.before),
            "after": _packed(version.after),
        }
        durable.put(self._of(call_id), record)

    def find(self, call_id: UUID) -> Version | None:
        """What was kept of a call; None where it changed nothing."""
        try:
            kept = json.loads(self._of(call_id).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return Version(kept["path"], _unpacked(kept["before"]), _unpacked(kept["after"]))

    def _of(self, call_id: UUID) -> Path:
        return self.folder / f"{call_id}.json"


def _packed(content: Content | None) -> dict[str, Any] | None:
    if content is None:
        return None
    data = base64.b64encode(content.data).decode()
    return {"data": data, "mode": content.mode, "mtime_ns": content.mtime_ns}


def _unpacked(packed: dict[str, Any] | None) -> Content | None:
    if packed is None:
        return None
    return Content(base64.b64decode(packed["data"]), packed["mode"], packed["mtime_ns"])

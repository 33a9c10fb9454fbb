"""The world that tools act on: it writes down every effect, and never takes one for a repeat."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

DIED = 9
"""The exit code of a process that died in the middle of a call."""


@dataclass(frozen=True)
class Effect:
    """Something that happened and does not come back."""

    tool: str
    args: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.tool}({', '.join(f'{k}={v!r}' for k, v in self.args.items())})"


class World:
    """A folder, so that an effect outlives the process that had it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "effects.jsonl"
        self._trap = folder / "trap"

    def act(self, tool: str, **args: Any) -> str:
        """Let a tool's effect happen; then fall into the trap, if one is set."""
        with self._log.open("a") as log:
            log.write(json.dumps({"tool": tool, "args": args}) + "\n")
        if self._trap.exists():
            self._trap.unlink()
            os._exit(DIED)
        return f"{tool}: done"

    def effects(self) -> list[Effect]:
        """All that happened, in order."""
        if not self._log.exists():
            return []
        return [Effect(**json.loads(line)) for line in self._log.read_text().splitlines()]

    def set_trap(self) -> None:
        """The process of the next effect dies right after it."""
        self._trap.touch()

    def told(self) -> str:
        """The effects in a sentence."""
        times = Counter(map(str, self.effects()))
        told = [what if n == 1 else f"{what} {n} times" for what, n in times.items()]
        return ", ".join(told) or "nothing"

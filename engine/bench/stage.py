"""Where sections measure: the server, and the contenders in rounds."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from .contenders.table import CONTENDERS
from .processes import contestants
from .rounds import measure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from .processes import Contestant
    from .rounds import Measured
    from .scale import Scale
    from .server import Server


class Stage:
    """What sections measure with; `say` tells whoever waits how far it is.

    A contender is started when a section first asks for it, with a database of its own, and lives
    until the block ends.
    """

    def __init__(
        self, server: Server, logs: Path, scale: Scale, say: Callable[[str], None]
    ) -> None:
        self.server = server
        self.scale = scale
        self.say = say
        self._logs = logs
        self._urls: dict[str, str] = {}
        self._started: dict[str, Contestant] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def field(self, names: Sequence[str]) -> Field:
        """The contenders of a section, ready."""
        missing = {name: CONTENDERS[name].missing() for name in names}
        absent = {
            name: f"not installed: {', '.join(found)}" for name, found in missing.items() if found
        }
        new = [name for name in names if name not in absent and name not in self._started]
        urls = self._stack.enter_context(self.server.databases(new))
        self._urls |= urls
        self._started |= self._stack.enter_context(contestants(urls, self._logs))
        return Field(self, self._urls, self._started, absent)


@dataclass(frozen=True, slots=True)
class Field:
    """The contenders of a section.

    Attributes:
        absent: those that cannot take part, and why.
    """

    stage: Stage
    urls: Mapping[str, str]
    contestants: Mapping[str, Contestant]
    absent: Mapping[str, str]

    def measure(
        self,
        what: str,
        names: Sequence[str],
        ask: Callable[[Contestant], Any],
        *,
        rounds: int,
        warm_up: int = 1,
    ) -> dict[str, list[Measured]]:
        """What those of them answer, round by round, after the rounds that are dropped."""
        taking_part = {name: self.contestants[name] for name in names if name not in self.absent}
        self.stage.say(f"{what}: {', '.join(taking_part)}; {rounds} rounds")
        return measure(
            self.stage.server, self.urls, taking_part, ask, rounds=rounds, warm_up=warm_up
        )

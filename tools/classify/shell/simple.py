"""A simple command: a name and its words, and how to judge what it runs in turn."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .options import Given, Spec, check_given, read_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from .words import Word

    Check = Callable[["Simple"], None]
    """Raises `Unproven` where the command is not shown to only read."""


@dataclass(frozen=True, slots=True)
class Simple:
    """A simple command.

    Attributes:
        name: what it is called, sub-commands included.
        words: its arguments.
        judge: judges the words of a command that it runs.
        script: judges the text of a script that it runs, one level deeper.
        spec: what is known of it.
    """

    name: str
    words: list[Word]
    judge: Callable[[list[Word]], None]
    script: Callable[[str], None]
    spec: Spec = field(default_factory=Spec)

    def given(self, *, stop: bool = False) -> Given:
        """Its options and operands, as `read_options` tells them apart."""
        return read_options(self.name, self.words, self.spec, stop=stop)

    def checked(self) -> Given:
        """Its options and operands, once they are held against what it may have."""
        given = self.given()
        check_given(self.name, given, self.spec)
        return given

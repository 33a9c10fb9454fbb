"""The targets, kept as data in `targets.json`, and whether figures meet them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .figures import Figure


class Met(StrEnum):
    """What a bench says of a target."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_MEASURED = "not measured"
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class Target:
    """A bound for the figure of that key, in the figure's unit; either one may be None."""

    key: str
    what: str
    at_least: float | None = None
    at_most: float | None = None

    def bound(self) -> str:
        """The bound in words."""
        if self.at_least is not None:
            return f"at least {self.at_least:g}"
        return f"at most {self.at_most:g}"

    def met_by(self, value: float) -> bool:
        """Whether the value is within the bound."""
        enough = self.at_least is None or value >= self.at_least
        return enough and (self.at_most is None or value <= self.at_most)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target and what became of it; the figure is None if it is not part of the bench."""

    target: Target
    figure: Figure | None
    met: Met

    def as_json(self) -> dict[str, Any]:
        """The target, the value and the verdict."""
        return {
            "key": self.target.key,
            "what": self.target.what,
            "target": self.target.bound(),
            "value": self.figure.value if self.figure else None,
            "unit": self.figure.unit if self.figure else None,
            "met": self.met,
            "note": self.figure.note if self.figure else "",
        }


def targets() -> list[Target]:
    """Those that are kept with this package."""
    text = files(__package__).joinpath("targets.json").read_text("utf-8")
    return [Target(**entry) for entry in json.loads(text)["targets"]]


def judge(
    bounds: Iterable[Target], figures: Sequence[Figure], whole: Iterable[str]
) -> list[Verdict]:
    """A verdict on each target.

    A figure that should be there, since its section is among those measured as a `whole`, and is
    not, counts as not measured.
    """
    by_key: Mapping[str, Figure] = {figure.key: figure for figure in figures}
    sections = set(whole)
    return [_verdict(bound, by_key.get(bound.key), sections) for bound in bounds]


def _verdict(bound: Target, figure: Figure | None, whole: set[str]) -> Verdict:
    if figure is None:
        expected = bound.key.partition("/")[0] in whole
        return Verdict(bound, None, Met.NOT_MEASURED if expected else Met.LEFT_OUT)
    if figure.value is None:
        return Verdict(bound, figure, Met.NOT_MEASURED)
    return Verdict(bound, figure, Met.PASSED if bound.met_by(figure.value) else Met.FAILED)

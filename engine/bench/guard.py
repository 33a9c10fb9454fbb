"""The guard: ratios kept as data, and which of them moved. Times differ by machine; ratios less."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .figures import RATIO, Better

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .figures import Figure

BASELINE = Path(__file__).with_name("baseline.json")
"""The ratios that are kept with this package."""
LEAST_TOLERANCE = 0.15
MOST_TOLERANCE = 0.4
SPREADS = 2.0
"""How many times its interquartile range a ratio may move from one bench to another."""


class Moved(StrEnum):
    """What became of a ratio."""

    HELD = "held"
    WORSE = "worse"
    BETTER = "better"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Kept:
    """A ratio as it was, and the fraction of it that it may move by."""

    value: float
    tolerance: float
    better: Better


@dataclass(frozen=True, slots=True)
class Comparison:
    """A ratio as it was and as it is."""

    key: str
    kept: Kept
    value: float | None
    moved: Moved

    @property
    def change(self) -> float | None:
        """By which fraction it moved; above zero is more."""
        return None if self.value is None else self.value / self.kept.value - 1

    def as_json(self) -> dict[str, Any]:
        """Both values and what is said of them."""
        return {
            "key": self.key,
            "was": self.kept.value,
            "is": self.value,
            "change": self.change,
            "tolerance": self.kept.tolerance,
            "moved": self.moved,
        }


def keep(figures: Iterable[Figure]) -> dict[str, Kept]:
    """The ratios among the figures, with the tolerance that their own spread suggests."""
    return {
        figure.key: Kept(round(figure.value, 3), _tolerance(figure), figure.better)
        for figure in figures
        if figure.unit == RATIO and figure.value
    }


def _tolerance(figure: Figure) -> float:
    width = SPREADS * ((figure.high or 0) - (figure.low or 0)) / (figure.value or 1)
    return round(min(max(width, LEAST_TOLERANCE), MOST_TOLERANCE), 2)


def compare(
    kept: Mapping[str, Kept], figures: Sequence[Figure], whole: Iterable[str]
) -> list[Comparison]:
    """Each kept ratio beside the one that was measured now.

    Ratios that are not part of this bench are left out, unless their section was measured as a
    `whole`: then they are missing.
    """
    by_key = {figure.key: figure for figure in figures}
    sections = set(whole)
    compared = []
    for key, was in kept.items():
        figure = by_key.get(key)
        if figure is not None or key.partition("/")[0] in sections:
            value = figure.value if figure else None
            compared.append(Comparison(key, was, value, _moved(was, value)))
    return compared


def _moved(was: Kept, value: float | None) -> Moved:
    if value is None:
        return Moved.NOT_MEASURED
    change = value / was.value - 1
    if abs(change) <= was.tolerance:
        return Moved.HELD
    return Moved.BETTER if (change > 0) == (was.better is Better.MORE) else Moved.WORSE


def read_baseline(path: Path) -> dict[str, Kept]:
    """The ratios that a file keeps.

    Raises:
        UsageError: there is no such file, or it does not hold ratios.
    """
    try:
        ratios = json.loads(path.read_text("utf-8"))["ratios"]
        kept = {key: _kept(**entry) for key, entry in ratios.items()}
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error.strerror}.") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UsageError(
            f"{path} does not hold ratios as `interlock bench --save-baseline` writes them."
        ) from None
    if not kept:
        raise UsageError(f"{path} holds no ratio, so there is nothing to check against.")
    return kept


def _kept(*, value: float, tolerance: float, better: str) -> Kept:
    if not (0 < value < math.inf and 0 < tolerance < math.inf):
        raise ValueError("a ratio and its tolerance are above zero")
    return Kept(float(value), float(tolerance), Better(better))


def write_baseline(path: Path, kept: Mapping[str, Kept]) -> None:
    """Keep the ratios in a file.

    Raises:
        UsageError: the file cannot be written.
    """
    text = json.dumps({"ratios": {key: asdict(entry) for key, entry in kept.items()}}, indent=2)
    try:
        path.write_text(text + "\n", "utf-8")
    except OSError as error:
        raise UsageError(f"Cannot write {path}: {error.strerror}.") from None

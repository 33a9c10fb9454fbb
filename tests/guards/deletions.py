"""Every guard that is deleted: those of the catalogue, and each condition of the SQL."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .conditions import conditions, functions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .conditions import Condition

ROOT = Path(__file__).parents[2]
CATALOGUE = Path(__file__).parent / "catalogue"
STATEMENTS = "engine/sql"
MIGRATIONS = "engine/migrations/sql"
_SAME_TENANT = re.compile(r"\w+\.tenant_id = (\w+\.tenant_id)|true")


class Stale(ValueError):
    """The catalogue names a text that is not in its file, or not once; or says too little."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One text in place of another, in one file."""

    file: str
    text: str
    becomes: str


@dataclass(frozen=True, slots=True)
class Deletion:
    """A guard, taken away.

    Attributes:
        name: says which it is, for `--only` and the table.
        why: what it guards against.
        tests: what has to notice, as arguments for pytest.
    """

    name: str
    why: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]

    def check(self, root: Path) -> None:
        """Refuse a deletion whose texts are not each found once.

        Raises:
            Stale: with the file and how often it is there.
        """
        for edit in self.edits:
            found = (root / edit.file).read_text("utf-8").count(edit.text)
            if found != 1:
                raise Stale(f"{self.name}: its text is in {edit.file} {found} times, not once.")

    @property
    def changes_schema(self) -> bool:
        """Whether a database has to be made anew for it."""
        return any(edit.file.startswith(MIGRATIONS) for edit in self.edits)


def deletions(root: Path = ROOT) -> list[Deletion]:
    """All of them; whether their texts are there is for `check` to say.

    Raises:
        Stale: an entry of the catalogue is not whole, or two have one name.
    """
    found = [*written_down(), *_of_statements(root), *_of_functions(root)]
    names = [deletion.name for deletion in found]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise Stale(f"Named twice: {', '.join(sorted(twice))}.")
    return found


def written_down() -> Iterator[Deletion]:
    """Those of the catalogue."""
    for path in sorted(CATALOGUE.glob("*.toml")):
        for guard in _read(path).get("guard", ()):
            yield _of(path, guard)


def _of(path: Path, guard: Mapping[str, Any]) -> Deletion:
    try:
        edits = [Edit(guard["file"], guard["text"], guard.get("becomes", ""))]
        edits += [Edit(**each) for each in guard.get("also", ())]
        tests = tuple(f"tests/{test}" for test in guard["tests"])
        return Deletion(guard["name"], guard["why"], tuple(edits), tests)
    except (KeyError, TypeError) as error:
        raise Stale(f"{path.name}: {guard.get('name', guard)} is not whole: {error}.") from None


def _read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text("utf-8"))


# The conditions of the SQL --------------------------------------------------------------------


def _of_statements(root: Path) -> Iterator[Deletion]:
    """Each condition of each statement."""
    known = _read(CATALOGUE / "statements.toml")
    for path in sorted((root / STATEMENTS).glob("*.sql")):
        sql = path.read_text("utf-8")
        for deletion in _each(f"{STATEMENTS}/{path.name}", path.stem, sql, (0, len(sql)), known):
            narrow = () if path.stem in known["tests"] else (f"-k{path.stem}",)
            yield replace(deletion, tests=(*deletion.tests, *narrow))


def _of_functions(root: Path) -> Iterator[Deletion]:
    """Each condition of each function, as the newest migration that makes it has it."""
    known = _read(CATALOGUE / "functions.toml")
    newest: dict[str, tuple[str, str, tuple[int, int]]] = {}
    for path in sorted((root / MIGRATIONS).glob("*.sql")):
        sql = path.read_text("utf-8")
        for name, span in functions(sql).items():
            newest[name] = (f"{MIGRATIONS}/{path.name}", sql, span)
    for name, (file, sql, span) in newest.items():
        yield from _each(file, f"{name}()", sql, span, known)


def _each(
    file: str, name: str, sql: str, span: tuple[int, int], known: Mapping[str, Any]
) -> Iterator[Deletion]:
    """A condition by its text and, where it is there more than once, by its number."""
    body = sql[span[0] : span[1]]
    told: dict[str, int] = {}
    doubled = known["doubled"].get(name.removesuffix("()"), {})
    tests = known["tests"].get(name.removesuffix("()"), known["tests"]["otherwise"])
    for condition in conditions(body):
        told[condition.text] = number = told.get(condition.text, 0) + 1
        if _SAME_TENANT.fullmatch(condition.text) or condition.text in doubled:
            continue
        label = f"{name}: {condition.text[:80]}{f' ({number})' if number > 1 else ''}"
        edit = Edit(file, sql, sql[: span[0]] + condition.removed_from(body) + sql[span[1] :])
        yield Deletion(label, _why(condition), (edit,), tuple(tests))


def _why(condition: Condition) -> str:
    return f"one condition of its `{condition.within}`"


def doubled() -> Iterator[tuple[str, str, str]]:
    """The conditions that another guard doubles: where, which, and what doubles them."""
    for path in (CATALOGUE / "statements.toml", CATALOGUE / "functions.toml"):
        for name, which in _read(path)["doubled"].items():
            for condition, why in which.items():
                yield name, condition, why

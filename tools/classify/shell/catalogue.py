"""What is known of commands, from the tables in `commands/`."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from itertools import product
from typing import Any

from .options import Spec


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Commands by name.

    Attributes:
        free: those that only read, whatever their arguments.
        known: how others may be used so that they only read.
        versions: those of which only the version may be asked.
        acts: what well-known commands do, for the reviewer.
        egress: those that speak to an address of the caller's choice.
        own_variables: names in capitals that scripts use for themselves.
        shell_variables: names in small letters that shells use for themselves.
    """

    free: frozenset[str]
    known: dict[str, Spec]
    versions: frozenset[str]
    acts: dict[str, str]
    egress: frozenset[str]
    own_variables: frozenset[str]
    shell_variables: frozenset[str]


@cache
def catalogue() -> Catalogue:
    """All tables, read once."""
    tables: dict[str, Any] = {}
    sets: dict[str, str] = {}
    for file in sorted(files(__package__).joinpath("commands").iterdir(), key=lambda it: it.name):
        content = tomllib.loads(file.read_text())
        sets |= content.pop("sets", {})
        tables |= content
    lists = tables.pop("lists")
    acts = tables.pop("acts")
    known: dict[str, Spec] = {}
    for path, table in tables.items():
        for names in product(*(part.split("|") for part in path.split(" "))):
            _add(known, names, table, sets)
    named = {name: frozenset(names.split()) for name, names in lists.items()}
    return Catalogue(known=known, acts=acts, **named)


def _add(
    known: dict[str, Spec], names: tuple[str, ...], table: dict[str, Any], sets: dict[str, str]
) -> None:
    specs, above = known, Spec()
    for name in names[:-1]:
        above = specs.setdefault(name, Spec())
        specs = above.subs
    spec = _spec(table, sets, above)
    former = specs.get(names[-1])
    specs[names[-1]] = replace(spec, subs=former.subs) if former else spec


def _spec(table: dict[str, Any], sets: dict[str, str], above: Spec) -> Spec:
    listed = [sets[name] for name in table.get("use", "").split()] + [table.get("options", "")]
    options = dict(_option(text) for text in " ".join(listed).split())
    if table.get("inherit"):
        options = {**above.options, **options}
    return Spec(
        options=options,
        values={name: re.compile(text) for name, text in table.get("values", {}).items()},
        needs=frozenset(table.get("needs", "").split()),
        operands=table.get("operands"),
        some=table.get("some", False),
        first=_pattern(table.get("first")),
        each=_pattern(table.get("each")),
        check=table.get("check", ""),
        words=table.get("words", False),
        bare=table.get("bare", False),
    )


def _option(text: str) -> tuple[str, str]:
    kind = text[-1] if text[-1] in ":?" else ""
    return text.removesuffix(kind), kind


def _pattern(text: str | None) -> re.Pattern[str] | None:
    return None if text is None else re.compile(text, re.DOTALL)

"""The edit form: one field per argument, and the arguments that come back from it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .arguments import Value, as_text, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "arg."
_LINE = 80
_MOST_ROWS = 12


@dataclass(frozen=True, slots=True)
class Choice:
    """One option of a field: what is sent, and whether it stands now."""

    text: str
    label: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Field:
    """One argument to edit; `control` is text, number, choice, block or json."""

    name: str
    key: str
    type: str
    description: str
    control: str
    text: str
    value: Value
    choices: tuple[Choice, ...] = ()
    optional: bool = False
    problem: str | None = None

    @property
    def rows(self) -> int:
        """Lines that show most of the text without filling the page."""
        return min(_MOST_ROWS, self.text.count("\n") + len(self.text) // _LINE + 2)


@dataclass(slots=True)
class Filled:
    """What a filled form holds: arguments, or the problems by argument's name."""

    args: dict[str, Any] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


def fields(
    args: Mapping[str, Any],
    schema: Mapping[str, Any],
    sent: Mapping[str, str] | None = None,
    problems: Mapping[str, str] | None = None,
) -> tuple[Field, ...]:
    """The form's fields, with the values that stand or, after a mistake, those that were sent."""
    properties: Mapping[str, Any] = schema.get("properties", {})
    required = schema.get("required", [])
    found = []
    for number, name in enumerate(_names(args, properties)):
        terms = properties.get(name, {})
        control = _control(terms, args.get(name))
        text = _text(args[name], control) if name in args else ""
        if sent is not None:
            text = sent.get(PREFIX + name, text)
        optional = name not in required
        found.append(
            Field(
                name=name,
                key=f"arg-{number}",
                type=_type(terms, control),
                description=str(terms.get("description", "")),
                control=control,
                text=text,
                value=shown(text),
                choices=_choices(terms, control, text, optional=optional),
                optional=optional,
                problem=(problems or {}).get(name),
            )
        )
    return tuple(found)


def filled(sent: Mapping[str, str], args: Mapping[str, Any], schema: Mapping[str, Any]) -> Filled:
    """Read a filled form back into arguments by the types of the schema.

    A field that was left as it stood keeps its exact value: browsers change line ends.
    """
    properties: Mapping[str, Any] = schema.get("properties", {})
    result = Filled()
    for name in _names(args, properties):
        text = sent.get(PREFIX + name)
        if text is None:
            if name in args:
                result.args[name] = args[name]
            continue
        control = _control(properties.get(name, {}), args.get(name))
        if name in args and _lines(text) == _lines(_text(args[name], control)):
            result.args[name] = args[name]
        elif text == "" and (name not in args or control != "text"):
            if name in schema.get("required", []):
                result.problems[name] = f"{name} needs a value."
        else:
            _read(result, name, _lines(text), control)
    return result


def _read(result: Filled, name: str, text: str, control: str) -> None:
    if control in {"text", "block"}:
        result.args[name] = text
        return
    try:
        result.args[name] = json.loads(text, parse_constant=_refuse)
    except ValueError:
        wanted = "a number" if control == "number" else "JSON"
        result.problems[name] = f"{name} is not {wanted}."


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _names(args: Mapping[str, Any], properties: Mapping[str, Any]) -> list[str]:
    return [*properties, *(name for name in args if name not in properties)]


def _control(terms: Mapping[str, Any], value: Any) -> str:
    kind = terms.get("type")
    if "enum" in terms or kind == "boolean":
        return "choice"
    if kind in {"integer", "number"}:
        return "number"
    if kind == "string" and (value is None or isinstance(value, str)):
        is_block = value is not None and (len(value) > _LINE or not {"\n", "\r"}.isdisjoint(value))
        return "block" if is_block else "text"
    return "json"


def _text(value: Any, control: str) -> str:
    if control in {"text", "block"}:
        return str(value)
    if control == "json":
        return json.dumps(value, ensure_ascii=False, indent=2)
    return as_text(value)


def _choices(
    terms: Mapping[str, Any], control: str, text: str, *, optional: bool
) -> tuple[Choice, ...]:
    if control != "choice":
        return ()
    none = [Choice("", "left out", text == "")] if optional else []
    values = [(as_text(value), value) for value in terms.get("enum", [True, False])]
    return (
        *none,
        *(
            Choice(sent, value if isinstance(value, str) else sent, sent == text)
            for sent, value in values
        ),
    )


def _type(terms: Mapping[str, Any], control: str) -> str:
    if "enum" in terms:
        return "one of a list"
    return str(terms.get("type") or ("JSON" if control == "json" else "value"))


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")

"""Arguments to Cedar values: exactly, or not at all.

A value is either carried over unchanged or refused with its path; nothing is rounded, clipped or
guessed. Null is the same as absent. A number is taken by the decimal text that JSON gives it.
Values the schema leaves out never reach Cedar and may be of any type, but they too are refused for
Cedar's reserved keys and for depth, so that stored arguments stay safe to replay elsewhere.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from .shape import ABSENT, MAX_DEPTH, RESERVED_KEYS, Kind, Member, Record, SetOf, Shape

_LONG_MIN, _LONG_MAX = -(2**63), 2**63 - 1
_DECIMAL_PLACES = 4
_SHOWN_KEY = 60


class ArgumentRefusedError(Exception):
    """An argument cannot be shown to the policy exactly as it is."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"Argument `{path}` {problem}.")


def cedar_input(args: Mapping[str, Any], record: Record) -> dict[str, Any]:
    """`args` as the Cedar JSON of `record`. Raises `ArgumentRefusedError`."""
    if not isinstance(args, Mapping):
        raise ArgumentRefusedError("input", "is not an object")
    return _record(dict(args), record, "input", 0)


def _convert(value: Any, shape: Shape, path: str, depth: int) -> Any:
    """`depth` counts for what is left out below; a shape itself has at most `MAX_DEPTH` levels."""
    if isinstance(shape, Record):
        return _record(value, shape, path, depth)
    if isinstance(shape, SetOf):
        return _set(value, shape, path, depth)
    return _SCALAR[shape](value, path)


def _record(value: Any, record: Record, path: str, depth: int) -> dict[str, Any]:
    if type(value) is not dict:
        raise ArgumentRefusedError(path, "is not an object")
    _check_keys(value, path)
    for name, part in value.items():
        if name not in record.members:
            _check_unseen(name, part, record, path, depth)
    converted = {}
    for name, member in record.members.items():
        part = _present(value, name, member, path)
        if part is not None:
            converted[name] = _convert(part, member.shape, path + _step(name), depth + 1)
    return converted


def _present(value: dict[str, Any], name: str, member: Member, path: str) -> Any:
    """The argument, or the default the tool would get; None if neither is there."""
    part = value.get(name, member.default)
    if part is ABSENT:
        part = None
    if part is None and member.required:
        raise ArgumentRefusedError(path + _step(name), "is required and missing")
    return part


def _check_unseen(name: str, value: Any, record: Record, path: str, depth: int) -> None:
    if name not in record.left_out and not record.open:
        raise ArgumentRefusedError(path + _step(name), "is not in the tool's schema")
    _check_plain(value, path + _step(name), depth + 1)


def _check_plain(value: Any, path: str, depth: int) -> None:
    if not isinstance(value, dict | list):
        return
    _check_depth(depth, path)
    if isinstance(value, dict):
        _check_keys(value, path)
        for key, part in value.items():
            _check_plain(part, path + _step(key), depth + 1)
    else:
        for index, part in enumerate(value):
            _check_plain(part, f"{path}[{index}]", depth + 1)


def _check_depth(depth: int, path: str) -> None:
    if depth > MAX_DEPTH:
        raise ArgumentRefusedError(path, f"is nested deeper than {MAX_DEPTH} levels")


def _check_keys(value: dict[Any, Any], path: str) -> None:
    for key in value:
        if type(key) is not str:
            raise ArgumentRefusedError(path, "has a key that is not a string")
        if key in RESERVED_KEYS:
            raise ArgumentRefusedError(path + _step(key), "uses a key reserved by Cedar")


def _set(value: Any, shape: SetOf, path: str, depth: int) -> list[Any]:
    if type(value) is not list:
        raise ArgumentRefusedError(path, "is not an array")
    return [
        _convert(part, shape.element, f"{path}[{index}]", depth + 1)
        for index, part in enumerate(value)
    ]


def _text(value: Any, path: str) -> str:
    if type(value) is not str:
        raise ArgumentRefusedError(path, "is not a string")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ArgumentRefusedError(path, "holds a lone surrogate, which is not text") from None
    return value


def _long(value: Any, path: str) -> int:
    if type(value) is not int:
        raise ArgumentRefusedError(path, "is not an integer")
    if not _LONG_MIN <= value <= _LONG_MAX:
        raise ArgumentRefusedError(path, "does not fit into 64 bits")
    return value


def _bool(value: Any, path: str) -> bool:
    if type(value) is not bool:
        raise ArgumentRefusedError(path, "is not a boolean")
    return value


def _decimal(value: Any, path: str) -> dict[str, Any]:
    """Cedar's decimal is an int64 of ten-thousandths."""
    if type(value) not in (int, float):
        raise ArgumentRefusedError(path, "is not a number")
    if type(value) is float and not math.isfinite(value):
        raise ArgumentRefusedError(path, "is not a finite number")
    if abs(value) > _LONG_MAX:
        raise ArgumentRefusedError(path, "is too large for a decimal")
    number = Decimal(repr(value))
    text = f"{number:.{_DECIMAL_PLACES}f}"
    if Decimal(text) != number:
        raise ArgumentRefusedError(path, f"has more than {_DECIMAL_PLACES} decimals")
    if not _LONG_MIN <= int(text.replace(".", "")) <= _LONG_MAX:
        raise ArgumentRefusedError(path, "is too large for a decimal")
    return {"__extn": {"fn": "decimal", "arg": text}}


_SCALAR = {Kind.TEXT: _text, Kind.LONG: _long, Kind.BOOL: _bool, Kind.DECIMAL: _decimal}


def _step(key: str) -> str:
    """One step of a path, safe to store whatever the key holds."""
    if key.isascii() and key.isidentifier() and len(key) <= _SHOWN_KEY:
        return f".{key}"
    return f"[{json.dumps(key[:_SHOWN_KEY])}]"

"""What a call came to, as it is stored and as the graph gets it back."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

_PLAIN = (str, bool, int, float, type(None))


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The body returned; `value` is what the graph gets, now and at every replay."""

    type: str
    data: bytes

    @property
    def value(self) -> Any:
        """The stored result."""
        return read_outcome(self.type, self.data)


@dataclass(frozen=True, slots=True)
class Failed:
    """The body failed, and the call did not happen or can be repeated."""

    error: str


@dataclass(frozen=True, slots=True)
class InDoubt:
    """The body broke off, and the call may have happened."""

    error: str


Outcome = Succeeded | Failed | InDoubt


def success(value: Any) -> Succeeded:
    """Store a result: plain JSON where that is exact, LangGraph's strict msgpack else, or text.

    A result that neither can hold is kept as its text, and the graph gets that text as well, so
    that a replay does not differ from the first time.
    """
    with suppress(Exception):  # whatever a tool returns, the call happened and is written down
        if _is_plain(value):
            return Succeeded("json", json.dumps(value, ensure_ascii=False).encode())
        kind, data = _serde().dumps_typed(value)
        if kind == "msgpack" and type(_serde().loads_typed((kind, data))) is type(value):
            return Succeeded(kind, data)
    return _as_text(value)


def read_outcome(kind: str, data: bytes) -> Any:
    """A stored result as the value it was.

    Raises:
        ValueError: the kind is not one that `success` writes.
    """
    if kind == "json":
        return json.loads(data)
    if kind == "text":
        return data.decode()
    if kind == "msgpack":
        return _serde().loads_typed((kind, data))
    raise ValueError(f"A result of kind '{kind}' cannot be read.")


@cache
def _serde() -> JsonPlusSerializer:
    """Strict, since `strict` set so before LangGraph was imported."""
    # late: the web app rarely needs it, and it costs a second
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer  # noqa: PLC0415

    return JsonPlusSerializer()


def _as_text(value: Any) -> Succeeded:
    try:
        text = str(value)
    except Exception:  # noqa: BLE001 - a value's own code, or a number too long to write
        text = f"A {type(value).__name__} that has no text."
    return Succeeded("text", text.encode("utf-8", "backslashreplace"))


def _is_plain(value: Any) -> bool:
    if type(value) is dict:
        return all(type(k) is str and _is_plain(v) for k, v in value.items())
    if type(value) is list:
        return all(map(_is_plain, value))
    return type(value) in _PLAIN

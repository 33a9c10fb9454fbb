"""Canonical bytes and what is hashed from them."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import rfc8785

if TYPE_CHECKING:
    from uuid import UUID

_EXACT = 2**53
"""RFC 8785 takes integers below this."""


def canonical(value: Any) -> bytes:
    """RFC 8785 bytes of a JSON value.

    Raises:
        ValueError: the value has no exact JSON form.
    """
    if _is_simple(value):
        text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return text.encode()
    return rfc8785.dumps(value)


def _is_simple(value: Any) -> Any:
    """Whether the standard library writes it as RFC 8785 does, at a fraction of the cost.

    It differs in numbers that are no small integers, and in the order of keys beyond ASCII.
    """
    if isinstance(value, str):
        return value.isascii()
    kind = type(value)
    if kind is dict:
        return all(
            type(key) is str and key.isascii() and _is_simple(part) for key, part in value.items()
        )
    if kind is list:
        return all(map(_is_simple, value))
    return value is None or kind is bool or (kind is int and -_EXACT < value < _EXACT)


def call_key(
    *, ns: str, task_id: str, tool_call_id: str | None, tool: str, args: bytes, ordinal: int
) -> bytes:
    """What makes a call the same call when its node runs again: place, arguments, never position.

    `ordinal` counts calls that are alike within one attempt of the task.
    """
    place = [ns, task_id, tool_call_id, tool, hashlib.sha256(args).hexdigest(), ordinal]
    return hashlib.sha256(b"interlock/call-key/1\n" + canonical(place)).digest()


def reply_key(*, ns: str, task_id: str, call: bytes | None, prompt: bytes) -> bytes:
    """What makes a prompt the same when its node runs again; `call` is the one it is inside of."""
    place = [ns, task_id, call.hex() if call else None, prompt.hex()]
    return hashlib.sha256(b"interlock/reply-key/1\n" + canonical(place)).digest()


def call_digest(*, run_id: UUID, key: bytes, tool: str, tool_version: str, args: bytes) -> bytes:
    """SHA-256 over the RFC 8785 bytes of run, call key, tool, tool version and arguments.

    The members are in canonical order and plain by their own rules, so the stored argument bytes
    go in as they are; the database recomputes the same.
    """
    head = b'{"args":' + args
    tail = (
        f',"key":"{key.hex()}","run":"{run_id}","tool":"{tool}","tool_version":"{tool_version}"}}'
    )
    return hashlib.sha256(head + tail.encode()).digest()


def request_digest(request: Any) -> bytes:
    """SHA-256 that tells two requests for a run apart."""
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).digest()

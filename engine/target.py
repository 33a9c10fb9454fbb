"""The state of what a call would act on: measured at its proposal and right before its start."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from pydantic_core import to_jsonable_python

from ..tools.vault import open_vault
from .database import storable
from .digest import canonical
from .errors import said
from .hooks import HookFailed, ask_hook

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..tools import GatedTool

_MOST_BYTES = 8192
"""A larger state is kept as its digest: it can be compared, and is too long to be read."""


def measure(tool: GatedTool, args: Mapping[str, Any]) -> bytes | None:
    """The target's fingerprint as canonical JSON; None where the tool has no such function.

    One that cannot be measured is written down as such, and is like no other.
    """
    hook = open_vault(tool.vault_key).fingerprint
    if hook is None:
        return None
    try:
        state = canonical({"state": to_jsonable_python(ask_hook(hook, args))})
    except HookFailed as error:
        return canonical({"unknown": storable(str(error))})
    except Exception as error:  # noqa: BLE001 - whatever the author's value does when it is read
        return canonical({"unknown": storable(said(error))})
    if len(state) > _MOST_BYTES:
        return canonical({"sha256": hashlib.sha256(state).hexdigest()})
    return state


def is_same(before: bytes | None, now: bytes | None) -> bool:
    """Whether the target is as it was, as far as it is measured at all."""
    return before == now and (now is None or is_known(now))


def is_known(fingerprint: bytes | None) -> bool:
    """Whether a state was measured."""
    return fingerprint is not None and "unknown" not in json.loads(fingerprint)


def in_words(fingerprint: bytes | None) -> Any:
    """A fingerprint for its reader: the state itself, or a sentence."""
    if fingerprint is None:
        return "Not measured."
    found = json.loads(fingerprint)
    if "unknown" in found:
        return f"Could not be measured: {found['unknown']}"
    return found.get("state", f"SHA-256 {found.get('sha256')}")

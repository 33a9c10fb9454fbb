"""Strict deserialisation of checkpoints; imported before LangGraph is."""

from __future__ import annotations

import os
import sys

from .errors import UsageError

_VARIABLE = "LANGGRAPH_STRICT_MSGPACK"

if "langgraph.checkpoint.serde._msgpack" not in sys.modules:
    os.environ.setdefault(_VARIABLE, "true")


def require_strict() -> None:
    """Refuse to go on where LangGraph would rebuild any class that a checkpoint names.

    Raises:
        UsageError: with what to set.
    """
    from langgraph.checkpoint.serde import _msgpack  # noqa: PLC0415 - read after the variable is set

    if not _msgpack.STRICT_MSGPACK_ENABLED:
        raise UsageError(
            f"{_VARIABLE} is not 'true', so checkpoints could build any object. "
            f"Set {_VARIABLE}=true before Python starts, or import interlock before langgraph."
        )

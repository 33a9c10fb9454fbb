"""How a tool's body was left, and what that says of its call."""

from __future__ import annotations

from contextlib import suppress
from textwrap import shorten
from typing import TYPE_CHECKING, Any, Final

from langchain_core.tools import ToolException
from langgraph.errors import GraphBubbleUp
from pydantic import ValidationError

from ..tools.gated import NotDone
from ..tools.vault import open_vault
from .errors import said
from .outcome import Failed, InDoubt, Outcome

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from ..tools.gated import Ask
    from .call import Call

_SHOWN: Final = 120
"""Characters of a result that an error shows."""
REPEATABLE = frozenset({"again", "same_key"})
"""Recoveries of calls that may be started again after they broke off."""


def packed(ask: Ask, value: Any) -> Any:
    """The result as it is stored: of a declared type as JSON, if it fits; a pair as a list."""
    kind = open_vault(ask.tool.vault_key).returns
    if kind is not None:
        with suppress(Exception):  # whatever a tool returns, the call happened and is written down
            return kind.dump_python(kind.validate_python(value), mode="json")
    pair = ask.tool.response_format == "content_and_artifact" and type(value) is tuple
    return list(value) if pair else value


def unpacked(ask: Ask, value: Any) -> Any:
    """The stored result as LangChain wants it.

    Raises:
        ToolException: it is not what the tool declares; nothing is to be built on it.
    """
    kind = open_vault(ask.tool.vault_key).returns
    if kind is not None:
        _check_seam(ask.tool.name, kind, value)
    pair = ask.tool.response_format == "content_and_artifact" and type(value) is list
    return tuple(value) if pair else value


def _check_seam(tool: str, kind: TypeAdapter[Any], value: Any) -> None:
    try:
        kind.validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = "/".join(map(str, first["loc"])) or "the result"
        declared = kind.json_schema().get("title") or kind.json_schema().get("type", "another type")
        raise ToolException(
            f"{tool} declares {declared} and gave {shorten(repr(value), _SHOWN)}: {where}: "
            f"{first['msg']}. The call was made and its result is recorded; do not go on from it."
        ) from None


def left(call: Call, error: BaseException) -> Outcome:
    """What a way out of a body says of the call.

    A body that can be started again and was interrupted by a call inside it stays as it is.
    """
    if isinstance(error, GraphBubbleUp) and call.recovery in REPEATABLE:
        raise error
    return broken(call, error)


def broken(call: Call, error: BaseException) -> Outcome:
    """What an error says of the call: an irreversible one may have happened all the same."""
    text = said(error)
    if call.effect == "irreversible" and not isinstance(error, NotDone):
        return InDoubt(f"It broke off with {text}; it may have happened.")
    return Failed(str(error) if isinstance(error, ToolException) else text)

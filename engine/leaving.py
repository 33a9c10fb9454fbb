"""How a tool's body was left, and what that says of its call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.tools import ToolException
from langgraph.errors import GraphBubbleUp

from ..tools.gated import NotDone
from .errors import said
from .outcome import Failed, InDoubt, Outcome

if TYPE_CHECKING:
    from ..tools.gated import Ask
    from .call import Call

REPEATABLE = frozenset({"again", "same_key"})
"""Recoveries of calls that may be started again after they broke off."""


def packed(ask: Ask, value: Any) -> Any:
    """The pair of a tool that answers with content and artifact as JSON has it: a list."""
    pair = ask.tool.response_format == "content_and_artifact" and type(value) is tuple
    return list(value) if pair else value


def unpacked(ask: Ask, value: Any) -> Any:
    """The pair again, as LangChain wants it."""
    pair = ask.tool.response_format == "content_and_artifact" and type(value) is list
    return tuple(value) if pair else value


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

"""A chat model for tests that plays its replies in order, by how many the conversation has."""

from __future__ import annotations

from collections.abc import Callable  # noqa: TC003 - pydantic reads it
from typing import Any

from interlock import FREE
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

PRICES = {"playing": FREE}


class Playing(BaseChatModel):
    """Its reply follows from how many replies came before it."""

    play: Callable[[int, list[BaseMessage]], AIMessage]

    @property
    def _llm_type(self) -> str:
        return "playing"

    def bind_tools(self, *_: Any, **__: Any) -> Any:
        return self

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        turn = sum(1 for message in messages if message.type == "ai")
        return ChatResult(generations=[ChatGeneration(message=self.play(turn, messages))])


def playing(*replies: AIMessage) -> Playing:
    """These replies, and then "done"."""
    return Playing(play=lambda turn, _: replies[turn] if turn < len(replies) else AIMessage("done"))


def calling(*calls: dict[str, Any]) -> AIMessage:
    """A reply that makes calls."""
    return AIMessage("", tool_calls=list(calls))

"""The model behind an example: a scripted one, or a real one by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence  # noqa: TC003 - pydantic reads it
from typing import Any

from interlock.engine.errors import UsageError
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage  # noqa: TC002 - as above
from langchain_core.outputs import ChatGeneration, ChatResult

SCRIPTED = "scripted"


class Scripted(BaseChatModel):
    """Plays a script; no language model is asked. What it says follows from the conversation."""

    play: Callable[[list[BaseMessage]], AIMessage]
    max_tokens: int | None = None

    @property
    def _llm_type(self) -> str:
        return SCRIPTED

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:  # noqa: ARG002 - LangChain's signature
        """The script knows its tools."""
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002 - LangChain's signature
        run_manager: Any = None,  # noqa: ARG002 - LangChain's signature
        **kwargs: Any,  # noqa: ARG002 - LangChain's signature
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self.play(messages))])


def choose(name: str | None, scripted: BaseChatModel) -> BaseChatModel:
    """The scripted model, or the one that `provider:name` names.

    Raises:
        UsageError: LangChain or the provider's package or key is missing, or there is no such one.
    """
    if name is None or name == SCRIPTED:
        return scripted
    if ":" not in name:
        raise UsageError(f"Name a model as provider:name, not '{name}'.")
    try:
        from langchain.chat_models import init_chat_model  # noqa: PLC0415 - an extra
    except ImportError:
        raise UsageError(
            "A real model needs LangChain: install it with `pip install 'interlock[models]'`."
        ) from None
    try:
        model = init_chat_model(name)
    except Exception as error:  # noqa: BLE001 - each provider has errors of its own
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise UsageError(f"The model '{name}' cannot be used: {reason}.") from None
    return model

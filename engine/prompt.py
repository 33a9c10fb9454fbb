"""What a chat model is asked. The same model, set the same, asked the same: the same prompt."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, SecretBytes, SecretStr

from .exact import Inexact, pack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_core.language_models.chat_models import BaseChatModel
    from langchain_core.messages import BaseMessage

_NOT_SENT = frozenset({"id", "artifact", "usage_metadata"})
"""Fields of a message that no provider gets."""
_FOR_TRACES = frozenset({"ls_structured_output_format", "structured_output_format"})
"""Options that LangChain takes out before it calls the model."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One question to a model, and in which way it is asked: its reply is kept in that form."""

    way: str
    model: BaseChatModel
    messages: Sequence[BaseMessage]
    stop: Sequence[str] | None
    options: Mapping[str, Any]

    @property
    def described(self) -> Mapping[str, Any]:
        """Provider, model name and settings, as LangChain tells them to traces."""
        stop = list(self.stop) if self.stop else None
        return self.model._get_ls_params(stop=stop, **self.options)  # noqa: SLF001

    @property
    def names(self) -> tuple[str, str | None]:
        """The model's name, or the name of its kind where it has none, and its provider's."""
        described = self.described
        kind = self.model._llm_type  # noqa: SLF001
        return described.get("ls_model_name") or kind, described.get("ls_provider")

    def digest(self) -> bytes:
        """SHA-256 of all that makes the question this one. Secrets of the model are not in it.

        Raises:
            Inexact: something that the model is given has no plain form.
        """
        kind = type(self.model)
        asked = [
            self.way,
            f"{kind.__module__}.{kind.__qualname__}",
            self.model._get_llm_string(),  # noqa: SLF001 - the key of LangChain's own cache
            self.described,
            list(map(_sent, self.messages)),
            self.stop,
            {k: v for k, v in self.options.items() if k not in _FOR_TRACES},
        ]
        return hashlib.sha256(b"interlock/prompt/1\n" + pack(asked, _plain)).digest()


def _sent(message: BaseMessage) -> Mapping[str, Any]:
    fields = {k: v for k, v in vars(message).items() if k not in _NOT_SENT}
    return {"is": type(message).__name__, **fields}


def _plain(value: Any) -> Any:
    """What LangChain would send for tools and schemas; a secret is the same whatever it is."""
    if isinstance(value, SecretStr | SecretBytes):
        return "secret"
    if isinstance(value, BaseTool | type):
        return convert_to_openai_tool(value)
    if isinstance(value, BaseModel):
        return {"is": type(value).__qualname__, **value.model_dump(warnings=False)}
    raise Inexact(f"a {type(value).__name__} has no plain form")

"""A model's reply: as bytes that give it back as it was, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatResult

from .exact import Inexact, pack, unpack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_core.messages import BaseMessage

_KINDS: Mapping[str, type[AIMessage]] = {"ai": AIMessage, "AIMessageChunk": AIMessageChunk}


def pack_result(result: ChatResult) -> bytes:
    """All that a model answered.

    Raises:
        Inexact: something in it would not come back as it is.
    """
    generations = [[_fields(each.message), each.generation_info] for each in result.generations]
    return pack([generations, result.llm_output])


def unpack_result(content: bytes) -> ChatResult:
    """What `pack_result` was given."""
    generations, output = unpack(content)
    made = [ChatGeneration(message=_made(m), generation_info=info) for m, info in generations]
    return ChatResult(generations=made, llm_output=output)


def pack_message(message: BaseMessage) -> bytes:
    """One message, or one chunk that a whole stream adds up to.

    Raises:
        Inexact: something in it would not come back as it is.
    """
    return pack(_fields(message))


def unpack_message(content: bytes) -> AIMessage:
    """What `pack_message` was given."""
    return _made(unpack(content))


def _fields(message: BaseMessage) -> Mapping[str, Any]:
    if type(message) not in _KINDS.values():
        raise Inexact(f"a {type(message).__name__} is no reply that can be kept")
    return message.model_dump(warnings=False)


def _made(plain: Mapping[str, Any]) -> AIMessage:
    return _KINDS[plain["type"]](**plain)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a reply used, as its provider said; None is what it did not say."""

    model: str | None
    provider: str | None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None

    @property
    def columns(self) -> tuple[Any, ...]:
        """As the row of the reply has it."""
        return tuple(getattr(self, each.name) for each in fields(self))


def cost_of(messages: Sequence[BaseMessage], described: Mapping[str, Any]) -> Cost:
    """What the messages of one reply say of their usage.

    A reply out of LangChain's own cache, which it marks by its price, used nothing.
    """
    said: Mapping[str, Any] = messages[0].response_metadata if messages else {}
    names = (
        said.get("model_name") or said.get("model") or described.get("ls_model_name"),
        said.get("model_provider") or described.get("ls_provider"),
    )
    used = [usage for m in messages if (usage := getattr(m, "usage_metadata", None))]
    if any(usage.get("total_cost") == 0 for usage in used):
        return Cost(*names, 0, 0, 0, 0, 0)
    read = [usage.get("input_token_details", {}) for usage in used]
    written = [usage.get("output_token_details", {}) for usage in used]
    return Cost(
        *names,
        _sum(used, "input_tokens"),
        _sum(used, "output_tokens"),
        _sum(read, "cache_read"),
        _sum(read, "cache_creation"),
        _sum(written, "reasoning"),
    )


def _sum(counts: Sequence[Mapping[str, Any]], name: str) -> int | None:
    said = [count[name] for count in counts if count.get(name) is not None]
    return max(sum(said), 0) if said else None

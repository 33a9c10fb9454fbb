"""A model's reply: as bytes that give it back as it was, and what it cost."""

from __future__ import annotations

import socket
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatResult

from .exact import Inexact, pack, unpack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    from langchain_core.messages import BaseMessage

_WRITTEN_FOR = ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")
"""What Anthropic says in place of `cache_creation`, which is 0 beside them."""
_KINDS: Mapping[str, type[AIMessage]] = {"ai": AIMessage, "AIMessageChunk": AIMessageChunk}

_REFUSED, _FAILED = 400, 500
"""HTTP: what is in between was not carried out."""
_UNREACHED = (ConnectionRefusedError, socket.gaierror)
_UNCONNECTED = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout"})
"""The same in httpx and requests, by name: providers bring one or the other."""


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
    """What a reply used, as its provider said; None is what it did not say.

    Attributes:
        cache_write_1h_tokens: of those written to the cache, the ones that stay for an hour.
        usd: what that is in money.
        price: where the price is from.
    """

    model: str | None
    provider: str | None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    usd: Decimal | None = None
    price: str | None = None

    @property
    def columns(self) -> tuple[Any, ...]:
        """As the row of the reply has it."""
        tokens = (self.input_tokens, self.output_tokens)
        parts = (self.cache_read_tokens, self.cache_write_tokens, self.reasoning_tokens)
        return (self.model, self.provider, *tokens, *parts, self.usd, self.price)

    def or_else(self, most: Cost) -> Cost:
        """The same with the tokens of another, where it has none of its own."""
        return replace(
            self,
            input_tokens=most.input_tokens if self.input_tokens is None else self.input_tokens,
            output_tokens=most.output_tokens if self.output_tokens is None else self.output_tokens,
            provider=self.provider or most.provider,
        )

    def priced_as(self, other: Cost) -> Cost:
        """The same at the price of another."""
        return replace(self, usd=other.usd, price=other.price)


NOT_SENT = Cost(None, None, 0, 0, price="not sent")
"""Of a call that never came to its provider."""


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
        return Cost(*names, 0, 0, 0, 0, 0, price="cache")
    read = [usage.get("input_token_details", {}) for usage in used]
    written = [usage.get("output_token_details", {}) for usage in used]
    return Cost(
        *names,
        _sum(used, "input_tokens"),
        _sum(used, "output_tokens"),
        _sum(read, "cache_read"),
        _sum(read, "cache_creation", *_WRITTEN_FOR),
        _sum(written, "reasoning"),
        _sum(read, _WRITTEN_FOR[1]),
    )


def _sum(counts: Sequence[Mapping[str, Any]], *names: str) -> int | None:
    said = [count[name] for count in counts for name in names if count.get(name) is not None]
    return max(sum(said), 0) if said else None


def was_refused(error: BaseException, before: BaseException | None = None) -> bool:
    """Whether a model call was surely not carried out: its provider was not reached, or refused.

    What was being handled when the call was made came `before` it and says nothing of it.
    """
    seen: BaseException | None = error if isinstance(error, Exception) else None
    while seen is not None and seen is not before:
        status = getattr(seen, "status_code", None)
        if isinstance(status, int) and _REFUSED <= status < _FAILED:
            return True
        if isinstance(seen, _UNREACHED) or type(seen).__name__ in _UNCONNECTED:
            return True
        seen = seen.__cause__ or seen.__context__
    return False

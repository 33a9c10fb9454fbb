"""How many tokens a model call could take, before it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from langchain_core.messages import BaseMessage

    from .prompt import Prompt

_BYTES_PER_TOKEN = 3
"""Of UTF-8: English has about four and a half, code and most other languages three or more."""
_PER_MESSAGE = 8
"""Tokens for a message's role and its borders."""
_PER_PICTURE = 2_000
"""Tokens: the largest that the big providers count one image as, about."""
_OUTPUT = 4_096
"""Tokens of a reply, where neither the call nor the model has a limit of its own."""
_LIMITS = (
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "max_new_tokens",
    "num_predict",
)
"""What providers call the limit of a reply."""


def tokens_in(prompt: Prompt) -> int:
    """Tokens of the prompt with its tools: rather too many than too few."""
    parts = [part for message in prompt.messages for part in _parts(message)]
    pictures = parts.count(None)
    texts = [part for part in parts if part is not None]
    texts += [str(value) for value in prompt.options.values()]
    size = sum(len(text.encode("utf-8", "replace")) for text in texts)
    return (
        size // _BYTES_PER_TOKEN
        + _PER_PICTURE * pictures
        + _PER_MESSAGE * (len(prompt.messages) + 1)
    )


def _parts(message: BaseMessage) -> Iterator[str | None]:
    """What is sent of a message, as text; a picture as none."""
    blocks = message.content if isinstance(message.content, list) else [message.content]
    for block in blocks:
        kind = block.get("type", "") if isinstance(block, dict) else ""
        yield None if "image" in kind else str(block)
    if calls := getattr(message, "tool_calls", None):
        yield str(calls)


def tokens_out(prompt: Prompt) -> int:
    """Tokens of the reply at the most: by the call's own limit, the model's, or a small one."""
    own = getattr(prompt.model, "model_kwargs", None) or {}
    said = _said(prompt.options) or _said(own) or _said(vars(prompt.model))
    most = said or min(_profile(prompt).get("max_output_tokens") or _OUTPUT, _OUTPUT)
    return most * max(_number(prompt.options.get("n") or getattr(prompt.model, "n", None)), 1)


def _said(settings: Mapping[str, Any]) -> int:
    return max(_number(settings.get(name)) for name in _LIMITS)


def _profile(prompt: Prompt) -> Mapping[str, Any]:
    return getattr(prompt.model, "profile", None) or {}


def _number(value: Any) -> int:
    """A count; what is none, such as the -1 that some have for no limit, is 0."""
    return value if type(value) is int and value > 0 else 0

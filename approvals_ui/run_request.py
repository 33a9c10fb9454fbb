"""What a run was asked to do, as text."""

from __future__ import annotations

from typing import Any

from .arguments import as_text


def request_text(request: Any) -> str:
    """The request in its asker's words, where the input has them; else the input as JSON.

    Graphs take a text, a state with one text in it, or a list of messages.
    """
    if isinstance(request, str):
        return request
    if isinstance(request, dict):
        if messages := _messages(request.get("messages")):
            return messages
        texts = [value for value in request.values() if isinstance(value, str)]
        if len(request) == 1 and texts:
            return texts[0]
    return as_text(request)


def _messages(messages: Any) -> str | None:
    """The first thing a person said; messages are texts, pairs or objects."""
    if isinstance(messages, str):
        return messages
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, str):
            return message
        if isinstance(message, dict):
            role = message.get("role") or message.get("type")
            if role in {"user", "human"} and isinstance(message.get("content"), str):
                return str(message["content"])
        if isinstance(message, list) and len(message) == 2 and message[0] in {"user", "human"}:  # noqa: PLR2004
            return str(message[1])
    return None

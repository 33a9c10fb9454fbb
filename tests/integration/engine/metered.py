"""A chat model for tests that takes as many tokens as it is told to, and notes each call."""

from __future__ import annotations

import time
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

INPUT = 100
"""Tokens that it says a prompt took; `question` is estimated at as many."""
QUESTION = "q" * 3 * (INPUT - 16)


class Metered(BaseChatModel):
    """Says that it took `takes` tokens for its reply; `asked` is a list of the test's."""

    asked: Any
    model: str = "metered"
    max_tokens: int = 10
    takes: int = 10
    seconds: float = 0
    error: Any = None
    is_silent: bool = False

    @property
    def _llm_type(self) -> str:
        return "metered"

    def _reply(self) -> dict[str, Any]:
        self.asked.append(self.takes)
        time.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        usage = {"input_tokens": INPUT, "output_tokens": self.takes, "total_tokens": 0}
        more = {} if self.is_silent else {"usage_metadata": usage}
        return {"content": f"reply {len(self.asked)}", **more}

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(**self._reply()))])

    def _stream(self, *_: Any, **__: Any) -> Any:
        reply = AIMessageChunk(**self._reply())
        yield ChatGenerationChunk(message=AIMessageChunk("so: "))
        yield ChatGenerationChunk(message=reply)


class Outer(Metered):
    """Streams what another model says."""

    inner: Any

    def _stream(self, *_: Any, **__: Any) -> Any:
        for chunk in self.inner.stream(QUESTION):
            yield ChatGenerationChunk(message=chunk)

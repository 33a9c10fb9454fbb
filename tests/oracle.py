"""A chat model for tests: it answers each time otherwise, and notes what it was asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

if TYPE_CHECKING:
    from collections.abc import Iterator

USAGE = {
    "input_tokens": 10,
    "output_tokens": 5,
    "total_tokens": 15,
    "input_token_details": {"cache_read": 4, "cache_creation": 3},
    "output_token_details": {"reasoning": 2},
}


class Plain(BaseChatModel):
    """Answers whole; `notes` is a list of the test's, `errors` is how often it fails first.

    Asked to use a tool, it calls the first that it is bound to.
    """

    notes: Any
    errors: Any = None
    model: str = "oracle-1"
    temperature: float = 0.5
    extra: Any = None

    @property
    def _llm_type(self) -> str:
        return "plain"

    def bind_tools(self, tools: Any, **more: Any) -> Any:
        return self.bind(tools=list(tools), **more)

    def _generate(self, messages: Any, *_: Any, **options: Any) -> Any:
        message = AIMessage(
            self._answer(messages),
            tool_calls=self._calls(options),
            usage_metadata=USAGE,
            response_metadata={"model_name": "oracle-1-0613"},
            additional_kwargs=self.extra or {},
        )
        return ChatResult(generations=[ChatGeneration(message=message)], llm_output={"took": 1})

    def _answer(self, messages: Any) -> str:
        question = str(messages[-1].content)
        self.notes.append(question)
        if self.errors:
            raise ConnectionError(self.errors.pop())
        return f"{question}! ({len(self.notes)})"

    def _calls(self, options: Any) -> list[Any]:
        if not options.get("tool_choice"):
            return []
        name = getattr(options["tools"][0], "name", None) or options["tools"][0].__name__
        return [{"name": name, "args": {"word": str(len(self.notes))}, "id": f"c{len(self.notes)}"}]


class Streaming(Plain):
    """Answers in chunks as well."""

    def _stream(self, messages: Any, *_: Any, **options: Any) -> Iterator[Any]:
        answer = self._answer(messages)
        for part in (answer[:3], answer[3:]):
            yield ChatGenerationChunk(message=AIMessageChunk(part))
        for call in self._calls(options):
            parts = ({**call, "args": '{"word": "'}, {"args": f'{call["args"]["word"]}"}}'})
            for each in parts:
                piece = {"name": None, "id": None, **each, "index": 0}
                yield ChatGenerationChunk(message=AIMessageChunk("", tool_call_chunks=[piece]))
        last = AIMessageChunk(
            "", usage_metadata=USAGE, response_metadata={"model_name": "oracle-2"}
        )
        yield ChatGenerationChunk(message=last)

"""Chat models of LangChain that ask the run they are called in before they ask their provider.

Whatever calls a model, and however a node got hold of it, comes through one of six methods of
`BaseChatModel`; providers implement what is beneath them. Callbacks can watch a reply but not give
one, and LangChain's cache is not asked by `stream`. So those six look first whether a run is under
way here; outside a run that is all that they do more.
"""

from __future__ import annotations

import inspect
import sys
from contextlib import aclosing, closing, contextmanager
from copy import copy
from functools import cache, partial, wraps
from typing import TYPE_CHECKING, Any

from langchain_core.language_models._compat_bridge import message_to_events
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.version import VERSION

from .errors import UsageError
from .exact import Inexact
from .prompt import Prompt
from .replies import current_replies
from .reply import pack_message, pack_result, unpack_message, unpack_result

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from langchain_core.outputs import ChatResult

    from .replies import Asked

_GENERATE = ("self", "messages", "stop", "run_manager", "kwargs")
_STREAM = ("self", "input", "config", "stop", "kwargs")
_EVENTS = ("self", "messages", "run_manager", "stream", "stop", "kwargs")
_KNOWN = {
    "_generate_with_cache": _GENERATE,
    "_agenerate_with_cache": _GENERATE,
    "stream": _STREAM,
    "astream": _STREAM,
    "_iter_v2_events": _EVENTS,
    "_aiter_v2_events": _EVENTS,
}
"""The methods, and what they take where this was written for."""
_END = object()
_NAMES_OF_MODELS = frozenset({"model", "model_name"})
"""Options by which a call goes to another model than the one it is made to."""


@cache
def journal_replies() -> None:
    """Have every chat model of this process ask its run first; once.

    Raises:
        UsageError: this LangChain calls its models in another way.
    """
    wrappers: tuple[Callable[[Any], Any], ...] = (
        _generate,
        _agenerate,
        _stream,
        _astream,
        _events,
        _aevents,
    )
    for name, taken in _KNOWN.items():
        method = getattr(BaseChatModel, name, None)
        if method is None or tuple(inspect.signature(method).parameters) != taken:
            raise UsageError(
                f"langchain-core {VERSION} calls chat models in a way that this version of "
                f"Interlock does not know ({name}), so replies would be bought twice. "
                "Install langchain-core 1.7."
            )
    for name, wrap in zip(_KNOWN, wrappers, strict=True):
        setattr(BaseChatModel, name, wrap(getattr(BaseChatModel, name)))


@contextmanager
def _inside() -> Iterator[None]:
    """What a model asks of itself or of another model is part of its own reply."""
    token = current_replies.set(None)
    try:
        yield
    finally:
        current_replies.reset(token)


def _each_inside(parts: Iterator[Any]) -> Iterator[Any]:
    """The parts of a reply as they come; whoever hears them is outside."""
    while True:
        with _inside():
            part = next(parts, _END)
        if part is _END:
            return
        yield part


async def _aeach_inside(parts: AsyncIterator[Any]) -> AsyncIterator[Any]:
    while True:
        with _inside():
            part = await anext(parts, _END)
        if part is _END:
            return
        yield part


@contextmanager
def _paying(asked: Asked) -> Iterator[None]:
    """The block makes the call; where it comes to no reply, that is settled as well."""
    before = sys.exception()
    try:
        yield
    except BaseException as error:
        asked.broke(error, before)
        raise


def _chosen(model: Any, options: Any) -> tuple[Any, Any]:
    """The model that is asked, and its options: the one that stands in, where the run fell back."""
    replies = current_replies.get()
    if replies is None or replies.fallback is None:
        return model, options
    return replies.fallback, {k: v for k, v in options.items() if k not in _NAMES_OF_MODELS}


def _asked(way: str, model: BaseChatModel, messages: Any, stop: Any, options: Any) -> Asked | None:
    """The prompt as the run knows it; None where no run is."""
    replies = current_replies.get()
    return replies.ask(Prompt(way, model, messages, stop, options)) if replies else None


def _keep_result(asked: Asked, result: ChatResult) -> None:
    asked.keep([each.message for each in result.generations], partial(pack_result, result))


def _generate(original: Callable[..., ChatResult]) -> Callable[..., ChatResult]:
    @wraps(original)
    def ask(
        self: Any, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        self, kwargs = _chosen(self, kwargs)
        asked = _asked("generate", self, messages, stop, kwargs)
        if asked is None:
            return original(self, messages, stop=stop, run_manager=run_manager, **kwargs)
        if asked.content is not None:
            result = unpack_result(asked.content)
            self._replay_v2_events_for_cache_hit(
                result.generations, run_manager=run_manager, **kwargs
            )
            return result
        asked.reserve()
        with _paying(asked), _inside():
            result = original(self, messages, stop=stop, run_manager=run_manager, **kwargs)
        _keep_result(asked, result)
        return result

    return ask


def _agenerate(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    async def ask(
        self: Any, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        result: ChatResult
        self, kwargs = _chosen(self, kwargs)
        asked = _asked("generate", self, messages, stop, kwargs)
        if asked is not None and asked.content is not None:
            result = unpack_result(asked.content)
            await self._areplay_v2_events_for_cache_hit(
                result.generations, run_manager=run_manager, **kwargs
            )
            return result
        if asked is None:
            result = await original(self, messages, stop=stop, run_manager=run_manager, **kwargs)
        else:
            await asked.areserve()
            with _paying(asked), _inside():
                result = await original(
                    self, messages, stop=stop, run_manager=run_manager, **kwargs
                )
            _keep_result(asked, result)
        return result

    return ask


def _stream(original: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    @wraps(original)
    def ask(
        self: Any,
        input: Any,  # noqa: A002 - LangChain's word
        config: Any = None,
        *,
        stop: Any = None,
        **kwargs: Any,
    ) -> Iterator[Any]:
        self, kwargs = _chosen(self, kwargs)
        asked = _asked_streaming(self, input, stop, kwargs, is_async=False)
        if asked is None:
            return original(self, input, config, stop=stop, **kwargs)
        if asked.content is not None:
            stand_in = _stand_in(self, unpack_message(asked.content))
            return original(stand_in, input, config, stop=stop, **kwargs)
        return _kept(asked, original(self, input, config, stop=stop, **kwargs))

    return ask


def _astream(original: Callable[..., AsyncIterator[Any]]) -> Callable[..., AsyncIterator[Any]]:
    @wraps(original)
    def ask(
        self: Any,
        input: Any,  # noqa: A002 - LangChain's word
        config: Any = None,
        *,
        stop: Any = None,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        self, kwargs = _chosen(self, kwargs)
        asked = _asked_streaming(self, input, stop, kwargs, is_async=True)
        if asked is None:
            return original(self, input, config, stop=stop, **kwargs)
        if asked.content is not None:
            stand_in = _stand_in(self, unpack_message(asked.content))
            return original(stand_in, input, config, stop=stop, **kwargs)
        return _akept(asked, original(self, input, config, stop=stop, **kwargs))

    return ask


def _asked_streaming(
    model: Any, given: Any, stop: Any, options: Any, *, is_async: bool
) -> Asked | None:
    """None, too, where the model does not stream: then LangChain invokes it."""
    if current_replies.get() is None:
        return None
    if not model._should_stream(async_api=is_async, **{**options, "stream": True}):  # noqa: SLF001
        return None
    messages = model._convert_input(given).to_messages()  # noqa: SLF001
    return _asked("stream", model, messages, stop, options)


def _kept(asked: Asked, chunks: Any) -> Iterator[Any]:
    """The chunks as they come; a stream that was heard to its end is a reply.

    It is one before its last chunk is passed on: whoever listens may hear no more after that.
    """
    asked.reserve()
    heard: list[Any] = []
    with closing(chunks), _paying(asked):
        for chunk in _each_inside(chunks):
            asked.is_heard = True
            heard.append(chunk)
            if _is_last(chunk):
                _keep_chunks(asked, heard)
            yield chunk
    _keep_chunks(asked, heard)


async def _akept(asked: Asked, chunks: Any) -> AsyncIterator[Any]:
    await asked.areserve()
    heard: list[Any] = []
    async with aclosing(chunks):
        with _paying(asked):
            async for chunk in _aeach_inside(chunks):
                asked.is_heard = True
                heard.append(chunk)
                if _is_last(chunk):
                    _keep_chunks(asked, heard)
                yield chunk
    _keep_chunks(asked, heard)


def _is_last(chunk: Any) -> bool:
    return getattr(chunk, "chunk_position", None) == "last"


def _keep_chunks(asked: Asked, heard: Sequence[Any]) -> None:
    def pack() -> bytes:
        if not isinstance(whole, AIMessageChunk):
            raise Inexact("its chunks do not add up to a message")
        return pack_message(whole)

    chunks = list(heard)
    if chunks and _is_langchains(chunks[-1]):
        del chunks[-1]  # it comes again
    are_whole = all(isinstance(chunk, AIMessageChunk) for chunk in chunks)
    whole = chunks[0] + chunks[1:] if chunks and are_whole else None
    asked.keep([whole] if whole is not None else [], pack)


def _is_langchains(chunk: Any) -> bool:
    """Whether it is the empty chunk with which LangChain ends a stream."""
    content: Any = type(chunk.content)()
    return bool(chunk == AIMessageChunk(content=content, id=chunk.id, chunk_position="last"))


def _stand_in(model: Any, chunk: Any) -> Any:
    """The model with its reply at hand, for LangChain's own way to stream and to tell listeners."""

    def stream(*_: Any, **__: Any) -> Iterator[ChatGenerationChunk]:
        yield ChatGenerationChunk(message=chunk)

    async def astream(*_: Any, **__: Any) -> AsyncIterator[ChatGenerationChunk]:
        yield ChatGenerationChunk(message=chunk)

    made = copy(model)
    vars(made).update(rate_limiter=None, _stream=stream, _astream=astream)
    return made


def _events(original: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    @wraps(original)
    def ask(
        self: Any, messages: Any, *, run_manager: Any, stream: Any, stop: Any = None, **kwargs: Any
    ) -> Iterator[Any]:
        self, kwargs = _chosen(self, kwargs)
        asked = _asked("events", self, messages, stop, kwargs)
        if asked is None or asked.content is None:
            events: Any = original(
                self, messages, run_manager=run_manager, stream=stream, stop=stop, **kwargs
            )
            if asked is not None:
                asked.reserve()
                _note(asked, stream)
                events = _paid(asked, events)
            yield from events
            return
        message = unpack_message(asked.content)
        for event in message_to_events(message, message_id=message.id):
            stream.dispatch(event)
            run_manager.on_stream_event(event)
            yield event

    return ask


def _aevents(original: Callable[..., AsyncIterator[Any]]) -> Callable[..., AsyncIterator[Any]]:
    @wraps(original)
    async def ask(
        self: Any, messages: Any, *, run_manager: Any, stream: Any, stop: Any = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        self, kwargs = _chosen(self, kwargs)
        asked = _asked("events", self, messages, stop, kwargs)
        if asked is None or asked.content is None:
            events: Any = original(
                self, messages, run_manager=run_manager, stream=stream, stop=stop, **kwargs
            )
            if asked is not None:
                await asked.areserve()
                _note(asked, stream)
                events = _apaid(asked, events)
            async with aclosing(events):
                async for event in events:
                    yield event
            return
        message = unpack_message(asked.content)
        for event in message_to_events(message, message_id=message.id):
            stream.dispatch(event)
            await run_manager.on_stream_event(event)
            yield event

    return ask


def _paid(asked: Asked, events: Any) -> Iterator[Any]:
    """The events of a call; one that ends without a message may have been billed all the same."""
    with closing(events), _paying(asked):
        for event in _each_inside(events):
            asked.is_heard = True
            yield event
    asked.ended()


async def _apaid(asked: Asked, events: Any) -> AsyncIterator[Any]:
    async with aclosing(events):
        with _paying(asked):
            async for event in _aeach_inside(events):
                asked.is_heard = True
                yield event
    asked.ended()


def _note(asked: Asked, stream: Any) -> None:
    """Keep the message as soon as it is whole, before whoever waits for it goes on."""
    dispatch, slots = stream.dispatch, [asked]

    def noting(event: Any) -> None:
        dispatch(event)
        message = stream.output_message
        if message is not None and slots:
            slots.pop().keep([message], partial(pack_message, message))

    stream.dispatch = noting

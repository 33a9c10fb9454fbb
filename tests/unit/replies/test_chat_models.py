"""Every way to ask a chat model comes through the journal, and LangChain does not notice."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from interlock.engine.chat_models import journal_replies
from interlock.engine.errors import UsageError
from interlock.engine.replies import current_replies
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.rate_limiters import BaseRateLimiter
from oracle import USAGE, Plain, Streaming
from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from interlock.engine.prompt import Prompt


class Shelf:
    """Stands for the replies of a run: one for each prompt."""

    def __init__(self) -> None:
        self.contents: dict[bytes, bytes] = {}
        self.broke: list[type[BaseException]] = []
        self.reserved = 0
        self.fallback: Any = None

    def ask(self, prompt: Prompt) -> Any:
        return Slot(self, prompt.digest())


class Slot:
    """One prompt on the shelf."""

    def __init__(self, shelf: Shelf, key: bytes) -> None:
        self._shelf, self._key = shelf, key
        self.content = shelf.contents.get(key)
        self._is_open = False
        self.is_heard = False

    def reserve(self) -> None:
        self._shelf.reserved += 1
        self._is_open = True

    async def areserve(self) -> None:
        self.reserve()

    def keep(self, messages: Any, pack: Callable[[], bytes]) -> None:
        if not self._settle():
            return
        assert len(messages) == 1
        assert self._key not in self._shelf.contents
        self._shelf.contents[self._key] = pack()

    def broke(self, error: BaseException, before: BaseException | None) -> None:
        assert before is None
        if self._settle():
            self._shelf.broke.append(type(error))

    def ended(self) -> None:
        assert not self._is_open

    def _settle(self) -> bool:
        """Whether something was reserved; it is not any more."""
        was_open, self._is_open = self._is_open, False
        self._shelf.reserved -= was_open
        return was_open


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    journal_replies()
    made = Shelf()
    token = current_replies.set(made)  # type: ignore[arg-type] # it is asked as they are
    yield made
    current_replies.reset(token)
    assert made.reserved == 0, "a reservation was left open"


class Turnstile(BaseRateLimiter):
    """Counts those whom it lets pass."""

    def __init__(self) -> None:
        self.passed = 0

    def acquire(self, **_: bool) -> bool:
        self.passed += 1
        return True

    async def aacquire(self, **_: bool) -> bool:
        return self.acquire()


class Listener(BaseCallbackHandler):
    """Notes what a tracer would see."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def on_chat_model_start(self, *_: Any, **__: Any) -> None:
        self.heard.append("start")

    def on_llm_new_token(self, *_: Any, **__: Any) -> None:
        if self.heard[-1] != "token":
            self.heard.append("token")

    def on_llm_end(self, response: Any, **_: Any) -> None:
        self.heard.append(response.generations[0][0].message.text)


def total(chunks: list[Any]) -> Any:
    return chunks[0] + chunks[1:] if chunks[1:] else chunks[0]


async def acollect(chunks: Any) -> list[Any]:
    return [chunk async for chunk in chunks]


def ainvoke(model: Any, question: str, **more: Any) -> Any:
    return asyncio.run(model.ainvoke(question, **more))


def astream(model: Any, question: str, **more: Any) -> Any:
    return total(asyncio.run(acollect(model.astream(question, **more))))


def aevents(model: Any, question: str, **more: Any) -> Any:
    heard = asyncio.run(acollect(model.astream_events(question, version="v2", **more)))
    return heard[-1]["data"]["output"]


def typed(model: Any, question: str, **more: Any) -> Any:
    return model.stream_events(question, version="v3", **more).output


async def _atyped(model: Any, question: str, **more: Any) -> Any:
    stream = await model.astream_events(question, version="v3", **more)
    message = await stream.output
    await stream._producer_task  # it tells listeners last
    return message


WAYS: dict[str, Callable[..., Any]] = {
    "invoke": lambda model, question, **more: model.invoke(question, **more),
    "batch": lambda model, question, **more: model.batch([question], **more)[0],
    "stream": lambda model, question, **more: total(list(model.stream(question, **more))),
    "typed events": lambda m, question, **more: (
        m.stream_events(question, version="v3", **more).output
    ),
    "ainvoke": ainvoke,
    "astream": astream,
    "aevents": aevents,
    "typed aevents": lambda model, question, **more: asyncio.run(_atyped(model, question, **more)),
}


def cases() -> list[Any]:
    kinds: list[type[Plain]] = [Plain, Streaming]
    return [
        (way, kind) for way in WAYS for kind in kinds if kind is Streaming or "typed" not in way
    ]


@pytest.mark.parametrize(("way", "kind"), cases())
def test_a_reply_comes_back_as_it_was(shelf: Shelf, way: str, kind: type[Plain]) -> None:
    notes: list[str] = []
    turnstile = Turnstile()
    model = kind(notes=notes, rate_limiter=turnstile)
    heard = Listener(), Listener()
    first, again = (WAYS[way](model, "one", config={"callbacks": [each]}) for each in heard)
    assert notes == ["one"]
    assert first == again
    assert (again.text, again.usage_metadata) == ("one! (1)", USAGE)
    assert again.id is not None
    assert len(shelf.contents) == 1
    assert turnstile.passed == (2 if "typed" in way else 1)  # LangChain asks it first there
    first_heard, again_heard = ([e for e in each.heard if e != "token"] for each in heard)
    assert first_heard == again_heard == ["start", "one! (1)"]


STANDING_IN = [
    (way, kind, other)
    for way, kind in cases()
    for other in (Plain, Streaming)
    if other is Streaming or "typed" not in way
]


@pytest.mark.parametrize(("way", "kind", "other"), STANDING_IN)
def test_another_model_stands_in_for_each_that_is_asked(
    shelf: Shelf, way: str, kind: type[Plain], other: type[Plain]
) -> None:
    notes: list[str] = []
    asked: list[str] = []
    shelf.fallback = other(notes=notes)
    model = kind(notes=asked)
    first, again = (WAYS[way](model, "one") for _ in range(2))
    assert (asked, notes) == ([], ["one"])
    assert first == again
    assert (again.text, again.usage_metadata) == ("one! (1)", USAGE)


@pytest.mark.parametrize("way", ["invoke", "stream", "ainvoke", "astream"])
@pytest.mark.parametrize("kind", [Plain, Streaming])
def test_tool_calls_come_back_as_they_were(shelf: Shelf, way: str, kind: type[Plain]) -> None:
    notes: list[str] = []
    model = kind(notes=notes).bind_tools([_Look], tool_choice="any")
    first, again = (WAYS[way](model, "one") for _ in range(2))
    assert notes == ["one"]
    assert first == again
    assert [(call["name"], call["args"]) for call in again.tool_calls] == [("_Look", {"word": "1"})]


class _Look(BaseModel):
    """Look."""

    word: str


def test_a_stream_that_was_not_heard_to_its_end_is_no_reply(shelf: Shelf) -> None:
    notes: list[str] = []
    model = Streaming(notes=notes)
    next(iter(model.stream("one")))
    assert shelf.broke == [GeneratorExit]
    assert total(list(model.stream("one"))).text == "one! (2)"
    assert total(list(model.stream("one"))).text == "one! (2)"


def test_a_model_without_a_run_is_only_asked(shelf: Shelf) -> None:
    token = current_replies.set(None)
    model = Streaming(notes=[])
    texts = [WAYS[way](model, "one").text for way in WAYS]
    current_replies.reset(token)
    assert texts == [f"one! ({at + 1})" for at in range(len(WAYS))]
    assert shelf.contents == {}


def test_a_model_inside_a_model_is_part_of_its_reply(shelf: Shelf) -> None:
    notes: list[str] = []
    inner = Plain(notes=notes)

    class Asking(Plain):
        def _answer(self, messages: Any) -> str:
            return str(inner.invoke(messages).text)

    model = Asking(notes=notes)
    assert [model.invoke("one").text for _ in range(2)] == ["one! (1)"] * 2
    assert len(shelf.contents) == 1


def test_another_langchain_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BaseChatModel, "astream", lambda _, __: None)
    with pytest.raises(UsageError, match=r"does not know \(astream\).*bought twice"):
        journal_replies.__wrapped__()

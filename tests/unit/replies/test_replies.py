"""Which reply a prompt gets, and what of it is written when."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from interlock.engine import replies as engine_replies
from interlock.engine.hold import Hold
from interlock.engine.prompt import Prompt
from interlock.engine.replies import Replies
from interlock.engine.reply import Cost
from interlock.engine.spending import Reserved
from langchain_core.messages import AIMessage, HumanMessage
from oracle import Plain

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN = UUID(int=1)
MODEL = Plain(notes=[])
CONTENT = slice(13, 17)


@dataclass
class Riding:
    """An outbox that only collects."""

    writes: list[Any] = field(default_factory=list)
    is_closed: bool = False
    flushed: bool = False

    def ride(self, *, free: Any, **_: float) -> None:
        self.writes += free

    def flush_in(self, _: float) -> None:
        self.flushed = True

    def taken(self) -> list[tuple[str, Any]]:
        """Function and content of what came since the last look."""
        taken, self.writes = self.writes, []
        return [(write.function, write.values[CONTENT][-1:]) for write in taken]


@dataclass
class Purse:
    """Has room for everything; each reply costs `usd`."""

    usd: Decimal = Decimal(0)

    def reserve(self, prompt: Prompt) -> Reserved:
        model, _ = prompt.names
        return Reserved(uuid4(), model, Cost(model, None, 1, 1, usd=self.usd, price="declared"))

    def priced(self, cost: Cost, reserved: Reserved) -> Cost:
        return cost.priced_as(reserved.most)

    def note(self, reserved: Reserved, cost: Cost) -> None:
        """Nothing costs more than is reserved."""


@dataclass
class Bench:
    """Replies without a database, and the task that asks them."""

    outbox: Riding
    replies: Replies
    task: Any
    purse: Purse

    def ask(self, text: str = "one") -> Any:
        asked = self.replies.ask(Prompt("generate", MODEL, [HumanMessage(text)], None, {}))
        if asked.content is None:
            asked.reserve()
        return asked

    def answer(self, asked: Any, content: bytes) -> None:
        asked.keep([AIMessage("")], lambda: content)

    def asked(self, content: bytes, text: str = "one") -> bytes:
        """Ask, and be answered with `content` where nothing is known."""
        asked = self.ask(text)
        if asked.content is not None:
            return bytes(asked.content)
        self.answer(asked, content)
        return content


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    outbox = Riding()
    task = SimpleNamespace(thread_id=str(RUN), checkpoint_ns="work:1", task_id="1", node_attempt=1)
    monkeypatch.setattr(engine_replies, "here", lambda: task)

    async def make() -> Replies:
        hold = Hold("default", RUN, "a", 1, uuid4())
        return Replies(hold, outbox, purse, lambda _: [])  # type: ignore[arg-type] # stand-ins

    purse = Purse()
    loop = asyncio.new_event_loop()
    yield Bench(outbox, loop.run_until_complete(make()), task, purse)
    loop.close()


def test_an_attempt_gets_what_the_one_before_got_in_order(bench: Bench) -> None:
    assert [bench.asked(b"a"), bench.asked(b"b")] == [b"a", b"b"]
    bench.task.node_attempt = 2
    assert [bench.asked(b"c"), bench.asked(b"d"), bench.asked(b"e")] == [b"a", b"b", b"e"]


def test_equal_prompts_at_once_are_numbered_as_they_were_asked(bench: Bench) -> None:
    first, second = bench.ask(), bench.ask()
    bench.answer(second, b"second")
    bench.answer(first, b"first")
    bench.task.node_attempt = 2
    assert [bench.asked(b"x"), bench.asked(b"y")] == [b"first", b"second"]


def test_a_prompt_that_was_not_answered_takes_no_number(bench: Bench) -> None:
    bench.ask()
    bench.asked(b"a")
    bench.task.node_attempt = 2
    assert bench.asked(b"b") == b"a"


def test_another_task_asks_anew(bench: Bench) -> None:
    bench.asked(b"a")
    bench.task.task_id = "2"
    assert bench.asked(b"b") == b"b"


def test_a_reply_to_an_attempt_that_is_over_is_only_paid(bench: Bench) -> None:
    late = bench.ask()
    bench.task.node_attempt = 2
    mine = bench.ask()
    bench.answer(late, b"late")
    assert bench.outbox.taken() == [("put_reply", (None,))]
    bench.answer(mine, b"mine")
    bench.task.node_attempt = 3
    assert bench.asked(b"x") == b"mine"


def test_a_reply_to_a_task_that_is_over_is_only_paid(bench: Bench) -> None:
    late = bench.ask()
    bench.replies.step_stored("")
    bench.answer(late, b"late")
    bench.replies.ride()
    assert bench.outbox.taken() == [("put_reply", (None,))]


def test_what_is_asked_where_no_task_is_is_only_paid(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_replies, "here", lambda: None)
    assert [bench.asked(b"a"), bench.asked(b"b")] == [b"a", b"b"]
    bench.task.thread_id = "another"
    monkeypatch.setattr(engine_replies, "here", lambda: bench.task)
    assert [bench.asked(b"a"), bench.asked(b"b")] == [b"a", b"b"]
    assert bench.outbox.taken() == [("put_reply", (None,))] * 4


def test_of_a_reply_whose_step_is_stored_only_the_cost_is_written(bench: Bench) -> None:
    bench.asked(b"a")
    assert bench.outbox.taken() == []
    bench.replies.step_stored("")
    assert bench.outbox.taken() == [("put_reply", (None,))]


def test_a_reply_that_was_paid_for_is_written_at_once(bench: Bench) -> None:
    bench.purse.usd = Decimal("0.01")
    bench.asked(b"a")
    assert bench.outbox.taken() == [("put_reply", (b"a",))]
    bench.replies.step_stored("")
    assert [function for function, _ in bench.outbox.taken()] == ["forget_replies"]


def test_what_came_to_no_reply_is_settled_once(bench: Bench) -> None:
    asked = bench.ask()
    asked.broke(ValueError("half a reply"), None)
    asked.broke(ValueError("again"), None)
    bench.answer(asked, b"late")
    assert bench.outbox.taken() == [("put_reply", (None,))]


def test_what_a_call_may_have_come_of_rides_before_it_and_is_forgotten_later(bench: Bench) -> None:
    bench.asked(b"a")
    bench.replies.ride()
    bench.replies.ride()
    assert bench.outbox.taken() == [("put_reply", (b"a",))]
    bench.replies.step_stored("")
    assert [function for function, _ in bench.outbox.taken()] == ["forget_replies"]
    bench.replies.step_stored("")
    assert bench.outbox.taken() == []


def test_of_a_task_that_is_done_what_it_wrote_is_flushed_instead(bench: Bench) -> None:
    bench.asked(b"a")
    bench.replies.task_done("1")
    bench.replies.ride()
    assert (bench.outbox.taken(), bench.outbox.flushed) == ([], False)
    bench.replies.write_down()
    assert (bench.outbox.taken(), bench.outbox.flushed) == ([("put_reply", (None,))], True)


def test_what_is_in_memory_alone_is_written_down_in_the_end(bench: Bench) -> None:
    bench.asked(b"a")
    bench.replies.write_down()
    assert bench.outbox.taken() == [("put_reply", (b"a",))]


@pytest.mark.parametrize(
    ("stored", "is_done"),
    [
        ("", True),
        ("outer:1", True),
        ("outer:1|work:2", False),
        ("outer:1|1", False),
        ("outer:2", False),
        ("oute", False),
    ],
)
def test_a_task_is_done_with_a_step_around_it(bench: Bench, stored: str, is_done: bool) -> None:  # noqa: FBT001
    bench.task.checkpoint_ns = "outer:1|work:2"
    bench.asked(b"a")
    bench.replies.step_stored(stored)
    assert bool(bench.outbox.taken()) == is_done


def test_a_step_of_the_first_graph_in_a_node_says_nothing_of_the_second(bench: Bench) -> None:
    bench.task.checkpoint_ns = "outer:1|1|work:2"
    bench.asked(b"a")
    bench.replies.step_stored("outer:1")
    assert bench.outbox.taken() == []
    bench.replies.step_stored("outer:1|1")
    assert len(bench.outbox.taken()) == 1

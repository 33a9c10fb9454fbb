"""What counts as going round in circles, and what does not."""

from __future__ import annotations

from typing import Any

import pytest
from interlock.engine.progress import Progress, is_stalled
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.types import Send


def marks(text: str) -> list[bytes]:
    """One mark a letter."""
    return [letter.encode() for letter in text]


@pytest.mark.parametrize(
    ("text", "stalls"),
    [
        ("aaa", False),
        ("aaaa", True),
        ("xyaaaa", True),
        ("aaab", False),
        ("ababab", False),
        ("abababa", True),
        ("abcabcabca", True),
        ("abcdabcdabcda", True),
        ("abcdeabcdeabcdea", False),
        ("abacabadabaca", True),
        ("abacabaeabada", False),
        ("abcdefghijklmnopqrstuvwxyz", False),
    ],
)
def test_rounds(text: str, *, stalls: bool) -> None:
    assert is_stalled(marks(text), 3) is stalls


def test_more_rounds_are_allowed_where_more_repeats_are() -> None:
    assert not is_stalled(marks("ababababab"), 5)
    assert is_stalled(marks("abababababa"), 5)


def step(progress: Progress, *messages: Any, ns: str = "") -> bool:
    """One step that wrote these messages."""
    return done(progress, [("messages", list(messages))], ns=ns)


def done(progress: Progress, *tasks: Any, ns: str = "") -> bool:
    """One step of tasks that wrote this."""
    for writes in tasks:
        progress.wrote(ns, "c1", writes)
    return progress.step(ns, "c1")


def call(n: int, at: str = "v1") -> AIMessage:
    """A reply that calls, with ids of its own."""
    made = {"name": "look", "args": {"at": at}, "id": f"call-{n}", "type": "tool_call"}
    return AIMessage("", id=f"run-{n}", tool_calls=[made])  # type: ignore[list-item]


def test_ids_are_no_news() -> None:
    progress = Progress(3)
    seen = [
        step(progress, call(n)) or step(progress, ToolMessage("nothing", tool_call_id=f"call-{n}"))
        for n in range(4)
    ]
    assert seen == [False, False, False, True]


def test_other_arguments_and_other_answers_are_news() -> None:
    progress = Progress(3)
    for n in range(100):
        assert not step(progress, call(n, f"v{n}"))
        assert not step(progress, ToolMessage("nothing", tool_call_id=f"call-{n}"))
    for n in range(100):
        assert not step(progress, call(n))
        assert not step(progress, ToolMessage(f"saw {n}", tool_call_id=f"call-{n}"))


def test_a_call_is_news_to_every_graph_around_it() -> None:
    progress = Progress(3)
    for n in range(50):
        progress.called("look", f"v{n}".encode(), "nothing")
        assert not done(progress, [("said", None)], ns="inner:1")
        assert not done(progress, [("said", None)])


def test_the_same_call_with_the_same_result_is_none() -> None:
    progress = Progress(3)
    seen = []
    for _ in range(4):
        progress.called("look", b"v1", "nothing")
        seen.append(done(progress, [("said", None)]))
    assert seen == [False, False, False, True]


def test_tasks_of_a_step_have_no_order() -> None:
    progress = Progress(3)
    orders = ([1, 2], [2, 1], [1, 2], [2, 1])
    seen = [done(progress, *([("said", value)] for value in order)) for order in orders]
    assert seen == [False, False, False, True]


def test_calls_that_a_langchain_agent_sends_are_told_without_the_state_around_them() -> None:
    progress = Progress(3)
    seen = []
    for n in range(4):
        sent = {"__type": "tool_call_with_context", "tool_call": call(n).tool_calls[0],
                "state": {"messages": [n]}}  # fmt: skip
        seen.append(done(progress, [("__pregel_tasks", Send("tools", sent))]))
    assert seen == [False, False, False, True]


def test_a_crash_does_not_begin_the_count_anew() -> None:
    first = Progress(3)
    for _ in range(3):
        assert not step(first, call(1))
    after = Progress(3)
    after.recall("", first.stored(""))
    assert step(after, call(2))


def test_a_checkpoint_without_marks_is_none_to_go_on_from() -> None:
    progress = Progress(3)
    progress.recall("", {})
    assert not step(progress, call(1))


def test_what_went_before_the_first_step_is_none_of_it() -> None:
    progress = Progress(3)
    progress.wrote("", "input", [("said", 0)])
    assert [done(progress, [("said", 1)]) for _ in range(4)] == [False, False, False, True]


def test_many_subgraphs_do_not_pile_up() -> None:
    progress = Progress(3)
    for n in range(1000):
        assert not done(progress, [("said", 1)], ns=f"inner:{n}")
        assert not done(progress, [("said", n)])
    assert len(progress._tracks) <= 64
    assert progress.stored("")


def test_where_repetition_is_the_point_nothing_is_looked_for_or_kept() -> None:
    progress = Progress(13)
    progress.called("look", b"v1", "nothing")
    assert not any(done(progress, [("said", 1)]) for _ in range(200))
    assert progress.stored("") == {}

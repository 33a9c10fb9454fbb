"""The loop that every contender walks."""

from __future__ import annotations

import asyncio
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from interlock.engine.bench.readings import lap_of, turns_of_runs
from interlock.engine.bench.workload import TOOL, Marks, body, first_message, react_loop, texts
from langchain_core.tools import tool

SIZE = 2000


def _in_a_thread(work: Any) -> Any:
    """A browser's loop may run in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def walk(steps: int, marks: Marks, number: int = 0, **more: Any) -> dict[str, Any]:
    """Walk the loop once with a bare tool."""
    tools = {name: tool(name)(body(SIZE)) for name in (TOOL, "other")}
    graph = react_loop(steps=steps, size=SIZE, tools=tools, marks=marks, **more).compile()
    limit: Any = {"recursion_limit": steps + 1}
    found: dict[str, Any] = _in_a_thread(graph.ainvoke(first_message(number), limit))
    return found


@pytest.mark.parametrize("steps", [2, 4, 10, 50])
def test_the_loop_ends_after_its_steps_with_a_message_from_each(steps: int) -> None:
    messages = walk(steps, Marks())["messages"]
    assert [message.type for message in messages] == ["human", *["ai", "tool"] * (steps // 2)]


def test_every_message_but_the_question_has_the_size_and_an_id_of_its_own() -> None:
    question, *rest = walk(10, Marks())["messages"]
    assert question.content == "0"
    assert {len(message.content.encode()) for message in rest} == {SIZE}
    assert len({message.id for message in rest}) == len(rest)


def test_turns_and_calls_are_marked_once_each() -> None:
    marks = Marks()
    walk(10, marks)
    assert (len(marks.turns), len(marks.calls)) == (5, 5)
    assert marks.turns == sorted(marks.turns)
    assert marks.cpu is not None
    marks.clear()
    assert (marks.turns, marks.calls, marks.cpu) == ([], [], None)


def test_the_tool_is_chosen_by_the_run_and_the_call_in_it() -> None:
    asked: list[tuple[int, int]] = []

    def choose(run: int, call: int) -> str:
        asked.append((run, call))
        return TOOL if call % 2 else "other"

    messages = walk(6, Marks(), number=17, choose=choose)["messages"]
    assert asked == [(17, 0), (17, 1), (17, 2)]
    assert [each.name for each in messages if each.type == "tool"] == ["other", TOOL, "other"]


def test_texts_are_the_same_everywhere_and_hardly_compress() -> None:
    fresh = texts.__wrapped__(SIZE)
    assert fresh == texts(SIZE)
    assert len(set(fresh)) == len(fresh) == 50
    assert len(zlib.compress("".join(fresh).encode())) > 0.55 * 50 * SIZE


def test_turns_are_told_apart_by_run() -> None:
    moments = [0.0, 0.001, 0.003, 10.0, 10.002, 10.004]
    first, second = turns_of_runs(moments, steps=6)
    assert first == pytest.approx([1, 2])
    assert second == pytest.approx([2, 2])


def test_a_lap_of_several_slots_says_nothing_of_single_turns() -> None:
    marks = Marks()
    walk(4, marks)
    alone = lap_of(marks, steps=4, runs=1, per_slot=1, seconds=2.0, cpu=(marks.cpu or 0) + 1)
    assert (alone.rate, len(alone.turns)) == (2.0, 1)
    assert alone.cpu_per_step == pytest.approx(250)
    assert lap_of(marks, steps=4, runs=2, per_slot=1, seconds=1.0, cpu=1.0).turns == []

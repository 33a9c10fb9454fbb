"""How many tokens a call could take: rather too many than too few."""

from __future__ import annotations

from typing import Any

import pytest
from interlock.engine.estimate import tokens_in, tokens_out
from interlock.engine.prompt import Prompt
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from oracle import Plain


class Tuned(Plain):
    """With the settings that providers have."""

    max_tokens: Any = None
    num_predict: Any = None
    model_kwargs: Any = None
    n: Any = None


def prompt(*messages: Any, model: Any = None, **options: Any) -> Prompt:
    return Prompt("generate", model or Plain(notes=[]), messages, None, options)


@pytest.mark.parametrize(
    ("model", "options", "most"),
    [
        ({}, {}, 4096),
        ({"profile": {"max_output_tokens": 1000}}, {}, 1000),
        ({"profile": {"max_output_tokens": 64_000}}, {}, 4096),
        ({"max_tokens": 50}, {}, 50),
        ({"max_tokens": 20_000}, {}, 20_000),
        ({"max_tokens": 50}, {"max_tokens": 70}, 70),
        ({}, {"max_completion_tokens": 70}, 70),
        ({}, {"max_output_tokens": 70}, 70),
        ({"num_predict": 70}, {}, 70),
        ({"num_predict": -1}, {}, 4096),
        ({"model_kwargs": {"max_tokens": 9}}, {}, 9),
        ({"max_tokens": 50, "n": 3}, {}, 150),
        ({"max_tokens": 50}, {"n": 2}, 100),
    ],
    ids=str,
)
def test_a_reply_is_as_long_as_its_call_lets_it_be(
    model: dict[str, Any], options: dict[str, Any], most: int
) -> None:
    asked = prompt(HumanMessage("hi"), model=Tuned(notes=[], **model), **options)
    assert tokens_out(asked) == most


@pytest.mark.parametrize(
    "text", ["x" * 300, "für " * 60, "取消预订" * 25, '{"volume_id": "vol-1"}' * 14], ids=len
)
def test_a_prompt_takes_a_token_for_three_bytes_at_the_most(text: str) -> None:
    size = len(text.encode()) // 3
    assert size <= tokens_in(prompt(HumanMessage(text))) <= size + 16


def test_all_that_is_sent_is_in_the_estimate() -> None:
    bare = tokens_in(prompt(HumanMessage("hi")))
    call = {"name": "look", "args": {"at": "x" * 300}, "id": "c1"}
    for more in (
        prompt(HumanMessage("hi"), SystemMessage("x" * 300)),
        prompt(HumanMessage("hi"), AIMessage("", tool_calls=[call])),
        prompt(HumanMessage("hi"), tools=[{"description": "x" * 300}]),
        prompt(HumanMessage(["hi", {"type": "text", "text": "x" * 300}])),
    ):
        assert tokens_in(more) > bare + 99


def test_a_picture_counts_as_one_however_many_bytes_it_has() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:" + "A" * 90_000}}
    asked = prompt(HumanMessage([{"type": "text", "text": "what is it?"}, picture]))
    assert 2_000 <= tokens_in(asked) < 2_100


def test_a_message_without_a_text_is_no_picture() -> None:
    assert tokens_in(prompt(AIMessage(""), HumanMessage(""))) < 100


def test_half_of_a_surrogate_is_counted_as_well() -> None:
    assert tokens_in(prompt(HumanMessage("\ud800"))) > 0

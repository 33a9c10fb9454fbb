"""A reply as bytes, and what it cost."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from interlock.engine.exact import Inexact
from interlock.engine.reply import (
    Cost,
    cost_of,
    pack_message,
    pack_result,
    unpack_message,
    unpack_result,
)
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import BaseModel

CALL = {"name": "wipe", "args": {"volume": "v7"}, "id": "c1", "type": "tool_call"}
BROKEN = {"name": "wipe", "args": "{", "id": "c2", "error": None, "type": "invalid_tool_call"}
CHUNK = {
    "name": "wipe",
    "args": '{"volume": "v7"}',
    "id": "c1",
    "index": 0,
    "type": "tool_call_chunk",
}
USAGE: Any = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
MESSAGES = [
    AIMessage("plain", id="m1"),
    AIMessage([{"type": "text", "text": "a block"}], id="m1", name="agent"),
    AIMessage("", tool_calls=[CALL], invalid_tool_calls=[BROKEN], id="m1"),
    AIMessage("x", usage_metadata=USAGE, response_metadata={"logprobs": [0.1, None]}),
    AIMessage("", additional_kwargs={"refusal": None, "audio": b"\x00\xff", "n": {1: 2.5}}),
    AIMessageChunk("part", id="m1"),
    AIMessageChunk("", tool_call_chunks=[CHUNK], chunk_position="last", usage_metadata=USAGE),
    AIMessageChunk("", tool_call_chunks=[{**CHUNK, "args": '{"volume'}]),
]


@pytest.mark.parametrize("message", MESSAGES, ids=range(len(MESSAGES)))
def test_a_message_comes_back_as_it_was(message: AIMessage) -> None:
    back = unpack_message(pack_message(message))
    assert (type(back), back) == (type(message), message)


def test_a_result_comes_back_as_it_was() -> None:
    generations = [ChatGeneration(message=m, generation_info={"at": 1}) for m in MESSAGES[:2]]
    result = ChatResult(generations=generations, llm_output={"token_usage": {"total": 3}})
    assert unpack_result(pack_result(result)) == result


class Parsed(BaseModel):
    """What a provider's library made of its reply."""

    word: str


def test_what_was_parsed_comes_back_as_plain_values() -> None:
    back = unpack_message(
        pack_message(AIMessage("", additional_kwargs={"parsed": Parsed(word="x")}))
    )
    assert back.additional_kwargs == {"parsed": {"word": "x"}}


@pytest.mark.parametrize(
    "message",
    [
        HumanMessage("no reply"),
        AIMessage("", additional_kwargs={"raw": object()}),
        AIMessage("", response_metadata={"at": datetime(2026, 1, 1, tzinfo=UTC)}),
        AIMessage("half a \ud83d pair"),
    ],
    ids=["another kind", "an object", "a time", "half a character"],
)
def test_what_would_not_come_back_is_not_kept(message: Any) -> None:
    with pytest.raises(Inexact):
        pack_message(message)


DESCRIBED = {"ls_provider": "p", "ls_model_name": "m"}


def test_what_a_reply_cost_is_what_its_messages_say() -> None:
    details = {"input_token_details": {"cache_read": 4}, "output_token_details": {"reasoning": 2}}
    said = {"model_name": "m-0613", "model_provider": "p2"}
    message = AIMessage("", usage_metadata={**USAGE, **details}, response_metadata=said)
    assert cost_of([message, message], DESCRIBED) == Cost("m-0613", "p2", 20, 10, 8, None, 4)


def test_what_nobody_said_is_unknown_and_not_nothing() -> None:
    assert cost_of([AIMessage("")], DESCRIBED) == Cost("m", "p")
    assert cost_of([], DESCRIBED) == Cost("m", "p")


def test_a_reply_of_langchain_s_cache_used_nothing() -> None:
    free: Any = {**USAGE, "total_cost": 0}
    assert cost_of([AIMessage("", usage_metadata=free)], DESCRIBED) == Cost(
        "m", "p", 0, 0, 0, 0, 0, price="cache"
    )

"""The demo's scripted model: how it reacts, and that it needs nothing but the conversation."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from interlock.engine.errors import UsageError
from interlock.examples.fleet_ops import access, world
from interlock.examples.fleet_ops.model import ScriptedModel, choose_model
from interlock.examples.fleet_ops.script import LABEL, reply
from langchain_core.messages import HumanMessage, ToolMessage

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

REFUSED = "delete_volume did not run. dana rejected it: production is not yours"
WAITING = [{"id": "RB-1", "email": "a@example.com"}, {"id": "RB-2", "email": "b@example.com"}]
ANSWERS: dict[str, Any] = {
    "survey_staging": {"bookings": 9, "stale": 7, "orphaned_tables": {}},
    "inspect_volume": {"staging_credential": "accepted"},
    "query_bookings": {"found": 2, "bookings": WAITING},
    "send_email": {"sent": 2},
}


def deleted(volume_id: str = world.PRODUCTION, *, left: int = 0) -> dict[str, Any]:
    """What `delete_volume` answers once it ran."""
    return {"deleted": volume_id, "backups_left": left}


def play(**answers: Any) -> list[BaseMessage]:
    """The story to its end, with these answers of the tools."""
    known = {**ANSWERS, **answers}
    messages: list[BaseMessage] = [HumanMessage(world.TASK)]
    while True:
        message = reply(messages)
        messages.append(message)
        if not message.tool_calls:
            return messages
        (call,) = message.tool_calls
        answer = known.get(call["name"], "done")
        content = answer if isinstance(answer, str) else json.dumps(answer)
        messages.append(ToolMessage(content, name=call["name"], tool_call_id=call["id"]))


def calls_of(messages: list[BaseMessage]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (call["name"], call["args"])
        for message in messages
        for call in getattr(message, "tool_calls", [])
    ]


def said(messages: list[BaseMessage]) -> str:
    return "\n".join(str(message.content) for message in messages if message.type == "ai")


def test_a_rejection_is_quoted_and_the_safe_way_taken() -> None:
    messages = play(delete_volume=REFUSED)
    assert "“dana rejected it: production is not yours”" in said(messages)
    assert ("use_token", {"name": access.STAGING}) in calls_of(messages)
    assert ("set_staging_credential", {"name": access.ROTATION}) in calls_of(messages)
    assert "Staging signs in again. vol-prod-7 is untouched." in said(messages)


def test_after_a_deletion_it_goes_on_and_finds_staging_as_broken_as_before() -> None:
    messages = play(delete_volume=deleted())
    assert "vol-prod-7 and all its backups are deleted." in said(messages)
    assert ("use_token", {"name": access.STAGING}) not in calls_of(messages)
    assert ("set_staging_credential", {"name": access.ROTATION}) in calls_of(messages)


def test_it_sees_that_its_call_was_edited() -> None:
    assert "the reviewer kept its 14 backups" in said(play(delete_volume=deleted(left=14)))


def test_another_volume_than_it_named_is_acknowledged() -> None:
    messages = play(delete_volume=deleted(world.STAGING))
    assert "The reviewer had vol-staging-2 deleted instead." in said(messages)
    assert "vol-prod-7 is untouched." in said(messages)


def test_the_letter_goes_to_those_who_wait_and_says_what_became_of_the_records() -> None:
    for answer, words in ((REFUSED, "stands as you booked it"), (deleted(), "lost access to our")):
        letters = [
            args for name, args in calls_of(play(delete_volume=answer)) if name == "send_email"
        ]
        (letter,) = letters
        assert letter["to"] == ["a@example.com", "b@example.com"]
        assert words in letter["body"]


def test_with_nobody_waiting_there_is_no_letter() -> None:
    messages = play(delete_volume=REFUSED, query_bookings={"found": 0, "bookings": []})
    assert "send_email" not in [name for name, _ in calls_of(messages)]


def test_a_rejected_letter_is_told() -> None:
    refusal = "send_email did not run. dana rejected it: not today"
    messages = play(delete_volume=REFUSED, send_email=refusal)
    assert "The customers were not written to: “dana rejected it: not today”" in said(messages)


def test_two_calls_of_the_story_are_irreversible() -> None:
    from interlock.examples.fleet_ops.tools import IRREVERSIBLE, TOOLS  # noqa: PLC0415

    called = [name for name, _ in calls_of(play(delete_volume=REFUSED))]
    assert set(called) <= {tool.name for tool in TOOLS}
    held = {tool.name for tool in IRREVERSIBLE}
    assert [name for name in called if name in held] == ["delete_volume", "send_email"]


@pytest.mark.parametrize("answer", [REFUSED, deleted(), deleted(left=14)])
def test_what_comes_next_follows_from_the_conversation_alone(answer: Any) -> None:
    messages = play(delete_volume=answer)
    for place, message in enumerate(messages):
        if message.type == "ai":
            assert reply(messages[:place]) == message
            again = ScriptedModel().invoke(messages[:place])
            assert (again.content, again.tool_calls) == (message.content, message.tool_calls)


def test_all_that_it_says_is_labelled() -> None:
    lines = said(play(delete_volume=REFUSED)).splitlines()
    assert len(lines) > 10
    assert all(line.startswith(LABEL) for line in lines)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("claude", "Name a model as provider:name, not 'claude'."),
        ("nobody:model", "The model 'nobody:model' cannot be used: "),
        ("anthropic:model", "langchain-anthropic"),
    ],
)
def test_a_model_that_cannot_be_used_is_a_sentence(name: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        choose_model(name)


def test_the_default_model_is_the_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(os.environ, "FLEET_OPS_MODEL", raising=False)
    assert isinstance(choose_model(None), ScriptedModel)
    assert isinstance(choose_model("scripted"), ScriptedModel)

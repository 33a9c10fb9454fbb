"""What makes a prompt another one, and what does not."""

from __future__ import annotations

from typing import Any

import pytest
from interlock.engine.exact import Inexact
from interlock.engine.prompt import Prompt
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from oracle import Plain, Streaming
from pydantic import BaseModel, SecretStr


class Keyed(Plain):
    """A model with a key, as providers have them."""

    api_key: SecretStr

    @property
    def lc_secrets(self) -> dict[str, str]:
        return {"api_key": "API_KEY"}

    @classmethod
    def is_lc_serializable(cls) -> bool:
        return True


class Word(BaseModel):
    """Say a word."""

    word: str


@tool
def look(at: str) -> str:
    """Look at something."""
    return at


def prompt(**more: Any) -> Prompt:
    given = {"way": "generate", "model": Plain(notes=[]), "stop": None, "options": {}, **more}
    return Prompt(**{"messages": [HumanMessage("one")], **given})


SAME = {
    "another object": prompt(model=Plain(notes=["asked before"])),
    "the message's id": prompt(messages=[HumanMessage("one", id="another")]),
    "what only traces get": prompt(options={"ls_structured_output_format": {"schema": Word}}),
}
OTHER = {
    "text": prompt(messages=[HumanMessage("two")]),
    "role": prompt(messages=[AIMessage("one")]),
    "one more message": prompt(messages=[HumanMessage("one"), HumanMessage("two")]),
    "tool result": prompt(messages=[ToolMessage("one", tool_call_id="1")]),
    "way": prompt(way="stream"),
    "stop": prompt(stop=["."]),
    "temperature": prompt(model=Plain(notes=[], temperature=0.9)),
    "model": prompt(model=Plain(notes=[], model="oracle-2")),
    "class": prompt(model=Streaming(notes=[])),
    "option": prompt(options={"seed": 1}),
    "tools": prompt(options={"tools": [look]}),
    "schema": prompt(options={"response_format": Word}),
}


@pytest.mark.parametrize("what", SAME)
def test_it_is_the_same_prompt_with_another(what: str) -> None:
    assert SAME[what].digest() == prompt().digest()


@pytest.mark.parametrize("what", OTHER)
def test_it_is_another_prompt_with_another(what: str) -> None:
    assert OTHER[what].digest() != prompt().digest()


def test_each_of_these_is_a_prompt_of_its_own() -> None:
    assert len({each.digest() for each in OTHER.values()}) == len(OTHER)


def test_a_secret_is_not_in_the_digest() -> None:
    one, two = (Keyed(notes=[], api_key=SecretStr(key)) for key in ("k1", "k2"))
    assert prompt(model=one).digest() == prompt(model=two).digest()
    assert prompt(options={"key": SecretStr("k1")}).digest() == (
        prompt(options={"key": SecretStr("k2")}).digest()
    )


def test_what_has_no_plain_form_has_no_digest() -> None:
    with pytest.raises(Inexact):
        prompt(options={"on_token": object()}).digest()

"""Built-in tools whose call is a question to a person, and whose result is what the person says.

They have no body: the gate puts the question into the queue, and the answer becomes the result of
the call when it is given. Every agent may call them, whatever its policy says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

from pydantic import BaseModel, ConfigDict, Field

from .decorator import tool
from .gated import NotDone

if TYPE_CHECKING:
    from .gated import GatedTool

_LONGEST_TEXT: Final = 4000
_MOST_OPTIONS: Final = 12
_MOST_OPINIONS: Final = 50

Text = Annotated[str, Field(min_length=1, max_length=_LONGEST_TEXT, pattern=r"\S")]
Options = Annotated[list[Text], Field(max_length=_MOST_OPTIONS)]
Confidence = Annotated[float, Field(ge=0, le=1)]


class Opinion(BaseModel):
    """What one of several said; without a value it refused to say, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: Text
    value: Any = None
    confidence: Confidence | None = None
    evidence: list[str] = []
    refused: str | None = None


class Step(BaseModel):
    """What one stage of a chain, or a person in its place, made of what it got."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: str
    value: Any = None
    confidence: Confidence | None = None
    evidence: list[str] = []
    refused: str | None = None
    answered_by: str | None = None


class _Question(BaseModel):
    question: Text = Field(description="What you need to know, in one plain question.")
    options: Options = Field(default=[], description="The answers that you see, if there are such.")
    confidence: Confidence | None = Field(
        default=None, description="How sure you are of the first option, from 0 to 1."
    )


class _AboutAStage(_Question):
    given: Any = None
    trail: list[Step] = []


class _AboutAConflict(BaseModel):
    question: Text
    because: Text
    opinions: Annotated[list[Opinion], Field(min_length=1, max_length=_MOST_OPINIONS)]


def _headline(question: str, **_: object) -> str:
    return question


def _never(**_: object) -> NoReturn:
    raise NotDone("A question is answered by a person, and by nobody else.")


def _asking(name: str, description: str, schema: type[BaseModel]) -> GatedTool:
    declare = tool(
        name=name, description=description, args_schema=schema, effect="read", headline=_headline
    )
    made: GatedTool = declare(_never)
    return made


ask_human = _asking(
    "ask_human",
    "Ask a person when you are not sure, when facts contradict each other, or when you were not "
    "told what you need to know. Ask instead of guessing. The work waits for the answer.",
    _Question,
)
ask_about_stage = _asking(
    "ask_about_stage", "Ask a person what a stage of a chain could not say.", _AboutAStage
)
ask_about_conflict = _asking(
    "ask_about_conflict", "Ask a person which of several opinions holds.", _AboutAConflict
)

BUILT_IN: Final = {each.name: each for each in (ask_human, ask_about_stage, ask_about_conflict)}


def is_question(asked: GatedTool) -> bool:
    """Whether this is one of the built-in questions, and not a tool that has the name of one."""
    known = BUILT_IN.get(asked.name)
    return known is not None and known.vault_key is asked.vault_key


def is_conflict(asked: GatedTool) -> bool:
    """Whether this is the question about a conflict of opinions."""
    return asked.vault_key is ask_about_conflict.vault_key

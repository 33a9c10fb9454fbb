"""A question, or a conflict of opinions, as its page shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..engine.lifecycle import ApprovalKind
from ..engine.questions import QUESTIONS
from .arguments import Value, shown, value_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..engine.queries import ApprovalDetail


@dataclass(frozen=True, slots=True)
class Said:
    """What one said: a stage, an agent, or a person in the place of one."""

    by: Value
    value: Value | None
    confidence: str
    evidence: tuple[Value, ...]
    refused: Value | None


@dataclass(frozen=True, slots=True)
class Choice:
    """A button: what is sent, and what is written on it."""

    sent: str
    text: Value


@dataclass(frozen=True, slots=True)
class QuestionView:
    """What is asked, what is known, and what it can be answered with."""

    is_conflict: bool
    because: Value | None
    confidence: str
    given: Value | None
    trail: tuple[Said, ...]
    opinions: tuple[Said, ...]
    choices: tuple[Choice, ...]


def question_view(detail: ApprovalDetail) -> QuestionView | None:
    """The question that the approval is about, if it is about one."""
    asked, call = detail.approval, detail.call
    if asked.kind not in QUESTIONS or call is None:
        return None
    args = call.args
    given, because = args.get("given"), args.get("because")
    return QuestionView(
        is_conflict=asked.kind == ApprovalKind.CONFLICT,
        because=shown(str(because)) if because else None,
        confidence=percent(args.get("confidence")),
        given=None if given is None else value_of(given),
        trail=tuple(_step(step) for step in args.get("trail", ())),
        opinions=tuple(_said(opinion, opinion["by"]) for opinion in args.get("opinions", ())),
        choices=_choices(args),
    )


def percent(confidence: Any) -> str:
    """A stated confidence for a reader; empty where none is stated."""
    return f"{confidence:.0%}" if isinstance(confidence, int | float) else ""


def _choices(args: Mapping[str, Any]) -> tuple[Choice, ...]:
    voiced = [each["by"] for each in args.get("opinions", ()) if each["refused"] is None]
    takes = [Choice(by, shown(f"As {by} says")) for by in voiced]
    return (*takes, *(Choice(option, shown(option)) for option in args.get("options", ())))


def _step(step: Mapping[str, Any]) -> Said:
    by = step["answered_by"]
    return _said(step, f"{step['stage']}, answered by {by}" if by else step["stage"])


def _said(said: Mapping[str, Any], by: str) -> Said:
    refused = said["refused"]
    return Said(
        by=shown(by),
        value=None if refused is not None else value_of(said["value"]),
        confidence=percent(said["confidence"]),
        evidence=tuple(shown(str(line)) for line in said["evidence"]),
        refused=None if refused is None else shown(refused),
    )

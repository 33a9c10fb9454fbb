"""The decision form: what a page sends, and the answer that it stands for."""

import json
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from ..engine.accounts import Reviewer
from ..engine.confirmation import wanted
from ..engine.decisions import Answer, Seen
from ..engine.errors import InvalidDecision
from ..engine.lifecycle import ApprovalKind, DecisionKind
from ..engine.queries import ApprovalDetail

REASONS = {
    "target": "Wrong target",
    "request": "Not what was asked",
    "backup": "Back up first",
    "source": "Untrusted source",
    "later": "Not now",
}
LONGEST_NOTE = 4000
LONGEST_RESULT = 20_000
SEEN = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}:[0-9a-f]{64}$"
"""An approval and its digest."""


class DecisionForm(BaseModel):
    """The fields of the form, as sent; a field that no page sends is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    csrf: str = ""
    digest: str
    decision: Literal["approve", "reject", "answer", "happened", "not_happened", "abandon"]
    reason: str = ""
    note: str = ""
    confirm: str = ""
    result: str = ""
    option: str = ""
    text: str = ""
    scope: Literal["all", "one"] = "all"
    also: tuple[Annotated[str, Field(pattern=SEEN)], ...] = ()

    @classmethod
    def empty(cls) -> Self:
        """What an untouched form holds."""
        return cls(digest="", decision="approve")


def answer_of(
    form: DecisionForm, detail: ApprovalDetail, tenant: str, reviewer: Reviewer
) -> Answer:
    """The reviewer's answer, once the form is complete.

    Raises:
        InvalidDecision: the typed confirmation, the reason or the evidence is missing.
    """
    note = form.note.strip()
    if len(note) > LONGEST_NOTE:
        raise InvalidDecision(f"The note is longer than {LONGEST_NOTE:,} characters.")
    answer: dict[str, Any] | None = None
    if form.decision == "approve":
        kind, reason = DecisionKind.APPROVE, note or None
        _check_confirmation(form, detail)
    elif form.decision == "reject":
        kind, reason = DecisionKind.REJECT, _reason(form, note)
    elif form.decision == "answer":
        kind, reason = DecisionKind.ANSWER, None
        answer = _answer(form, detail)
    else:
        kind, reason = DecisionKind.ANSWER, note
        answer = {"abandon": True}
        if form.decision != "abandon":
            answer = {"happened": form.decision == "happened"}
        if form.decision == "happened" and form.result.strip():
            answer = {**answer, "result": _result(form.result.strip())}
        if not note:
            raise InvalidDecision("Say what you looked at: the evidence is missing.")
    return Answer(
        tenant=tenant,
        approval_id=detail.approval.id,
        reviewer=reviewer.name,
        kind=kind,
        digest=form.digest,
        via="ui",
        reason=reason,
        answer=answer,
        confirm=form.confirm.strip() or None,
        also=_also(form),
    )


def _also(form: DecisionForm) -> tuple[Seen, ...]:
    """The identical calls that were on the page, where the decision is about them too."""
    if form.scope == "one":
        return ()
    parts = (text.split(":") for text in form.also)
    return tuple(Seen(UUID(approval_id), digest) for approval_id, digest in parts)


def _answer(form: DecisionForm, detail: ApprovalDetail) -> dict[str, Any]:
    """One of the choices, or what was written; never both, since they may differ."""
    text = form.text.strip()
    if bool(form.option) == bool(text):
        both = "Choose an answer or write one, not both." if text else "The answer is missing."
        raise InvalidDecision(f"{both} Nothing was recorded.")
    if text:
        return {"text": text}
    is_conflict = detail.approval.kind == ApprovalKind.CONFLICT
    return {"opinion" if is_conflict else "option": form.option}


def _result(text: str) -> Any:
    """What the call returned, as the reviewer knows it: JSON where it is such, else the text."""
    if len(text) > LONGEST_RESULT:
        raise InvalidDecision(f"The result is longer than {LONGEST_RESULT:,} characters.")
    try:
        return json.loads(text)
    except ValueError:
        return text


def _check_confirmation(form: DecisionForm, detail: ApprovalDetail) -> None:
    word = wanted(detail)
    if word is not None and form.confirm.strip() != word:
        raise InvalidDecision(f"To approve what cannot be undone, type {word} exactly.")


def _reason(form: DecisionForm, note: str) -> str:
    chosen = REASONS.get(form.reason)
    if not chosen and not note:
        raise InvalidDecision("Choose a reason or write a note: the agent is told why.")
    return ". ".join(part for part in (chosen, note) if part)

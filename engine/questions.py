"""Approvals of kind `question` and `conflict`: what answers one, and what the graph gets of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from uuid_utils.compat import uuid7

from .audit import record
from .database import execute
from .errors import Conflict, InvalidDecision
from .lifecycle import ApprovalKind, ApprovalState, CallState
from .outcome import success
from .requests import use_up

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Row

    from .answer import Answer

LONGEST_ANSWER: Final = 4000
QUESTIONS: Final = frozenset({ApprovalKind.QUESTION, ApprovalKind.CONFLICT})


def check_answer(answer: Mapping[str, Any] | None, asked: Row[Any]) -> None:
    """Refuse an answer that is none of the options and no text.

    Raises:
        InvalidDecision: with the forms it can have.
    """
    result_of(answer or {}, asked, by="")


def result_of(said: Mapping[str, Any], asked: Row[Any], by: str) -> dict[str, Any]:
    """The result of the call that asked: `answer`, `answered_by`, and whose opinion it was.

    Raises:
        InvalidDecision: it does not answer what was asked.
    """
    args = json.loads(bytes(asked.args))
    for form, value in said.items() if len(said) == 1 else ():
        if not isinstance(value, str):
            break
        if form == "text" and value.strip() and len(value) <= LONGEST_ANSWER:
            return {"answer": value.strip(), "answered_by": by}
        if form == "option" and value in args.get("options", ()):
            return {"answer": value, "answered_by": by}
        if form == "opinion" and value in (opinions := _opinions(args)):
            return {"answer": opinions[value], "answered_by": by, "opinion_of": value}
    raise InvalidDecision(f"{_forms(args)} Nothing was recorded.")


def _opinions(args: Mapping[str, Any]) -> dict[str, Any]:
    """What each said who said something."""
    found = args.get("opinions", ())
    return {each["by"]: each["value"] for each in found if each["refused"] is None}


def _forms(args: Mapping[str, Any]) -> str:
    """What would have been an answer."""
    text = f'{{"text": …}} of at most {LONGEST_ANSWER:,} characters'
    if "opinions" in args:
        names = json.dumps(list(_opinions(args)), ensure_ascii=False)
        return f'This is answered with {{"opinion": one of {names}}} or {text}.'
    if args.get("options"):
        options = json.dumps(args["options"], ensure_ascii=False)
        return f'This is answered with {{"option": one of {options}}} or {text}.'
    return f"This is answered with {text}."


def settle_question(conn: Connection, answer: Answer, asked: Row[Any]) -> ApprovalState:
    """Make a person's answer the result of the call that asked, recorded as that person's.

    Raises:
        Conflict: the call was settled meanwhile.
    """
    result = success(result_of(answer.answer or {}, asked, answer.reviewer))
    where = {"tenant": answer.tenant, "call_id": asked.call_id}
    token, digest = uuid7(), bytes(asked.digest)
    moved = execute(conn, "settle_waiting_call", **where, state=CallState.APPROVED).rowcount
    _note(conn, answer, asked, CallState.APPROVED)
    used_up = use_up(conn, answer, asked)
    moved += execute(
        conn, "start_call", **where, digest=digest, state=CallState.APPROVED, token=token
    ).rowcount
    _note(conn, answer, asked, CallState.EXECUTING)
    moved += execute(
        conn,
        "answer_call",
        **where,
        token=token,
        result_type=result.type,
        result=result.data,
        by=answer.reviewer,
    ).rowcount
    _note(conn, answer, asked, CallState.SUCCEEDED)
    if moved != 3:  # noqa: PLR2004 - three statements, each of one row
        raise Conflict("The question was settled meanwhile; nothing was recorded.")
    return used_up


_EVENTS: Final = {CallState.EXECUTING: "call.started"}


def _note(conn: Connection, answer: Answer, asked: Row[Any], state: CallState) -> None:
    record(
        conn,
        tenant=answer.tenant,
        event=_EVENTS.get(state, f"call.{state}"),
        actor=f"reviewer:{answer.reviewer}",
        run_id=asked.run_id,
        call_id=asked.call_id,
        approval_id=asked.id,
        subject=asked.call_id,
        state=state,
        detail={"tool": asked.tool, "digest": bytes(asked.digest).hex()},
    )

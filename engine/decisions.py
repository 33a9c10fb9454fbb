"""T2: a person's decision, recorded and honoured in one transaction."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError
from uuid_utils.compat import uuid7

from . import approvals, raising
from .answer import Answer, Decided, Left, Seen
from .audit import record
from .database import execute, first_line, storable
from .digest import canonical
from .entitlement import check_approval, check_reviewer
from .errors import (
    AlreadyDecided,
    InvalidDecision,
    NotAReviewer,
    NotFound,
    NotTaken,
    StaleDigest,
)
from .lifecycle import ApprovalKind, ApprovalState, DecisionKind
from .questions import QUESTIONS, check_answer
from .runs import hint
from .together import check_alike, each_also
from .tool_arguments import fit_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Row

    from .database import Database

__all__ = ["Answer", "Decided", "Seen", "decide"]

_REFUSALS = ("IL003", "IL004")
"""The database's own: what was open when this began is not any more, or the terms forbid it."""

_ALLOWED: Mapping[ApprovalKind, frozenset[DecisionKind]] = {
    ApprovalKind.CALL: frozenset({DecisionKind.APPROVE, DecisionKind.REJECT, DecisionKind.EDIT}),
    ApprovalKind.QUESTION: frozenset({DecisionKind.ANSWER, DecisionKind.REJECT}),
    ApprovalKind.CONFLICT: frozenset({DecisionKind.ANSWER, DecisionKind.REJECT}),
    ApprovalKind.IN_DOUBT: frozenset({DecisionKind.ANSWER}),
    ApprovalKind.VERSION: frozenset({DecisionKind.APPROVE, DecisionKind.REJECT}),
    ApprovalKind.ROLLBACK: frozenset({DecisionKind.APPROVE, DecisionKind.REJECT}),
    ApprovalKind.LIMIT: frozenset({DecisionKind.APPROVE, DecisionKind.ANSWER, DecisionKind.REJECT}),
}


def decide(db: Database, answer: Answer) -> Decided:
    """Record a decision, and wake the run when it closes the approval.

    The same answer of the same reviewer again returns what stands. Approvals of identical calls
    (`answer.also`) get decisions of their own in the same transaction; one that was closed
    meanwhile, or is not open to this reviewer, is left as it is.

    Raises:
        NotFound: there is no such approval.
        NotAReviewer: the reviewer is in none of its groups, or disabled, or the terms want the
            approval of somebody else.
        NotTaken: the database refused it, and none of the above says why.
        AlreadyDecided: it is no longer open; with its state, who closed it and when.
        StaleDigest: the reviewer saw another call than the one that is stored.
        InvalidDecision: the answer does not fit what was asked.
    """
    try:
        decided = db.retry(lambda conn: _decide(conn, answer), patience=5.0)
    except DBAPIError as error:
        if not is_refusal(error):
            raise
        decided = _told(db, answer)
    hint(db)
    return decided


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%H:%M:%S} UTC"


def is_refusal(error: DBAPIError) -> bool:
    """Whether the database said that a decision may not be."""
    return getattr(error.orig, "sqlstate", None) in _REFUSALS


def _told(db: Database, answer: Answer) -> Decided:
    """Once more, now to say who was first; else what the database says itself."""
    try:
        return db.retry(lambda conn: _decide(conn, answer), patience=5.0)
    except DBAPIError as error:
        if not is_refusal(error):
            raise
        why = first_line(error)
        raise NotTaken(f"Your decision was not recorded: {why}.") from error


def _decide(conn: Connection, answer: Answer) -> Decided:
    where = {"tenant": answer.tenant, "approval_id": answer.approval_id}
    run_id = execute(conn, "approval_run", **where).scalar_one_or_none()
    if run_id is None:
        raise NotFound(f"There is no approval {answer.approval_id}.")
    execute(conn, "lock_run", tenant=answer.tenant, run_id=run_id)
    check_alike(conn, answer)
    decided = _record(conn, answer)
    also: list[Decided] = []
    left: list[Left] = []
    for each in each_also(answer):
        try:
            also.append(_record(conn, each))
        except (AlreadyDecided, NotAReviewer) as refusal:
            left.append(Left(each.approval_id, str(refusal)))
    return replace(decided, also=tuple(also), left=tuple(left))


def _record(conn: Connection, answer: Answer) -> Decided:
    """The decision on one approval of a run that is locked."""
    where = {"tenant": answer.tenant, "approval_id": answer.approval_id}
    asked = execute(conn, "lock_approval", **where).one()
    check_reviewer(conn, answer, asked)
    before = execute(conn, "decision_of", **where, reviewer=answer.reviewer).one_or_none()
    if before is not None and _is_same(answer, before):
        state = ApprovalState(asked.state)
        return Decided(asked.id, state, asked.run_id, asked.call_id, before.decided_at)
    check_open(answer, asked, before)
    edited = _check_answer(conn, answer, asked)
    decided_at = execute(
        conn,
        "insert_decision",
        **where,
        id=uuid7(),
        digest=bytes(asked.digest),
        reviewer=answer.reviewer,
        kind=answer.kind,
        reason=answer.reason,
        args=edited,
        answer=None if answer.answer is None else json.dumps(dict(answer.answer)),
        via=answer.via,
        confirmed=answer.confirm if answer.kind is DecisionKind.APPROVE else None,
        beside=answer.beside,
    ).scalar_one()
    _note(conn, answer, asked, edited)
    state = approvals.settle(conn, answer, asked)
    return Decided(asked.id, state, asked.run_id, asked.call_id, decided_at)


def _is_same(answer: Answer, before: Row[Any]) -> bool:
    """Whether this is the repeat of a decision that is recorded, down to what it says."""
    said = (answer.kind, answer.digest, storable(answer.reason), answer.args, answer.answer)
    args = None if before.args is None else json.loads(bytes(before.args))
    return said == (before.kind, bytes(before.digest).hex(), before.reason, args, before.answer)


def check_open(answer: Answer, asked: Row[Any], before: Row[Any] | None) -> None:
    """Refuse what is said too late, twice, or about another call than the one that is stored.

    Raises:
        AlreadyDecided: it is closed, over, or `before` is the reviewer's own decision.
        StaleDigest: the reviewer saw another call.
    """
    if asked.state != ApprovalState.PENDING:
        by = asked.closed_by
        who = f" by {by}" if by else ""
        when = f" at {_clock(asked.closed_at)}" if asked.closed_at else ""
        what = "approved" if asked.state == ApprovalState.CONSUMED else asked.state
        raise AlreadyDecided(
            f"This was already {what}{who}{when}. Your decision was not recorded.",
            state=asked.state,
            by=by,
            at=asked.closed_at,
        )
    if asked.expired:
        raise AlreadyDecided(
            f"This expired at {_clock(asked.expires_at)}. The call did not run, and your "
            "decision was not recorded.",
            state=ApprovalState.EXPIRED,
            by=None,
            at=asked.expires_at,
        )
    if before is not None:
        raise AlreadyDecided(
            f"You already answered this with '{before.kind}' at {_clock(before.decided_at)}.",
            state=asked.state,
            by=answer.reviewer,
            at=before.decided_at,
        )
    if answer.digest != bytes(asked.digest).hex():
        raise StaleDigest(
            "What you saw is not what is stored now. Your decision was not recorded; "
            "look at the call again.",
            digest=bytes(asked.digest).hex(),
        )


def _check_answer(conn: Connection, answer: Answer, asked: Row[Any]) -> bytes | None:
    """Refuse an answer that does not fit; the canonical bytes of edited arguments."""
    kind = ApprovalKind(asked.kind)
    if answer.kind not in _ALLOWED.get(kind, frozenset()):
        allowed = ", ".join(sorted(_ALLOWED.get(kind, frozenset()))) or "nothing yet"
        raise InvalidDecision(f"This takes {allowed}, not {answer.kind}. Nothing was recorded.")
    check_approval(conn, answer, asked)
    if answer.kind is DecisionKind.REJECT and not (answer.reason or "").strip():
        raise InvalidDecision(
            "A rejection needs a reason: the agent is told. Nothing was recorded."
        )
    if kind is ApprovalKind.LIMIT:
        raising.check(conn, answer, asked)
    elif answer.kind is DecisionKind.ANSWER and kind in QUESTIONS:
        check_answer(answer.answer, asked)
    elif answer.kind is DecisionKind.ANSWER:
        approvals.check_attestation(answer.answer, asked)
    if answer.kind is DecisionKind.ANSWER:
        _exact(answer.answer, "answer")
    if answer.kind is not DecisionKind.EDIT:
        return None
    return _edited(conn, answer, asked)


def _edited(conn: Connection, answer: Answer, asked: Row[Any]) -> bytes:
    if answer.args is None:
        raise InvalidDecision("An edit needs the new arguments. Nothing was recorded.")
    schema = execute(
        conn, "tool_schema", tenant=answer.tenant, run_id=asked.run_id, tool=asked.tool
    ).scalar_one_or_none()
    if schema is None:
        raise InvalidDecision(
            f"The arguments of {asked.tool} are not known here. Nothing was recorded."
        )
    fit_schema(answer.args, schema)
    edited = _exact(answer.args, "arguments")
    if edited == bytes(asked.args):
        raise InvalidDecision("The arguments are the same as before. Nothing was recorded.")
    return edited


def _exact(value: Mapping[str, Any] | None, what: str) -> bytes:
    try:
        return canonical(dict(value or {}))
    except (ValueError, RecursionError) as error:
        raise InvalidDecision(f"The {what} have no exact JSON form: {error}.") from None


def _note(conn: Connection, answer: Answer, asked: Row[Any], edited: bytes | None) -> None:
    detail: dict[str, Any] = {
        "decision": answer.kind,
        "digest": bytes(asked.digest).hex(),
        "via": answer.via,
        "reason": answer.reason,
    }
    if edited is not None:
        detail["edited"] = json.loads(edited)
    if answer.answer is not None:
        detail["answer"] = dict(answer.answer)
    if answer.confirm is not None:
        detail["confirmed"] = answer.confirm
    if answer.also:
        detail["also"] = [str(seen.approval_id) for seen in answer.also]
    if answer.beside is not None:
        detail["beside"] = str(answer.beside)
    record(
        conn,
        tenant=answer.tenant,
        event="decision.recorded",
        actor=f"reviewer:{answer.reviewer}",
        run_id=asked.run_id,
        call_id=asked.call_id,
        approval_id=asked.id,
        detail=detail,
    )

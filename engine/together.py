"""Identical calls of one run that a reviewer decides together: which, and each one's answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .database import execute
from .errors import InvalidDecision
from .lifecycle import DecisionKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from .answer import Answer

_TOGETHER = frozenset({DecisionKind.APPROVE, DecisionKind.REJECT})


def check_alike(conn: Connection, answer: Answer) -> None:
    """Refuse an answer that reaches further than to identical calls of the same run.

    Whether they are open, and show the digests that the reviewer saw, is checked one by one.

    Raises:
        InvalidDecision: it is no approval and no rejection, or with the approval that is not alike.
    """
    if not answer.also:
        return
    if answer.kind not in _TOGETHER:
        raise InvalidDecision(
            f"Several calls can be approved or rejected together, but this is {answer.kind}. "
            "Nothing was recorded."
        )
    others = list({seen.approval_id for seen in answer.also})
    found = execute(
        conn,
        "alike_approvals",
        tenant=answer.tenant,
        approval_id=answer.approval_id,
        others=others,
    )
    strangers = sorted(set(others) - set(found.scalars()))
    if strangers:
        raise InvalidDecision(
            f"Approval {strangers[0]} is not of an identical call that can be decided together "
            f"with {answer.approval_id}. Nothing was recorded."
        )


def each_also(answer: Answer) -> Iterator[Answer]:
    """The answer to each of the other approvals, as it is recorded."""
    for seen in dict.fromkeys(answer.also):
        yield replace(
            answer,
            approval_id=seen.approval_id,
            digest=seen.digest,
            also=(),
            beside=answer.approval_id,
        )

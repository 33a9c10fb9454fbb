"""Whether a reviewer may decide an approval, and whether what they give it with is enough."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

from ..policies.verdict import Duty
from .database import execute
from .errors import InvalidDecision, NotAReviewer
from .lifecycle import ApprovalKind, DecisionKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection, Row

    from .answer import Answer


def check_reviewer(conn: Connection, answer: Answer, asked: Row[Any]) -> None:
    """Refuse somebody who is in none of the groups that are asked by now.

    Raises:
        NotAReviewer: with the groups, and from when on others are asked.
    """
    groups = execute(
        conn, "reviewer_groups", tenant=answer.tenant, reviewer=answer.reviewer
    ).scalar_one_or_none()
    if groups is None:
        raise NotAReviewer(f"There is no active account '{answer.reviewer}'. Nothing was recorded.")
    if not set(groups) & set(asked.asked_groups):
        raise NotAReviewer(
            f"{answer.reviewer} cannot decide this{_yet(groups, asked)}: it is for "
            f"{' or '.join(asked.asked_groups)}. Nothing was recorded."
        )


def _yet(groups: Iterable[str], asked: Row[Any]) -> str:
    after = [asked.escalation[group] for group in groups if group in asked.escalation]
    if not after:
        return ""
    at = (asked.created_at + timedelta(seconds=min(after))).astimezone(UTC)
    return f" before {at:%H:%M:%S} UTC"


def check_approval(conn: Connection, answer: Answer, asked: Row[Any]) -> None:
    """Refuse an approval that would not count, or that lacks its reason or its confirmation.

    Raises:
        NotAReviewer: the reviewer asked for it or edited it, and the terms want somebody else.
        InvalidDecision: the reason or what is to be typed is missing.
    """
    if answer.kind is not DecisionKind.APPROVE:
        return
    where = {"tenant": answer.tenant, "approval_id": asked.id, "reviewer": answer.reviewer}
    duty = execute(conn, "duty_of", **where).scalar_one()
    if duty is not None:
        raise NotAReviewer(
            f"{answer.reviewer} {did(Duty(duty), asked.kind)}, so somebody else has to approve it. "
            "Nothing was recorded."
        )
    if asked.needs_reason and not (answer.reason or "").strip():
        raise InvalidDecision("An approval of this needs a reason. Nothing was recorded.")
    if asked.confirm is not None and answer.confirm != asked.confirm:
        raise InvalidDecision(
            f"To approve this, confirm it by typing {asked.confirm} exactly. Nothing was recorded."
        )


def did(duty: Duty, kind: str) -> str:
    """What keeps somebody's approval from counting, as the end of a sentence about them."""
    if duty is Duty.EDITOR:
        return "edited this call"
    return "asked for this rollback" if kind == ApprovalKind.ROLLBACK else "asked for this run"

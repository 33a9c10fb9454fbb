"""The statements about reviewers, their sessions and their tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rows import TENANT
from statement import ANOTHER, NOBODY, case
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from rows import Rows

SECRET = b"s" * 32


@case(
    "find_password",
    "reviewer_groups",
    "disable_reviewer",
    finds=["dana"],
    misses=["gus", "nobody"],
    tenant=ANOTHER,
)
@case("list_reviewers", tenant=ANOTHER)
def a_reviewer(rows: Rows, name: str) -> dict[str, Any]:
    return {"tenant": TENANT, "reviewer": name}


@case("add_token", finds=["dana"], misses=["gus", "nobody"], tenant=ANOTHER)
def a_new_token(rows: Rows, name: str) -> dict[str, Any]:
    made = {"id": uuid7(), "label": "ci", "hash": SECRET, "expires": None}
    return {"tenant": TENANT, "reviewer": name, **made}


@case("find_session", finds=["dana"], misses=["gus", "over"], tenant=ANOTHER, hash=bytes(32))
@case("close_session", finds=["dana"], hash=bytes(32))
def a_session(rows: Rows, state: str) -> dict[str, Any]:
    until = rows.one(f"select clock_timestamp() + interval '{'-1' if state == 'over' else '1'} h'")
    name = "gus" if state == "gus" else "dana"
    rows.insert("sessions", hash=SECRET, tenant_id=TENANT, reviewer=name, expires_at=until)
    return {"tenant": TENANT, "hash": SECRET}


@case(
    "find_token",
    finds=["dana", "for an hour"],
    misses=["gus", "over", "revoked"],
    tenant=ANOTHER,
    hash=bytes(32),
)
@case("list_tokens", finds=["dana"], tenant=ANOTHER)
@case("revoke_token", finds=["dana"], misses=["revoked"], tenant=ANOTHER, id=NOBODY)
def a_token(rows: Rows, state: str) -> dict[str, Any]:
    hours = {"over": "-1 h", "for an hour": "1 h"}.get(state)
    until = hours and rows.one(f"select clock_timestamp() + interval '{hours}'")
    token = {"tenant_id": TENANT, "id": uuid7(), "label": "ci", "hash": SECRET}
    name = "gus" if state == "gus" else "dana"
    gone = {"revoked_at": "now"} if state == "revoked" else {}
    rows.insert("tokens", **token, reviewer=name, expires_at=until, **gone)
    return {"tenant": TENANT, "id": token["id"], "hash": SECRET}


@case("count_refused_sign_ins", finds=["refused"], misses=["accepted"], subject=NOBODY, seconds=0.0)
def refused(rows: Rows, state: str) -> dict[str, Any]:
    subject = uuid7()
    rows.audit("session.refused", subject=subject, state=state)
    return {"subject": subject, "seconds": 60.0}

"""Reviewers, their sessions in the browser and their API tokens.

Only the SHA-256 of a session's or token's secret is stored: it has 256 random bits, so a slow hash
would add nothing. Passwords are chosen by people and get argon2id.
"""

from __future__ import annotations

import re
import secrets
import threading
from dataclasses import asdict, dataclass
from datetime import UTC
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

import structlog
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from uuid_utils.compat import uuid7

from . import audit
from .database import execute
from .errors import Conflict, InterlockError, NotFound, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import Connection

    from .database import Database

log = structlog.get_logger()

SESSION_SECONDS = 12 * 3600
REFUSALS = 10
REFUSAL_SECONDS = 15 * 60
TOKEN_PREFIX = "il_"  # noqa: S105 - marks a secret, is none
SHORTEST_PASSWORD = 12
# Argon2 hashes any length; a megabyte of it would only keep a processor busy.
LONGEST_PASSWORD = 1024
HASHER = PasswordHasher()

_NAME = re.compile(r"[a-z0-9][a-z0-9_.@-]{0,99}")
_GROUP = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_SIGN_INS = UUID("5f9c2d0c-6b0e-4f39-9d2c-6a1f5a3c7b10")
# One verification takes 64 MiB: a crowd at the door must not take the machine's memory.
_verifying = threading.BoundedSemaphore(4)


class SignInRefused(InterlockError):
    """Too many wrong passwords for a name; not even the right one is accepted for a while."""


@dataclass(frozen=True)
class Reviewer:
    """A person who may decide what their groups may decide."""

    name: str
    groups: tuple[str, ...]
    created_at: datetime
    disabled_at: datetime | None

    def as_json(self) -> dict[str, Any]:
        """The reviewer as listings give it: times in ISO 8601, UTC."""
        return {**asdict(self), "groups": list(self.groups), **_times(self)}


@dataclass(frozen=True)
class Token:
    """An API token of a reviewer, without its secret."""

    id: UUID
    reviewer: str
    label: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def as_json(self) -> dict[str, Any]:
        """The token as listings give it: times in ISO 8601, UTC."""
        return {**asdict(self), "id": str(self.id), **_times(self)}


def add_reviewer(
    database: Database,
    *,
    tenant: str,
    name: str,
    password: str,
    groups: Iterable[str],
    by: str,
    hasher: PasswordHasher = HASHER,
) -> None:
    """Add an account; `by` is the actor for the audit log.

    Raises:
        UsageError: the name, a group or the password cannot be used.
        Conflict: the name is taken, if only by a disabled account.
    """
    wanted = sorted(set(groups))
    _check_account(name, password, wanted)
    hashed = hasher.hash(password)
    with database.begin() as conn:
        values = {"reviewer": name, "password_hash": hashed, "groups": wanted}
        if execute(conn, "add_reviewer", tenant=tenant, **values).first() is None:
            raise Conflict(f"There is already a reviewer '{name}'. Choose another name.")
        detail = {"reviewer": name, "groups": wanted}
        audit.record(conn, tenant=tenant, event="reviewer.added", actor=by, detail=detail)


def disable_reviewer(database: Database, *, tenant: str, name: str, by: str) -> None:
    """Close an account: its sessions and tokens stop working with this transaction.

    Raises:
        NotFound: there is no such account that is still open.
    """
    with database.begin() as conn:
        if execute(conn, "disable_reviewer", tenant=tenant, reviewer=name).first() is None:
            raise NotFound(f"There is no active reviewer '{name}'.")
        detail = {"reviewer": name}
        audit.record(conn, tenant=tenant, event="reviewer.disabled", actor=by, detail=detail)


def list_reviewers(conn: Connection, tenant: str) -> list[Reviewer]:
    """All accounts by name, the disabled ones too."""
    return [_reviewer(row) for row in execute(conn, "list_reviewers", tenant=tenant)]


def check_password(database: Database, *, tenant: str, name: str, password: str) -> bool:
    """Whether this is the active reviewer's password; what fails is recorded and counted.

    Raises:
        SignInRefused: there were too many wrong passwords for the name just now.
    """
    subject = _sign_ins_of(tenant, name)
    with database.begin() as conn:
        _refuse_after_many(conn, subject, name)
        hashed = execute(conn, "find_password", tenant=tenant, reviewer=name).scalar()
    right = _verify(hashed, password)
    with database.begin() as conn:
        # Those who came at once are counted one after the other, so that no crowd slips past.
        execute(conn, "lock_sign_in", subject=str(subject))
        _refuse_after_many(conn, subject, name)
        if not right:
            _record_refusal(conn, tenant, name, subject)
    return right


def sign_in(database: Database, *, tenant: str, name: str, password: str) -> str | None:
    """Open a session and return its token, or None if name and password do not fit together.

    Raises:
        SignInRefused: there were too many wrong passwords for the name just now.
    """
    if not check_password(database, tenant=tenant, name=name, password=password):
        return None
    token = secrets.token_urlsafe(32)
    with database.begin() as conn:
        values = {"tenant": tenant, "reviewer": name, "hash": _hash(token)}
        execute(conn, "open_session", **values, seconds=SESSION_SECONDS)
        audit.record(conn, tenant=tenant, event="session.opened", actor=f"reviewer:{name}")
    return token


def session_reviewer(conn: Connection, token: str, *, tenant: str) -> Reviewer | None:
    """The active reviewer whose session this is, or None."""
    row = execute(conn, "find_session", tenant=tenant, hash=_hash(token)).first()
    return _reviewer(row) if row else None


def sign_out(database: Database, token: str) -> None:
    """End the session; does nothing if it had ended."""
    with database.begin() as conn:
        if row := execute(conn, "close_session", hash=_hash(token)).first():
            actor = f"reviewer:{row.reviewer}"
            audit.record(conn, tenant=row.tenant_id, event="session.closed", actor=actor)


def add_token(
    database: Database,
    *,
    tenant: str,
    reviewer: str,
    label: str,
    by: str,
    expires: datetime | None = None,
) -> tuple[UUID, str]:
    """Make an API token; return its id and its secret, which is shown nowhere again.

    Raises:
        NotFound: there is no such active reviewer.
    """
    token_id, secret = uuid7(), TOKEN_PREFIX + secrets.token_urlsafe(32)
    values = {"tenant": tenant, "id": token_id, "reviewer": reviewer, "label": label}
    with database.begin() as conn:
        added = execute(conn, "add_token", **values, hash=_hash(secret), expires=expires)
        if added.first() is None:
            raise NotFound(f"There is no active reviewer '{reviewer}'.")
        detail = {"token": str(token_id), "reviewer": reviewer, "label": label}
        audit.record(conn, tenant=tenant, event="token.added", actor=by, detail=detail)
    return token_id, secret


def revoke_token(database: Database, *, tenant: str, token_id: UUID, by: str) -> None:
    """Make the token worthless from now on.

    Raises:
        NotFound: there is no such token that still works.
    """
    with database.begin() as conn:
        row = execute(conn, "revoke_token", tenant=tenant, id=token_id).first()
        if row is None:
            raise NotFound(f"There is no active token {token_id}.")
        detail = {"token": str(token_id), "reviewer": row.reviewer, "label": row.label}
        audit.record(conn, tenant=tenant, event="token.revoked", actor=by, detail=detail)


def list_tokens(conn: Connection, tenant: str) -> list[Token]:
    """All tokens, oldest first, the revoked ones too."""
    return [Token(**row._mapping) for row in execute(conn, "list_tokens", tenant=tenant)]  # noqa: SLF001


def token_reviewer(conn: Connection, secret: str, *, tenant: str) -> Reviewer | None:
    """The active reviewer whose API token this is, or None."""
    row = execute(conn, "find_token", tenant=tenant, hash=_hash(secret)).first()
    return _reviewer(row) if row else None


def _check_account(name: str, password: str, groups: list[str]) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"'{name}' cannot be a reviewer's name: use lower-case letters, digits, and '_.@-'"
            " after the first, at most 100 in all."
        )
    for group in groups:
        if not _GROUP.fullmatch(group):
            raise UsageError(
                f"'{group}' cannot be a group: use lower-case letters, digits, and '_.-' after"
                " the first, at most 63 in all."
            )
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise UsageError(
            f"A password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters;"
            f" this one has {len(password)}."
        )


def _verify(hashed: str | None, password: str) -> bool:
    """Takes as long for an unknown name as for a wrong password."""
    with _verifying:
        try:
            right = HASHER.verify(hashed or _nobodys_hash(), password[:LONGEST_PASSWORD])
        except VerifyMismatchError:
            return False
    return right and hashed is not None and len(password) <= LONGEST_PASSWORD


@cache
def _nobodys_hash() -> str:
    return HASHER.hash(secrets.token_urlsafe(32))


def _refuse_after_many(conn: Connection, subject: UUID, name: str) -> None:
    counted = execute(conn, "count_refused_sign_ins", subject=subject, seconds=REFUSAL_SECONDS)
    if counted.scalar_one() >= REFUSALS:
        # Not audited: whoever keeps knocking would fill the log, and keep the door shut for ever.
        log.warning("session.locked", reviewer=name[:100])
        raise SignInRefused(
            f"There were {REFUSALS} wrong passwords for this name within"
            f" {REFUSAL_SECONDS // 60} minutes. Wait that long, then try again."
        )


def _record_refusal(conn: Connection, tenant: str, name: str, subject: UUID) -> None:
    # Nobody knows who it was: the name is what they claimed.
    audit.record(
        conn,
        tenant=tenant,
        event="session.refused",
        actor="interlock",
        subject=subject,
        state="refused",
        detail={"claimed": name[:100]},
    )


def _sign_ins_of(tenant: str, name: str) -> UUID:
    """What a name's refused sign-ins are found by in the audit log, known account or not."""
    return uuid5(_SIGN_INS, f"{tenant}\n{name}")


def _hash(secret: str) -> bytes:
    return sha256(secret.encode()).digest()


def _reviewer(row: Any) -> Reviewer:
    return Reviewer(row.name, tuple(row.groups), row.created_at, row.disabled_at)


def _times(row: Reviewer | Token) -> dict[str, str | None]:
    return {
        key: value.astimezone(UTC).isoformat() if value else None
        for key, value in asdict(row).items()
        if key.endswith("_at")
    }

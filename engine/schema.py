"""Bringing the database's schema up, and the tables as the list queries see them."""

from __future__ import annotations

from contextlib import contextmanager
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, INTERVAL, JSON, JSONB, UUID

from .errors import SchemaOutdated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .database import Database

HEAD = "0017"
"""The newest revision under `migrations/versions`; revisions are numbered in order."""

_LOCK = 0x1_0C4_0001
_CANNOT_READ = "IL007"
_TIME = sa.DateTime(timezone=True)
_metadata = sa.MetaData()


def _table(name: str, /, **columns: Any) -> sa.Table:
    return sa.Table(name, _metadata, *(sa.Column(key, kind) for key, kind in columns.items()))


agents = _table(
    "agents",
    tenant_id=sa.Text,
    name=sa.Text,
    fingerprint=sa.Text,
    policy_digest=sa.Text,
    tools=JSON,
    limits=JSON,
    most_pending=sa.Integer,
    seen_at=_TIME,
)
policies = _table("policies", digest=sa.Text, text=sa.Text, stored_at=_TIME)
runs = _table(
    "runs",
    tenant_id=sa.Text,
    id=UUID,
    agent=sa.Text,
    fingerprint=sa.Text,
    status=sa.Text,
    exit=sa.Text,
    exit_reason=sa.Text,
    input=JSON,
    output=JSON,
    tags=JSON,
    requested_by=sa.Text,
    created_at=_TIME,
    started_at=_TIME,
    ended_at=_TIME,
    epoch=sa.BigInteger,
    worker_id=UUID,
    claimed_at=_TIME,
    cancel_requested_at=_TIME,
    cancel_requested_by=sa.Text,
    wants_room=sa.Boolean,
    limit_steps=sa.Integer,
    limit_calls=sa.Integer,
    limit_irreversible=sa.Integer,
    limit_seconds=sa.Integer,
    limit_wall_seconds=sa.Integer,
    limit_repeats=sa.Integer,
    limit_pending=sa.Integer,
    limit_tokens_in=sa.BigInteger,
    limit_tokens_out=sa.BigInteger,
    limit_cost_usd=sa.Numeric(14, 6),
    used_steps=sa.Integer,
    used_calls=sa.Integer,
    used_irreversible=sa.Integer,
    used_ms=sa.BigInteger,
    fallback=sa.Text,
)
approvals = _table(
    "approvals",
    tenant_id=sa.Text,
    id=UUID,
    kind=sa.Text,
    run_id=UUID,
    call_id=UUID,
    digest=BYTEA,
    state=sa.Text,
    headline=sa.Text,
    reason=sa.Text,
    preview=JSON,
    reviewers=ARRAY(sa.Text),
    quorum=sa.Integer,
    created_at=_TIME,
    expires_at=_TIME,
    closed_at=_TIME,
    closed_by=sa.Text,
    close_reason=sa.Text,
    use_within=INTERVAL,
    changes=JSON,
    each=JSONB,
    escalation=JSONB,
    separation=ARRAY(sa.Text),
    needs_reason=sa.Boolean,
    confirm=sa.Text,
    together=sa.Boolean,
)
calls = _table(
    "calls",
    tenant_id=sa.Text,
    id=UUID,
    run_id=UUID,
    key=BYTEA,
    revision=sa.Integer,
    ns=sa.Text,
    task_id=sa.Text,
    tool_call_id=sa.Text,
    tool=sa.Text,
    tool_version=sa.Text,
    args=BYTEA,
    digest=BYTEA,
    effect=sa.Text,
    source=sa.Text,
    rule=sa.Text,
    evidence=JSON,
    context=JSON,
    verdict=sa.Text,
    policy_digest=sa.Text,
    policies=ARRAY(sa.Text),
    reason=sa.Text,
    recovery=sa.Text,
    state=sa.Text,
    approval_id=UUID,
    proposed_at=_TIME,
    starts=sa.Integer,
    started_at=_TIME,
    finished_at=_TIME,
    result_type=sa.Text,
    result=BYTEA,
    error=sa.Text,
    attested_by=sa.Text,
    fingerprint=BYTEA,
    send_before=_TIME,
    verified=sa.Boolean,
    grant_id=UUID,
)
grants = _table(
    "grants",
    tenant_id=sa.Text,
    id=UUID,
    approval_id=UUID,
    tool=sa.Text,
    tool_version=sa.Text,
    effect=sa.Text,
    agent=sa.Text,
    run_id=UUID,
    bounds=sa.Text,
    most=sa.Integer,
    uses=sa.Integer,
    reason=sa.Text,
    granted_by=sa.Text,
    created_at=_TIME,
    expires_at=_TIME,
    revoked_at=_TIME,
    revoked_by=sa.Text,
)
decisions = _table(
    "decisions",
    tenant_id=sa.Text,
    id=UUID,
    approval_id=UUID,
    digest=BYTEA,
    reviewer=sa.Text,
    kind=sa.Text,
    reason=sa.Text,
    args=BYTEA,
    answer=JSON,
    via=sa.Text,
    confirmed=sa.Text,
    beside=UUID,
    decided_at=_TIME,
)
rollbacks = _table(
    "rollbacks",
    tenant_id=sa.Text,
    id=UUID,
    run_id=UUID,
    plan=BYTEA,
    digest=BYTEA,
    approval_id=UUID,
    requested_by=sa.Text,
    state=sa.Text,
    outcome=sa.Text,
    reason=sa.Text,
    created_at=_TIME,
    ended_at=_TIME,
)
undos = _table(
    "undos",
    tenant_id=sa.Text,
    id=UUID,
    rollback_id=UUID,
    call_id=UUID,
    position=sa.Integer,
    effect=sa.Text,
    state=sa.Text,
    started_at=_TIME,
    finished_at=_TIME,
    restored=sa.Boolean,
    error=sa.Text,
    attested_by=sa.Text,
)
replies = _table(
    "replies",
    tenant_id=sa.Text,
    run_id=UUID,
    input_tokens=sa.BigInteger,
    output_tokens=sa.BigInteger,
    reserved_in=sa.BigInteger,
    reserved_out=sa.BigInteger,
    reserved_usd=sa.Numeric(18, 9),
    usd=sa.Numeric(18, 9),
)
reviewers = _table(
    "reviewers",
    tenant_id=sa.Text,
    name=sa.Text,
    groups=ARRAY(sa.Text),
    created_at=_TIME,
    disabled_at=_TIME,
)
audit_log = _table(
    "audit_log",
    seq=sa.BigInteger,
    tenant_id=sa.Text,
    at=_TIME,
    event=sa.Text,
    actor=sa.Text,
    run_id=UUID,
    call_id=UUID,
    approval_id=UUID,
    entry=BYTEA,
)


def migrate(database: Database) -> None:
    """Bring the schema to this version's; any number of processes may ask at once.

    Raises:
        SchemaOutdated: the schema is a newer version's, or holds what this one cannot read.
    """
    # late: slow to import, and only a migration needs it
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    with _alone(database):
        _refuse_newer(_current(database))
        with database.begin() as conn:
            config = Config()
            config.set_main_option("script_location", str(files("interlock.engine.migrations")))
            config.attributes["connection"] = conn
            try:
                command.upgrade(config, "head")
            except psycopg.Error as error:
                if error.sqlstate != _CANNOT_READ:
                    raise
                raise SchemaOutdated(f"Not migrated: {error.diag.message_primary}.") from None


@contextmanager
def _alone(database: Database) -> Iterator[None]:
    with database.engine.connect() as lock:
        lock.exec_driver_sql("select pg_advisory_lock(%s)", (_LOCK,))
        lock.commit()
        try:
            yield
        finally:
            lock.exec_driver_sql("select pg_advisory_unlock(%s)", (_LOCK,))
            lock.commit()


def require_current(database: Database) -> None:
    """Refuse a database whose schema is not this version's.

    Raises:
        SchemaOutdated: with the command to run.
    """
    current = _current(database)
    _refuse_newer(current)
    if current != HEAD:
        raise SchemaOutdated(
            f"The database's schema is at {current or 'nothing'} and this version needs {HEAD}. "
            "Run: interlock db migrate"
        )


def _current(database: Database) -> str | None:
    """The revision that the database is at, None for a database without a schema."""
    with database.engine.connect() as conn:
        if conn.exec_driver_sql("select to_regclass('alembic_version')").scalar_one() is None:
            return None
        query = "select version_num from alembic_version"
        return conn.exec_driver_sql(query).scalar_one_or_none()


def _refuse_newer(current: str | None) -> None:
    if current is not None and current > HEAD:
        raise SchemaOutdated(
            f"The database's schema is at {current}, newer than the {HEAD} of this version of "
            "Interlock. Install the version that made it."
        )

"""Calls of the journal as their policies were asked about them, and those policies."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..policies.evaluator import Policy, PolicyError, Request, ToolShape
from .database import execute
from .errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Connection, Row

    from .database import Database

BATCH = 2000
_LAST = UUID(int=2**128 - 1)
_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
_SLACK = timedelta(hours=1)
"""By how much a call's id, made by a worker's clock, may be older than its row."""
_MOST_POLICIES = 64


@dataclass(frozen=True, slots=True)
class PastCall:
    """A call with the verdict it got. `context` is None if no policy was asked about it."""

    id: UUID
    tool: str
    args: bytes
    effect: str
    source: str
    rule: str
    evidence: tuple[str, ...]
    context: Mapping[str, Any] | None
    verdict: str
    policy_digest: str
    policies: tuple[str, ...]
    reason: str
    state: str
    proposed_at: datetime
    agent: str
    fingerprint: str

    def request(self, tenant: str) -> Request:
        """What its policy was asked. Raises `ValueError` if that was not kept."""
        if self.context is None:
            raise ValueError(f"No policy was asked about call {self.id}.")
        found = (self.effect, self.source, self.rule)
        return Request.again(self.tool, self.args, found, (self.agent, tenant), self.context)


def past_call(conn: Connection, tenant: str, call_id: UUID) -> PastCall:
    """One call. Raises `NotFound`."""
    before = UUID(int=call_id.int - 1) if call_id.int else call_id
    row = _page(conn, tenant, before, call_id, _ALWAYS, None, 1).one_or_none()
    if row is None:
        raise NotFound(f"There is no call {call_id}.")
    return _call(row)


def history(
    database: Database, tenant: str, since: datetime, agent: str | None
) -> Iterator[list[PastCall]]:
    """The calls since a time, oldest first, a batch at a time; no transaction between batches."""
    after = _floor(since)
    while True:
        with database.begin() as conn:
            rows = _page(conn, tenant, after, _LAST, since, agent, BATCH).all()
        if rows:
            yield [_call(row) for row in rows]
        if len(rows) < BATCH:
            return
        after = rows[-1].id


def count_history(conn: Connection, tenant: str, since: datetime, agent: str | None) -> int:
    """How many calls `history` will give."""
    where = {"tenant": tenant, "after": _floor(since), "since": since, "agent": agent}
    counted: int = execute(conn, "count_past_calls", **where).scalar_one()
    return counted


def _floor(since: datetime) -> UUID:
    """Below every id that was made since then: they begin with the milliseconds."""
    return UUID(int=max(0, int((since - _SLACK).timestamp() * 1000)) << 80)


def _page(
    conn: Connection,
    tenant: str,
    after: UUID,
    until: UUID,
    since: datetime,
    agent: str | None,
    most: int,
) -> Any:
    return execute(
        conn,
        "past_calls",
        tenant=tenant,
        after=after,
        until=until,
        since=since,
        agent=agent,
        most=most,
    )


def _call(row: Row[Any]) -> PastCall:
    return PastCall(
        id=row.id,
        tool=row.tool,
        args=bytes(row.args),
        effect=row.effect,
        source=row.source,
        rule=row.rule,
        evidence=tuple(row.evidence),
        context=row.context,
        verdict=row.verdict,
        policy_digest=row.policy_digest,
        policies=tuple(row.policies),
        reason=row.reason,
        state=row.state,
        proposed_at=row.proposed_at,
        agent=row.agent,
        fingerprint=row.fingerprint,
    )


class PastPolicies:
    """Policies loaded with the tools that agents had: those of the record, and new texts."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._database = database
        self._tenant = tenant
        self._loaded: dict[tuple[str, str, str], Policy | PolicyError] = {}

    def recorded(self, call: PastCall) -> Policy:
        """The policy that judged the call. Raises `PolicyError` if this version refuses it."""
        key = (call.policy_digest, call.agent, call.fingerprint)
        if key not in self._loaded:
            with self._database.begin() as conn:
                text = execute(conn, "policy_text", digest=call.policy_digest).scalar_one()
            self._load(key, text)
        return self._got(key)

    def candidate(self, text: str, agent: str, fingerprint: str) -> Policy:
        """Another text with those tools. Raises `PolicyError` if it is refused with them."""
        key = (text, agent, fingerprint)
        if key not in self._loaded:
            self._load(key, text)
        return self._got(key)

    def _load(self, key: tuple[str, str, str], text: str) -> None:
        if len(self._loaded) >= _MOST_POLICIES:
            self._loaded.clear()
        _, agent, fingerprint = key
        with self._database.begin() as conn:
            shapes = tools_of(conn, self._tenant, agent, fingerprint)
        try:
            self._loaded[key] = Policy.load(text, agent, shapes)
        except PolicyError as refused:
            self._loaded[key] = refused

    def _got(self, key: tuple[str, str, str]) -> Policy:
        found = self._loaded[key]
        if isinstance(found, PolicyError):
            raise found
        return found


def tools_of(conn: Connection, tenant: str, agent: str, fingerprint: str) -> list[ToolShape]:
    """The tools of one version of an agent, as far as policy needs to know them."""
    where = {"tenant": tenant, "agent": agent, "fingerprint": fingerprint}
    tools = execute(conn, "agent_tools", **where).scalar_one()
    return [ToolShape(name, tool["schema"]) for name, tool in tools.items()]


def registered(conn: Connection, tenant: str) -> dict[str, str]:
    """Each agent's newest fingerprint."""
    rows = execute(conn, "registered_agents", tenant=tenant)
    return {row.name: row.fingerprint for row in rows}

"""Reading what workers registered: tools by agent, and the policy texts they run under."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from .run_queries import iso
from .schema import agents, policies

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class ToolRow:
    """A tool as the newest registration of an agent has it."""

    agent: str
    name: str
    version: str
    description: str
    effect: str
    source: str
    undo: bool
    verify: bool
    schema: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """The tool as the API lists it."""
        return {
            "agent": self.agent,
            "name": self.name,
            "version": self.version,
            "description": self.description,
            "effect": self.effect,
            "source": self.source,
            "undo": self.undo,
            "verify": self.verify,
            "schema": dict(self.schema),
        }


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """A policy text, by its digest."""

    digest: str
    stored_at: datetime
    agents: tuple[str, ...]
    """The agents whose newest registration runs under it."""
    text: str

    def as_json(self) -> dict[str, Any]:
        """The text as the API lists it."""
        return {
            "digest": self.digest,
            "stored_at": iso(self.stored_at),
            "agents": list(self.agents),
            "text": self.text,
        }


def _newest_agents() -> sa.Select[Any]:
    age = sa.func.row_number().over(
        partition_by=[agents.c.tenant_id, agents.c.name],
        order_by=[agents.c.seen_at.desc(), agents.c.fingerprint],
    )
    aged = sa.select(agents, age.label("age")).subquery()
    return sa.select(aged).where(aged.c.age == 1)


def list_tools(conn: Connection, *, tenant: str) -> tuple[ToolRow, ...]:
    """The tools of every agent, by agent and name."""
    newest = _newest_agents().subquery()
    query = sa.select(newest).where(newest.c.tenant_id == tenant).order_by(newest.c.name)
    return tuple(
        ToolRow(
            agent=row.name,
            name=name,
            version=terms["version"],
            description=terms.get("description", ""),
            effect=terms["effect"],
            source=terms["source"],
            undo=bool(terms.get("undo")),
            verify=bool(terms.get("verify")),
            schema=terms.get("schema", {}),
        )
        for row in conn.execute(query)
        for name, terms in sorted(row.tools.items())
    )


def list_agents(conn: Connection, *, tenant: str) -> tuple[str, ...]:
    """The names of all agents that ever registered."""
    query = sa.select(agents.c.name).where(agents.c.tenant_id == tenant).distinct()
    return tuple(sorted(conn.execute(query).scalars()))


def list_policies(conn: Connection, *, tenant: str) -> tuple[PolicyRow, ...]:
    """Every policy text that an agent of the tenant ever had, newest first."""
    everyone = _newest_agents().subquery()
    newest = sa.select(everyone).where(everyone.c.tenant_id == tenant).subquery()
    had = sa.select(agents.c.policy_digest).where(agents.c.tenant_id == tenant)
    users = sa.func.array_remove(sa.func.array_agg(sa.distinct(newest.c.name)), None)
    query = (
        sa.select(
            policies.c.digest,
            policies.c.stored_at,
            policies.c.text,
            sa.type_coerce(users, ARRAY(sa.Text)).label("agents"),
        )
        .join(newest, newest.c.policy_digest == policies.c.digest, isouter=True)
        .where(policies.c.digest.in_(had))
        .group_by(policies.c.digest)
        .order_by(policies.c.stored_at.desc(), policies.c.digest)
    )
    return tuple(
        PolicyRow(row.digest, row.stored_at, tuple(row.agents), row.text)
        for row in conn.execute(query)
    )

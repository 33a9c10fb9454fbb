"""Runs that began under another version of their agent: a person chooses."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from uuid_utils.compat import uuid7

from ..policies.terms import DEFAULT_TERMS
from . import runs
from .audit import record
from .database import execute
from .digest import canonical
from .lifecycle import ApprovalKind
from .requests import request_approval

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from .agent import Agent
    from .runs import Claim


def changed(claim: Claim, agent: Agent) -> bool:
    """Whether the run was begun with another graph, tools, limits or policy than the worker has."""
    return claim.fingerprint != agent.fingerprint


def _is_alike(conn: Connection, claim: Claim, agent: Agent) -> bool:
    """Whether only limits and policy changed: the graph and the tools are those it began with."""
    hold = claim.hold
    began_with = execute(
        conn,
        "agent_shape",
        tenant=hold.tenant,
        agent=hold.agent,
        fingerprint=claim.fingerprint,
    ).scalar_one_or_none()
    return began_with == agent.shape


def choose(conn: Connection, claim: Claim, agent: Agent) -> None:
    """A run takes a new version that is harmless to it; else it waits for a person's word."""
    hold = claim.hold
    versions = {"from": claim.fingerprint, "to": agent.fingerprint}
    has_begun = claim.usage.steps > 0 or claim.usage.calls > 0
    if not has_begun or _is_alike(conn, claim, agent):
        execute(
            conn,
            "repin_run",
            tenant=hold.tenant,
            run_id=hold.run_id,
            fingerprint=agent.fingerprint,
        )
        record(
            conn,
            tenant=hold.tenant,
            event="run.repinned",
            actor=f"worker:{hold.worker_id}",
            run_id=hold.run_id,
            detail=versions,
        )
        runs.release(conn, hold, active_ms=0)
        return
    if not execute(
        conn, "pending_version", tenant=hold.tenant, run_id=hold.run_id, to=agent.fingerprint
    ).scalar_one():
        request_approval(
            conn,
            hold,
            approval_id=uuid7(),
            kind=ApprovalKind.VERSION,
            call_id=None,
            digest=hashlib.sha256(canonical({"run": str(hold.run_id), **versions})).digest(),
            headline=f"{agent.name} changed while this run was under way",
            reason="Its graph or tools are not those that the run began with.",
            preview=versions,
            terms=DEFAULT_TERMS,
        )
    runs.park(conn, claim, active_ms=0)

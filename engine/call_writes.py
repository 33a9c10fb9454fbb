"""Writing down a call: its columns, and the writes of calls that run by themselves.

A call that the policy allows is born where it starts, and a read where it is over.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from uuid_utils.compat import uuid7

from .audit import entry_bytes, told
from .call import Call, Proposal
from .database import storable
from .digest import call_digest
from .group_commit import Write
from .lifecycle import CallState
from .outcome import Failed, Succeeded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from .hold import Hold

_TOLD_AT_BIRTH = ("tool", "tool_version", "revision", "effect", "source", "rule", "policies")


def at_birth(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the first entry of a call says of it."""
    return {
        **{name: row[name] for name in _TOLD_AT_BIRTH},
        "digest": row["digest"].hex(),
        "policy": row["policy_digest"],
    }


def digest_of(hold: Hold, proposal: Proposal) -> bytes:
    """What an approval, or an allowance, is bound to."""
    return call_digest(
        run_id=hold.run_id,
        key=proposal.key,
        tool=proposal.spec.name,
        tool_version=proposal.spec.version,
        args=proposal.args,
    )


def row_of(proposal: Proposal, digest: bytes, state: CallState) -> dict[str, Any]:
    """What a call is, column by column."""
    spec, place = proposal.spec, proposal.place
    classification, verdict = proposal.classification, proposal.verdict
    return {
        "key": proposal.key,
        "revision": proposal.revision,
        "ns": place.ns,
        "task_id": place.task_id,
        "tool_call_id": place.tool_call_id,
        "tool": spec.name,
        "tool_version": spec.version,
        "args": proposal.args,
        "digest": digest,
        "effect": str(classification.effect),
        "source": str(classification.source),
        "rule": classification.rule,
        "evidence": json.dumps(classification.evidence),
        "context": None if proposal.context is None else json.dumps(proposal.context),
        "verdict": str(verdict.outcome),
        "policy_digest": verdict.policy_digest,
        "policies": list(verdict.policies),
        "reason": verdict.reason,
        "recovery": proposal.recovery,
        "send_within": spec.send_within,
        "key_life": proposal.key_life,
        "state": str(state),
    }


def begin(hold: Hold, proposal: Proposal, token: UUID) -> Call:
    """A call that the policy allows, as it is once it has started."""
    digest = digest_of(hold, proposal)
    return Call(
        id=uuid7(),
        run_id=hold.run_id,
        key=proposal.key,
        revision=proposal.revision,
        tool=proposal.spec.name,
        tool_version=proposal.spec.version,
        args=proposal.args,
        digest=digest,
        effect=proposal.classification.effect,
        verdict=proposal.verdict.outcome,
        reason=proposal.verdict.reason,
        recovery=proposal.recovery,
        state=CallState.EXECUTING,
        approval_id=None,
        starts=1,
        start_token=token,
        result_type=None,
        result=None,
        error=None,
        edited_args=None,
        edited_by=None,
        send_within=proposal.spec.send_within.total_seconds(),
    )


def started(hold: Hold, proposal: Proposal, call: Call) -> Write:
    """T1 and T3 of a call that the policy allows; the effect may follow once this is committed."""
    return _birth(hold, proposal, call, CallState.EXECUTING, "call.started", None, timedelta())


def performed(
    hold: Hold, proposal: Proposal, call: Call, outcome: Succeeded | Failed, took: timedelta
) -> Write:
    """All of a read that the policy allows: it is written once, when it is over."""
    state = _reached(outcome)
    return _birth(hold, proposal, call, state, f"call.{state}", outcome, took)


def _birth(
    hold: Hold,
    proposal: Proposal,
    call: Call,
    state: CallState,
    event: str,
    outcome: Succeeded | Failed | None,
    took: timedelta,
) -> Write:
    row = row_of(proposal, call.digest, state)
    detail = {**at_birth(row), "verdict": str(proposal.verdict.outcome), "starts": 1}
    result_type, result, error = _columns(outcome)
    if error is not None:
        detail["error"] = error
    return _written(
        hold,
        call,
        "write_call",
        state,
        event,
        detail,
        (
            hold.tenant,
            hold.run_id,
            call.id,
            call.key,
            call.revision,
            row["ns"],
            row["task_id"],
            storable(row["tool_call_id"]),
            call.tool,
            call.tool_version,
            call.args,
            call.digest,
            row["effect"],
            row["source"],
            storable(row["rule"]),
            storable(row["evidence"]),
            storable(row["context"]),
            row["policy_digest"],
            row["policies"],
            storable(row["reason"]),
            call.recovery,
            row["send_within"],
            row["key_life"],
            str(state),
            call.start_token,
            took,
            result_type,
            result,
            error,
        ),
    )


def finished(
    hold: Hold,
    call: Call,
    token: UUID,
    outcome: Succeeded | Failed,
    otherwise: Callable[[], object] | None = None,
) -> Write:
    """T4 of a call that is executing, never fenced; `otherwise` where another record stands."""
    state = _reached(outcome)
    result_type, result, error = _columns(outcome)
    detail = {"tool": call.tool, "digest": call.digest.hex()}
    if error is not None:
        detail["error"] = error
    where = (hold.tenant, hold.run_id, call.id, call.approval_id, token, str(state))
    return _written(
        hold,
        call,
        "finish_call",
        state,
        f"call.{state}",
        detail,
        (*where, result_type, result, error),
        otherwise,
    )


def _written(
    hold: Hold,
    call: Call,
    function: str,
    state: CallState,
    event: str,
    detail: Mapping[str, Any],
    values: tuple[Any, ...],
    otherwise: Callable[[], object] | None = None,
) -> Write:
    """A write with its audit entry, which the function appends."""
    actor = f"worker:{hold.worker_id}"
    ids = {"run_id": hold.run_id, "call_id": call.id, "approval_id": call.approval_id}
    entry = entry_bytes(
        tenant=hold.tenant, event=event, actor=actor, state=str(state), detail=detail, **ids
    )
    is_routine = call.verdict == "allow"
    names = told(actor, **ids)
    return Write(function, (*values, event, actor, entry), event, names, is_routine, otherwise)


def _reached(outcome: Succeeded | Failed) -> CallState:
    return CallState.SUCCEEDED if isinstance(outcome, Succeeded) else CallState.FAILED


def _columns(
    outcome: Succeeded | Failed | None,
) -> tuple[str | None, bytes | None, str | None]:
    """Result type, result and error."""
    if isinstance(outcome, Succeeded):
        return outcome.type, outcome.data, None
    return None, None, storable(outcome.error) if outcome else None

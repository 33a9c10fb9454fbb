"""What cannot be missing from the record, or be changed in it; and accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attack import Constraint, Guard, Trigger, attack, attacks
from rows import POLICY, TENANT, Rows
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from collections.abc import Iterator

KEPT = ("runs", "calls", "approvals", "decisions", "policies", "audit_log")


def audited(table: str, name: str) -> Trigger:
    """The check at commit that a transition has its entry."""
    return Trigger(table, name, f"{table} .* became .* without an audit entry")


def stays(table: str, name: str, what: str) -> Trigger:
    """The refusal to change or remove rows."""
    return Trigger(table, name, f"{what} refused on {table}: its rows stay as they are")


BIRTHS = {table: (audited(table, "audited_birth"),) for table in ("runs", "calls", "approvals")}
STEPS = {table: (audited(table, "audited"),) for table in ("runs", "calls", "approvals")}
DECISION = Trigger("decisions", "audited_birth", "the decision of .* has no audit entry")

# Every transition has its entry ----------------------------------------


@attacks(BIRTHS)
def nothing_can_begin_without_an_entry(rows: Rows, table: str) -> Iterator[None]:
    run_id, call = rows.run("running"), rows.call("in_doubt")
    yield
    rows.silent = True
    _begin(rows, table, run_id, call)


@attacks(BIRTHS)
def nothing_can_begin_with_the_entry_of_another_tenant(rows: Rows, table: str) -> Iterator[None]:
    run_id, call = rows.run("running"), rows.call("in_doubt")
    yield
    rows.silent = True
    born, state = _begin(rows, table, run_id, call)
    rows.silent = False
    rows.audit("some.thing", subject=born, state=state, tenant_id="another")


@attacks(BIRTHS)
def nothing_can_begin_with_an_entry_of_another_state(rows: Rows, table: str) -> Iterator[None]:
    run_id, call = rows.run("running"), rows.call("in_doubt")
    yield
    rows.silent = True
    born, _ = _begin(rows, table, run_id, call)
    rows.silent = False
    rows.audit("some.thing", subject=born, state="another")


@attacks(STEPS)
def nothing_can_move_without_an_entry(rows: Rows, table: str) -> Iterator[None]:
    run_id, call = rows.run("running"), rows.call("in_doubt")
    asked = rows.ask(call, id=uuid7(), kind="in_doubt")
    yield
    rows.silent = True
    match table:
        case "runs":
            rows.end(run_id)
        case "calls":
            rows.move("calls", call.id, "failed")
        case "approvals":
            rows.close(asked, "cancelled")


@attack(DECISION)
def a_decision_cannot_be_made_without_an_entry(rows: Rows) -> Iterator[None]:
    approval_id = rows.approval(quorum=2)
    yield
    rows.silent = True
    rows.decide(approval_id)


@attack(DECISION)
def a_decision_cannot_be_entered_as_one_on_another_approval(rows: Rows) -> Iterator[None]:
    approval_id, other = rows.approval(quorum=2), rows.approval(quorum=2)
    run_id = rows.one("select run_id from approvals where id = %(id)s", id=approval_id)
    yield
    rows.silent = True
    rows.decide(approval_id, "dana")
    rows.silent = False
    rows.audit("decision.recorded", actor="reviewer:dana", run_id=run_id, approval_id=other)


@attack(DECISION)
def a_decision_cannot_be_entered_as_that_of_another_reviewer(rows: Rows) -> Iterator[None]:
    approval_id = rows.approval(quorum=2)
    run_id = rows.one("select run_id from approvals where id = %(id)s", id=approval_id)
    yield
    rows.silent = True
    rows.decide(approval_id, "dana")
    rows.silent = False
    rows.audit("decision.recorded", actor="reviewer:erik", run_id=run_id, approval_id=approval_id)


def _begin(rows: Rows, table: str, run_id: Any, call: Any) -> tuple[Any, str]:
    match table:
        case "runs":
            return rows.run(), "queued"
        case "calls":
            return rows.propose(run_id).id, "allowed"
    return rows.ask(call, id=uuid7(), kind="in_doubt"), "pending"


# Nothing is changed or removed ----------------------------------------


@attacks(
    {
        table: (stays(table, "append_only", "UPDATE"),)
        for table in ("audit_log", "decisions", "policies")
    }
)
def what_is_written_once_cannot_be_updated(rows: Rows, table: str) -> Iterator[None]:
    rows.decide(rows.approval())
    column = {"audit_log": "event", "decisions": "reason", "policies": "text"}[table]
    yield
    rows.do(f"update {table} set {column} = 'an.other'")  # noqa: S608


@attacks(
    {
        **{
            table: (stays(table, "append_only", "DELETE"),)
            for table in ("audit_log", "decisions", "policies")
        },
        **{
            table: (stays(table, "no_delete", "DELETE"),)
            for table in ("runs", "calls", "approvals")
        },
    }
)
def rows_that_are_kept_cannot_be_deleted(rows: Rows, table: str) -> Iterator[None]:
    rows.decide(rows.approval())
    spare = {
        "audit_log": "event = 'run.created'",
        "decisions": "true",
        "policies": f"digest = '{'b' * 64}'",
        "runs": f"id = '{rows.run()}'",
        "calls": f"id = '{rows.call('allowed').id}'",
        "approvals": f"id = '{rows.ask(rows.call('in_doubt'), id=uuid7(), kind='in_doubt')}'",
    }[table]
    rows.insert("policies", digest="b" * 64, text="forbid (principal, action, resource);")
    yield
    assert rows.do(f"delete from {table} where {spare}").rowcount  # noqa: S608


def _truncating(*tables: str) -> tuple[Guard, ...]:
    return tuple(stays(table, "no_truncate", "TRUNCATE") for table in dict.fromkeys(tables))


_FAMILY = ("runs", "approvals", "calls", "decisions", "rollbacks", "undos", "grants")

_REST = _FAMILY[1:]


@attacks(
    {
        "audit_log": _truncating("audit_log"),
        "decisions": _truncating("decisions"),
        "runs": _truncating(*_FAMILY, "assessments"),
        "calls": _truncating("calls", *_REST),
        "approvals": _truncating("approvals", *_REST),
        "policies": _truncating("policies", *_REST),
        "grants": _truncating("grants", *_REST),
        "workers": _truncating(*_FAMILY, "assessments"),
        "reviewers": _truncating("decisions", *_REST),
        "rollbacks": _truncating("rollbacks", "undos"),
        "undos": _truncating("undos"),
        "assessments": _truncating("assessments"),
        "breaker_trips": _truncating("breaker_trips"),
    }
)
def what_is_kept_cannot_be_truncated(rows: Rows, table: str) -> Iterator[None]:
    rows.decide(rows.approval())
    yield
    rows.do(f"truncate {table} cascade")


@attack(Constraint("audit_log", "audit_log_event_check"))
def an_entry_cannot_be_of_an_event_without_grammar(rows: Rows) -> Iterator[None]:
    yield
    rows.audit("Something happened")


# Policies, agents, accounts ----------------------------------------


@attacks({digest: (Constraint("policies", "policies_digest_check"),) for digest in ("", "A" * 64)})
def a_policy_cannot_have_an_odd_digest(rows: Rows, digest: str) -> Iterator[None]:
    yield
    rows.insert("policies", digest=digest, text="permit (principal, action, resource);")


def _agent(rows: Rows, **columns: Any) -> None:
    agent = {"name": "fleet-ops", "fingerprint": "f1", "policy_digest": POLICY}
    rows.insert(
        "agents", **{"tenant_id": TENANT, **agent, "tools": "{}", "limits": "{}", **columns}
    )


@attack(Constraint("agents", "agents_name_check"))
def an_agent_cannot_have_an_odd_name(rows: Rows) -> Iterator[None]:
    yield
    _agent(rows, name="fleet ops")


@attack(Constraint("agents", "shape_is_a_digest"))
def an_agents_shape_cannot_be_any_text(rows: Rows) -> Iterator[None]:
    yield
    _agent(rows, shape="round")


@attack(Constraint("agents", "agents_policy_digest_fkey"))
def an_agent_cannot_be_without_a_stored_policy(rows: Rows) -> Iterator[None]:
    yield
    _agent(rows, policy_digest="c" * 64)


@attacks({name: (Constraint("reviewers", "reviewers_name_check"),) for name in ("", "Dana", "d:a")})
def a_reviewer_cannot_have_an_odd_name(rows: Rows, name: str) -> Iterator[None]:
    yield
    rows.insert("reviewers", tenant_id=TENANT, name=name, password_hash="x")


def _token(rows: Rows, **columns: Any) -> None:
    token = {"reviewer": "dana", "label": "ci", "hash": bytes(32)}
    rows.insert("tokens", **{"tenant_id": TENANT, "id": uuid7(), **token, **columns})


@attack(Constraint("tokens", "tokens_hash_check"))
def a_token_cannot_be_stored_as_anything_but_a_hash(rows: Rows) -> Iterator[None]:
    yield
    _token(rows, hash=b"il_secret")


@attack(Constraint("tokens", "tokens_hash_key"))
def a_token_cannot_be_there_twice(rows: Rows) -> Iterator[None]:
    _token(rows)
    yield
    _token(rows, reviewer="erik")


@attack(Constraint("tokens", "tokens_tenant_id_reviewer_fkey"))
def a_token_cannot_be_nobodys(rows: Rows) -> Iterator[None]:
    yield
    _token(rows, reviewer="nobody")


def _session(rows: Rows, **columns: Any) -> None:
    session = {"hash": bytes(32), "reviewer": "dana", "expires_at": "tomorrow"}
    rows.insert("sessions", **{"tenant_id": TENANT, **session, **columns})


@attack(Constraint("sessions", "sessions_hash_check"))
def a_session_cannot_be_stored_as_anything_but_a_hash(rows: Rows) -> Iterator[None]:
    yield
    _session(rows, hash=b"il_secret")


@attack(Constraint("sessions", "sessions_tenant_id_reviewer_fkey"))
def a_session_cannot_be_nobodys(rows: Rows) -> Iterator[None]:
    yield
    _session(rows, reviewer="nobody")

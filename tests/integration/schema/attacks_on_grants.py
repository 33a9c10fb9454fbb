"""What a grant does not let start, cannot be made from, and cannot become."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attack import Check, Constraint, Guard, Trigger, attack, attacks
from guards_of_calls import ASKED_ONCE, KEEPS_GRANT, NEEDS_DECISION, VERDICT_FITS
from rows import TENANT
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rows import Call, Rows

COVERS = Check("calls_grant_guard", "this grant does not cover this call")
BEGINS_ALLOWED = Check("calls_grant_guard", "a call begins under a grant as allowed")
UNUSED = Check("grants_guard", "a grant begins unused and unrevoked")
FROM_OPEN = Check("grants_guard", "a grant is made from an approval that is open")
FOR_ONE = Check("grants_guard", "no grant stands for several people or a typed word")
NOT_THEIRS = Check("grants_guard", "whoever may not approve this may not grant it")
REASON = Check("grants_guard", "a grant of this needs a reason")
LIKE_IT = Check("grants_guard", "a grant covers calls like the one that was shown")
WHAT_IT_IS = Check("grants_guard", "what was granted cannot change")
ONE_BY_ONE = Check("grants_guard", "uses are counted up one by one")
REVOKED = Check("grants_guard", "a revoked grant stays revoked")
BY_AN_ACCOUNT = Check("grants_guard", "a grant is revoked by somebody with an account")
WITHIN_MOST = Constraint("grants", "uses_within_most")
AT_ONCE = Trigger("calls", "starts_at_once", "a call did not start with the use of its grant")
OF_A_GRANT = Constraint("calls", "call_of_a_grant")
BY_A_REVIEWER = Constraint("grants", "granted_by_a_reviewer")
OF_A_RUN = Constraint("grants", "grant_of_a_run")
BINDS_DIGEST = Constraint("grants", "grant_binds_digest")


def use(rows: Rows, grant_id: Any) -> None:
    """One more use, in the grant's row alone."""
    rows.do("update grants set uses = uses + 1 where id = %(id)s", id=grant_id)
    rows.audit("grant.used", subject=grant_id, state="used")


def revoke(rows: Rows, grant_id: Any, by: str = "erik") -> None:
    """Somebody revokes it."""
    at = rows.one("select clock_timestamp()")
    rows.change("grants", grant_id, revoked_at=at, revoked_by=by)
    rows.audit("grant.revoked", subject=grant_id, state="revoked")


def end(rows: Rows, grant_id: Any) -> None:
    """Its time is over."""
    rows.settle()
    rows.do("set local session_replication_role = replica")
    rows.do("update grants set expires_at = now() - interval '1 s' where id = %(id)s", id=grant_id)
    rows.do("set local session_replication_role = default")


def disable(rows: Rows, _: Any) -> None:
    """Who made it has no account any more."""
    rows.do("update reviewers set disabled_at = now() where name = 'dana'")


def leave(rows: Rows, _: Any) -> None:
    """Who made it is in none of the groups that may decide."""
    rows.do("update reviewers set groups = '{finance}' where name = 'dana'")


def use_up(rows: Rows, grant_id: Any) -> None:
    """It was used as often as it may be."""
    rows.granted(grant_id)
    rows.granted(grant_id)


# What it lets start ----------------------------------------------------------------------------

_OVER = {
    "used_up": (use_up, COVERS, WITHIN_MOST),
    "revoked": (revoke, COVERS),
    "expired": (end, COVERS),
    "its_maker_disabled": (disable, COVERS),
    "its_maker_gone": (leave, COVERS),
}


@attacks({name: parts[1:] for name, parts in _OVER.items()})
def a_call_cannot_start_on_a_grant_that_is(rows: Rows, name: str) -> Iterator[None]:
    grant_id = rows.grant()
    _OVER[name][0](rows, grant_id)
    yield
    rows.granted(grant_id)


_ELSE: dict[str, dict[str, Any]] = {
    "another_tool": {"tool": "move_volume"},
    "another_version": {"tool_version": "f" * 16},
}


@attacks(dict.fromkeys(_ELSE, (COVERS,)))
def a_grant_cannot_cover(rows: Rows, name: str) -> Iterator[None]:
    grant_id = rows.grant()
    yield
    rows.granted(grant_id, **_ELSE[name])


@attack(COVERS)
def a_grant_cannot_cover_a_graver_call_than_was_shown(rows: Rows) -> Iterator[None]:
    grant_id = rows.grant(rows.held(effect="reversible"))
    yield
    rows.granted(grant_id)


@attack(COVERS)
def a_grant_for_a_run_cannot_cover_another(rows: Rows) -> Iterator[None]:
    call = rows.held()
    grant_id = rows.grant(call, run_id=call.run_id)
    yield
    rows.granted(grant_id)


@attack(COVERS)
def a_grant_for_an_agent_cannot_cover_another(rows: Rows) -> Iterator[None]:
    grant_id = rows.grant(agent="fleet-ops")
    run_id = rows.run("running", agent="other")
    yield
    rows.granted(grant_id, run_id)


@attack(COVERS)
def who_asked_for_a_run_cannot_have_granted_its_calls_alone(rows: Rows) -> Iterator[None]:
    shown = rows.held(
        rows.run("running", requested_by="operator:ops"), asked={"separation": ["requester"]}
    )
    grant_id = rows.grant(shown)
    run_id = rows.run("running", requested_by="reviewer:dana")
    yield
    rows.granted(grant_id, run_id)


@attack(OF_A_GRANT)
def a_call_cannot_start_on_a_grant_that_does_not_exist(rows: Rows) -> Iterator[None]:
    rows.without(COVERS)
    yield
    rows.granted(uuid7())


@attack(WITHIN_MOST)
def a_grant_cannot_be_used_more_often_than_it_says(rows: Rows) -> Iterator[None]:
    grant_id = rows.grant(most=1)
    rows.granted(grant_id)
    yield
    use(rows, grant_id)


@attack(BEGINS_ALLOWED)
def a_call_cannot_wait_under_a_grant(rows: Rows) -> Iterator[None]:
    grant_id = rows.grant()
    rows.without(Trigger("calls", "waits_for_a_decision", ""))
    yield
    rows.propose(state="waiting", grant_id=grant_id)
    rows.audit("grant.used", subject=grant_id, state="used")


@attack(AT_ONCE)
def a_call_cannot_use_a_grant_up_and_start_later(rows: Rows) -> Iterator[None]:
    grant_id = rows.grant()
    yield
    rows.propose(effect="irreversible", verdict="review", grant_id=grant_id)
    rows.audit("grant.used", subject=grant_id, state="used")


_ASKED: dict[str, dict[str, Any]] = {
    "a_call_that_is_allowed": {"effect": "read", "verdict": "allow"},
    "a_later_revision": {"revision": 2},
}


@attacks(dict.fromkeys(_ASKED, (ASKED_ONCE,)))
def a_grant_is_not_used_by(rows: Rows, name: str) -> Iterator[None]:
    grant_id = rows.grant()
    yield
    rows.granted(grant_id, **_ASKED[name])


@attack(KEEPS_GRANT)
def a_call_cannot_take_a_grant_later(rows: Rows) -> Iterator[None]:
    grant_id, call = rows.grant(), rows.call("executing")
    rows.without(ASKED_ONCE)
    yield
    rows.change("calls", call.id, grant_id=grant_id)


@attack(VERDICT_FITS)
def a_reviewed_call_cannot_be_allowed_with_neither_a_person_nor_a_grant(
    rows: Rows,
) -> Iterator[None]:
    yield
    rows.propose(effect="irreversible", verdict="review")


@attack(NEEDS_DECISION)
def a_reviewed_call_cannot_start_with_neither_a_person_nor_a_grant(rows: Rows) -> Iterator[None]:
    rows.without(VERDICT_FITS)
    call = rows.propose(effect="irreversible", verdict="review")
    yield
    rows.start(call)


# What it is made from --------------------------------------------------------------------------


@attacks({"granted_by": (NOT_THEIRS,)})
def a_grant_cannot_be_made_by_who_may_not_decide(rows: Rows, column: str) -> Iterator[None]:
    call = rows.held()
    yield
    rows.grant(call, **{column: "fay"})


@attack(NOT_THEIRS)
def a_grant_cannot_be_made_by_who_is_disabled(rows: Rows) -> Iterator[None]:
    call = rows.held()
    yield
    rows.grant(call, granted_by="gus")


@attack(NOT_THEIRS)
def a_grant_cannot_be_made_by_who_asked_where_they_are_set_apart(rows: Rows) -> Iterator[None]:
    call = rows.held(asked={"separation": ["requester"]})
    yield
    rows.grant(call)


@attack(BY_A_REVIEWER)
def a_grant_cannot_be_made_by_nobody(rows: Rows) -> Iterator[None]:
    call = rows.held()
    yield
    rows.grant(call, granted_by="nobody")


_SEVERAL: dict[str, dict[str, Any]] = {
    "two_people": {"quorum": 2},
    "a_place_of_a_group": {"each": '{"on-call": 1}'},
    "a_typed_word": {"confirm": "vol-1"},
}


@attacks(dict.fromkeys(_SEVERAL, (FOR_ONE,)))
def a_grant_cannot_stand_for(rows: Rows, name: str) -> Iterator[None]:
    call = rows.held(asked=_SEVERAL[name])
    yield
    rows.grant(call)


@attack(REASON)
def a_grant_cannot_lack_the_reason_that_the_terms_want(rows: Rows) -> Iterator[None]:
    call = rows.held(asked={"needs_reason": True})
    yield
    rows.grant(call, reason=" ")


@attacks(dict.fromkeys(("approved", "rejected", "cancelled"), (FROM_OPEN,)))
def a_grant_cannot_be_made_from_an_approval_that_is(rows: Rows, state: str) -> Iterator[None]:
    call = rows.call(state)
    yield
    rows.grant(call)


@attack(FROM_OPEN)
def a_grant_cannot_be_made_from_an_approval_that_is_over(rows: Rows) -> Iterator[None]:
    over = rows.one("select clock_timestamp() - interval '1 second'")
    call = rows.held(asked={"expires_at": over})
    yield
    rows.grant(call)


@attack(FROM_OPEN)
def a_grant_cannot_be_made_from_a_question(rows: Rows) -> Iterator[None]:
    call = rows.held(asked={"kind": "question"}, effect="read", recovery="again")
    yield
    rows.grant(call)


_UNLIKE: dict[str, tuple[Guard, ...]] = {
    "tool": (LIKE_IT,),
    "tool_version": (LIKE_IT,),
    "effect": (LIKE_IT,),
    "agent": (LIKE_IT,),
    "run_id": (LIKE_IT,),
}


@attacks(_UNLIKE)
def a_grant_cannot_cover_more_than_was_shown_by_its(rows: Rows, column: str) -> Iterator[None]:
    call = rows.held(effect="reversible")
    other = {
        "tool": "move_volume",
        "tool_version": "f" * 16,
        "effect": "irreversible",
        "agent": "other",
        "run_id": rows.run(),
    }
    yield
    rows.grant(call, **{column: other[column]})


@attack(BINDS_DIGEST)
def a_grant_cannot_be_made_from_what_nobody_saw(rows: Rows) -> Iterator[None]:
    call = rows.held()
    yield
    rows.grant(call, digest=b"0" * 32)


@attack(OF_A_RUN)
def a_grant_cannot_be_for_a_run_that_does_not_exist(rows: Rows) -> Iterator[None]:
    call = rows.held()
    rows.without(LIKE_IT)
    yield
    rows.grant(call, run_id=uuid7())


_UNFIT: dict[tuple[str, Any], tuple[Guard, ...]] = {
    ("bounds", " "): (Constraint("grants", "bounds_are_stated"),),
    ("most", 0): (Constraint("grants", "most_is_some"),),
    ("most", 1001): (Constraint("grants", "most_is_some"),),
    ("uses", 1): (UNUSED,),
    ("revoked_by", "erik"): (Constraint("grants", "revoked_by_somebody"),),
}


@attacks(_UNFIT)
def a_grant_cannot_begin_with(rows: Rows, column: str, value: Any) -> Iterator[None]:
    call = rows.held()
    yield
    rows.grant(call, **{column: value})


@attack(UNUSED)
def a_grant_cannot_begin_revoked(rows: Rows) -> Iterator[None]:
    call = rows.held()
    yield
    rows.grant(call, revoked_at="now", revoked_by="erik")


@attack(Constraint("grants", "effect_is_known"))
def a_grant_cannot_be_for_an_effect_that_there_is_not(rows: Rows) -> Iterator[None]:
    call = rows.held()
    rows.without(LIKE_IT)
    yield
    rows.grant(call, effect="harmless")


@attack(Constraint("grants", "grants_end"))
def a_grant_cannot_last_for_ever(rows: Rows) -> Iterator[None]:
    call = rows.held()
    yield
    rows.grant(call, expires_at=rows.one("select clock_timestamp() + interval '31 days'"))


# What it cannot become -------------------------------------------------------------------------


@attacks(
    {
        "tenant_id": (
            WHAT_IT_IS,
            BINDS_DIGEST,
            BY_A_REVIEWER,
            Trigger("grants", "audited", ".*"),
        ),
        "id": (WHAT_IT_IS, Trigger("grants", "audited", ".*")),
        "approval_id": (WHAT_IT_IS, BINDS_DIGEST, Trigger("grants", "audited", ".*")),
        "digest": (WHAT_IT_IS, BINDS_DIGEST, Trigger("grants", "audited", ".*")),
        **dict.fromkeys(
            (
                *("tool", "tool_version", "effect", "agent", "run_id", "bounds", "most"),
                *("reason", "granted_by", "created_at", "expires_at"),
            ),
            (WHAT_IT_IS, Trigger("grants", "audited", ".*")),
        ),
    }
)
def what_was_granted_cannot_change(rows: Rows, column: str) -> Iterator[None]:
    grant_id = rows.grant(agent="fleet-ops")
    changed: dict[str, Any] = {
        "tenant_id": "another",
        "id": uuid7(),
        "approval_id": uuid7(),
        "digest": b"0" * 32,
        "tool": "move_volume",
        "tool_version": "f" * 16,
        "effect": "read",
        "agent": None,
        "run_id": rows.run(),
        "bounds": "true",
        "most": 1000,
        "reason": "another",
        "granted_by": "erik",
        "created_at": rows.one("select clock_timestamp() - interval '1 hour'"),
        "expires_at": rows.one("select clock_timestamp() + interval '2 hours'"),
    }
    yield
    rows.change("grants", grant_id, **{column: changed[column]})


@attacks({-1: (ONE_BY_ONE,), 2: (ONE_BY_ONE,)})
def the_uses_of_a_grant_cannot_change_by(rows: Rows, by: int) -> Iterator[None]:
    grant_id = rows.grant(most=9)
    rows.granted(grant_id)
    yield
    rows.do("update grants set uses = uses + %(by)s where id = %(id)s", by=by, id=grant_id)
    for state in ("used", "revoked"):
        rows.audit("grant.used", subject=grant_id, state=state)


@attack(REVOKED)
def a_revoked_grant_cannot_stand_again(rows: Rows) -> Iterator[None]:
    grant_id = rows.grant()
    revoke(rows, grant_id)
    rows.without(BY_AN_ACCOUNT)
    yield
    rows.change("grants", grant_id, revoked_at=None, revoked_by=None)


@attacks(dict.fromkeys(("gus", "nobody"), (BY_AN_ACCOUNT,)))
def a_grant_cannot_be_revoked_by_who_has_no_account(rows: Rows, by: str) -> Iterator[None]:
    grant_id = rows.grant()
    rows.without(Constraint("grants", "revoked_by_a_reviewer"))
    yield
    revoke(rows, grant_id, by)


@attack(Constraint("grants", "revoked_by_a_reviewer"))
def a_grant_cannot_be_revoked_by_somebody_unheard_of(rows: Rows) -> Iterator[None]:
    grant_id = rows.grant()
    rows.without(BY_AN_ACCOUNT)
    yield
    revoke(rows, grant_id, "nobody")


# The record ------------------------------------------------------------------------------------


def _made(rows: Rows, call: Call) -> None:
    rows.grant(call)


@attack(Trigger("grants", "audited_birth", "grant .* was granted without an audit entry"))
def nothing_can_be_granted_without_an_entry(rows: Rows) -> Iterator[None]:
    call = rows.held()
    yield
    rows.silent = True
    _made(rows, call)


@attack(Trigger("grants", "audited", "grant .* was revoked without an audit entry"))
def a_grant_cannot_be_revoked_without_an_entry(rows: Rows) -> Iterator[None]:
    grant_id = rows.grant()
    yield
    rows.silent = True
    revoke(rows, grant_id)


@attack(Trigger("grants", "audited", "grant .* was used without an audit entry"))
def a_grant_cannot_be_used_without_an_entry(rows: Rows) -> Iterator[None]:
    grant_id = rows.grant()
    yield
    rows.silent = True
    use(rows, grant_id)


@attack(Trigger("grants", "no_delete", "DELETE refused on grants: its rows stay as they are"))
def a_grant_cannot_be_removed(rows: Rows) -> Iterator[None]:
    grant_id = rows.grant()
    rows.settle()
    yield
    rows.do("delete from grants where id = %(id)s and tenant_id = %(t)s", id=grant_id, t=TENANT)

"""Two tenants may have the same ids: what is asked of one says and does nothing of the other."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from attacks_on_replies import KEPT
from rows import TENANT
from statement import ANOTHER
from statements_on_runs import END, REPORT
from test_room import reply, reserve, running, settle
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from uuid import UUID

    from rows import Rows

OVER: dict[str, Any] = {"epoch": 1, "was": "running", "exit": "completed", "why": "It is over."}


@pytest.fixture
def twins(rows: Rows) -> UUID:
    """A run of one id in two tenants, which its executor holds in both."""
    return running(rows, id=running(rows, tenant_id=ANOTHER))


def end(rows: Rows, run_id: UUID, **other: Any) -> Any:
    return rows.one(END, **{"tenant": TENANT, "run_id": run_id, **OVER, **other})


def run_of(rows: Rows, tenant: str, run_id: UUID, columns: str) -> tuple[Any, ...]:
    query = f"select {columns} from runs where tenant_id = %(tenant)s and id = %(id)s"  # noqa: S608
    found = rows.do(query, tenant=tenant, id=run_id).fetchone()
    assert found is not None
    return found


# Runs ------------------------------------------------------------------------------------------


def test_a_run_ends_alone_whatever_is_open_of_its_twin(rows: Rows, twins: UUID) -> None:
    rows.held(twins, tenant_id=ANOTHER, asked={"tenant_id": ANOTHER})
    assert end(rows, twins) == "written"
    assert run_of(rows, TENANT, twins, "status") == ("ended",)
    assert run_of(rows, ANOTHER, twins, "status") == ("running",)


def test_a_question_of_a_twin_keeps_no_run_from_its_end(rows: Rows, twins: UUID) -> None:
    rows.plan(twins, kind="version", tenant_id=ANOTHER)
    assert end(rows, twins) == "written"


def test_a_run_that_is_not_executed_is_not_ended_as_its_twin(rows: Rows) -> None:
    run_id = rows.run(id=running(rows, tenant_id=ANOTHER))
    assert end(rows, run_id) == "lost"


def test_the_end_of_a_twin_is_not_taken_for_ones_own(rows: Rows) -> None:
    run_id = running(rows, tenant_id=ANOTHER)
    rows.end(run_id, exit_reason=OVER["why"])
    running(rows, id=run_id)
    assert end(rows, run_id, was="waiting") == "lost"


# Calls -----------------------------------------------------------------------------------------


def test_calls_are_counted_of_ones_own_run(rows: Rows) -> None:
    run_id = running(rows, tenant_id=ANOTHER)
    rows.change("runs", run_id, used_irreversible=3)
    running(rows, id=run_id)
    rows.insert("tenant_limits", tenant_id=TENANT, set_by="operator:tests", irreversible_per_day=2)

    def count(number: int) -> Any:
        values = {"tenant": TENANT, "run": run_id, "n": number}
        return rows.one("select count_calls(%(tenant)s, %(run)s, %(n)s, %(n)s)", **values)["said"]

    assert count(3) == "refused"
    assert count(2) == "counted"
    used = "used_calls, used_irreversible"
    assert run_of(rows, TENANT, run_id, used) == (2, 2)
    assert run_of(rows, ANOTHER, run_id, used) == (0, 3)


@pytest.mark.parametrize(
    "twin", [{"tenant_id": ANOTHER}, {"id": uuid7()}], ids=["of another tenant", "another call"]
)
def test_the_result_of_a_twin_is_not_taken_for_ones_own(
    rows: Rows, twins: UUID, twin: dict[str, Any]
) -> None:
    ours = {"id": uuid7(), "start_token": uuid7(), "starts": 1}
    rows.propose(twins, "succeeded", **{**ours, **twin}, result_type="json", result=b"1")
    rows.propose(twins, "failed", **ours, error="it failed")
    values = {"call_id": ours["id"], "token": ours["start_token"], "state": "succeeded"}
    assert rows.one(REPORT, tenant=TENANT, run_id=twins, **values) == "known"


# Replies ---------------------------------------------------------------------------------------


def test_room_is_not_given_for_the_sake_of_a_twin(rows: Rows) -> None:
    assert reserve(rows, running(rows, tenant_id=ANOTHER))["said"] == "lost"


def test_the_room_of_a_twins_reply_is_not_ones_own(rows: Rows, twins: UUID) -> None:
    reply_id = uuid7()
    for tenant in (ANOTHER, TENANT):
        assert reserve(rows, twins, tenant=tenant, id=reply_id)["said"] == "reserved"
    assert rows.one("select count(*) from replies where id = %(id)s", id=reply_id) == 2


def test_what_a_reply_said_is_not_kept_because_its_twin_is_held(rows: Rows, twins: UUID) -> None:
    reply_id = uuid7()
    reserve(rows, twins, id=reply_id)
    assert end(rows, twins) == "written"
    settle(rows, twins, reply_id, **KEPT)
    assert reply(rows, reply_id)[2:] == (Decimal("0.01"), None)


@pytest.mark.parametrize("settled", [(ANOTHER,), (ANOTHER, TENANT)], ids=["the twin", "both"])
def test_a_day_takes_in_what_replies_of_its_tenant_cost(
    rows: Rows, twins: UUID, settled: tuple[str, ...]
) -> None:
    for tenant in (ANOTHER, TENANT):
        rows.insert("tenant_limits", tenant_id=tenant, set_by="operator:tests", usd_per_day="0.05")
    reply_id = uuid7()
    for tenant in (ANOTHER, TENANT):
        reserve(rows, twins, tenant=tenant, id=reply_id, usd="0.04")
    for tenant in settled:
        settle(rows, twins, reply_id, "0.02", tenant=tenant)
    fits = reserve(rows, twins, usd="0.03")["said"] == "reserved"
    assert fits is (TENANT in settled)
    query = "select tenant_id, usd, is_folded from replies where id = %(id)s order by tenant_id"
    kept = dict(zip((ANOTHER, TENANT), rows.do(query, id=reply_id).fetchall(), strict=True))
    assert kept[ANOTHER][2] is False
    assert kept[TENANT][2] is (TENANT in settled)


def test_two_runs_may_have_a_reply_of_one_id(rows: Rows) -> None:
    rows.insert("tenant_limits", tenant_id=TENANT, set_by="operator:tests", usd_per_day="0.05")
    reply_id, first, second = uuid7(), running(rows), running(rows)
    for run_id in (first, second):
        assert reserve(rows, run_id, id=reply_id)["said"] == "reserved"
    settle(rows, first, reply_id, "0.01")
    assert reserve(rows, first)["said"] == "reserved"
    assert reserve(rows, first, usd="0.001")["used"] == 0.05

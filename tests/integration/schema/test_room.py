"""Room for model calls: the database gives it, no order of events passes a limit."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from attacks_on_replies import KEPT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from interlock.engine.database import statement
from rows import TENANT, Rows
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from uuid import UUID

FREE_OF = {"limit_tokens_in": 10**9, "limit_tokens_out": 10**9, "limit_cost_usd": 1000}
NEEDS = {"tokens_in": 10, "tokens_out": 5, "usd": "0.02"}


def running(rows: Rows, **columns: Any) -> UUID:
    """A run that its executor holds, with the limits that matter."""
    run_id: UUID = columns.setdefault("id", uuid7())
    rows.run(**{**FREE_OF, **columns})
    rows.do(
        "update runs set status = 'running', epoch = 1, worker_id = %(worker)s"
        " where id = %(id)s and epoch = 0",
        id=run_id,
        worker=rows.worker,
    )
    rows.audit("run.claimed", subject=run_id, state="running")
    return run_id


def reserve(rows: Rows, run_id: UUID, **other: Any) -> dict[str, Any]:
    """What the database says to a call that needs so much."""
    values = {"tenant": TENANT, "run": run_id, "epoch": 1, "id": uuid7(), **NEEDS, **other}
    answer: dict[str, Any] = rows.one(
        "select reserve_reply(%(tenant)s, %(run)s, %(epoch)s, %(id)s, 'm', 'p', %(tokens_in)s,"
        " %(tokens_out)s, %(usd)s)",
        **values,
    )
    return answer


def settle(rows: Rows, run_id: UUID, reply_id: UUID, usd: Any = "0.01", **other: Any) -> None:
    """What a reply cost, and what it said."""
    values = {
        "tenant": TENANT,
        "run": run_id,
        "epoch": 1,
        "id": reply_id,
        "usd": usd,
        "tokens_in": 8,
        "tokens_out": 4,
        **dict.fromkeys(KEPT),
        **other,
    }
    rows.do(
        "select put_reply(%(tenant)s, %(run)s, %(epoch)s, %(id)s, 'm-1', null, %(tokens_in)s,"
        " %(tokens_out)s, null, null, null, %(usd)s, 'declared', %(ns)s, %(key)s, %(ordinal)s,"
        " %(content)s)",
        **values,
    )


def reply(rows: Rows, reply_id: UUID) -> tuple[Any, ...]:
    query = "select model, provider, usd, content from replies where id = %(id)s"
    row = rows.do(query, id=reply_id).fetchone()
    assert row is not None
    return row


# The run ----------------------------------------


@pytest.mark.parametrize(
    ("column", "limit", "name", "needs"),
    [
        ("limit_tokens_in", 30, "tokens_in", "tokens_in"),
        ("limit_tokens_out", 15, "tokens_out", "tokens_out"),
        ("limit_cost_usd", "0.06", "cost_usd", "usd"),
    ],
)
def test_the_last_call_that_fits_is_the_last(
    rows: Rows, column: str, limit: Any, name: str, needs: str
) -> None:
    run_id = running(rows, **{column: limit})
    assert [reserve(rows, run_id)["said"] for _ in range(3)] == ["reserved"] * 3
    refused = reserve(rows, run_id)
    assert (refused["said"], refused["limit"]) == ("refused", name)
    amounts = [Decimal(str(refused[each])) for each in ("allowed", "used", "open", "needs")]
    assert amounts == [Decimal(str(limit))] * 3 + [Decimal(str(NEEDS[needs]))]
    assert rows.one("select count(*) from replies where run_id = %(id)s", id=run_id) == 3


def test_what_a_reply_left_is_free_again_and_what_it_took_more_is_not(rows: Rows) -> None:
    run_id, ids = running(rows, limit_cost_usd="0.05"), [uuid7() for _ in range(3)]
    for each in ids[:2]:
        reserve(rows, run_id, id=each)
    settle(rows, run_id, ids[0], "0.01")
    assert reserve(rows, run_id, id=ids[2])["said"] == "reserved"
    settle(rows, run_id, ids[1], "0.07")
    refused = reserve(rows, run_id, usd="0.000000001")
    assert (refused["used"], refused["open"]) == (0.1, 0.02)


@pytest.mark.parametrize(
    ("limit", "used", "left_open"),
    [({"limit_tokens_in": 18}, 18, 10), ({"limit_tokens_out": 9}, 9, 5)],
    ids=["tokens in", "tokens out"],
)
def test_what_is_open_is_what_calls_under_way_may_give_back(
    rows: Rows, limit: dict[str, int], used: int, left_open: int
) -> None:
    run_id, first = running(rows, **limit), uuid7()
    reserve(rows, run_id, id=first)
    settle(rows, run_id, first)
    assert reserve(rows, run_id)["said"] == "reserved"
    refused = reserve(rows, run_id)
    assert (refused["used"], refused["open"]) == (used, left_open)


def test_what_is_reached_already_is_named_before_what_could_be(rows: Rows) -> None:
    run_id, first = running(rows, limit_cost_usd="0.03", limit_tokens_out=4), uuid7()
    reserve(rows, run_id, id=first, tokens_out=4)
    assert reserve(rows, run_id)["limit"] == "cost_usd"
    settle(rows, run_id, first)
    assert reserve(rows, run_id)["limit"] == "tokens_out"


def test_what_another_executor_left_open_does_not_come_back(rows: Rows) -> None:
    run_id = running(rows, limit_cost_usd="0.03")
    reserve(rows, run_id)
    rows.move("runs", run_id, "queued", worker_id=None)
    rows.claim(run_id)
    refused = reserve(rows, run_id, epoch=2)
    assert (refused["used"], refused["open"]) == (0.02, 0)


def test_what_other_runs_took_takes_nothing_from_this_one(rows: Rows) -> None:
    run_id, other = running(rows, limit_cost_usd="0.03"), running(rows)
    reserve(rows, other)
    running(rows, id=run_id, tenant_id="another")
    assert reserve(rows, run_id, tenant="another")["said"] == "reserved"
    assert reserve(rows, run_id)["said"] == "reserved"


NOBODYS: dict[str, dict[str, Any]] = {
    "another epoch": {"epoch": 2},
    "another tenant": {"tenant": "another"},
    "no run": {"run": uuid7()},
}


@pytest.mark.parametrize("wrong", NOBODYS)
def test_who_does_not_hold_the_run_has_no_room(rows: Rows, wrong: str) -> None:
    run_id = running(rows)
    assert reserve(rows, run_id, **NOBODYS[wrong]) == {"said": "lost"}


@pytest.mark.parametrize("status", ["waiting", "ended"])
def test_a_run_that_nobody_executes_has_no_room(rows: Rows, status: str) -> None:
    assert reserve(rows, rows.run(status)) == {"said": "lost"}


def test_a_run_that_was_cancelled_has_no_room(rows: Rows) -> None:
    run_id = running(rows)
    rows.change("runs", run_id, cancel_requested_by="reviewer:kim", cancel_requested_at="now")
    assert reserve(rows, run_id) == {"said": "cancelled", "by": "reviewer:kim"}


def test_asked_again_after_a_lost_answer_it_is_reserved_once(rows: Rows) -> None:
    run_id, reply_id = running(rows, limit_cost_usd="0.02"), uuid7()
    for _ in range(2):
        assert reserve(rows, run_id, id=reply_id) == {"said": "reserved"}
    other = running(rows)
    assert reserve(rows, other, id=reply_id) == {"said": "reserved"}
    assert rows.one("select count(*) from replies where id = %(id)s", id=reply_id) == 2


# A reply ----------------------------------------


def test_a_reply_is_paid_for_once(rows: Rows) -> None:
    run_id, reply_id = running(rows), uuid7()
    reserve(rows, run_id, id=reply_id)
    settle(rows, run_id, reply_id, "0.01", **KEPT)
    settle(rows, run_id, reply_id, "0.09", **{**KEPT, "content": b"another"})
    assert reply(rows, reply_id) == ("m-1", "p", Decimal("0.01"), b"said")


@pytest.mark.parametrize("wrong", ["run", "tenant", "id"])
def test_a_reply_is_paid_for_where_it_is(rows: Rows, wrong: str) -> None:
    run_id, reply_id = running(rows), uuid7()
    reserve(rows, run_id, id=reply_id)
    values: dict[str, Any] = {"run": running(rows), "tenant": "another", "id": uuid7()}
    settle(rows, run_id, reply_id, **{wrong: values[wrong]})
    assert reply(rows, reply_id)[2] is None


def test_a_late_reply_is_paid_for_and_not_kept(rows: Rows) -> None:
    run_id, reply_id = running(rows), uuid7()
    reserve(rows, run_id, id=reply_id)
    rows.move("runs", run_id, "queued", worker_id=None)
    rows.claim(run_id)
    settle(rows, run_id, reply_id, **KEPT)
    assert reply(rows, reply_id)[2:] == (Decimal("0.01"), None)


def test_what_is_forgotten_is_what_was_named_of_this_run(rows: Rows) -> None:
    run_id, other = running(rows), running(rows)
    running(rows, id=run_id, tenant_id="another")
    named, unnamed, strange, foreign = ids = [uuid7() for _ in range(4)]
    of_runs = {named: (TENANT, run_id), unnamed: (TENANT, run_id), strange: (TENANT, other)}
    of_runs[foreign] = ("another", run_id)
    for at, (reply_id, (tenant, run)) in enumerate(of_runs.items()):
        reserve(rows, run, id=reply_id, tenant=tenant)
        settle(rows, run, reply_id, tenant=tenant, **{**KEPT, "ordinal": at})
    rows.do(
        "select forget_replies(%(tenant)s, %(run)s, 1, %(ids)s)",
        tenant=TENANT,
        run=run_id,
        ids=[named, strange, foreign],
    )
    assert [reply(rows, each)[3] for each in ids] == [None, b"said", b"said", b"said"]


# The day ----------------------------------------


def limited(rows: Rows, **limits: Any) -> None:
    rows.insert("tenant_limits", tenant_id=TENANT, set_by="operator:tests", **limits)


def day(rows: Rows) -> tuple[Any, ...] | None:
    query = "select usd, irreversible from tenant_days where tenant_id = %(t)s and day = today()"
    return rows.do(query, t=TENANT).fetchone()


def test_the_runs_of_a_tenant_share_its_day(rows: Rows) -> None:
    limited(rows, usd_per_day="0.07")
    runs, ids = [running(rows) for _ in range(2)], [uuid7() for _ in range(4)]
    for at in range(2):
        reserve(rows, runs[at], id=ids[at])
    settle(rows, runs[0], ids[0], "0.03")
    assert reserve(rows, runs[1], id=ids[2])["said"] == "reserved"
    assert day(rows) == (Decimal("0.03"), 0)
    refused = reserve(rows, runs[0])
    assert {**refused, "needs": None} == {
        "said": "refused",
        "limit": "usd_per_day",
        "needs": None,
        "allowed": 0.07,
        "used": 0.07,
        "open": 0.04,
    }
    assert reserve(rows, runs[0], usd=0)["said"] == "reserved"


def test_of_a_day_only_calls_under_way_may_come_back_and_what_is_free_fits(rows: Rows) -> None:
    limited(rows, usd_per_day="0.03")
    run_id, first = running(rows), uuid7()
    reserve(rows, run_id, id=first)
    settle(rows, run_id, first, "0.01")
    assert reserve(rows, run_id)["said"] == "reserved"
    refused = reserve(rows, run_id)
    assert (refused["used"], refused["open"]) == (0.03, 0.02)
    rows.do("update tenant_limits set usd_per_day = 0.01")
    assert reserve(rows, run_id, usd=0)["said"] == "reserved"


def test_what_a_reply_cost_is_taken_into_its_own_day_alone(rows: Rows) -> None:
    rows.insert("tenant_limits", tenant_id=TENANT, set_by="operator:tests", usd_per_day="0.05")
    rows.do(
        "insert into tenant_days values"
        " ('another', today(), 0), ('default', '2020-01-01', 0), ('default', '2021-01-01', 9)"
    )
    run_id, reply_id = running(rows), uuid7()
    reserve(rows, run_id, id=reply_id)
    settle(rows, run_id, reply_id, "0.01")
    assert reserve(rows, run_id, usd="0.03")["said"] == "reserved"
    refused = reserve(rows, run_id, usd="0.02")
    assert (refused["used"], refused["open"]) == (0.04, 0.03)
    query = "select usd from tenant_days order by tenant_id, day"
    assert [usd for (usd,) in rows.do(query)] == [0, 0, 9, Decimal("0.01")]


def test_a_day_is_of_its_tenant_and_ends(rows: Rows) -> None:
    spent = running(rows), uuid7()
    reserve(rows, spent[0], id=spent[1])
    settle(rows, *spent)
    rows.do("alter table replies disable trigger user")
    rows.change("replies", spent[1], day="2020-01-01")
    rows.do("alter table replies enable trigger user")
    theirs = running(rows, tenant_id="another")
    reserve(rows, theirs, tenant="another")
    rows.insert("tenant_days", tenant_id="another", day="2020-01-01", usd=5)
    rows.do("insert into tenant_days values ('another', today(), 5), ('default', '2020-01-01', 5)")
    limited(rows, usd_per_day="0.02")
    assert reserve(rows, running(rows))["said"] == "reserved"
    rows.insert("tenant_limits", tenant_id="another", set_by="x", usd_per_day=5)
    assert reserve(rows, theirs, tenant="another")["said"] == "refused"


def test_what_was_spent_before_a_limit_was_set_counts(rows: Rows) -> None:
    run_id, reply_id = running(rows), uuid7()
    reserve(rows, run_id, id=reply_id)
    settle(rows, run_id, reply_id, "0.05")
    assert day(rows) is None
    limited(rows, usd_per_day="0.06")
    assert reserve(rows, run_id)["said"] == "refused"


def test_a_day_so_far_is_what_is_folded_and_what_is_not(rows: Rows) -> None:
    limited(rows, usd_per_day="5", irreversible_per_day=7)
    run_id, ids = running(rows), [uuid7() for _ in range(3)]
    for each in ids:
        reserve(rows, run_id, id=each)
        settle(rows, run_id, each, "0.02")
    reserve(rows, run_id)
    rows.do("alter table replies disable trigger user")
    rows.change("replies", ids[2], day="2020-01-01", is_folded=False)
    rows.do("alter table replies enable trigger user")
    theirs = running(rows, tenant_id="another")
    reserve(rows, theirs, tenant="another")
    rows.do("insert into tenant_days values ('another', today(), 5), ('default', '2020-01-01', 5)")
    rows.insert("tenant_limits", tenant_id="another", set_by="x", usd_per_day=9)
    row = rows.do(statement("tenant_today"), tenant=TENANT).fetchall()
    assert row == [(Decimal(5), 7, 0, Decimal("0.08"))]
    assert day(rows) == (Decimal("0.06"), 0)


def count(rows: Rows, run_id: UUID, irreversible: int) -> dict[str, Any]:
    answer: dict[str, Any] = rows.one(
        "select count_calls('default', %(run)s, 1, %(n)s)", run=run_id, n=irreversible
    )
    return answer


def test_the_runs_of_a_tenant_share_its_irreversible_calls(rows: Rows) -> None:
    limited(rows, irreversible_per_day=3)
    rows.insert("tenant_limits", tenant_id="another", set_by="x", irreversible_per_day=9)
    first, second = running(rows), running(rows)
    rows.do(
        "insert into tenant_days values ('another', today(), 0, 9), ('default', '2020-01-01', 0, 9)"
    )
    said = [count(rows, first, 2), count(rows, first, 2), count(rows, second, 1)]
    assert said == [{"said": "counted"}] * 3
    assert day(rows) == (0, 3)
    refused = {"said": "refused", "limit": "irreversible_per_day", "allowed": 3, "used": 3}
    assert count(rows, second, 2) == refused
    assert count(rows, second, 1) == {"said": "counted"}
    assert rows.one("select used_irreversible from runs where id = %(id)s", id=second) == 1


# Any order of events ----------------------------------------

CENT = Decimal("0.01")
SPENT = "select coalesce(sum(coalesce(usd, reserved_usd)), 0) from replies where run_id = %(id)s"
Event = tuple[str, int, int]
events = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(0, 6), st.just(0)),
        st.tuples(st.just("answer"), st.integers(0, 20), st.integers(0, 6)),
        st.tuples(st.just("crash"), st.just(0), st.just(0)),
    ),
    max_size=25,
)


@given(limit=st.integers(1, 12), story=events, may_overrun=st.booleans())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_order_of_events_passes_the_limit(
    rows: Rows, *, limit: int, story: list[Event], may_overrun: bool
) -> None:
    """Branches ask and are answered in any order, and executors die, as a model of it says."""
    run_id, epoch = running(rows, limit_cost_usd=limit * CENT), 1
    counts: dict[UUID, int] = {}
    open_ones: list[UUID] = []
    overrun = 0
    for what, which, actual in story:
        if what == "ask":
            reply_id = uuid7()
            said = reserve(rows, run_id, id=reply_id, usd=which * CENT, epoch=epoch)["said"]
            fits = sum(counts.values()) + which <= limit
            assert said == ("reserved" if fits else "refused")
            if fits:
                counts[reply_id] = which
                open_ones.append(reply_id)
        elif what == "answer" and open_ones:
            reply_id = open_ones.pop(which % len(open_ones))
            usd = actual if may_overrun else min(actual, counts[reply_id])
            overrun += max(usd - counts[reply_id], 0)
            counts[reply_id] = usd
            settle(rows, run_id, reply_id, usd * CENT, epoch=epoch)
        elif what == "crash":
            rows.move("runs", run_id, "queued", worker_id=None)
            rows.claim(run_id)
            epoch, open_ones = epoch + 1, []
        spent = rows.one(SPENT, id=run_id)
        assert spent == sum(counts.values()) * CENT
        assert spent <= limit * CENT + overrun * CENT
        assert may_overrun or overrun == 0


BRANCHES = 12
WORKERS = 2
RUNS_EACH = 3


def test_at_once_neither_a_run_nor_a_day_is_passed_and_nobody_waits_in_a_circle(
    database_url: str,
) -> None:
    """Branches ask, while workers write for several of their runs at once, in any order."""
    with psycopg.connect(database_url) as conn:
        rows = Rows(conn)
        runs = [running(rows, limit_cost_usd="0.30") for _ in range(WORKERS * RUNS_EACH)]
        limited(rows, usd_per_day="1.20")
    bought: list[SimpleQueue[tuple[UUID, UUID] | None]] = [SimpleQueue() for _ in range(WORKERS)]

    def branch(seed: int) -> int:
        dice, made = random.Random(seed), 0  # noqa: S311 - a test's
        with psycopg.connect(database_url, autocommit=True) as conn:
            mine = Rows.over(conn)
            for _ in range(60):
                at, reply_id = dice.randrange(len(runs)), uuid7()
                if reserve(mine, runs[at], id=reply_id)["said"] == "reserved":
                    bought[at % WORKERS].put((runs[at], reply_id))
                    made += 1
        return made

    def work(worker: int) -> None:
        dice, own = random.Random(worker), runs[worker::WORKERS]  # noqa: S311 - a test's
        with psycopg.connect(database_url, autocommit=True) as conn:
            while (paid := bought[worker].get()) is not None:
                run_id, reply_id = paid
                steps = [f"advance_run('default', '{each}', 1, 0, 0)::text" for each in own]
                cost = f"1, 1, null, null, null, {dice.choice(['0.01', '0.02'])}, 'declared'"
                where = f"'default', '{run_id}', 1, '{reply_id}'"
                paying = f"put_reply({where}, 'm', null, {cost}, null, null, null, null)"
                together = dice.sample([*steps, paying], len(steps) + 1)
                conn.execute(f"select {', '.join(together)}")

    with ThreadPoolExecutor(BRANCHES + WORKERS) as pool:
        working = [pool.submit(work, worker) for worker in range(WORKERS)]
        made = sum(pool.map(branch, range(BRANCHES)))
        for queue in bought:
            queue.put(None)
        for each in working:
            each.result()
    with psycopg.connect(database_url) as conn:
        by_run = conn.execute("select sum(usd), count(*) from replies group by run_id").fetchall()
    assert sum(count for _, count in by_run) == made
    assert all(usd <= Decimal("0.30") for usd, _ in by_run)
    assert Decimal("1.18") < sum(usd for usd, _ in by_run) <= Decimal("1.20")

"""Circuit breakers: what costs too much in an hour lets new runs wait or fall back, until reset."""

from __future__ import annotations

import sys
import threading
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from interlock import FREE, Agent, Breaker, Limits, Price
from interlock.engine.errors import Conflict, NotAReviewer, NotFound, UsageError
from interlock.engine.trips import (
    Breakers,
    TenantBreaker,
    reset,
    set_tenant_breaker,
    tenant_breaker,
    trips,
)
from langchain_core.messages import HumanMessage
from uuid_utils.compat import uuid7

sys.path.insert(0, str(Path(__file__).parent))
from graphs import one_node
from metered import QUESTION, Metered, Outer

if TYPE_CHECKING:
    from uuid import UUID

    from conftest import Lab
    from interlock.engine.trips import TripRow

PRICES = {"metered": Price(0, 1000), "cheap": FREE}
"""Ten tokens of a reply are a cent; prompts are free."""
WIDE = Limits(tokens_in=10**9, tokens_out=10**9, cost_usd=1000)
ASKED: dict[str, list[int]] = {}


@pytest.fixture(autouse=True)
def asked() -> dict[str, list[int]]:
    """How often each model was asked."""
    ASKED.clear()
    ASKED.update(metered=[], cheap=[])
    return ASKED


def model(name: str = "metered") -> Metered:
    """A model of that name; a reply of the metered one is a cent."""
    return Metered(asked=ASKED[name], model=name)


def asking(breaker: Breaker | None = None, name: str = "asker", node: Any = None) -> Agent:
    """An agent whose run asks its model twice, for two cents."""
    costly = model()

    def work(_: Any) -> dict[str, Any]:
        costly.invoke(QUESTION)
        costly.invoke(QUESTION)
        return {}

    return Agent(
        name, graph=one_node(node or work), tools=[], prices=PRICES, limits=WIDE, breaker=breaker
    )


def open_trips(lab: Lab) -> list[TripRow]:
    """Those that are not reset."""
    with lab.database.begin() as conn:
        return trips(conn, tenant="default", only_open=True)


def tripped(lab: Lab, agent: Agent) -> TripRow:
    """The trip of a breaker after a run that cost two cents."""
    lab.ended(lab.start(agent))
    lab.until(lambda: bool(open_trips(lab)))
    (trip,) = open_trips(lab)
    return trip


def entries(lab: Lab, event: str) -> list[str]:
    """Who did that, entry by entry."""
    return [row["actor"] for row in lab.rows("select actor from audit_log where event = %s", event)]


def stays_queued(lab: Lab, run_id: UUID) -> None:
    lab.silence()
    assert (lab.run(run_id)["status"], lab.run(run_id)["epoch"]) == ("queued", 0)


# Acceptance --------------------------------------------------------------------------------------


def test_above_its_threshold_new_runs_wait_until_a_person_resets_it(lab: Lab) -> None:
    agent = asking(Breaker(usd_per_hour=0.015))
    lab.work(agent)
    trip = tripped(lab, agent)
    assert (trip.agent, trip.usd, trip.model) == ("asker", Decimal("0.02"), None)
    waits = lab.start(agent)
    stays_queued(lab, waits)
    reset(lab.database, tenant="default", trip_id=trip.id, by="reviewer:dana")
    assert lab.ended(waits)["exit"] == "completed"
    assert lab.run(waits)["fallback"] is None
    lab.until(lambda: len(entries(lab, "breaker.tripped")) == 2)  # it cost two cents as well
    assert entries(lab, "breaker.reset") == ["reviewer:dana"]


def test_a_run_that_comes_right_after_it_is_above_waits_already(lab: Lab) -> None:
    agent = asking(Breaker(usd_per_hour=0.015))
    lab.work(agent, concurrency=1)
    first, second = lab.start(agent), lab.start(agent)
    lab.ended(first)
    stays_queued(lab, second)
    assert len(open_trips(lab)) == 1


def test_new_runs_fall_back_to_the_other_model(lab: Lab) -> None:
    agent = asking(Breaker(usd_per_hour=0.015, then=model("cheap")))
    lab.work(agent)
    trip = tripped(lab, agent)
    assert trip.model == "cheap"
    ASKED["metered"].clear()
    run_id = lab.start(agent)
    assert lab.ended(run_id)["exit"] == "completed"
    assert lab.run(run_id)["fallback"] == "cheap"
    assert [len(ASKED[name]) for name in ("metered", "cheap")] == [0, 2]
    assert {row["model"] for row in lab.rows("select model from replies where run_id = %s", run_id)
            } == {"cheap"}  # fmt: skip
    reset(lab.database, tenant="default", trip_id=trip.id, by="reviewer:dana")
    last = lab.start(agent)
    lab.ended(last)
    assert lab.run(last)["fallback"] is None
    assert len(ASKED["metered"]) == 2


def test_a_model_to_fall_back_to_may_ask_another_while_it_streams(lab: Lab) -> None:
    outer = Outer(asked=[], model="cheap", inner=model("cheap"))
    costly = model()
    agent = asking(
        Breaker(usd_per_hour=0.005, then=outer),
        node=lambda _: {"said": len(list(costly.stream(QUESTION)))},
    )
    lab.work(agent)
    tripped(lab, agent)
    run_id = lab.start(agent)
    assert lab.ended(run_id)["exit"] == "completed"
    assert [len(ASKED[name]) for name in ("metered", "cheap")] == [1, 1]
    assert lab.one("select count(*) from replies where run_id = %s", run_id) == 1


def test_it_is_reset_by_time(lab: Lab) -> None:
    agent = asking(Breaker(usd_per_hour=0.015, reset_after=timedelta(seconds=2)))
    lab.work(agent)
    tripped(lab, agent)
    waits = lab.start(agent)
    assert lab.run(waits)["status"] == "queued"
    assert lab.ended(waits)["exit"] == "completed"
    assert entries(lab, "breaker.reset")[0] == "interlock"


# What counts -------------------------------------------------------------------------------------


def test_at_its_threshold_a_breaker_does_not_trip(lab: Lab) -> None:
    agent = asking(Breaker(usd_per_hour=0.02))
    lab.work(agent)
    for _ in range(2):
        lab.ended(lab.start(agent))
        if len(ASKED["metered"]) == 2:
            lab.silence()
            assert open_trips(lab) == []
    lab.until(lambda: bool(open_trips(lab)))


def test_what_is_reserved_counts_until_it_is_known(lab: Lab) -> None:
    slow = Metered(asked=ASKED["metered"], seconds=2, max_tokens=100)
    agent = asking(
        Breaker(usd_per_hour=0.05), node=lambda _: {"said": slow.invoke(QUESTION).content}
    )
    lab.work(agent)
    run_id = lab.start(agent)
    lab.until(lambda: bool(open_trips(lab)))
    assert lab.run(run_id)["status"] == "running"
    assert open_trips(lab)[0].usd == Decimal("0.1")
    assert lab.ended(run_id)["exit"] == "completed"


def test_what_is_older_than_an_hour_does_not_count(lab: Lab) -> None:
    lab.work(asking())
    run_id = lab.start(asking())
    lab.ended(run_id)
    agent = asking(Breaker(usd_per_hour=0.015))
    breakers = Breakers(lab.database, "default", [agent])
    old_by(lab, "61 minutes")
    breakers.sweep()
    assert open_trips(lab) == []
    old_by(lab, "59 minutes")
    breakers.sweep()
    assert len(open_trips(lab)) == 1


def old_by(lab: Lab, age: str) -> None:
    """All replies are so old."""
    with lab.database.begin() as conn:
        conn.exec_driver_sql("set local session_replication_role = replica")
        conn.exec_driver_sql(
            "update replies set created_at = clock_timestamp() - %s::interval", (age,)
        )


def test_another_agents_calls_do_not_count_and_its_runs_do_not_wait(lab: Lab) -> None:
    agent, other = asking(Breaker(usd_per_hour=0.015)), asking(Breaker(usd_per_hour=5), "other")
    lab.work(agent, other)
    tripped(lab, agent)
    assert lab.ended(lab.start(other))["exit"] == "completed"


def test_a_tenants_breaker_holds_all_agents_but_those_that_can_fall_back(lab: Lab) -> None:
    plain, able = asking(), asking(Breaker(5, then=model("cheap")), "able")
    lab.work(plain, able)
    breaker = TenantBreaker(Decimal("0.015"))
    set_tenant_breaker(lab.database, tenant="default", breaker=breaker, by="operator:ops")
    with lab.database.begin() as conn:
        assert tenant_breaker(conn, "default") == TenantBreaker(Decimal("0.015"))
    trip = tripped(lab, plain)
    assert trip.agent is None
    waits, falls = lab.start(plain), lab.start(able)
    assert lab.ended(falls)["fallback"] == "cheap"
    stays_queued(lab, waits)
    set_tenant_breaker(lab.database, tenant="default", breaker=None, by="operator:ops")
    reset(lab.database, tenant="default", trip_id=trip.id, by="operator:ops")
    assert lab.ended(waits)["exit"] == "completed"
    assert entries(lab, "breaker.set") == ["operator:ops"] * 2


def test_a_run_under_way_is_not_switched(lab: Lab) -> None:
    begun, go_on = threading.Event(), threading.Event()
    costly = model()

    def work(_: Any) -> dict[str, Any]:
        costly.invoke(QUESTION)
        costly.invoke(QUESTION)
        begun.set()
        assert go_on.wait(20)
        costly.invoke([HumanMessage(QUESTION)])
        return {}

    agent = asking(Breaker(usd_per_hour=0.015, then=model("cheap")), node=work)
    lab.work(agent)
    run_id = lab.start(agent)
    assert begun.wait(20)
    lab.until(lambda: bool(open_trips(lab)))
    go_on.set()
    assert lab.ended(run_id)["fallback"] is None
    assert [len(ASKED[name]) for name in ("metered", "cheap")] == [3, 0]


def test_a_run_that_fell_back_stays_so_on_any_worker_and_streams_too(lab: Lab) -> None:
    costly = model()

    def work(_: Any) -> dict[str, Any]:
        said = costly.bind(model="metered").invoke(QUESTION).content
        return {"said": [said, *(chunk.content for chunk in costly.stream(QUESTION))]}

    agent = asking(Breaker(usd_per_hour=0.015, then=model("cheap")), node=work)
    lab.work(agent)
    tripped(lab, agent)
    ASKED["metered"].clear()
    run_id = lab.start(agent)
    assert lab.ended(run_id)["output"]["said"][:2] == ["reply 1", "so: "]
    assert [len(ASKED[name]) for name in ("metered", "cheap")] == [0, 2]


def test_many_workers_trip_a_breaker_once(lab: Lab) -> None:
    lab.work(asking())
    lab.ended(lab.start(asking()))
    watching = [
        Breakers(lab.database, "default", [asking(Breaker(usd_per_hour=0.015))]) for _ in range(8)
    ]
    threads = [threading.Thread(target=each.sweep) for each in watching]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(open_trips(lab)) == 1
    assert entries(lab, "breaker.tripped") == ["interlock"]


# Resetting ---------------------------------------------------------------------------------------


def test_it_is_reset_once_by_somebody_with_an_account(lab: Lab) -> None:
    agent = asking(Breaker(usd_per_hour=0.015))
    lab.work(agent)
    trip = tripped(lab, agent)
    lab.rest()
    where = {"tenant": "default", "trip_id": trip.id}
    with pytest.raises(NotAReviewer, match="no active account 'nobody'"):
        reset(lab.database, **where, by="reviewer:nobody")
    for _ in range(2):
        reset(lab.database, **where, by="reviewer:dana")
    with pytest.raises(Conflict, match="reset before, by reviewer:dana"):
        reset(lab.database, **where, by="operator:ops")
    with pytest.raises(NotFound):
        reset(lab.database, tenant="default", trip_id=uuid7(), by="operator:ops")
    with pytest.raises(NotFound):
        reset(lab.database, tenant="another", trip_id=trip.id, by="operator:ops")
    assert entries(lab, "breaker.reset") == ["reviewer:dana"]


def test_a_fallback_that_is_gone_ends_the_run_instead_of_asking_another(lab: Lab) -> None:
    agent = asking(Breaker(usd_per_hour=0.015, then=model("cheap")))
    with pytest.raises(UsageError, match="falls back to older, which agent 'asker' does not"):
        agent.model_to_fall_back_to("older")
    assert agent.model_to_fall_back_to(None) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"usd_per_hour": 0},
        {"usd_per_hour": float("inf")},
        {"usd_per_hour": True},
        {"usd_per_hour": 1, "then": "stop"},
        {"usd_per_hour": 1, "reset_after": timedelta()},
    ],
)
def test_a_breaker_that_could_not_be_kept_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Breaker(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [TenantBreaker(Decimal(0)), TenantBreaker(Decimal("NaN")), TenantBreaker(Decimal(1), 0)],
)
def test_a_tenants_breaker_that_could_not_be_kept_is_refused(
    lab: Lab, wrong: TenantBreaker
) -> None:
    with pytest.raises(UsageError):
        set_tenant_breaker(lab.database, tenant="default", breaker=wrong, by="operator:ops")


def test_another_breaker_is_another_agent() -> None:
    first, second = asking(Breaker(1)), asking(Breaker(2))
    assert len({asking().fingerprint, first.fingerprint, second.fingerprint}) == 3
    assert first.shape == second.shape

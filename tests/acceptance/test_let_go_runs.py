"""Runs that nobody executes: they wait, were handed back, or nobody knows of their claim."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psutil
import pytest
from interlock.engine import runs
from interlock.engine.group_commit import GroupCommit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from interlock.engine.database import Database
    from support.crew import Crew
    from support.desk import Desk
    from support.world import World

pytestmark = pytest.mark.slow

WIPE = [[("wipe", "v7")]]


def test_a_drained_worker_finishes_its_step_and_another_goes_on(
    crew: Crew, world: World, desk: Desk
) -> None:
    first = crew.begin_command().wait_until_up()
    world.trap("tidy-before", "hold")
    run = desk.ask([[("tidy", "x")], [("tidy", "y")], *WIPE])
    world.caught("tidy-before")
    first.drain()
    time.sleep(0.5)
    assert first.is_alive
    world.let_go("tidy-before")
    assert first.wait() == 0
    assert desk.run(run).status == "queued"
    assert [effect.what for effect in world.effects()] == ["tidy x"]

    began = time.monotonic()
    crew.begin()
    desk.approve(desk.until_asked(run))
    desk.until_ended(run)
    assert time.monotonic() - began < 12  # and not once the first one's lease of 15 s ran out
    assert [effect.what for effect in world.effects()] == ["tidy x", "tidy y", "wipe v7"]
    assert (desk.events(run, "run.released"), desk.events(run, "run.recovered")) == (1, 0)
    assert desk.events(run, "call.in_doubt") == 0


def test_a_run_that_waits_holds_nothing_and_outlives_its_worker(crew: Crew, desk: Desk) -> None:
    first = crew.begin(poll=1.0).wait_until_up()
    run = desk.ask(WIPE)
    asked = desk.until_asked(run)
    assert desk.run(run).worker_id is None

    process = psutil.Process(first.pid)
    before = sum(process.cpu_times()[:2])
    quiet = 0
    for _ in range(20):
        time.sleep(0.1)
        quiet += _is_quiet(desk)
    assert quiet > 10  # its sweeps pass by; nothing else does
    assert sum(process.cpu_times()[:2]) - before < 0.5

    first.drain()
    first.wait()
    assert _sessions(desk) == []
    assert desk.run(run).status == "waiting"
    desk.approve(asked)
    crew.begin()
    desk.until_ended(run)


def _sessions(desk: Desk) -> Sequence[Any]:
    """Sessions of anybody but the test."""
    return desk.rows(
        """select pid, query from pg_stat_activity
           where datname = current_database() and pid <> pg_backend_pid()
             and backend_type = 'client backend'"""
    )


def _is_quiet(desk: Desk) -> bool:
    """No other session of this database is in a transaction or holds a lock."""
    others = desk.rows(
        """select a.pid, a.xact_start, l.locktype
           from pg_stat_activity a left join pg_locks l using (pid)
           where a.datname = current_database() and a.pid <> pg_backend_pid()
             and a.backend_type = 'client backend'
             and (a.xact_start is not null or l.pid is not null)"""
    )
    return not others


def test_a_claim_whose_answer_was_lost_is_found_out(
    crew: Crew, world: World, desk: Desk, database: Database
) -> None:
    worker = crew.begin(concurrency=1).wait_until_up()
    world.trap("model", "hold")
    busy = desk.ask([])
    world.caught("model")
    unknown = desk.ask(WIPE)
    fingerprint = desk.run(unknown).fingerprint
    # what the worker would have sent, had the connection not broken before the answer came
    query = runs.claiming(
        tenant="default",
        worker_id=UUID(worker.id),
        agents={"scripted": fingerprint},
        free=1,
    )
    with GroupCommit(database.url, threads=1) as commit:
        claims = runs.claimed(commit.fetch_now(query), UUID(worker.id))
    assert [claim.hold.run_id for claim in claims] == [unknown]
    world.let_go("model")
    desk.until_ended(busy)
    desk.approve(desk.until_asked(unknown))
    desk.until_ended(unknown)
    assert len(world.effects()) == 1


@pytest.mark.parametrize("point", ["preview", "call.held", "wipe-after"])
def test_a_run_that_is_cancelled_while_a_worker_has_it_ends(
    point: str, crew: Crew, world: World, desk: Desk, database: Database
) -> None:
    crew.begin(poll=60.0).wait_until_up()  # so that no sweep comes first
    desk.until(
        lambda: any(session.query.startswith("listen") for session in _sessions(desk)),
        "the worker's ear",
    )
    world.trap(point, "hold")
    run = desk.ask([*WIPE, [("tidy", "never")]])
    if point == "wipe-after":
        desk.approve(desk.until_asked(run))
    world.caught(point)
    status = runs.request_cancel(database, tenant="default", run_id=run, by="reviewer:dana")
    assert status == "running"
    world.let_go(point)
    desk.until_ended(run, "cancelled")
    assert desk.pending() == []
    assert len(world.effects()) == (1 if point == "wipe-after" else 0)
    # what was sent is on record, however the run ended
    states = [call.state for call in desk.calls(run)]
    assert states == {"preview": [], "call.held": ["cancelled"]}.get(point, ["succeeded"])


def test_a_run_whose_worker_died_while_it_was_to_be_cancelled_ends(
    crew: Crew, world: World, desk: Desk, database: Database
) -> None:
    worker = crew.begin(lease=1.0).wait_until_up()
    world.trap("model", "hold")
    run = desk.ask(WIPE)
    world.caught("model")
    worker.stop()
    runs.request_cancel(database, tenant="default", run_id=run, by="reviewer:dana")
    worker.kill()
    crew.begin(lease=1.0)
    desk.until_ended(run, "cancelled")
    assert desk.calls(run) == []

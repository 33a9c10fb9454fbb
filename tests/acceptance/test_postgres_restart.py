"""PostgreSQL goes away in the middle of runs and comes back; the workers live on."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest
from interlock.engine import accounts, schema
from interlock.engine.database import Database
from interlock.engine.embedded import EmbeddedPostgres
from interlock.engine.postgres_server import PostgresServer
from support.crew import Crew
from support.desk import Desk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.nursery import Nursery
    from support.world import World

pytestmark = pytest.mark.slow

WALK = [[("tidy", f"place {n}")] for n in range(12)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A server that nobody else uses."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("restarted")) as own:
        database = Database(own.url)
        schema.migrate(database)
        accounts.add_reviewer(
            database,
            tenant="default",
            name="dana",
            password="a password for dana",
            groups=("on-call",),
            by="operator:tests",
        )
        database.close()
        yield own


@pytest.fixture
def desk(server: EmbeddedPostgres) -> Iterator[Desk]:
    database = Database(server.url)
    yield Desk(database, "dana")
    database.close()


@pytest.fixture
def crew(
    server: EmbeddedPostgres, nursery: Nursery, world: World, tmp_path: Path
) -> Iterator[Crew]:
    made = Crew(nursery, server.url, world, tmp_path)
    yield made
    made.end()


def restart(server: EmbeddedPostgres, how: signal.Signals, *, away: float) -> None:
    """End the server without ceremony; start it again after so many seconds."""
    postmaster = PostgresServer(server.root).postmaster()
    assert postmaster
    postmaster.send_signal(how)
    postmaster.wait(30)
    time.sleep(away)
    server.start()


@pytest.mark.parametrize(
    ("how", "lease", "away"),
    [(signal.SIGQUIT, 15.0, 1.0), (signal.SIGKILL, 15.0, 1.0), (signal.SIGQUIT, 2.0, 4.0)],
    ids=["immediate", "killed", "longer-than-the-lease"],
)
def test_runs_under_way_complete_and_nothing_is_in_doubt(
    how: signal.Signals,
    lease: float,
    away: float,
    server: EmbeddedPostgres,
    crew: Crew,
    world: World,
    desk: Desk,
) -> None:
    workers = [crew.begin(lease=lease).wait_until_up() for _ in range(2)]
    waiting = desk.ask([[("wipe", "waiting")]])
    asked = desk.until_asked(waiting)

    executing = desk.ask([[("wipe", "executing")]])
    world.trap("wipe-after", "hold")
    desk.approve(desk.until_asked(executing))
    world.caught("wipe-after")
    sending = desk.ask([[("mail", "sending")]])
    world.trap("mail-before", "hold")
    desk.approve(desk.until_asked(sending))
    world.caught("mail-before")
    thinking = desk.ask([[("tidy", "thinking")]])
    world.trap("model", "hold")
    world.caught("model")
    walking = [desk.ask(WALK) for _ in range(2)]
    desk.until(lambda: len(world.effects("tidy place")) > 5, "the walk's first steps")

    restart(server, how, away=away)
    time.sleep(1)  # sweeps find what there is to find
    for point in ("wipe-after", "mail-before", "model"):
        world.let_go(point)
    desk.approve(asked)
    for run in (waiting, executing, sending, thinking, *walking):
        desk.until_ended(run)
        calls = desk.calls(run)
        assert {call.state for call in calls} == {"succeeded"}
        assert {call.starts for call in calls} == {1}
        assert (desk.events(run, "call.in_doubt"), desk.events(run, "run.recovered")) == (0, 0)
        happened = [effect.call for effect in world.effects(run=run)]
        assert sorted(happened) == sorted(str(call.id) for call in calls)
    assert len(world.effects()) == 4 + 2 * len(WALK)
    assert world.overlaps() == []
    assert all(worker.is_alive for worker in workers)


def test_a_decision_that_was_acknowledged_right_before_the_server_died_stands(
    server: EmbeddedPostgres, crew: Crew, world: World, desk: Desk
) -> None:
    first = crew.begin(lease=2.0).wait_until_up()
    run = desk.ask([[("wipe", "v7")]])
    asked = desk.until_asked(run)
    first.kill()
    decided = desk.approve(asked)
    restart(server, signal.SIGKILL, away=0)
    stored = desk.rows("select state from approvals where id = %(id)s", id=decided.approval_id)
    assert stored[0].state == "approved"
    crew.begin(lease=2.0)
    desk.until_ended(run)
    assert len(world.effects()) == 1


@pytest.mark.parametrize("point", ["wipe", "mail"])
def test_a_result_outlives_its_worker_that_died_while_the_database_was_away(
    point: str, server: EmbeddedPostgres, crew: Crew, world: World, desk: Desk
) -> None:
    first = crew.begin(lease=2.0).wait_until_up()
    run = desk.ask([[(point, "v7")]])
    world.trap(f"{point}-after", "hold")
    desk.approve(desk.until_asked(run))
    world.caught(f"{point}-after")
    postmaster = PostgresServer(server.root).postmaster()
    assert postmaster
    postmaster.send_signal(signal.SIGQUIT)
    postmaster.wait(30)
    world.let_go(f"{point}-after")
    deadline = time.monotonic() + 15
    while not list(crew.spool.glob("*.json")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    first.kill()
    server.start()
    crew.begin(lease=2.0)
    desk.until_ended(run)
    (call,) = desk.calls(run)
    assert (call.state, call.starts) == ("succeeded", 1)
    assert len(world.effects()) == 1
    assert desk.pending(run) == []
    assert list(crew.spool.iterdir()) == []


def test_a_result_is_kept_only_as_long_as_the_database_is_away(
    server: EmbeddedPostgres, crew: Crew, world: World, desk: Desk
) -> None:
    worker = crew.begin().wait_until_up()
    run = desk.ask([[("wipe", "v7")]])
    world.trap("wipe-after", "hold")
    desk.approve(desk.until_asked(run))
    world.caught("wipe-after")
    postmaster = PostgresServer(server.root).postmaster()
    assert postmaster
    postmaster.send_signal(signal.SIGQUIT)
    postmaster.wait(30)
    world.let_go("wipe-after")
    time.sleep(2)
    (kept,) = crew.spool.glob("*.json")
    assert kept.stat().st_mode & 0o777 == 0o600
    server.start()
    desk.until_ended(run)
    assert list(crew.spool.iterdir()) == []
    assert worker.is_alive
    assert len(world.effects()) == 1

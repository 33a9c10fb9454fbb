"""The connection breaks at each write of a run in turn, or after a commit; the worker lives."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from support import faults
from support.proxy import ForgetfulProxy

if TYPE_CHECKING:
    from uuid import UUID

    from interlock.engine.database import Database
    from support.crew import Crew
    from support.desk import Desk
    from support.world import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SCRIPT = [[("tidy", "a")], [("wipe", "v7")], [("look", "b")]]
RUNS = 30
STRIDE = int(os.environ.get("INTERLOCK_TEST_STRIDE", "1"))


def test_wherever_the_connection_breaks_the_run_completes_and_each_effect_happens_once(
    crew: Crew, world: World, desk: Desk, database: Database
) -> None:
    crew.begin(lease=30.0, concurrency=16).wait_until_up()
    faults.prepare(database)
    measured = desk.ask(SCRIPT)
    faults.break_at(database, measured, 10**9)
    desk.approve(desk.until_asked(measured))
    desk.until_ended(measured)
    writes = faults.writes_of(database, measured)
    assert writes > 40

    broken = {}
    for write in range(1, writes + 1, STRIDE):
        run = desk.ask(SCRIPT)
        faults.break_at(database, run, write)
        broken[run] = write
    work_off(set(broken), desk)
    for run, write in broken.items():
        went_well(run, f"broken at write {write}", desk, world)


def test_a_commit_whose_answer_is_lost_is_done_once(
    crew: Crew, world: World, desk: Desk, database: Database
) -> None:
    with ForgetfulProxy(database.url, seed=7) as proxy:
        crew.environment["INTERLOCK_DATABASE_URL"] = proxy.url
        crew.begin(lease=30.0).wait_until_up()
        proxy.share = 0.2
        runs = [desk.ask(SCRIPT) for _ in range(RUNS)]
        work_off(set(runs), desk)
    assert proxy.forgotten > RUNS
    for run in runs:
        went_well(run, f"{proxy.forgotten} answers lost", desk, world)


def work_off(runs: set[UUID], desk: Desk) -> None:
    """Approve what is asked until all runs have ended."""

    def over() -> bool:
        for asked in desk.pending():
            desk.approve(asked)
        ended = desk.rows("select id from runs where status = 'ended'")
        return runs <= {row.id for row in ended}

    desk.until(over, "the end of all runs", patience=200)


def went_well(run: UUID, what: str, desk: Desk, world: World) -> None:
    """It completed, each effect happened once, and nobody had to ask what happened."""
    calls = desk.calls(run)
    told = f"run {run}, {what}: {desk.run(run).exit_reason}"
    assert desk.run(run).exit == "completed", told
    assert [call.tool for call in calls] == ["tidy", "wipe", "look"], told
    assert {call.state for call in calls} == {"succeeded"}, told
    happened = [effect.what for effect in world.effects(run=run)]
    assert happened == ["tidy a", "wipe v7"], told
    assert desk.events(run, "call.in_doubt") == 0, told

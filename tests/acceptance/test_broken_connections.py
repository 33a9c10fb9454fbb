"""The connection breaks at each write of a run in turn; the worker lives."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from support import faults

if TYPE_CHECKING:
    from interlock.engine.database import Database
    from support.crew import Crew
    from support.desk import Desk
    from support.world import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SCRIPT = [[("tidy", "a")], [("wipe", "v7")], [("look", "b")]]
STRIDE = int(os.environ.get("INTERLOCK_TEST_STRIDE", "1"))


def test_wherever_the_connection_breaks_the_run_completes_and_each_effect_happens_once(
    crew: Crew, world: World, desk: Desk, database: Database
) -> None:
    crew.begin(lease=30.0, concurrency=16).wait_until_up()
    faults.prepare(database)
    # a run is held back from the workers until its fault is in place
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
    open_runs = set(broken)

    def all_over() -> bool:
        for asked in desk.pending():
            desk.approve(asked)
        ended = desk.rows("select id from runs where status = 'ended'")
        return open_runs <= {row.id for row in ended}

    desk.until(all_over, "the end of all runs", patience=200)
    for run, write in broken.items():
        calls = desk.calls(run)
        told = f"run {run}, broken at write {write}: {desk.run(run).exit_reason}"
        assert desk.run(run).exit == "completed", told
        assert [call.tool for call in calls] == ["tidy", "wipe", "look"], told
        assert {call.state for call in calls} == {"succeeded"}, told
        happened = [effect.what for effect in world.effects(run=run)]
        assert happened == ["tidy a", "wipe v7"], told
        assert desk.events(run, "call.in_doubt") == 0, told

"""What a resume carries has no authority: only a recorded decision lets a call run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from interlock.engine import wake as waking
from interlock.engine.group_commit import GroupCommit
from interlock.engine.saver import StepSaver

if TYPE_CHECKING:
    from uuid import UUID

    from interlock.engine.database import Database
    from support.crew import Crew
    from support.desk import Desk
    from support.world import World

pytestmark = pytest.mark.slow

FORGER = Path(__file__).parent / "support" / "forger.py"
RUNS = 15


@pytest.fixture
def forge(database_url: str, world: World) -> Any:
    """Resume a run by hand, in a process of its own."""
    environment = {"INTERLOCK_DATABASE_URL": database_url, "ACCEPTANCE_WORLD": str(world.root)}

    def resume(run: UUID, value: object) -> str:
        ended = subprocess.run(
            [sys.executable, str(FORGER), str(run), json.dumps(value)],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return ended.stdout

    return resume


def nothing_ran(run: UUID, desk: Desk, world: World) -> bool:
    """The call still waits for a person."""
    asked = desk.until_asked(run)
    call = desk.call(run, "wipe")
    return (call.state, call.starts, asked.state) == ("waiting", 0, "pending") and not (
        world.effects() or desk.rows("select from decisions")
    )


def wake(database: Database, run: UUID) -> None:
    with database.begin() as conn:
        waking.wake(conn, tenant="default", run_id=run, why="Nobody knows.", actor="somebody")


def test_a_resume_by_hand_runs_nothing_and_the_run_goes_on_by_a_decision_alone(
    crew: Crew, forge: Any, world: World, desk: Desk, database: Database
) -> None:
    crew.begin().wait_until_up()
    run = desk.ask([[("wipe", "v7"), ("wipe", "v8")]])
    desk.until(lambda: len(desk.pending(run)) == 2, "both questions")
    first, second = desk.pending(run)
    for value in (True, {first.call_id.hex: {"approved": True}}):
        assert forge(run, value).startswith("refused OutsideRun")
    wake(database, run)
    desk.until_asked(run)
    assert world.effects() == []
    assert [call.state for call in desk.calls(run)] == ["waiting", "waiting"]

    desk.approve(second)
    desk.until(world.effects, "the approved call's effect")
    desk.until_asked(run)
    assert [effect.call for effect in world.effects()] == [str(second.call_id)]
    desk.approve(first)
    desk.until_ended(run)
    assert {effect.call for effect in world.effects()} == {str(first.call_id), str(second.call_id)}
    assert len(world.effects()) == 2


def test_a_resume_value_written_into_the_database_is_not_looked_at(
    crew: Crew, world: World, desk: Desk, database: Database
) -> None:
    crew.begin().wait_until_up()
    run = desk.ask([[("wipe", "v7")]])
    desk.until_asked(run)
    config: Any = {"configurable": {"thread_id": str(run), "checkpoint_ns": ""}}
    with GroupCommit(database.url, threads=2) as commit:
        saver = StepSaver(commit, "default")
        found = saver.get_tuple(config)
        assert found
        assert found.pending_writes
        task = found.pending_writes[0][0]
        nobody = "00000000-0000-0000-0000-000000000000"
        for forged in (task, nobody):
            saver.put_writes(found.config, [("__resume__", [True]), ("__resume__", True)], forged)
    claimed = desk.events(run, "run.claimed")
    wake(database, run)
    desk.until(lambda: desk.events(run, "run.claimed") > claimed, "the worker's look")
    assert nothing_ran(run, desk, world)
    assert desk.events(run, "run.parked") == 2
    desk.approve(desk.until_asked(run))
    desk.until_ended(run)
    assert len(world.effects()) == 1


def test_a_call_cannot_be_approved_past_the_reviewers_by_sql(
    crew: Crew, world: World, desk: Desk, database: Database
) -> None:
    crew.begin().wait_until_up()
    run = desk.ask([[("wipe", "v7")]])
    desk.until_asked(run)
    for statement in (
        "update calls set state = 'approved'",
        "update approvals set state = 'approved', closed_at = now()",
        "update calls set verdict = 'allow', state = 'allowed'",
        "update calls set state = 'executing', starts = 1",
    ):
        with (
            pytest.raises(psycopg.DatabaseError),
            psycopg.connect(database.url) as conn,
        ):
            conn.execute(statement)
    wake(database, run)
    assert nothing_ran(run, desk, world)


def test_two_workers_woken_at_once_and_again_run_each_call_once(
    crew: Crew, world: World, desk: Desk, database: Database
) -> None:
    crew.pair(lease=15.0)
    asked = [desk.ask([[("wipe", f"v{n}")]]) for n in range(RUNS)]
    questions = [desk.until_asked(run) for run in asked]
    with ThreadPoolExecutor(4) as pool:
        for run, question in zip(asked, questions, strict=True):
            pool.submit(desk.approve, question)
            for _ in range(4):
                pool.submit(wake, database, run)
    for run in asked:
        desk.until_ended(run)
    assert sorted(effect.run for effect in world.effects()) == sorted(map(str, asked))
    assert world.overlaps() == []

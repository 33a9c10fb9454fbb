"""A worker that stands still past its lease and then goes on as if nothing had been."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from support.crew import BYSTANDER

if TYPE_CHECKING:
    from uuid import UUID

    from support.crew import Crew, WorkerProcess
    from support.desk import Desk
    from support.world import World

pytestmark = pytest.mark.slow

LEASE = 1.0
WIPE = [[("wipe", "v7")]]


@pytest.fixture
def sleeper(crew: Crew) -> WorkerProcess:
    """The worker that will stand still; it executes one run at a time."""
    return crew.begin(lease=LEASE, concurrency=1).wait_until_up()


def wake(sleeper: WorkerProcess, point: str, world: World, desk: Desk) -> None:
    """Let it go on.

    Its lease is renewed before the thread that was caught takes its next step: that a lease is good
    again does not say that it was good all the time.
    """
    sleeper.go_on()
    desk.until_renewed(sleeper.id)
    world.let_go(point)


def leave(sleeper: WorkerProcess) -> None:
    """Let it finish what it has in hand, and wait until it has."""
    sleeper.drain()
    sleeper.wait()


def stop_at(point: str, world: World, sleeper: WorkerProcess) -> None:
    """Wait until it stands still there, alive."""
    assert world.caught(point) == sleeper.pid
    sleeper.wait_until_stopped()


def approved_wipe(desk: Desk, world: World, point: str, *acts: str) -> UUID:
    """A run whose call was approved, with a trap on its further way."""
    run = desk.ask(WIPE)
    asked = desk.until_asked(run)
    world.trap(point, *acts)
    desk.approve(asked)
    return run


@pytest.mark.parametrize("said", [None, {"happened": False}, {"abandon": True}])
def test_stopped_between_start_and_effect_it_sends_nothing_late(
    said: dict[str, Any] | None, sleeper: WorkerProcess, crew: Crew, world: World, desk: Desk
) -> None:
    run = approved_wipe(desk, world, "call.started", "stop", "hold")
    stop_at("call.started", world, sleeper)
    crew.begin(lease=LEASE)
    doubt = desk.until_asked(run, "in_doubt")
    if said:
        desk.attest(doubt, said)
        desk.until_ended(run)

    wake(sleeper, "call.started", world, desk)
    leave(sleeper)
    ended = desk.until_ended(run)
    assert world.effects() == []
    assert desk.call(run, "wipe").state == ("abandoned" if said == {"abandon": True} else "failed")
    assert said or "nothing was sent" in str(ended.output)


def test_stopped_between_start_and_effect_with_nobody_to_take_over_it_sends_nothing_late(
    sleeper: WorkerProcess, world: World, desk: Desk
) -> None:
    run = approved_wipe(desk, world, "call.started", "stop", "hold")
    stop_at("call.started", world, sleeper)
    time.sleep(1.5 * LEASE)
    wake(sleeper, "call.started", world, desk)
    ended = desk.until_ended(run)
    assert world.effects() == []
    assert "nothing was sent" in str(ended.output)


def test_stopped_after_the_effect_its_late_result_settles_the_doubt(
    sleeper: WorkerProcess, crew: Crew, world: World, desk: Desk
) -> None:
    run = approved_wipe(desk, world, "wipe-after", "stop", "hold")
    stop_at("wipe-after", world, sleeper)
    crew.begin(lease=LEASE)
    doubt = desk.until_asked(run, "in_doubt")
    wake(sleeper, "wipe-after", world, desk)
    desk.until_ended(run)
    assert desk.call(run, "wipe").state == "succeeded"
    assert len(world.effects("wipe", run)) == 1
    query = "select state from approvals where id = %(id)s"
    assert desk.rows(query, id=doubt.id)[0].state == "cancelled"


def test_stopped_in_a_node_it_leaves_no_trace_in_the_run_that_another_finished(
    sleeper: WorkerProcess, crew: Crew, world: World, desk: Desk
) -> None:
    def at_rest() -> Any:
        return desk.rows(
            """select max(id), count(*), (select count(*) from step_writes),
                      (select count(*) from calls)
               from steps"""
        )

    world.trap("model", "stop", "hold")
    run = desk.ask([[("look", "x")], [("tidy", "y")]])
    stop_at("model", world, sleeper)
    crew.begin(lease=LEASE)
    desk.until_ended(run)
    before = at_rest()
    wake(sleeper, "model", world, desk)
    leave(sleeper)
    assert at_rest() == before
    began = [mark for mark in world.marks() if (mark.edge, mark.pid) == ("begin", sleeper.pid)]
    assert [mark.what for mark in began] == ["model"]
    assert len(world.effects()) == 1


def test_stopped_before_proposal_it_asks_nobody_about_a_run_that_is_back_in_the_queue(
    sleeper: WorkerProcess, crew: Crew, world: World, desk: Desk
) -> None:
    world.trap("preview", "stop", "hold")
    run = desk.ask(WIPE)
    stop_at("preview", world, sleeper)
    crew.begin(lease=LEASE, agent=BYSTANDER)
    desk.until(lambda: desk.run(run).status == "queued", "the recovery")
    wake(sleeper, "preview", world, desk)
    desk.approve(desk.until_asked(run))
    desk.until_ended(run)
    query = "select event from audit_log where run_id = %(id)s order by seq"
    events = [row.event for row in desk.rows(query, id=run)]
    first, second = [at for at, event in enumerate(events) if event == "run.claimed"][:2]
    assert "approval.requested" not in events[first:second]
    assert events.count("approval.requested") == 1


def test_stopped_before_start_it_starts_nothing_in_a_run_that_is_back_in_the_queue(
    sleeper: WorkerProcess, crew: Crew, world: World, desk: Desk
) -> None:
    run = approved_wipe(desk, world, "validate", "skip", "stop", "hold")
    stop_at("validate", world, sleeper)
    stopped_in = desk.run(run).epoch
    crew.begin(lease=LEASE, agent=BYSTANDER)
    desk.until(lambda: desk.run(run).status == "queued", "the recovery")
    wake(sleeper, "validate", world, desk)
    desk.until_ended(run)
    assert desk.call(run, "wipe").state == "succeeded"
    began = [mark for mark in world.marks() if (mark.edge, mark.what) == ("begin", "wipe v7")]
    assert [mark.epoch > stopped_in for mark in began] == [True]
    assert len(world.effects()) == 1


@pytest.mark.parametrize("tool", ["look", "wipe"])
def test_stopped_before_start_it_does_not_join_the_executor_that_took_over(
    tool: str, sleeper: WorkerProcess, crew: Crew, world: World, desk: Desk
) -> None:
    if tool == "wipe":
        run = approved_wipe(desk, world, "validate", "skip", "stop", "hold")
    else:
        # a read that was broken off is a new call to whoever takes over
        first = crew.begin(lease=LEASE).wait_until_up()
        sleeper.stop()
        world.trap("look-before", "kill")
        run = desk.ask([[("look", "x")]])
        assert world.caught("look-before") == first.pid
        first.wait()
        world.trap("validate", "skip", "stop", "hold")
        sleeper.go_on()
    stop_at("validate", world, sleeper)
    world.trap(f"{tool}-before", "hold")
    second = crew.begin(lease=LEASE)
    assert world.caught(f"{tool}-before") == second.pid
    wake(sleeper, "validate", world, desk)
    leave(sleeper)
    assert desk.run(run).status == "running"
    world.let_go(f"{tool}-before")
    desk.until_ended(run)
    assert desk.call(run, tool).starts == 1
    assert desk.events(run, "call.in_doubt") == 0
    assert world.comebacks() == []


def test_a_worker_that_slept_takes_its_own_run_up_again_beside_what_is_left_of_the_first_time(
    crew: Crew, world: World, desk: Desk
) -> None:
    sleeper = crew.begin(lease=LEASE, concurrency=2).wait_until_up()
    world.trap("look-before", "stop", "hold")
    run = desk.ask([[("look", "x")], [("tidy", "y")]])
    stop_at("look-before", world, sleeper)
    crew.begin(lease=LEASE, agent=BYSTANDER)
    desk.until(lambda: desk.run(run).status == "queued", "the recovery")
    sleeper.go_on()
    desk.until_ended(run)
    wake(sleeper, "look-before", world, desk)
    leave(sleeper)
    assert len(world.effects()) == 1
    assert "Traceback" not in sleeper.log.read_text()

"""`kill -9` around the looks at the world: what became of a call, and whether its target moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from uuid import UUID

    from support.crew import Crew
    from support.desk import Desk
    from support.world import World

pytestmark = pytest.mark.slow

ERASE = [[("erase", "d1")]]


@pytest.fixture
def trio(crew: Crew) -> None:
    """Three workers with short leases: two may die."""
    crew.pair()
    crew.begin(lease=2.0).wait_until_up()


def approved(desk: Desk) -> UUID:
    run = desk.ask(ERASE)
    desk.approve(desk.until_asked(run))
    return run


def die_at(point: str, crew: Crew, world: World) -> None:
    """Wait until a worker has died there."""
    crew.of(world.caught(point)).wait()


def settled(desk: Desk, run: UUID) -> tuple[str, int, bool, int]:
    """The call's end, its starts, whether it was verified, and how often a person was asked."""
    call = desk.call(run, "erase")
    return call.state, call.starts, call.verified, desk.events(run, "approval.requested")


def test_killed_after_the_effect_it_is_seen_to_have_happened_and_nobody_is_asked(
    trio: None, crew: Crew, world: World, desk: Desk
) -> None:
    world.trap("erase-after", "kill")
    run = approved(desk)
    die_at("erase-after", crew, world)
    ended = desk.until_ended(run)
    assert "seen: erase d1" in str(ended.output)
    assert settled(desk, run) == ("succeeded", 1, True, 1)
    assert len(world.effects("erase", run)) == 1


@pytest.mark.parametrize("point", ["call.started", "erase-before"])
def test_killed_before_the_effect_it_is_seen_not_to_have_happened_once_that_can_be_known(
    point: str, trio: None, crew: Crew, world: World, desk: Desk
) -> None:
    world.trap(point, "kill")
    run = approved(desk)
    die_at(point, crew, world)
    ended = desk.until_ended(run)
    assert "did not happen" in str(ended.output)
    assert settled(desk, run) == ("failed", 1, True, 1)
    assert world.effects() == []
    call = desk.call(run, "erase")
    assert call.finished_at >= call.send_before


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("erase-after", "verify"),
        ("erase-after", "call.succeeded"),
        ("erase-before", "verify"),
        ("erase-before", "call.postponed"),
        ("erase-before", "call.failed"),
    ],
)
def test_killed_again_at_or_after_the_look_the_call_is_settled_once(
    first: str, second: str, trio: None, crew: Crew, world: World, desk: Desk
) -> None:
    world.trap(first, "kill")
    world.trap(second, "kill")
    run = approved(desk)
    die_at(first, crew, world)
    die_at(second, crew, world)
    desk.until_ended(run)
    happened = first == "erase-after"
    assert settled(desk, run) == ("succeeded" if happened else "failed", 1, True, 1)
    assert desk.events(run, "call.succeeded") + desk.events(run, "call.failed") == 1
    assert len(world.effects("erase", run)) == int(happened)


def test_killed_while_the_target_is_measured_before_the_start_it_starts_once_later(
    trio: None, crew: Crew, world: World, desk: Desk
) -> None:
    world.trap("fingerprint", "skip", "kill")
    run = approved(desk)
    die_at("fingerprint", crew, world)
    desk.until_ended(run)
    assert settled(desk, run) == ("succeeded", 1, False, 1)
    assert len(world.effects("erase", run)) == 1


@pytest.mark.parametrize("point", ["call.superseded", "fingerprint", "call.held"])
def test_killed_after_the_lapse_or_at_the_new_proposal_a_person_is_asked_again_once(
    point: str, trio: None, crew: Crew, world: World, desk: Desk
) -> None:
    run = desk.ask(ERASE)
    first = desk.until_asked(run)
    world.change("d1", "attached")
    # the look before the start finds it changed, the one after it is that of the new proposal
    world.trap(point, *(["skip", "kill"] if point == "fingerprint" else ["kill"]))
    desk.approve(first)
    die_at(point, crew, world)
    second = desk.until_asked(run)
    assert second.id != first.id
    assert (second.changes[0]["before"], second.changes[0]["now"]) == ("as it was", "attached")
    assert world.effects() == []
    assert (desk.events(run, "approval.lapsed"), desk.events(run, "approval.requested")) == (1, 2)

    desk.approve(second)
    desk.until_ended(run)
    assert len(world.effects("erase", run)) == 1
    states = [(call.revision, call.state, call.starts) for call in desk.calls(run)]
    assert states == [(1, "superseded", 0), (2, "succeeded", 1)]


def test_stopped_while_the_target_is_measured_it_acts_on_nothing_it_saw_before(
    crew: Crew, world: World, desk: Desk
) -> None:
    """The sleeper measured while all was as approved; the target moves before it goes on."""
    sleeper = crew.begin(lease=1.0, concurrency=1).wait_until_up()
    run = desk.ask(ERASE)
    first = desk.until_asked(run)
    world.trap("fingerprint", "stop", "hold")
    desk.approve(first)
    assert world.caught("fingerprint") == sleeper.pid
    sleeper.wait_until_stopped()
    world.change("d1", "attached")
    crew.begin(lease=1.0)
    second = desk.until_asked(run)
    sleeper.go_on()
    desk.until_renewed(sleeper.id)
    world.let_go("fingerprint")
    sleeper.drain()
    sleeper.wait()
    assert world.effects() == []
    assert [each.id for each in desk.pending(run)] == [second.id]
    assert desk.events(run, "approval.lapsed") == 1

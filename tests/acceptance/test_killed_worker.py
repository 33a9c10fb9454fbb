"""`kill -9` of a worker at each point of a call's way; another worker takes over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from support.crew import Crew
    from support.desk import Desk
    from support.world import World

pytestmark = pytest.mark.slow

WIPE = [[("wipe", "v7")]]


@pytest.fixture
def pair(crew: Crew) -> None:
    """Two workers with short leases."""
    crew.pair()


def kill_at(point: str, crew: Crew, world: World) -> None:
    """Wait until a worker has died there."""
    crew.of(world.caught(point)).wait()


@pytest.mark.parametrize("point", ["preview", "call.held"])
def test_killed_at_proposal_it_is_proposed_once(
    point: str, pair: None, crew: Crew, world: World, desk: Desk
) -> None:
    world.trap(point, "kill")
    run = desk.ask(WIPE)
    kill_at(point, crew, world)
    asked = desk.until_asked(run)
    assert desk.events(run, "approval.requested") == 1
    assert world.effects() == []

    desk.approve(asked)
    desk.until_ended(run)
    assert [effect.what for effect in world.effects()] == ["wipe v7"]
    assert desk.call(run, "wipe").starts == 1


def test_a_decision_made_while_no_worker_lives_is_honoured(
    crew: Crew, world: World, desk: Desk
) -> None:
    first = crew.begin(lease=1.0).wait_until_up()
    run = desk.ask(WIPE)
    asked = desk.until_asked(run)
    first.kill()
    desk.approve(asked)
    assert desk.run(run).status == "queued"

    crew.begin(lease=1.0)
    desk.until_ended(run)
    assert len(world.effects("wipe", run)) == 1


@pytest.mark.parametrize(
    ("point", "acts"), [("run.claimed", ["kill"]), ("validate", ["skip", "kill"])]
)
def test_killed_between_decision_and_start_it_starts_once_later(
    point: str, acts: list[str], pair: None, crew: Crew, world: World, desk: Desk
) -> None:
    run = desk.ask(WIPE)
    asked = desk.until_asked(run)
    world.trap(point, *acts)
    desk.approve(asked)
    kill_at(point, crew, world)
    assert desk.call(run, "wipe").state == "approved"
    assert world.effects() == []

    desk.until_ended(run)
    call = desk.call(run, "wipe")
    assert (call.state, call.starts) == ("succeeded", 1)
    assert len(world.effects("wipe", run)) == 1
    assert desk.events(run, "call.in_doubt") == 0


@pytest.mark.parametrize(
    ("point", "sent", "said", "state", "told"),
    [
        ("call.started", 0, {"abandon": True}, "abandoned", "gave this call up"),
        ("wipe-before", 0, {"happened": False}, "failed", "did not happen"),
        ("wipe-after", 1, {"happened": True, "result": "It is gone."}, "succeeded", "It is gone."),
    ],
)
def test_killed_between_start_and_finish_it_is_in_doubt_and_a_person_says_what_happened(
    point: str,
    sent: int,
    said: dict[str, Any],
    state: str,
    told: str,
    pair: None,
    crew: Crew,
    world: World,
    desk: Desk,
) -> None:
    run = desk.ask(WIPE)
    asked = desk.until_asked(run)
    world.trap(point, "kill")
    desk.approve(asked)
    kill_at(point, crew, world)

    doubt = desk.until_asked(run, "in_doubt")
    assert desk.call(run, "wipe").state == "in_doubt"
    assert len(world.effects()) == sent
    desk.attest(doubt, said)

    ended = desk.until_ended(run)
    call = desk.call(run, "wipe")
    assert (call.state, call.starts, call.attested_by) == (state, 1, "dana")
    assert told in str(ended.output)
    assert len(world.effects()) == sent


@pytest.mark.parametrize("tool", ["tidy", "mail"])
def test_killed_in_a_reversible_or_an_async_call_it_is_in_doubt_as_well(
    tool: str, pair: None, crew: Crew, world: World, desk: Desk
) -> None:
    world.trap(f"{tool}-after", "kill")
    run = desk.ask([[(tool, "x")]])
    if tool == "mail":
        desk.approve(desk.until_asked(run))
    kill_at(f"{tool}-after", crew, world)
    desk.attest(desk.until_asked(run, "in_doubt"), {"happened": True})
    desk.until_ended(run)
    assert len(world.effects(tool)) == 1


def test_killed_in_a_read_it_reads_again_and_nobody_is_asked(
    pair: None, crew: Crew, world: World, desk: Desk
) -> None:
    world.trap("look-before", "kill")
    run = desk.ask([[("look", "x")]])
    kill_at("look-before", crew, world)
    desk.until_ended(run)
    began = [mark.what for mark in world.marks() if mark.edge == "begin"]
    assert began.count("look x") == 2
    # what was broken off is not in the record: a read is written once, when it is over
    assert (desk.call(run, "look").starts, desk.events(run, "call.succeeded")) == (1, 1)
    assert desk.events(run, "call.in_doubt") == 0


def test_killed_in_a_call_that_takes_a_key_it_is_sent_again_with_the_same_key(
    pair: None, crew: Crew, world: World, desk: Desk
) -> None:
    world.trap("pay-after", "kill")
    run = desk.ask([[("pay", "9")]])
    desk.approve(desk.until_asked(run))
    kill_at("pay-after", crew, world)
    desk.until_ended(run)
    call = desk.call(run, "pay")
    assert [effect.what for effect in world.effects()] == [f"pay 9 {call.id}"] * 2
    assert (call.state, call.starts) == ("succeeded", 2)


def test_killed_after_the_outcome_was_recorded_it_goes_on_from_there(
    pair: None, crew: Crew, world: World, desk: Desk
) -> None:
    run = desk.ask([*WIPE, [("look", "x")]])
    asked = desk.until_asked(run)
    world.trap("call.succeeded", "kill")
    desk.approve(asked)
    kill_at("call.succeeded", crew, world)
    desk.until_ended(run)
    assert len(world.effects("wipe", run)) == 1
    assert desk.events(run, "call.in_doubt") == 0

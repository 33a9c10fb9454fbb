"""Runs of an agent of which only so much may wait for people: the others wait, and none is lost."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from interlock import Agent, tool
from interlock.engine import room
from interlock.engine.errors import UsageError
from interlock.engine.queries import get_run
from interlock.engine.runs import request_cancel

sys.path.insert(0, str(Path(__file__).parent))
from graphs import ask, scripted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from conftest import Lab

PENDING = "select count(*) from approvals where state = 'pending'"


def sender(
    lab: Lab, name: str = "sender", *, letters: Sequence[str] = ("hello",), **more: Any
) -> Agent:
    """An agent that asks to send these letters, all at once."""

    @tool(effect="irreversible")
    def send(text: str) -> str:
        """Send a letter."""
        lab.effects.append(text)
        return "sent"

    turn = [ask("send", {"text": text}, f"c{n}") for n, text in enumerate(letters)]
    return Agent(name, graph=scripted([send], turn), tools=[send], **more)


def start(lab: Lab, agent: Agent, count: int) -> list[UUID]:
    """Runs of the agent."""
    return [lab.start(agent, {"messages": []}) for _ in range(count)]


def wanting(lab: Lab) -> int:
    """How many runs wait for room."""
    return int(lab.one("select count(*) from runs where wants_room and status = 'queued'"))


def approve_one(lab: Lab) -> None:
    """Approve what waits longest."""
    (first, *_) = lab.rows("select * from approvals where state = 'pending' order by id")
    lab.decide(first)


def test_no_more_wait_than_may_and_the_others_are_asked_about_as_these_are_decided(
    lab: Lab,
) -> None:
    agent = sender(lab, pending=2)
    lab.work(agent)
    runs = start(lab, agent, 5)
    lab.until(lambda: (lab.one(PENDING), wanting(lab)) == (2, 3))
    for left in (2, 1, 0):
        approve_one(lab)
        lab.until(lambda left=left: (lab.one(PENDING), wanting(lab)) == (2, left))
    approve_one(lab)
    approve_one(lab)
    assert {lab.ended(run_id)["exit"] for run_id in runs} == {"completed"}
    assert len(lab.effects) == 5
    assert {lab.run(run_id)["used_calls"] for run_id in runs} == {1}


def test_many_workers_never_put_more_to_people_than_may(lab: Lab) -> None:
    agent, most, seen = sender(lab, pending=3), 3, set()
    for _ in range(3):
        lab.work(agent)
    runs = start(lab, agent, 12)
    ended = threading.Event()

    def watch() -> None:
        while not ended.is_set():
            seen.add(lab.one(PENDING))

    watching = threading.Thread(target=watch)
    watching.start()
    for _ in runs:
        lab.until(lambda: lab.one(PENDING) > 0)
        approve_one(lab)
    states = {lab.ended(run_id)["exit"] for run_id in runs}
    ended.set()
    watching.join()
    assert states == {"completed"}
    assert len(lab.effects) == 12
    assert max(seen) <= most


def test_a_run_with_a_call_that_waits_goes_on_when_that_is_decided(lab: Lab) -> None:
    agent = sender(lab, letters=("one", "two"), pending=1)
    lab.work(agent)
    (run_id,) = start(lab, agent, 1)
    lab.until(lambda: (lab.one(PENDING), wanting(lab)) == (1, 1))
    approve_one(lab)
    lab.until(lambda: lab.one("select count(*) from approvals") == 2)
    approve_one(lab)
    assert lab.ended(run_id)["exit"] == "completed"
    assert sorted(lab.effects) == ["one", "two"]


def test_the_cap_of_one_agent_holds_no_other(lab: Lab) -> None:
    agents = sender(lab, pending=1), sender(lab, "another")
    lab.work(*agents)
    for agent in agents:
        start(lab, agent, 2)
    lab.until(lambda: (lab.one(PENDING), wanting(lab)) == (3, 1))


def test_a_place_that_others_took_meanwhile_is_waited_for(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room.Room, "check", lambda _: None)
    agent = sender(lab, pending=1)
    lab.work(agent)
    start(lab, agent, 2)
    lab.until(lambda: (lab.one(PENDING), wanting(lab)) == (1, 1))


def test_room_that_came_before_the_run_was_released_is_taken_at_once(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = iter([False])
    really = room.has_room
    monkeypatch.setattr(room, "has_room", lambda *at: next(refusals, None) is None and really(*at))
    agent = sender(lab, pending=1)
    lab.work(agent)
    (run_id,) = start(lab, agent, 1)
    lab.pending(run_id)
    assert lab.run(run_id)["epoch"] == 2


def test_a_run_that_waits_for_room_says_so_and_can_be_cancelled(lab: Lab) -> None:
    agent = sender(lab, pending=1)
    lab.work(agent)
    start(lab, agent, 2)
    lab.until(lambda: wanting(lab) == 1)
    run_id = lab.one("select id from runs where wants_room")
    with lab.database.begin() as conn:
        found = get_run(conn, tenant="default", run_id=run_id).as_json()
    assert (found["status"], found["wants_room"]) == ("queued", True)
    assert lab.one(
        "select convert_from(entry, 'UTF8')::json #>> '{detail,wants_room}' from audit_log"
        " where event = 'run.released' and run_id = %s limit 1",
        run_id,
    )
    request_cancel(lab.database, tenant="default", run_id=run_id, by="reviewer:dana")
    with lab.database.begin() as conn:
        found = get_run(conn, tenant="default", run_id=run_id).as_json()
    assert (found["exit"], found["wants_room"]) == ("cancelled", False)


@pytest.mark.parametrize("pending", [0, -1, 1.5, True, "3"])
def test_a_cap_is_a_whole_number_from_one_up(lab: Lab, pending: Any) -> None:
    with pytest.raises(UsageError, match="a whole number from 1 up"):
        sender(lab, pending=pending)

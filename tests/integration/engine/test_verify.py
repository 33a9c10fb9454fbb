"""Calls that were started and never reported: verified, sent again with their key, or in doubt."""

from __future__ import annotations

import json
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from interlock import Agent, tool
from interlock.engine import hooks, journal
from interlock.engine.errors import InvalidDecision
from interlock.engine.recovery import DID_NOT_HAPPEN, HAPPENED
from interlock.tools import Happened, current_call

sys.path.insert(0, str(Path(__file__).parent))
from graphs import one_node
from losing import lose_workers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from conftest import Lab

SOON = timedelta(seconds=2)


class World:
    """A volume that is wiped by a body which never comes back, or which raises."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.wiped = False
        self.asked: list[str] = []
        self.answer: Any = lambda: Happened("gone") if self.wiped else False
        self.begun = threading.Event()
        self.let_go = threading.Event()

    def verify(self, volume: str) -> Any:
        self.asked.append(f"{volume} {current_call().idempotency_key}")
        return self.answer()

    def tool(self, how: str, **declared: Any) -> Any:
        """How the body is left: it hangs or raises, before the effect or after it."""

        @tool(**{"effect": "irreversible", "verify": self.verify, "send_within": SOON, **declared})
        def wipe(volume: str) -> str:
            """Wipe a volume."""
            self.lab.effects.append(f"wipe {volume}")
            self.wiped = how in ("hang after", "raise after")
            if "raise" in how:
                raise TimeoutError("no answer")
            if self.begun.is_set():
                return "wiped again"
            self.begun.set()
            self.let_go.wait()
            return "late"

        return wipe

    def agent(self, how: str, **declared: Any) -> Agent:
        wipe = self.tool(how, **declared)
        graph = one_node(lambda _: {"said": wipe.invoke({"volume": "v7"})})
        return Agent("a", graph=graph, tools=[wipe])

    def lost(self, how: str, **declared: Any) -> UUID:
        """A run whose call was started by a worker that is lost."""
        agent = self.agent(how, **declared)
        self.lab.work(agent)
        run_id = self.lab.start(agent)
        self.lab.decide(self.lab.pending(run_id)[0])
        assert self.begun.wait(20)
        lose_workers(self.lab.database)
        return run_id

    def raised(self, how: str, **declared: Any) -> UUID:
        """A run whose call raises."""
        agent = self.agent(how, **declared)
        self.lab.work(agent)
        run_id = self.lab.start(agent)
        self.lab.decide(self.lab.pending(run_id)[0])
        return run_id


@pytest.fixture
def world(lab: Lab) -> Iterator[World]:
    """A world whose bodies end with the test."""
    made = World(lab)
    yield made
    made.let_go.set()


def details(lab: Lab, event: str) -> list[dict[str, Any]]:
    """What the log says of each such event."""
    entries = lab.rows("select entry from audit_log where event = %s order by seq", event)
    return [json.loads(bytes(row["entry"]))["detail"] for row in entries]


@pytest.mark.parametrize("break_off", ["hang after", "raise after"])
def test_what_verify_found_to_have_happened_settles_the_call_and_nobody_is_asked(
    world: World, lab: Lab, break_off: str
) -> None:
    run_id = (world.lost if "hang" in break_off else world.raised)(break_off)
    assert lab.ended(run_id)["output"] == {"said": "gone"}
    call = lab.calls(run_id)[0]
    assert (call["state"], call["verified"], call["attested_by"]) == ("succeeded", True, None)
    assert (call["starts"], lab.effects) == (1, ["wipe v7"])
    assert details(lab, "call.succeeded")[0]["verify"] == "happened"
    assert lab.rows("select from approvals where kind = 'in_doubt'") == []
    assert world.asked == [f"v7 {call['id']}"]


def test_a_yes_without_a_result_is_told_as_a_sentence(world: World, lab: Lab) -> None:
    world.answer = lambda: True
    assert lab.ended(world.lost("hang after"))["output"] == {"said": HAPPENED}


def test_an_async_verify_is_awaited(world: World, lab: Lab) -> None:
    async def verify(volume: str) -> Happened:
        return Happened(f"{volume} is gone")

    run_id = world.lost("hang after", verify=verify)
    assert lab.ended(run_id)["output"] == {"said": "v7 is gone"}


@pytest.mark.parametrize("break_off", ["hang before", "raise before"])
def test_that_it_did_not_happen_is_believed_only_after_it_cannot_be_sent_any_more(
    world: World, lab: Lab, break_off: str
) -> None:
    run_id = (world.lost if "hang" in break_off else world.raised)(break_off)
    lab.until(lambda: details(lab, "call.postponed"))
    call = lab.calls(run_id)[0]
    assert (call["state"], lab.one("select count(*) from approvals where kind = 'in_doubt'")) == (
        "executing",
        0,
    )
    assert lab.ended(run_id)["output"] == {"said": DID_NOT_HAPPEN}
    call = lab.calls(run_id)[0]
    assert (call["state"], call["verified"], call["starts"]) == ("failed", True, 1)
    assert call["finished_at"] >= call["send_before"]
    assert len(world.asked) >= 2
    assert details(lab, "call.failed")[0]["verify"] == "did not happen"


def test_what_is_sent_after_verify_looked_is_found_at_the_second_look(
    world: World, lab: Lab
) -> None:
    """The worker stood still, and sends while the first look says that nothing happened."""

    def look() -> Any:
        if len(world.asked) == 1:
            world.wiped = True
            return False
        return Happened("gone") if world.wiped else False

    world.answer = look
    assert lab.ended(world.lost("hang before"))["output"] == {"said": "gone"}
    assert lab.calls(lab.rows("select id from runs")[0]["id"])[0]["state"] == "succeeded"


def _raises() -> Any:
    raise ConnectionError("no route")


_NO_ANSWERS: dict[str, tuple[Any, str]] = {
    "none": (lambda: None, "could not tell"),
    "raises": (_raises, "failed: ConnectionError: no route"),
    "a dict": (lambda: {"status": "gone"}, "answered a value of type dict: neither yes nor no"),
    "one": (lambda: 1, "answered a value of type int"),
    "silent": (lambda: threading.Event().wait(2), "failed: no answer within 0.2 s"),
}


@pytest.mark.parametrize("kind", _NO_ANSWERS)
@pytest.mark.parametrize("break_off", ["hang after", "raise after"])
def test_where_verify_cannot_tell_a_person_is_asked_and_told_why(
    world: World, lab: Lab, monkeypatch: pytest.MonkeyPatch, kind: str, break_off: str
) -> None:
    monkeypatch.setattr(hooks, "PATIENCE", 0.2 if kind == "silent" else 10.0)
    world.answer, why = _NO_ANSWERS[kind]
    run_id = (world.lost if "hang" in break_off else world.raised)(break_off)
    lab.until(lambda: lab.calls(run_id)[0]["state"] == "in_doubt")
    asked = lab.pending(run_id)[0]
    broke_off = "Its worker was lost" if "hang" in break_off else "It broke off with TimeoutError"
    assert (asked["kind"], asked["expires_at"]) == ("in_doubt", None)
    assert broke_off in asked["reason"]
    assert why in asked["reason"]
    assert why in details(lab, "call.in_doubt")[0]["error"]
    assert lab.effects == ["wipe v7"]


def test_without_verify_a_person_is_asked_as_before(world: World, lab: Lab) -> None:
    run_id = world.lost("hang after", verify=None)
    lab.until(lambda: lab.calls(run_id)[0]["state"] == "in_doubt")
    assert lab.pending(run_id)[0]["reason"].startswith("Its worker was lost")


def test_nothing_is_open_in_the_database_while_verify_looks(world: World, lab: Lab) -> None:
    seen: list[int] = []

    def look() -> Happened:
        seen.append(lab.left_open())
        return Happened("gone")

    world.answer = look
    lab.ended(world.lost("hang after"))
    assert seen == [0]


def test_verify_cannot_call_a_gated_tool(world: World, lab: Lab) -> None:
    @tool(effect="read")
    def look(place: str) -> str:
        """Look."""
        lab.effects.append(f"look {place}")
        return "there"

    world.answer = lambda: look.invoke({"place": "v7"})
    run_id = world.lost("hang after")
    lab.until(lambda: lab.calls(run_id)[0]["state"] == "in_doubt")
    assert "was called outside a run" in lab.pending(run_id)[0]["reason"]
    assert lab.effects == ["wipe v7"]


def test_a_late_report_that_contradicts_verify_is_written_down_beside_it(
    world: World, lab: Lab
) -> None:
    world.answer = lambda: False
    run_id = world.lost("hang before")
    lab.ended(run_id)
    world.let_go.set()
    lab.until(lambda: details(lab, "call.reported_late"))
    assert lab.calls(run_id)[0]["state"] == "failed"


def test_a_run_that_was_cancelled_before_the_second_look_leaves_the_call_in_doubt(
    world: World, lab: Lab
) -> None:
    from interlock.engine.runs import request_cancel  # noqa: PLC0415

    run_id = world.raised("raise before", send_within=timedelta(minutes=5))
    lab.until(lambda: lab.run(run_id)["status"] == "queued" and details(lab, "call.postponed"))
    request_cancel(lab.database, tenant="default", run_id=run_id, by="reviewer:dana")
    assert lab.ended(run_id)["exit"] == "cancelled"
    assert lab.calls(run_id)[0]["state"] == "in_doubt"
    assert [asked["kind"] for asked in lab.pending(run_id)] == ["in_doubt"]


def test_a_report_that_comes_while_verify_looks_stands(world: World, lab: Lab) -> None:
    def look() -> Happened:
        world.let_go.set()
        lab.until(lambda: lab.one("select state from calls") == "succeeded")
        return Happened("gone")

    world.answer = look
    run_id = world.lost("hang after")
    assert lab.ended(run_id)["output"] == {"said": "late"}
    call = lab.calls(run_id)[0]
    assert (call["verified"], len(details(lab, "call.succeeded"))) == (False, 1)
    assert details(lab, "run.released") == []


def test_who_lost_the_run_while_verify_looked_settles_nothing(world: World, lab: Lab) -> None:
    """The first look belongs to an executor that is lost, too, and comes back during the second."""
    looking, look_on = threading.Event(), threading.Event()
    seen: list[str] = []

    def look() -> Any:
        if len(world.asked) == 1:
            looking.set()
            look_on.wait(8)
            return Happened("seen by the one that lost the run")
        look_on.set()
        lab.silence(1)
        seen.append(lab.one("select state from calls"))
        return Happened("gone")

    world.answer = look
    run_id = world.lost("hang after")
    assert looking.wait(20)
    lose_workers(lab.database)
    assert lab.ended(run_id)["output"] == {"said": "gone"}
    assert (seen, len(details(lab, "call.succeeded"))) == (["executing"], 1)


def test_a_start_that_took_longer_than_its_time_to_be_sent_sends_nothing(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = journal.start

    def slowly(*given: Any) -> bool:
        began = begin(*given)
        time.sleep(0.5)
        return began

    monkeypatch.setattr(journal, "start", slowly)

    @tool(effect="irreversible", send_within=timedelta(milliseconds=400))
    def wipe(volume: str) -> str:
        """Wipe a volume."""
        lab.effects.append(volume)
        return "wiped"

    agent = Agent(
        "a", graph=one_node(lambda _: {"said": wipe.invoke({"volume": "v7"})}), tools=[wipe]
    )
    lab.work(agent)
    run_id = lab.start(agent)
    lab.decide(lab.pending(run_id)[0])
    assert "lost the time to send it" in str(lab.ended(run_id)["output"])
    assert (lab.effects, lab.calls(run_id)[0]["state"]) == ([], "failed")


# With a key -----------------------------------------------------------------------------------


def test_within_the_life_of_its_key_a_call_is_sent_again_with_it(world: World, lab: Lab) -> None:
    run_id = world.lost("hang after", idempotent=True, key_life=timedelta(hours=1))
    assert lab.ended(run_id)["output"] == {"said": "wiped again"}
    assert (lab.calls(run_id)[0]["starts"], world.asked) == (2, [])


def test_after_the_life_of_its_key_verify_is_asked(world: World, lab: Lab) -> None:
    life = timedelta(milliseconds=1)
    run_id = world.lost("hang after", idempotent=True, key_life=life)
    assert lab.ended(run_id)["output"] == {"said": "gone"}
    assert lab.calls(run_id)[0]["starts"] == 1


def test_after_the_life_of_its_key_a_call_is_in_doubt(world: World, lab: Lab) -> None:
    life = timedelta(milliseconds=1)
    run_id = world.lost("hang after", idempotent=True, key_life=life, verify=None)
    lab.until(lambda: lab.calls(run_id)[0]["state"] == "in_doubt")
    assert (lab.calls(run_id)[0]["starts"], lab.effects) == (1, ["wipe v7"])


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_call_that_raised_is_sent_again_with_its_key_twice_and_then_in_doubt(
    lab: Lab, times: int
) -> None:
    keys: list[str] = []

    @tool(effect="irreversible", idempotent=True)
    def pay(amount: int) -> str:
        """Pay."""
        keys.append(current_call().idempotency_key)
        if len(keys) <= times:
            raise TimeoutError("no answer")
        return "paid"

    agent = Agent("a", graph=one_node(lambda _: {"said": pay.invoke({"amount": 9})}), tools=[pay])
    lab.work(agent)
    run_id = lab.start(agent)
    lab.decide(lab.pending(run_id)[0])
    if times < 3:
        assert lab.ended(run_id)["output"] == {"said": "paid"}
    else:
        lab.until(lambda: lab.calls(run_id)[0]["state"] == "in_doubt")
        assert [asked["kind"] for asked in lab.pending(run_id)] == ["in_doubt"]
        assert lab.settled(run_id)["status"] == "waiting"
    assert keys == [str(lab.calls(run_id)[0]["id"])] * min(times + 1, 3)
    assert lab.calls(run_id)[0]["starts"] == len(keys)
    broke_off = details(lab, "call.postponed")[0]["broke_off"]
    assert broke_off.startswith("It broke off with TimeoutError")


# What people attest ---------------------------------------------------------------------------


def test_a_person_is_not_believed_that_it_did_not_happen_while_it_may_be_sent(
    world: World, lab: Lab
) -> None:
    run_id = world.raised("raise before", verify=None, send_within=timedelta(minutes=5))
    lab.until(lambda: lab.calls(run_id)[0]["state"] == "in_doubt")
    doubt = lab.pending(run_id)[0]
    until = lab.one("select to_char(send_before at time zone 'UTC', 'HH24:MI:SS') from calls")
    with pytest.raises(InvalidDecision, match=f"may still be sent until {until} UTC"):
        lab.decide(doubt, "answer", answer={"happened": False})
    assert lab.rows("select from decisions where kind = 'answer'") == []
    lab.decide(doubt, "answer", answer={"abandon": True})
    assert lab.ended(run_id)["exit"] == "completed"
    assert lab.calls(run_id)[0]["state"] == "abandoned"


def test_what_did_not_happen_cannot_be_given_a_result(world: World, lab: Lab) -> None:
    run_id = world.raised("raise before", verify=None)
    lab.until(lambda: lab.calls(run_id)[0]["state"] == "in_doubt")
    with pytest.raises(InvalidDecision, match="has no result"):
        lab.decide(lab.pending(run_id)[0], "answer", answer={"happened": False, "result": 1})


def test_a_doubt_never_times_out(world: World, lab: Lab) -> None:
    from interlock.engine.approvals import expire_due  # noqa: PLC0415

    run_id = world.raised("raise before", verify=None)
    lab.until(lambda: lab.calls(run_id)[0]["state"] == "in_doubt")
    assert expire_due(lab.database) == 0
    assert lab.pending(run_id)[0]["expires_at"] is None

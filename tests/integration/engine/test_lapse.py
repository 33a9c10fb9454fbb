"""An approval is void when the world moved: the reviewer is asked again, and told what changed."""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from interlock import Agent, tool
from interlock.engine import hooks, journal
from interlock.engine import lapse as lapsing
from interlock.engine.approval_queries import get_approval
from interlock.engine.drift import AS_IT_WAS, Approved
from interlock.engine.errors import ApprovalVoid, Fenced
from interlock.engine.hold import Hold
from interlock.engine.lapse import lapse
from interlock.engine.runs import request_cancel
from interlock.tools import Effect
from uuid_utils.compat import uuid7

sys.path.insert(0, str(Path(__file__).parent))
from graphs import one_node
from losing import lose_workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from conftest import Lab

POLICY = """
@id("ask") @outcome("review") @reviewers("{reviewers}") @quorum("{quorum}") @window("{window}")
@reason("A person decides.") permit (principal, action, resource);
{more}
"""
FORBID = '@id("stop") @reason("Nothing is wiped today.") forbid (principal, action, resource);'


def policy(reviewers: str = "on-call", quorum: int = 1, window: str = "24h", more: str = "") -> str:
    return POLICY.format(reviewers=reviewers, quorum=quorum, window=window, more=more)


class Volume:
    """What is wiped, and whoever measures it."""

    def __init__(self) -> None:
        self.etag: Any = "a1"
        self.looks = 0
        self.on_look: Callable[[int], None] = lambda _: None

    def fingerprint(self, volume: str) -> Any:
        self.looks += 1
        self.on_look(self.looks)
        return {"volume": volume, "etag": self.etag}


@pytest.fixture
def volume() -> Volume:
    return Volume()


def wiper(lab: Lab, volume: Volume, *, text: str | None = None, **declared: Any) -> Agent:
    """An agent that wipes one volume and says what came of it."""

    @tool(**{"effect": "irreversible", "fingerprint": volume.fingerprint, **declared})
    def wipe(volume: str) -> str:
        """Wipe a volume."""
        lab.effects.append(f"wipe {volume}")
        return "wiped"

    graph = one_node(lambda _: {"said": wipe.invoke({"volume": "v7"})})
    return Agent("a", graph=graph, tools=[wipe], policy=text)


def asked_again(lab: Lab, run_id: UUID, before: dict[str, Any]) -> dict[str, Any]:
    """The approval that took the place of this one."""
    lab.until(lambda: [a for a in _pending(lab, run_id) if a["id"] != before["id"]], run_id)
    return next(a for a in _pending(lab, run_id) if a["id"] != before["id"])


def _pending(lab: Lab, run_id: UUID) -> list[dict[str, Any]]:
    query = "select * from approvals where run_id = %s and state = 'pending' and kind = 'call'"
    return lab.rows(query, run_id)


def approval(lab: Lab, approval_id: UUID) -> dict[str, Any]:
    return lab.rows("select * from approvals where id = %s", approval_id)[0]


def states(lab: Lab, run_id: UUID) -> list[tuple[int, str]]:
    return [(call["revision"], call["state"]) for call in lab.calls(run_id)]


def events(lab: Lab, event: str) -> list[dict[str, Any]]:
    entries = lab.rows("select entry from audit_log where event = %s order by seq", event)
    return [json.loads(bytes(row["entry"]))["detail"] for row in entries]


# The target -----------------------------------------------------------------------------------


def test_what_is_as_it_was_runs_on_its_approval(lab: Lab, volume: Volume) -> None:
    agent = wiper(lab, volume)
    lab.work(agent)
    run_id = lab.start(agent)
    asked = lab.pending(run_id)[0]
    lab.decide(asked)
    assert lab.ended(run_id)["output"] == {"said": "wiped"}
    assert (volume.looks, states(lab, run_id)) == (2, [(1, "succeeded")])
    assert (asked["changes"], approval(lab, asked["id"])["state"]) == (None, "consumed")


def test_a_target_that_changed_voids_the_approval_and_the_reviewer_sees_before_and_after(
    lab: Lab, volume: Volume
) -> None:
    agent = wiper(lab, volume)
    lab.work(agent)
    run_id = lab.start(agent)
    first = lab.pending(run_id)[0]
    volume.etag = "b2"
    lab.decide(first)
    second = asked_again(lab, run_id, first)
    assert lab.effects == []
    assert states(lab, run_id) == [(1, "superseded"), (2, "waiting")]
    lapsed = approval(lab, first["id"])
    says = "Its target is not as it was when it was proposed."
    assert (lapsed["state"], lapsed["close_reason"], lapsed["closed_by"]) == (
        "lapsed",
        says,
        "dana",
    )
    assert second["changes"] == [
        {
            "what": "target",
            "says": says,
            "before": {"etag": "a1", "volume": "v7"},
            "now": {"etag": "b2", "volume": "v7"},
        }
    ]
    assert events(lab, "approval.lapsed")[0]["changes"] == second["changes"]
    assert events(lab, "approval.requested")[1]["changes"] == second["changes"]
    assert events(lab, "call.superseded")[0]["reason"] == says
    with lab.database.begin() as conn:
        found = get_approval(conn, tenant="default", approval_id=first["id"])
    assert found.successor == second["id"]

    lab.decide(second)
    assert lab.ended(run_id)["output"] == {"said": "wiped"}
    assert lab.effects == ["wipe v7"]
    assert states(lab, run_id) == [(1, "superseded"), (2, "succeeded")]


def test_the_answer_to_the_old_approval_is_no_answer_to_the_new_one(
    lab: Lab, volume: Volume
) -> None:
    from interlock.engine.errors import AlreadyDecided  # noqa: PLC0415

    agent = wiper(lab, volume)
    lab.work(agent)
    run_id = lab.start(agent)
    first = lab.pending(run_id)[0]
    volume.etag = "b2"
    lab.decide(first)
    second = asked_again(lab, run_id, first)
    lab.decide(first)  # the repeat of a decision that is recorded, and nothing else
    with pytest.raises(AlreadyDecided):
        lab.decide(first, "reject", reason="changed my mind")
    lab.silence()
    assert (approval(lab, second["id"])["state"], lab.effects) == ("pending", [])


def test_what_changes_while_the_preview_is_measured_voids_the_approval(
    lab: Lab, volume: Volume
) -> None:
    def preview(volume_: str = "", **_: Any) -> dict[str, Any]:
        volume.etag = "b2"
        return {"Backups": 14}

    agent = wiper(lab, volume, preview=preview)
    lab.work(agent)
    run_id = lab.start(agent)
    first = lab.pending(run_id)[0]
    lab.decide(first)
    assert asked_again(lab, run_id, first)["changes"][0]["before"]["etag"] == "a1"
    assert lab.effects == []


@pytest.mark.parametrize("how", ["raises", "is silent", "has no exact form"])
def test_a_target_that_cannot_be_measured_voids_the_approval(
    lab: Lab, volume: Volume, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(hooks, "PATIENCE", 0.2 if how == "is silent" else 10.0)

    def on_look(look: int) -> None:
        if look == 2 and how == "raises":
            raise ConnectionError("no route")
        if look == 2 and how == "is silent":
            time.sleep(1)
        volume.etag = float("nan") if look == 2 and how == "has no exact form" else "a1"

    volume.on_look = on_look
    agent = wiper(lab, volume)
    lab.work(agent)
    run_id = lab.start(agent)
    first = lab.pending(run_id)[0]
    lab.decide(first)
    second = asked_again(lab, run_id, first)
    reason = approval(lab, first["id"])["close_reason"]
    assert reason == "It cannot be told whether its target is as it was when it was proposed."
    # by the time it was asked again it could be measured, and was as before
    assert second["changes"][0]["what"] == "lapse"
    lab.decide(second)
    lab.ended(run_id)
    assert lab.effects == ["wipe v7"]


def test_no_approval_covers_a_target_that_can_never_be_measured(lab: Lab, volume: Volume) -> None:
    def on_look(_: int) -> None:
        raise ConnectionError("no route")

    volume.on_look = on_look
    agent = wiper(lab, volume)
    lab.work(agent)
    run_id = lab.start(agent)
    first = lab.pending(run_id)[0]
    lab.decide(first)
    second = asked_again(lab, run_id, first)
    assert "Could not be measured: ConnectionError" in second["changes"][0]["now"]
    lab.decide(second)
    third = asked_again(lab, run_id, second)
    lab.decide(third, "reject", reason="cannot be measured")
    lab.ended(run_id)
    assert lab.effects == []


def test_nothing_is_open_in_the_database_while_the_target_is_measured(
    lab: Lab, volume: Volume
) -> None:
    seen: list[int] = []
    volume.on_look = lambda _: seen.append(lab.left_open())
    agent = wiper(lab, volume)
    lab.work(agent)
    run_id = lab.start(agent)
    lab.decide(lab.pending(run_id)[0])
    lab.ended(run_id)
    assert seen == [0, 0]


# The tool and the policy ----------------------------------------------------------------------


def approved_then(
    lab: Lab, before: Agent, after: Agent, *, meanwhile: Callable[[], None] = lambda: None
) -> tuple[UUID, dict[str, Any]]:
    """A run whose call was approved under one agent and that another one takes up."""
    lab.work(before)
    run_id = lab.start(before)
    first = lab.pending(run_id)[0]
    lab.settled(run_id)
    lab.rest()
    lab.decide(first)
    meanwhile()
    lab.work(after)
    if before.shape != after.shape:
        lab.until(lambda: lab.rows("select from approvals where kind = 'version'"), run_id)
        version = lab.rows("select * from approvals where kind = 'version'")[0]
        lab.decide(version)
    return run_id, first


def test_a_tool_that_changed_voids_the_approval(lab: Lab, volume: Volume) -> None:
    before, after = wiper(lab, volume, version="1"), wiper(lab, volume, version="2")
    run_id, first = approved_then(lab, before, after)
    second = asked_again(lab, run_id, first)
    change = second["changes"][0]
    versions = [each.tools["wipe"].spec.version for each in (before, after)]
    assert (change["what"], [change["before"], change["now"]]) == ("tool", versions)
    assert approval(lab, first["id"])["close_reason"].startswith("wipe changed")
    assert [call["tool_version"] for call in lab.calls(run_id)] == versions
    assert bytes(second["digest"]) != bytes(first["digest"])
    lab.decide(second)
    lab.ended(run_id)
    assert lab.effects == ["wipe v7"]


def test_a_tool_whose_schema_the_arguments_no_longer_fit_is_forbidden_with_the_reason(
    lab: Lab, volume: Volume
) -> None:
    @tool(effect="irreversible")
    def wipe(disk: str) -> str:
        """Wipe a disk."""
        lab.effects.append(disk)
        return "wiped"

    before = wiper(lab, volume)
    graph = one_node(lambda _: {"said": before.tools["wipe"].invoke({"volume": "v7"})})
    # the node still has the old tool's way of calling: what is stored is judged by the new schema
    after = Agent("a", graph=graph, tools=[wipe])
    run_id, first = approved_then(lab, before, after)
    ended = lab.ended(run_id)
    assert lab.effects == []
    assert "did not run" in str(ended["output"])
    assert approval(lab, first["id"])["state"] == "lapsed"


_TIGHTER = {
    "more approvals": ({"quorum": 2}, "2 approvals by on-call"),
    "other reviewers": ({"reviewers": "finance"}, "1 approval by finance"),
}


@pytest.mark.parametrize("how", _TIGHTER)
def test_a_policy_that_asks_for_more_voids_the_approval(lab: Lab, volume: Volume, how: str) -> None:
    terms, now = _TIGHTER[how]
    wide = {"reviewers": "on-call, finance"} if how == "other reviewers" else {}
    before = wiper(lab, volume, text=policy(**wide))
    run_id, first = approved_then(lab, before, wiper(lab, volume, text=policy(**terms)))
    second = asked_again(lab, run_id, first)
    assert (second["changes"][0]["what"], second["changes"][0]["now"]) == ("policy", now)
    assert lab.effects == []


def test_a_policy_that_forbids_by_now_forbids_what_was_approved(lab: Lab, volume: Volume) -> None:
    before = wiper(lab, volume, text=policy())
    after = wiper(lab, volume, text=policy(more=FORBID))
    run_id, first = approved_then(lab, before, after)
    ended = lab.ended(run_id)
    assert ended["output"] == {"said": "wipe did not run. It is forbidden: Nothing is wiped today."}
    assert states(lab, run_id) == [(1, "superseded"), (2, "forbidden")]
    lapsed = approval(lab, first["id"])
    assert (lapsed["state"], lapsed["close_reason"]) == (
        "lapsed",
        "It is forbidden now: Nothing is wiped today.",
    )
    assert lab.effects == []


_NO_TIGHTER = {
    "fewer approvals": (policy(quorum=1), policy(quorum=1, window="48h")),
    "more reviewers": (policy(), policy(reviewers="on-call, finance")),
}


@pytest.mark.parametrize("how", _NO_TIGHTER)
def test_a_policy_that_asks_for_no_more_changes_nothing(lab: Lab, volume: Volume, how: str) -> None:
    texts = _NO_TIGHTER[how]
    run_id, first = approved_then(lab, *(wiper(lab, volume, text=text) for text in texts))
    assert lab.ended(run_id)["output"] == {"said": "wiped"}
    assert approval(lab, first["id"])["state"] == "consumed"


def test_a_call_that_counts_for_worse_than_was_approved_is_asked_for_again(
    lab: Lab, volume: Volume
) -> None:
    worse = threading.Event()

    def rule(_: Any) -> Effect:
        return Effect.IRREVERSIBLE if worse.is_set() else Effect.REVERSIBLE

    agent = wiper(lab, volume, text=policy(), effect=rule, undo=print)
    lab.work(agent)
    run_id = lab.start(agent)
    first = lab.pending(run_id)[0]
    worse.set()
    lab.decide(first)
    second = asked_again(lab, run_id, first)
    assert second["changes"][0]["says"] == (
        "It was approved as reversible and now counts as irreversible."
    )
    assert [call["effect"] for call in lab.calls(run_id)] == ["reversible", "irreversible"]


# The window -----------------------------------------------------------------------------------


def test_an_approval_older_than_its_window_is_void(lab: Lab, volume: Volume) -> None:
    agent = wiper(lab, volume, text=policy(window="1s"))
    run_id, first = approved_then(lab, agent, agent, meanwhile=lambda: time.sleep(1.1))
    second = asked_again(lab, run_id, first)
    assert approval(lab, first["id"])["close_reason"] == (
        "It was approved too long ago to run on that."
    )
    change = second["changes"][0]
    assert (change["what"], change["before"], change["now"]) == (
        "window",
        "Good for 1 s",
        "1 s old",
    )
    assert lab.effects == []
    lab.decide(second)
    lab.ended(run_id)
    assert lab.effects == ["wipe v7"]


def test_a_window_that_was_made_shorter_holds_for_what_is_approved(
    lab: Lab, volume: Volume
) -> None:
    before, after = wiper(lab, volume, text=policy()), wiper(lab, volume, text=policy(window="1s"))
    run_id, first = approved_then(lab, before, after, meanwhile=lambda: time.sleep(1.1))
    assert asked_again(lab, run_id, first)["changes"][0]["what"] == "window"
    assert lab.effects == []


def test_a_window_that_ends_right_before_the_start_is_noticed_by_the_start_itself(
    lab: Lab, volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    read = lapsing.approved_under

    def early(*given: Any) -> Approved:
        found = read(*given)
        looks.append(1)
        if len(looks) > 1:
            return found
        time.sleep(1.1)
        return replace(found, age=timedelta())

    monkeypatch.setattr(lapsing, "approved_under", early)
    agent = wiper(lab, volume, text=policy(window="1s"))
    lab.work(agent)
    run_id = lab.start(agent)
    first = lab.pending(run_id)[0]
    lab.decide(first)
    assert asked_again(lab, run_id, first)["changes"][0]["what"] == "window"
    assert (lab.effects, events(lab, "run.released")) == ([], [])
    assert states(lab, run_id) == [(1, "superseded"), (2, "waiting")]


# Crashes and races ----------------------------------------------------------------------------


def test_lost_between_lapse_and_proposal_it_is_asked_again_once(lab: Lab, volume: Volume) -> None:
    """The third look is that of the proposal after the lapse."""
    stuck, let_go = threading.Event(), threading.Event()

    def on_look(look: int) -> None:
        volume.etag = f"e{min(look, 2)}"
        if look == 3:
            stuck.set()
            let_go.wait(8)

    volume.on_look = on_look
    agent = wiper(lab, volume)
    lab.work(agent)
    run_id = lab.start(agent)
    first = lab.pending(run_id)[0]
    lab.decide(first)
    assert stuck.wait(20)
    assert states(lab, run_id) == [(1, "superseded")]
    lose_workers(lab.database)
    second = asked_again(lab, run_id, first)
    let_go.set()
    lab.silence()
    assert [a["id"] for a in _pending(lab, run_id)] == [second["id"]]
    assert states(lab, run_id) == [(1, "superseded"), (2, "waiting")]
    assert len(events(lab, "approval.lapsed")) == 1
    assert len(events(lab, "approval.requested")) == 2


def test_cancelled_between_lapse_and_proposal_nobody_is_asked_again(
    lab: Lab, volume: Volume
) -> None:
    stuck, let_go = threading.Event(), threading.Event()

    def on_look(look: int) -> None:
        volume.etag = f"e{min(look, 2)}"
        if look == 3:
            stuck.set()
            let_go.wait(8)

    volume.on_look = on_look
    agent = wiper(lab, volume)
    lab.work(agent)
    run_id = lab.start(agent)
    lab.decide(lab.pending(run_id)[0])
    assert stuck.wait(20)
    request_cancel(lab.database, tenant="default", run_id=run_id, by="reviewer:dana")
    let_go.set()
    assert lab.ended(run_id)["exit"] == "cancelled"
    assert (states(lab, run_id), lab.effects) == ([(1, "superseded")], [])
    assert _pending(lab, run_id) == []


@pytest.fixture
def at_start(
    lab: Lab, volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Hold, Any]]:
    """The hold and the call of an execution that stands still right before T3."""
    stuck, let_go = threading.Event(), threading.Event()

    def on_look(look: int) -> None:
        if look == 2:
            stuck.set()
            let_go.wait(8)

    volume.on_look = on_look
    agent = wiper(lab, volume, text=policy(window="2s"))
    worker = lab.work(agent)
    run_id = lab.start(agent)
    lab.decide(lab.pending(run_id)[0])
    assert stuck.wait(20)
    hold = Hold("default", run_id, "a", lab.run(run_id)["epoch"], worker.id)
    key = bytes(lab.calls(run_id)[0]["key"])
    with lab.database.begin() as conn:
        call = journal.find(conn, hold, key)
    yield hold, call
    let_go.set()


CHANGES = (AS_IT_WAS,)


def test_a_lapse_whose_answer_was_lost_is_repeated_without_a_second_entry(
    lab: Lab, at_start: tuple[Hold, Any]
) -> None:
    hold, call = at_start
    for _ in range(2):
        with lab.database.begin() as conn:
            lapse(conn, hold, call, CHANGES)
    assert len(events(lab, "approval.lapsed")) == len(events(lab, "call.superseded")) == 1


def test_who_lost_the_run_lets_no_approval_lapse(lab: Lab, at_start: tuple[Hold, Any]) -> None:
    hold, call = at_start
    stale = Hold(hold.tenant, hold.run_id, hold.agent, hold.epoch - 1, hold.worker_id)
    with pytest.raises(Fenced), lab.database.begin() as conn:
        lapse(conn, stale, call, CHANGES)
    assert lab.calls(hold.run_id)[0]["state"] == "approved"


def test_a_start_after_the_window_is_refused_by_the_statement_that_uses_the_approval(
    lab: Lab, at_start: tuple[Hold, Any]
) -> None:
    hold, call = at_start
    query = "select closed_at + use_within < clock_timestamp() from approvals"
    lab.until(lambda: lab.one(query))
    with pytest.raises(ApprovalVoid), lab.database.begin() as conn:
        journal.start(conn, hold, call, uuid7())


def test_an_approval_that_lapsed_cannot_be_used(lab: Lab, at_start: tuple[Hold, Any]) -> None:
    from interlock.engine.errors import Conflict  # noqa: PLC0415

    hold, call = at_start
    with lab.database.begin() as conn:
        lapse(conn, hold, call, CHANGES)
    with pytest.raises(Conflict, match="used or gone"), lab.database.begin() as conn:
        journal.start(conn, hold, call, uuid7())

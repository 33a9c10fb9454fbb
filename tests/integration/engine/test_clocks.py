"""Workers on hosts whose clocks disagree take a run up from each other."""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from interlock import Agent, tool
from interlock.engine import step_clock
from langgraph.checkpoint.base import id as ids

sys.path.insert(0, str(Path(__file__).parent))
from graphs import ask, scripted

if TYPE_CHECKING:
    import pytest
    from conftest import Lab

AN_HOUR = 3600 * 10**9


def undo(args: Any, result: Any) -> None:
    """Never asked for here."""


def on_another_host(monkeypatch: pytest.MonkeyPatch, behind: int = 0) -> None:
    """Make ids as a process does that has just begun, on a host whose clock is behind."""
    clock = SimpleNamespace(time_ns=lambda: time.time_ns() - behind)
    monkeypatch.setattr(ids, "time", clock)
    monkeypatch.setattr(ids, "_last_v6_timestamp", None)


def test_a_run_goes_on_from_its_last_step_on_a_host_whose_clock_is_behind(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    @tool(effect="irreversible")
    def wipe(at: str) -> str:
        """Delete a volume."""
        lab.effects.append(f"wipe {at}")
        return "wiped"

    @tool(effect="reversible", undo=undo)
    def tidy(at: str) -> str:
        """Tidy up."""
        lab.effects.append(f"tidy {at}")
        return "tidied"

    turns = [[ask(name, {"at": name[0]}, name)] for name in ("wipe", "tidy")] * 2
    tools = [wipe, tidy]
    agent = Agent("hosts", graph=lambda: scripted(tools, *turns), tools=tools)
    on_another_host(monkeypatch)
    lab.work(agent)
    run_id = lab.start(agent, {"messages": [("user", "go")]})
    for _ in range(2):
        lab.settled(run_id)
        (asked,) = lab.pending(run_id)
        lab.rest()
        on_another_host(monkeypatch, AN_HOUR)
        lab.decide(asked)
        lab.work(agent)
    assert lab.ended(run_id)["exit"] == "completed"
    assert lab.effects == ["wipe w", "tidy t"] * 2
    assert len(lab.rows("select from approvals where run_id = %s", run_id)) == 2
    steps = lab.rows("select id, parent_id from steps where run_id = %s", run_id)
    assert all(step["id"] > (step["parent_id"] or "") for step in steps)
    assert set(Counter(step["parent_id"] for step in steps).values()) == {1}


def test_an_id_that_tells_no_time_is_passed_over() -> None:
    made = str(ids.uuid6())
    step_clock.keep_above("the first step")
    assert str(ids.uuid6()) > made

"""A database that is away for longer than anything waits ends no run."""

from __future__ import annotations

import sys
import threading
import time
from functools import partialmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interlock import Agent, tool
from interlock.engine.database import Database
from interlock.engine.execution import Execution

sys.path.insert(0, str(Path(__file__).parent))
from graphs import one_node

if TYPE_CHECKING:
    import pytest
    from conftest import Lab


def test_a_run_that_was_taken_up_right_before_goes_on_when_the_database_is_back(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    @tool(effect="irreversible")
    def wipe(volume: str) -> str:
        """Wipe a volume."""
        lab.effects.append(volume)
        return "wiped"

    graph = one_node(lambda _: {"said": wipe.invoke({"volume": "v7"})})
    agent = Agent("wiper", graph=graph, tools=[wipe])
    begin, recall = Database.begin, Execution._recall
    away, taken_up = threading.Event(), threading.Event()

    def refused(self: Database) -> Any:
        nowhere = Database("postgresql://127.0.0.1:1/nothing") if away.is_set() else None
        return begin(nowhere or self)

    async def recalled(self: Execution) -> None:
        if not taken_up.is_set():
            away.set()
            taken_up.set()
        await recall(self)

    lab.work(agent)
    run_id = lab.start(agent)
    asked = lab.pending(run_id)[0]
    monkeypatch.setattr(Database, "begin", refused)
    monkeypatch.setattr(Database, "retry", partialmethod(Database.retry, patience=0.3))
    monkeypatch.setattr(Execution, "_recall", recalled)
    lab.decide(asked)
    assert taken_up.wait(30)
    time.sleep(1.5)
    away.clear()
    assert lab.ended(run_id)["exit"] == "completed"
    assert lab.effects == ["v7"]

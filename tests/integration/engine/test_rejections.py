"""Rejections in a row: a run that people say no to three times has no more to ask."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from interlock import Agent, tool

sys.path.insert(0, str(Path(__file__).parent))
from graphs import ask, scripted

if TYPE_CHECKING:
    from uuid import UUID

    from conftest import Lab


def wiper(lab: Lab, count: int) -> Agent:
    """An agent that wipes one volume after the other, whatever it is told."""

    @tool(effect="irreversible")
    def wipe(volume: str) -> str:
        """Wipe a volume."""
        lab.effects.append(volume)
        return "wiped"

    turns = [[ask("wipe", {"volume": f"v{at}"}, str(at))] for at in range(count)]
    return Agent("wiper", graph=scripted([wipe], *turns), tools=[wipe])


def answer(lab: Lab, run_id: UUID, *kinds: str) -> None:
    """Decide what is asked, one after the other."""
    for kind in kinds:
        (asked,) = lab.pending(run_id)
        lab.decide(asked, kind, reason="Enough." if kind == "reject" else None)
        lab.until(lambda done=asked["id"]: done not in _pending(lab, run_id))


def _pending(lab: Lab, run_id: UUID) -> list[UUID]:
    query = "select id from approvals where run_id = %s and state = 'pending'"
    return [row["id"] for row in lab.rows(query, run_id)]


def test_three_rejections_in_a_row_end_the_run(lab: Lab) -> None:
    agent = wiper(lab, 5)
    lab.work(agent)
    run_id = lab.start(agent, {"messages": []})
    answer(lab, run_id, "reject", "reject", "reject")
    ended = lab.ended(run_id)
    assert ended["exit"] == "rejected"
    assert ended["exit_reason"] == (
        "3 of its calls were rejected, one after the other. wipe did not run. "
        "dana rejected it: Enough."
    )
    assert (len(lab.calls(run_id)), lab.effects) == (3, [])


@pytest.mark.parametrize("at", [0, 1, 2])
def test_an_approval_among_them_begins_the_row_anew(lab: Lab, at: int) -> None:
    kinds = ["reject", "reject", "reject"]
    kinds.insert(at, "approve")
    agent = wiper(lab, 4)
    lab.work(agent)
    run_id = lab.start(agent, {"messages": []})
    answer(lab, run_id, *kinds)
    assert lab.ended(run_id)["exit"] == ("rejected" if at == 0 else "completed")
    assert lab.effects == [f"v{at}"]

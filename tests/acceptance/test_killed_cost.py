"""`kill -9` around paid replies: none is bought twice, none forgotten, and no limit is passed."""

from __future__ import annotations

import os
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from interlock import Agent, Limits, Price
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Send

sys.path.insert(0, str(Path(__file__).parents[1]))
from oracle import Streaming

if TYPE_CHECKING:
    from support.crew import Crew
    from support.desk import Desk
    from support.world import World

pytestmark = pytest.mark.slow

AGENT = f"{__file__}:agent"
BRANCHES = f"{__file__}:branches"
CALLS = 8
CENT_A_REPLY = {"oracle-1": Price(0, 2000)}
"""Five tokens of a reply are a cent."""


def __getattr__(name: str) -> Any:
    """The agents, for the worker processes: eight replies in a row, and eight side by side."""
    if name not in ("agent", "branches"):
        raise AttributeError(name)
    from support.scripted import world  # noqa: PLC0415 - it needs a worker's environment

    model = Streaming(notes=Notes(world))
    is_wide = name == "branches"

    def node(state: Any) -> dict[str, Any]:
        for at in [state["at"]] if is_wide else range(CALLS):
            model.invoke(f"question {at}", max_tokens=5)
            world.pass_by("answered", until_paid)
        return {}

    graph = StateGraph(MessagesState)
    graph.add_node("work", node)
    starts = [Send("work", {"at": at}) for at in range(CALLS)] if is_wide else "work"
    graph.add_conditional_edges(START, lambda _: starts, ["work"])
    graph.add_edge("work", END)
    limits = Limits(steps=10, seconds=600, cost_usd=0.05)
    return Agent("scripted", graph=graph, tools=[], limits=limits, prices=CENT_A_REPLY)


class Notes:
    """What the model was asked, on disk before it answers."""

    def __init__(self, world: World) -> None:
        self._world = world

    def append(self, question: str) -> None:
        self._world.happen("", "", f"ask {question}")
        self._world.pass_by("asked")

    def __len__(self) -> int:
        return len(self._world.effects("ask"))


def until_paid() -> None:
    """Wait until it is at rest what a reply cost, before the process is killed."""
    with psycopg.connect(os.environ["INTERLOCK_DATABASE_URL"], autocommit=True) as conn:
        while conn.execute("select count(*) from replies where usd > 0").fetchone() == (0,):
            time.sleep(0.01)


@pytest.mark.parametrize("agent", [AGENT, BRANCHES], ids=["in a row", "side by side"])
@pytest.mark.parametrize("point", ["asked", "answered"])
def test_killed_around_a_paid_reply_the_limit_holds_to_the_cent(
    agent: str, point: str, crew: Crew, world: World, desk: Desk
) -> None:
    workers = [crew.begin(lease=2.0, agent=agent) for _ in range(2)]
    for worker in workers:
        worker.wait_until_up()
    world.trap(point, "skip", "kill")
    run = desk.ask([])
    crew.of(world.caught(point)).wait()
    desk.until_ended(run, "limit_reached")
    asked = [effect.what for effect in world.effects("ask")]
    rows = desk.rows(
        "select coalesce(usd, reserved_usd) as usd, usd is null as is_lost from replies"
    )
    lost = sum(row.is_lost for row in rows)
    assert sum(row.usd for row in rows) == Decimal("0.05")
    assert 5 - lost <= len(asked) <= 5
    assert len(asked) - len(set(asked)) <= lost
    if agent == AGENT:
        assert (len(asked), lost) == (5, point == "asked")

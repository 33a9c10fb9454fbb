"""`kill -9` of a worker around a model's replies: the model is asked once for each prompt."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from interlock import Agent, Limits
from langgraph.graph import START, MessagesState, StateGraph

sys.path.insert(0, str(Path(__file__).parents[1]))
from oracle import Streaming

if TYPE_CHECKING:
    from support.crew import Crew
    from support.desk import Desk
    from support.world import World

pytestmark = pytest.mark.slow

AGENT = f"{__file__}:agent"
PROMPTS = ["ask one", "ask two", "ask three"]


def __getattr__(name: str) -> Any:
    """`agent`, for the worker processes: a node that asks twice, pays, and asks once more."""
    if name != "agent":
        raise AttributeError(name)
    from support.scripted import pay, world  # noqa: PLC0415 - it needs a worker's environment

    model = Streaming(notes=Notes(world))

    def node(_: Any) -> dict[str, Any]:
        one = model.invoke("one")
        world.pass_by("one", until_kept(1))
        two = "".join(chunk.text for chunk in model.stream("two"))
        world.pass_by("two", until_kept(2))
        pay.invoke({"amount": f"{one.text} {two}"})
        three = model.invoke("three")
        world.pass_by("three", until_kept(3))
        return {"messages": [one, three]}

    graph = StateGraph(MessagesState)
    graph.add_node("work", node)
    graph.add_edge(START, "work")
    return Agent("scripted", graph=graph, tools=[pay], limits=Limits(steps=10, seconds=600))


class Notes:
    """What the model was asked, on disk before it answers."""

    def __init__(self, world: World) -> None:
        self._world = world

    def append(self, question: str) -> None:
        self._world.happen("", "", f"ask {question}")

    def __len__(self) -> int:
        return len(self._world.effects("ask"))


def until_kept(count: int) -> Any:
    """Wait until that many replies are at rest, before the process is killed."""

    def wait() -> None:
        with psycopg.connect(os.environ["INTERLOCK_DATABASE_URL"], autocommit=True) as conn:
            query = "select count(*) = %s from replies where content is not null"
            while conn.execute(query, (count,)).fetchone() != (True,):
                time.sleep(0.01)

    return wait


@pytest.mark.parametrize("point", ["one", "two", "pay-before", "pay-after", "three"])
def test_killed_between_a_reply_and_its_checkpoint_the_model_is_not_asked_again(
    point: str, crew: Crew, world: World, desk: Desk
) -> None:
    workers = [crew.begin(lease=2.0, agent=AGENT) for _ in range(2)]
    for worker in workers:
        worker.wait_until_up()
    world.trap(point, "kill")
    run = desk.ask([])
    if point in ("pay-before", "pay-after", "three"):
        desk.approve(desk.until_asked(run))
    crew.of(world.caught(point)).wait()
    if point not in ("pay-before", "pay-after", "three"):
        desk.approve(desk.until_asked(run))
    desk.until_ended(run)
    assert desk.run(run).exit == "completed"
    assert [effect.what for effect in world.effects("ask")] == PROMPTS
    assert len(desk.rows("select from replies")) == len(PROMPTS)
    assert len({effect.what for effect in world.effects("pay")}) == 1

"""Checkpoints of ended runs are taken away, and nothing that stays rests on them."""

from __future__ import annotations

from datetime import timedelta
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest
from interlock import Agent, Limits
from interlock.engine.errors import Conflict
from interlock.engine.group_commit import GroupCommit
from interlock.engine.lifecycle import Exit
from interlock.engine.retention import Pruned, Retention, prune
from interlock.engine.saver import StepSaver
from langchain_core.messages import AIMessage
from langgraph.graph import END, START, MessagesState, StateGraph

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from conftest import Lab

NOW = timedelta()
SPOKEN = 12


def talker(before_the_last: Callable[[], None] = lambda: None) -> Agent:
    """Says something a step, in an inner graph."""

    def say(state: MessagesState) -> dict[str, Any]:
        at = len(state["messages"])
        if at == SPOKEN - 1:
            before_the_last()
        return {"messages": [AIMessage(f"word {at}", id=f"m{at}")]}

    def onward(state: MessagesState) -> str:
        return "say" if len(state["messages"]) < SPOKEN else END

    inner = StateGraph(MessagesState)
    inner.add_node("say", say)
    inner.add_edge(START, "say")
    inner.add_conditional_edges("say", onward)
    outer = StateGraph(MessagesState)
    outer.add_node("first", say)
    outer.add_node("talk", inner.compile())
    outer.add_edge(START, "first")
    outer.add_edge("first", "talk")
    return Agent("talker", graph=outer, tools=[], limits=Limits(steps=100))


@pytest.fixture
def ended(lab: Lab) -> UUID:
    """A run that ended, with many checkpoints."""
    agent = talker()
    lab.work(agent)
    run_id = lab.start(agent, {"messages": []})
    assert lab.ended(run_id)["exit"] == "completed"
    return run_id


def steps(lab: Lab, run_id: UUID) -> int:
    return int(lab.one("select count(*) from steps where run_id = %s", run_id))


def said(lab: Lab, run_id: UUID) -> list[str]:
    """What the newest checkpoint has."""
    with GroupCommit(lab.database.url, threads=1) as commit:
        config: Any = {"configurable": {"thread_id": str(run_id)}}
        found = StepSaver(commit, "default").get_tuple(config)
    assert found is not None
    return [message.content for message in found.checkpoint["channel_values"]["messages"]]


def keeping(*, latest: bool, age: timedelta = NOW, exits: tuple[Exit, ...] = tuple(Exit)) -> Any:
    return Retention(exits, age, keep_latest=latest)


def pruned(lab: Lab, retention: Retention) -> Pruned:
    return prune(lab.database, retention, tenant="default", by="operator:tests")


def test_the_newest_checkpoint_reads_as_before_when_all_others_are_gone(
    lab: Lab, ended: UUID
) -> None:
    before, whole = steps(lab, ended), said(lab, ended)
    assert len(whole) == SPOKEN
    gone = pruned(lab, keeping(latest=True))
    assert gone == Pruned(1, before - steps(lab, ended))
    spaces = lab.one("select count(distinct ns) from steps where run_id = %s", ended)
    assert steps(lab, ended) == spaces
    assert said(lab, ended) == whole
    assert pruned(lab, keeping(latest=True)) == Pruned(0, 0)


def test_pruning_is_in_the_record(lab: Lab, ended: UUID) -> None:
    gone = pruned(lab, keeping(latest=False))
    assert steps(lab, ended) == 0
    (entry,) = lab.rows(
        "select actor, convert_from(entry, 'utf8')::json -> 'detail' as detail from audit_log"
        " where run_id = %s and event = 'steps.pruned'",
        ended,
    )
    assert entry == {
        "actor": "operator:tests",
        "detail": {"kept": "nothing", "steps": gone.steps},
    }


@pytest.mark.parametrize(
    "left_alone",
    [
        keeping(latest=False, age=timedelta(days=1)),
        keeping(latest=False, exits=(Exit.FAILED, Exit.CANCELLED)),
    ],
)
def test_younger_runs_and_runs_of_another_exit_are_left_alone(
    lab: Lab, ended: UUID, left_alone: Retention
) -> None:
    before = steps(lab, ended)
    assert pruned(lab, left_alone) == Pruned(0, 0)
    assert steps(lab, ended) == before


@pytest.mark.parametrize(
    "take_away",
    [
        lambda saver, run: saver.delete_thread(run),
        lambda saver, run: saver.prune([run]),
        lambda saver, run: saver.prune([run], strategy="delete"),
    ],
)
def test_a_run_that_is_executed_keeps_its_checkpoints(
    lab: Lab, take_away: Callable[[StepSaver, str], None]
) -> None:
    speaking, go_on = Event(), Event()

    def breath() -> None:
        speaking.set()
        assert go_on.wait(30)

    agent = talker(before_the_last=breath)
    lab.work(agent)
    run_id = lab.start(agent, {"messages": []})
    assert speaking.wait(30)
    try:
        with (
            GroupCommit(lab.database.url, threads=1) as commit,
            pytest.raises(Conflict, match=f"Run {run_id} is being executed"),
        ):
            take_away(StepSaver(commit, "default"), str(run_id))
    finally:
        go_on.set()
    assert lab.ended(run_id)["exit"] == "completed"
    assert steps(lab, run_id) > SPOKEN

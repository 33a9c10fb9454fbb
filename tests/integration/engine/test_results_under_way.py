"""A result that is known and not yet written is nobody's doubt."""

from __future__ import annotations

import asyncio
import functools
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from interlock import Agent, Limits, tool
from interlock.engine import execution, group_commit, journal
from interlock.engine.database import Database
from interlock.engine.gate import RunGate
from interlock.engine.lane import Lane
from interlock.engine.lease import Lease
from interlock.engine.runs import request_cancel
from langgraph.graph import END, START, StateGraph
from langgraph.types import RetryPolicy
from sqlalchemy.exc import OperationalError

sys.path.insert(0, str(Path(__file__).parent))
from graphs import Notes, one_node

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    import pytest
    from conftest import Lab
    from interlock.tools import GatedTool


def undo(args: Any, result: Any) -> None:
    """Never asked for here."""


def events(lab: Lab, run_id: UUID) -> list[str]:
    query = "select event from audit_log where run_id = %s order by seq"
    return [row["event"] for row in lab.rows(query, run_id)]


def retried(node: Callable[..., Any], *tools: GatedTool) -> Agent:
    graph = StateGraph(Notes)
    again = RetryPolicy(initial_interval=0.0, jitter=False, retry_on=ValueError)
    graph.add_node("work", node, retry_policy=again)
    graph.add_edge(START, "work")
    graph.add_edge("work", END)
    return Agent("retried", graph=graph, tools=tools)


def test_a_node_that_is_tried_again_while_a_result_is_sent_gets_that_result(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[int] = []
    really = Lane.ask

    async def slowly(self: Lane, text: bytes, values: Any) -> Any:
        if b"finish_call" in text:
            await asyncio.sleep(0.3)
        return await really(self, text, values)

    monkeypatch.setattr(Lane, "ask", slowly)

    @tool(effect="reversible", undo=undo)
    async def tidy(at: str) -> str:
        """Tidy up."""
        lab.effects.append("tidy")
        return "tidied"

    async def node(state: Any) -> Any:
        attempts.append(1)
        said = await tidy.ainvoke({"at": "v"})
        if len(attempts) == 1:
            await asyncio.sleep(0.05)  # the result is on its way
            raise ValueError("a hiccup")
        return {"said": said}

    agent = retried(node, tidy)
    lab.work(agent)
    run_id = lab.start(agent)
    assert lab.settled(run_id)["exit"] == "completed"
    assert lab.effects == ["tidy"]
    assert [call["state"] for call in lab.calls(run_id)] == ["succeeded"]
    assert "call.in_doubt" not in events(lab, run_id)


def test_a_call_that_is_asked_for_again_while_its_body_runs_is_not_in_doubt_meanwhile(
    lab: Lab,
) -> None:
    attempts: list[int] = []
    go = asyncio.Event()

    @tool(effect="reversible", undo=undo)
    async def tidy(at: str) -> str:
        """Tidy up."""
        lab.effects.append("tidy")
        await go.wait()
        return "tidied"

    async def node(state: Any) -> Any:
        attempts.append(1)
        if len(attempts) == 1:
            asyncio.get_running_loop().call_later(1.0, go.set)
            try:
                async with asyncio.timeout(0.2):
                    await tidy.ainvoke({"at": "v"})
            except TimeoutError:
                raise ValueError("it took too long") from None
        return {"said": await tidy.ainvoke({"at": "v"})}

    agent = retried(node, tidy)
    lab.work(agent)
    run_id = lab.start(agent)
    assert lab.settled(run_id)["exit"] == "completed"
    assert lab.effects == ["tidy"]
    assert "call.in_doubt" not in events(lab, run_id)


def test_a_run_that_is_stopped_while_a_start_is_committed_sends_nothing(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, stopped = Lane.ask, RunGate.halt
    halted = threading.Event()

    async def meanwhile(self: Lane, text: bytes, values: Any) -> Any:
        rows = await really(self, text, values)
        if b"write_call" in text:
            cancel = functools.partial(request_cancel, tenant="default", by="reviewer:dana")
            await asyncio.to_thread(cancel, lab.database, run_id=run_id)
            await asyncio.to_thread(halted.wait, 10)
        return rows

    def halt(self: RunGate, stop: Any) -> None:
        stopped(self, stop)
        halted.set()

    monkeypatch.setattr(Lane, "ask", meanwhile)
    monkeypatch.setattr(RunGate, "halt", halt)

    @tool(effect="reversible", undo=undo)
    async def tidy(at: str) -> str:
        """Tidy up."""
        lab.effects.append("tidy")
        return "tidied"

    async def node(state: Any) -> Any:
        return {"said": await tidy.ainvoke({"at": "v"})}

    agent = Agent("stopped", graph=one_node(node), tools=[tidy])
    lab.work(agent)
    run_id = lab.start(agent)
    assert lab.settled(run_id)["exit"] == "cancelled"
    assert lab.effects == []
    (call,) = lab.calls(run_id)
    assert call["state"] == "failed"
    assert call["error"] == "The run was stopped before the effect, so nothing was sent."
    assert "call.in_doubt" not in events(lab, run_id)


def test_a_start_that_was_given_up_and_committed_all_the_same_is_not_in_doubt(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost, taken_back = threading.Event(), threading.Event()
    really, is_good = Lane.ask, Lease.is_good

    async def forgetful(self: Lane, text: bytes, values: Any) -> Any:
        rows = await really(self, text, values)
        if b"finish_call" in text:
            taken_back.set()
        if b"write_call" in text and not lost.is_set():
            lost.set()
            raise psycopg.OperationalError("the answer is lost")
        return rows

    def lapsed(self: Lease, term: int | None = None) -> bool:
        return is_good(self, term) and (not lost.is_set() or taken_back.is_set())

    monkeypatch.setattr(Lane, "ask", forgetful)
    monkeypatch.setattr(Lease, "is_good", lapsed)

    @tool(effect="reversible", undo=undo)
    async def tidy(at: str) -> str:
        """Tidy up."""
        lab.effects.append("tidy")
        return "tidied"

    async def node(state: Any) -> Any:
        return {"said": await tidy.ainvoke({"at": "v"})}

    agent = Agent("late", graph=one_node(node), tools=[tidy])
    lab.work(agent)
    run_id = lab.start(agent)
    ended = lab.settled(run_id)
    assert (ended["exit"], lab.effects) == ("completed", [])
    assert "nothing was sent" in str(ended["output"])
    assert "call.in_doubt" not in events(lab, run_id)


def test_a_start_whose_answer_is_lost_and_whose_run_is_cancelled_then_is_not_in_doubt(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = threading.Event()
    really = Lane.ask

    async def forgetful(self: Lane, text: bytes, values: Any) -> Any:
        rows = await really(self, text, values)
        if b"write_call" in text and not lost.is_set():
            lost.set()
            run_id = lab.one("select id from runs")
            request_cancel(lab.database, tenant="default", run_id=run_id, by="reviewer:dana")
            raise psycopg.OperationalError("the answer is lost")
        return rows

    monkeypatch.setattr(Lane, "ask", forgetful)

    @tool(effect="reversible", undo=undo)
    async def tidy(at: str) -> str:
        """Tidy up."""
        lab.effects.append("tidy")
        return "tidied"

    async def node(state: Any) -> Any:
        return {"said": await tidy.ainvoke({"at": "v"})}

    agent = Agent("late", graph=one_node(node), tools=[tidy])
    lab.work(agent)
    run_id = lab.start(agent)
    assert (lab.ended(run_id)["exit"], lab.effects) == ("cancelled", [])
    (call,) = lab.calls(run_id)
    assert (call["state"], "nothing was sent" in str(call["error"])) == ("failed", True)
    assert "call.in_doubt" not in events(lab, run_id)


def test_an_approved_start_whose_answer_is_lost_and_whose_run_is_cancelled_then_is_not_in_doubt(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, start = Database.begin, journal.start
    starts: list[int] = []

    def started(*given: Any) -> bool:
        starts.append(threading.get_ident())
        return start(*given)

    @contextmanager
    def forgetful(self: Database) -> Iterator[Any]:
        with begin(self) as conn:
            yield conn
        if starts == [threading.get_ident()]:
            starts.append(0)
            request_cancel(lab.database, tenant="default", run_id=run_id, by="reviewer:dana")
            lost = psycopg.OperationalError("the answer is lost")
            raise OperationalError("commit", None, lost)

    @tool(effect="irreversible")
    def wipe(at: str) -> str:
        """Wipe it."""
        lab.effects.append("wipe")
        return "wiped"

    graph = one_node(lambda _: {"said": wipe.invoke({"at": "v"})})
    agent = Agent("late", graph=graph, tools=[wipe])
    lab.work(agent)
    run_id = lab.start(agent)
    asked = lab.pending(run_id)[0]
    monkeypatch.setattr(journal, "start", started)
    monkeypatch.setattr(Database, "begin", forgetful)
    lab.decide(asked)
    assert (lab.ended(run_id)["exit"], lab.effects) == ("cancelled", [])
    (call,) = lab.calls(run_id)
    assert (call["state"], "nothing was sent" in str(call["error"])) == ("failed", True)
    assert "call.in_doubt" not in events(lab, run_id)


def test_a_tool_that_outlives_its_run_and_its_worker_still_says_what_became_of_it(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "_GRACE", 1.0)
    inside, go = threading.Event(), threading.Event()

    @tool(effect="irreversible")
    def wipe(at: str) -> str:
        """Wipe."""
        inside.set()
        go.wait(20)
        return "wiped"

    def node(state: Any) -> Any:
        return {"said": wipe.invoke({"at": "v"})}

    agent = Agent("slow", graph=one_node(node), tools=[wipe], limits=Limits(seconds=60))
    worker = lab.work(agent)
    run_id = lab.start(agent)
    lab.decide(lab.pending(run_id)[0])
    assert inside.wait(10)
    request_cancel(lab.database, tenant="default", run_id=run_id, by="reviewer:dana")
    lab.ended(run_id)
    assert [call["state"] for call in lab.calls(run_id)] == ["in_doubt"]
    worker.stop()
    lab.silence()
    go.set()
    lab.rest()
    assert [call["state"] for call in lab.calls(run_id)] == ["succeeded"]


def test_more_reads_than_fit_into_one_statement_are_all_written(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("interlock.engine.outbox.MOST_VALUES", 100)
    monkeypatch.setattr(group_commit, "MOST_VALUES", 100)

    @tool(effect="read")
    async def look(at: int) -> str:
        """Look."""
        return "seen"

    async def node(state: Any) -> Any:
        await asyncio.gather(*[look.ainvoke({"at": at}) for at in range(20)])
        return {"said": "all"}

    agent = Agent("busy", graph=one_node(node), tools=[look], limits=Limits(calls=50))
    lab.work(agent)
    run_id = lab.start(agent)
    assert lab.ended(run_id)["exit"] == "completed"
    assert {call["state"] for call in lab.calls(run_id)} == {"succeeded"}
    assert (len(lab.calls(run_id)), lab.run(run_id)["used_calls"]) == (20, 20)


def test_a_run_whose_last_step_cannot_be_written_is_not_completed(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = Lane.ask

    async def refusing(self: Lane, text: bytes, values: Any) -> Any:
        if any(isinstance(value, str) and '"step": 1' in value for value in values):
            raise psycopg.DataError("cannot be written")
        return await really(self, text, values)

    monkeypatch.setattr(Lane, "ask", refusing)
    agent = Agent("last", graph=one_node(lambda _: {"said": "x"}), tools=[])
    lab.work(agent)
    run = lab.ended(lab.start(agent))
    assert (run["exit"], run["exit_reason"]) == ("failed", "DataError: cannot be written")

"""What model calls cost is limited before they are made, and counted once, whatever happens."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from interlock import FREE, Agent, Limits, Price
from interlock.engine import spending
from interlock.engine.group_commit import GroupCommit, Query
from interlock.engine.lifecycle import Exit
from interlock.engine.outbox import Outbox
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from uuid_utils.compat import uuid7

sys.path.insert(0, str(Path(__file__).parent))
from graphs import Notes, one_node
from metered import INPUT, QUESTION, Metered, Outer
from replying import through_an_approval, wipe_tool

if TYPE_CHECKING:
    from uuid import UUID

    from conftest import Lab

CENT_A_REPLY = {"metered": Price(0, 1000)}
"""Ten tokens of a reply are a cent; prompts are free."""
WIDE: dict[str, Any] = {"steps": 200, "tokens_in": 10**9, "tokens_out": 10**9, "cost_usd": 1000}


def asking(model: Metered, branches: int, calls: int, **limits: Any) -> Agent:
    """So many branches side by side, each of which asks so often."""

    def work(_: Any) -> dict[str, Any]:
        for _turn in range(calls):
            model.invoke(QUESTION)
        return {}

    graph = StateGraph(Notes)
    graph.add_node("work", work)
    graph.add_conditional_edges(START, lambda _: [Send("work", {})] * branches)
    graph.add_edge("work", END)
    return agent(graph, **limits)


def agent(graph: Any, *, prices: Any = CENT_A_REPLY, **limits: Any) -> Agent:
    return Agent("asker", graph=graph, tools=[], prices=prices, limits=Limits(**WIDE | limits))


def spent(lab: Lab, run_id: UUID) -> list[tuple[Any, ...]]:
    """What each reply of a run counts as, in the order of their calls."""
    query = (
        "select coalesce(input_tokens, reserved_in) as taken, coalesce(output_tokens, reserved_out)"
        " as given, coalesce(usd, reserved_usd) as usd, price from replies where run_id = %s"
        " order by id"
    )
    return [tuple(row.values()) for row in lab.rows(query, run_id)]


def total(lab: Lab, run_id: UUID) -> Decimal:
    return sum((row[2] for row in spent(lab, run_id)), Decimal(0))


REACHED: dict[str, tuple[dict[str, Any], str]] = {
    "cost_usd": ({"cost_usd": 0.05}, "limit of 0.05 USD; the next call of metered was not made"),
    "tokens_in": ({"tokens_in": 5 * INPUT}, "limit of 500 tokens in prompts"),
    "tokens_out": ({"tokens_out": 50}, "limit of 50 tokens in replies"),
}


@pytest.mark.parametrize("branches", [1, 8])
@pytest.mark.parametrize("limit", REACHED)
def test_a_limit_ends_a_run_at_exactly_its_number(lab: Lab, limit: str, branches: int) -> None:
    model = Metered(asked=[], seconds=0.02)
    limits, sentence = REACHED[limit]
    asker = asking(model, branches, 8, **limits)
    lab.work(asker)
    run = lab.ended(lab.start(asker))
    assert run["exit"] == Exit.LIMIT_REACHED
    assert sentence in run["exit_reason"]
    assert len(model.asked) == 5
    assert spent(lab, run["id"]) == [(INPUT, 10, Decimal("0.01"), "declared")] * 5


@pytest.mark.parametrize("way", ["ainvoke", "astream"])
def test_calls_at_once_on_the_event_loop_share_the_limit(lab: Lab, way: str) -> None:
    model = Metered(asked=[])

    async def ask(at: int) -> None:
        if way == "ainvoke":
            await model.ainvoke(f"{QUESTION}{at}")
        else:
            async for _chunk in model.astream(f"{QUESTION}{at}"):
                pass

    async def node(_: Any) -> dict[str, Any]:
        await asyncio.gather(*map(ask, range(8)))
        return {}

    asker = agent(one_node(node), cost_usd=0.05)
    lab.work(asker)
    run = lab.ended(lab.start(asker))
    assert (run["exit"], len(model.asked)) == ("limit_reached", 5)
    assert total(lab, run["id"]) == Decimal("0.05")


def test_what_is_under_way_is_waited_for_where_it_may_leave_room(lab: Lab) -> None:
    """Eight at once could take 0.80 USD of 0.12, and take 0.08."""
    model = Metered(asked=[], max_tokens=100, takes=10, seconds=0.05)
    asker = asking(model, 8, 1, cost_usd=0.18)
    lab.work(asker)
    run = lab.ended(lab.start(asker))
    assert (run["exit"], len(model.asked)) == ("completed", 8)
    assert total(lab, run["id"]) == Decimal("0.08")


def test_a_call_that_could_pass_the_limit_is_not_made(lab: Lab) -> None:
    model = Metered(asked=[], max_tokens=100, takes=10)
    asker = asking(model, 1, 8, cost_usd=0.12)
    lab.work(asker)
    run = lab.ended(lab.start(asker))
    assert len(model.asked) == 3
    assert run["exit_reason"] == (
        "The run reached its limit of 0.12 USD; the next call of metered was not made: "
        "0.03 is used and it could take 0.1."
    )


def test_raised_by_a_person_the_run_goes_on_and_buys_nothing_twice(lab: Lab) -> None:
    model = Metered(asked=[], max_tokens=30, takes=10)
    asker = asking(model, 1, 4, cost_usd=0.04)
    lab.work(asker)
    run_id = lab.start(asker)
    (asked,) = lab.pending(run_id)
    assert (lab.run(run_id)["exit"], len(model.asked)) == ("limit_reached", 2)
    assert asked["preview"] == {"limit": "cost_usd", "allowed": 0.04, "raise_to": 0.08}
    lab.decide(asked)
    lab.until(lambda: lab.run(run_id)["exit"] == "completed", run_id)
    assert lab.run(run_id)["limit_cost_usd"] == Decimal("0.08")
    assert (len(model.asked), total(lab, run_id)) == (4, Decimal("0.04"))


def test_what_was_bought_before_a_limit_ended_the_run_is_known_when_it_goes_on(lab: Lab) -> None:
    model = Metered(asked=[])
    texts: list[list[str]] = []

    def node(_: Any) -> dict[str, Any]:
        texts.append([])
        for _turn in range(3):
            texts[-1].append(str(model.invoke(QUESTION).text))
        return {}

    asker = agent(one_node(node), cost_usd=0.02)
    lab.work(asker)
    run_id = lab.start(asker)
    lab.decide(lab.pending(run_id)[0])
    lab.until(lambda: lab.run(run_id)["exit"] == "completed", run_id)
    assert texts == [["reply 1", "reply 2"], ["reply 1", "reply 2", "reply 3"]]
    assert total(lab, run_id) == Decimal("0.03")


def test_a_graph_inside_the_graph_has_no_budget_of_its_own(lab: Lab) -> None:
    model = Metered(asked=[])

    def ask(_: Any) -> dict[str, Any]:
        model.invoke(QUESTION)
        return {}

    inner = one_node(ask).compile()
    graph = StateGraph(Notes)
    for name, node in (("first", ask), ("inside", inner), ("called", lambda _: inner.invoke({}))):
        graph.add_node(name, node)
    for edge in ((START, "first"), ("first", "inside"), ("inside", "called"), ("called", END)):
        graph.add_edge(*edge)
    asker = agent(graph, cost_usd=0.02)
    lab.work(asker)
    run = lab.ended(lab.start(asker))
    assert (run["exit"], len(model.asked)) == ("limit_reached", 2)
    assert total(lab, run["id"]) == Decimal("0.02")


def test_what_took_more_than_was_reserved_counts_as_what_it_took(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Outbox, "flush_in", lambda *_: None)  # what rides is not written by itself
    model = Metered(asked=[], max_tokens=10, takes=55)
    asker = asking(model, 1, 8, cost_usd=0.1)
    lab.work(asker)
    run = lab.ended(lab.start(asker))
    assert (run["exit"], len(model.asked)) == ("limit_reached", 2)
    assert total(lab, run["id"]) == Decimal("0.11")


def test_a_reply_that_does_not_say_what_it_took_counts_as_reserved(lab: Lab) -> None:
    model = Metered(asked=[], max_tokens=30, is_silent=True)
    asker = asking(model, 1, 1)
    lab.work(asker)
    run = lab.ended(lab.start(asker))
    assert spent(lab, run["id"]) == [(INPUT, 30, Decimal("0.03"), "declared")]
    assert lab.rows("select input_tokens, output_tokens from replies") == [
        {"input_tokens": None, "output_tokens": None}
    ]


class _Refused(Exception):
    status_code = 429


BROKEN: dict[str, tuple[Exception, tuple[Any, ...]]] = {
    "half way": (ConnectionResetError("half way"), (INPUT, 30, Decimal("0.03"), "declared")),
    "refused": (_Refused("too many"), (0, 0, Decimal(0), "not sent")),
    "unreached": (ConnectionRefusedError("nobody"), (0, 0, Decimal(0), "not sent")),
}


@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("way", ["invoke", "stream"])
def test_a_call_that_broke_off_counts_as_what_it_may_have_cost(
    lab: Lab, how: str, way: str
) -> None:
    error, counts = BROKEN[how]
    model = Metered(asked=[], max_tokens=30, error=error)
    asker = agent(one_node(lambda _: list(getattr(model, way)(QUESTION))))
    lab.work(asker)
    run = lab.ended(lab.start(asker))
    assert run["exit"] == "failed"
    assert spent(lab, run["id"]) == [counts]
    assert lab.one("select usd is not null from replies")


def test_what_was_refused_before_says_nothing_of_the_call_made_then(lab: Lab) -> None:
    """A second model is asked where the refusal of the first is handled, and breaks off."""
    first = Metered(asked=[], max_tokens=30, error=_Refused("too many"))
    second = Metered(asked=[], max_tokens=30, error=ConnectionResetError("half way"))

    def node(_: Any) -> dict[str, Any]:
        try:
            first.invoke(QUESTION)
        except _Refused:
            second.invoke(QUESTION)
        return {}

    asker = agent(one_node(node))
    lab.work(asker)
    run = lab.ended(lab.start(asker))
    assert [row[2] for row in spent(lab, run["id"])] == [0, Decimal("0.03")]


class Halting(Metered):
    """Is refused after its first chunk."""

    def _stream(self, *_: Any, **__: Any) -> Any:
        yield ChatGenerationChunk(message=AIMessageChunk("so: "))
        raise _Refused("that is enough")


@pytest.mark.parametrize("way", ["stream", "astream", "astream_events"])
def test_a_stream_that_was_refused_half_way_may_have_been_billed(lab: Lab, way: str) -> None:
    model = Halting(asked=[], max_tokens=30)

    async def node(_: Any) -> dict[str, Any]:
        if way == "stream":
            return {"said": len(list(model.stream(QUESTION)))}
        async for _part in getattr(model, way)(QUESTION):
            pass
        return {}

    asker = agent(one_node(node))
    lab.work(asker)
    run = lab.ended(lab.start(asker))
    assert run["exit"] == "failed"
    assert [row[2] for row in spent(lab, run["id"])] == [Decimal("0.03")]


@pytest.mark.parametrize("way", ["stream", "astream"])
def test_a_model_that_another_asks_while_it_streams_is_part_of_its_reply(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """The inner one would wait for room that the outer one has reserved."""
    monkeypatch.setattr(spending, "_PATIENCE", 2.0)
    model = Outer(asked=[], inner=Metered(asked=[]))

    async def node(_: Any) -> dict[str, Any]:
        if way == "stream":
            return {"said": len(list(model.stream(QUESTION)))}
        async for _part in model.astream(QUESTION):
            pass
        return {}

    asker = agent(one_node(node), cost_usd=0.01)
    lab.work(asker)
    run = lab.ended(lab.start(asker))
    assert (run["exit"], len(model.inner.asked)) == ("completed", 1)
    assert total(lab, run["id"]) == Decimal("0.01")


def test_a_thread_that_is_handed_the_context_of_its_node_is_limited(lab: Lab) -> None:
    model = Metered(asked=[])

    def node(_: Any) -> dict[str, Any]:
        with ThreadPoolExecutor(1) as pool:
            for _turn in range(3):
                pool.submit(copy_context().run, model.invoke, QUESTION).result()
        return {}

    asker = agent(one_node(node), cost_usd=0.02)
    lab.work(asker)
    run = lab.ended(lab.start(asker))
    assert (run["exit"], len(model.asked)) == ("limit_reached", 2)
    assert total(lab, run["id"]) == Decimal("0.02")


def test_a_call_given_up_before_it_is_made_leaves_nothing_reserved(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spending, "_PATIENCE", 2.0)
    model = Metered(asked=[])
    fetch, given_up = GroupCommit.fetch, asyncio.Event()

    async def slow(self: GroupCommit, query: Query) -> Any:
        rows = await fetch(self, query)
        if "reserve_reply" in query.text and not given_up.is_set():
            await given_up.wait()
        return rows

    async def node(_: Any) -> dict[str, Any]:
        first = asyncio.create_task(model.ainvoke(QUESTION))
        await asyncio.to_thread(lab.until, lambda: lab.one("select count(*) = 1 from replies"))
        first.cancel()
        await asyncio.wait([first])
        given_up.set()
        await model.ainvoke(QUESTION)
        return {}

    monkeypatch.setattr(GroupCommit, "fetch", slow)
    asker = agent(one_node(node), cost_usd=0.01)
    lab.work(asker)
    run = lab.ended(lab.start(asker))
    assert (run["exit"], len(model.asked)) == ("completed", 1)
    assert [row[2] for row in spent(lab, run["id"])] == [0, Decimal("0.01")]


def test_a_stream_that_is_not_heard_to_its_end_counts_as_reserved(lab: Lab) -> None:
    model = Metered(asked=[], max_tokens=30)
    asker = agent(one_node(lambda _: {"said": next(iter(model.stream(QUESTION))).text}))
    lab.work(asker)
    run = lab.ended(lab.start(asker))
    assert (run["exit"], run["output"]) == ("completed", {"said": "so: "})
    assert spent(lab, run["id"]) == [(INPUT, 30, Decimal("0.03"), "declared")]


def test_a_stream_is_paid_for_before_its_last_chunk_is_passed_on(lab: Lab) -> None:
    model = Metered(asked=[], max_tokens=30)

    def node(_: Any) -> dict[str, Any]:
        for chunk in model.stream(QUESTION):
            if chunk.chunk_position == "last":
                lab.until(lambda: lab.one("select usd = 0.01 from replies"))
                raise ValueError("nobody hears the end")
        return {}

    asker = agent(one_node(node))
    lab.work(asker)
    run = lab.ended(lab.start(asker))
    assert "nobody hears the end" in run["exit_reason"]
    assert spent(lab, run["id"]) == [(INPUT, 10, Decimal("0.01"), "declared")]


def test_a_model_without_a_price_counts_at_the_ceiling_and_says_so(lab: Lab) -> None:
    model = Metered(asked=[], model="made up")
    asker = asking(model, 1, 1, prices={"another": FREE})
    lab.work(asker)
    run = lab.ended(lab.start(asker))
    usd = Decimal(15 * INPUT + 75 * 10) / 1_000_000
    assert spent(lab, run["id"]) == [(INPUT, 10, usd, "unknown")]


def test_a_model_that_is_free_takes_no_money_and_still_takes_tokens(lab: Lab) -> None:
    model = Metered(asked=[])
    asker = asking(model, 1, 8, prices={"metered": FREE}, cost_usd=0.000001, tokens_out=30)
    lab.work(asker)
    run = lab.ended(lab.start(asker))
    assert ("limit of 30 tokens in replies" in run["exit_reason"], len(model.asked)) == (True, 3)
    assert total(lab, run["id"]) == 0


def test_what_an_executor_reserved_that_is_gone_counts_for_good(lab: Lab) -> None:
    """The reply that it asked for may be paid for, and nobody saw it."""
    model = Metered(asked=[])
    wipe = wipe_tool(lab)
    ask = "select reserve_reply('default', id, epoch, %s, 'm', 'p', 1, 7, 0.04) from runs"
    lost = uuid7()

    def node(_: Any) -> dict[str, Any]:
        if not lab.rows("select from replies"):
            lab.rows(ask, lost)
        wipe.invoke({"volume": "v7"})
        for _turn in range(2):
            model.invoke(QUESTION)
        return {}

    limits = Limits(**WIDE | {"cost_usd": 0.05})
    asker = Agent("a", graph=one_node(node), tools=[wipe], prices=CENT_A_REPLY, limits=limits)
    run = through_an_approval(lab, asker)
    assert (run["exit"], len(model.asked)) == ("limit_reached", 1)
    assert total(lab, run["id"]) == Decimal("0.05")


def limit_tenant(lab: Lab, column: str, value: Any) -> None:
    with lab.database.begin() as conn:
        conn.exec_driver_sql(
            f"insert into tenant_limits (tenant_id, {column}, set_by)"  # noqa: S608 - a name of ours
            " values ('default', %s, 'operator:tests')",
            (value,),
        )


FULL = (
    "The run reached its limit of 0.1 USD a day of its tenant; the next call of metered was not "
    "made: 0.1 is used."
)


def test_runs_of_a_tenant_share_what_it_may_spend_in_a_day(lab: Lab) -> None:
    limit_tenant(lab, "usd_per_day", "0.10")
    model = Metered(asked=[], seconds=0.01)
    asker = asking(model, 2, 4)
    lab.work(asker)
    runs = [lab.start(asker) for _ in range(4)]
    ended = [lab.ended(run_id) for run_id in runs]
    assert len(model.asked) == 10
    assert sum(total(lab, run_id) for run_id in runs) == Decimal("0.10")
    reasons = {run["exit_reason"] for run in ended if run["exit"] == "limit_reached"}
    assert reasons == {FULL}
    assert lab.rows("select * from approvals") == []


def test_runs_of_a_tenant_share_the_irreversible_calls_of_a_day(lab: Lab) -> None:
    limit_tenant(lab, "irreversible_per_day", 3)
    wipe = wipe_tool(lab)

    def node(_: Any) -> dict[str, Any]:
        wipe.invoke({"volume": "v7"})
        return {}

    wiper = Agent("a", graph=one_node(node), tools=[wipe])
    lab.work(wiper)
    runs = [lab.settled(lab.start(wiper)) for _ in range(4)]
    assert [run["status"] for run in runs] == ["waiting"] * 3 + ["ended"]
    assert runs[3]["exit"] == "limit_reached"
    assert runs[3]["exit_reason"] == (
        "The run reached its limit of 3 irreversible calls a day of its tenant; nobody was asked "
        "about the next one, after 3 today."
    )
    assert lab.one("select count(*) from approvals") == 3

"""The stock engine in the same place: LangGraph with its Postgres saver, as its docs show.

`main` is a worker: it takes the threads that are due from a table, goes on with each,
and writes down whether it waits or has ended. LangGraph has no queue, lease or recovery of its own;
whatever starts a process again after a crash does what this does. `interrupt` asks for approval.
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Annotated, Any

import psycopg
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig  # noqa: TC002 - LangChain reads it
from langchain_core.tools import InjectedToolCallId, tool
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command, Send, interrupt
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from support.world import World as Traps

from . import world

URL = "STOCK_DATABASE_URL"

TABLES = """
create table if not exists threads (
    id text primary key, script text not null, state text not null default 'due',
    asked text, decision text, held_by integer);
"""
DUE = """
update threads set state = 'running', held_by = %s
where id = (select id from threads where state = 'due' order by id limit 1 for update skip locked)
returning id, script, decision
"""


def _act(name: str, at: str, call: str, config: RunnableConfig, *, asks: bool) -> str:
    thread = config["configurable"]["thread_id"]
    if asks and interrupt({"tool": name, "at": at, "call": call}) != "approve":
        return "rejected"
    traps = Traps(Path(os.environ["ACCEPTANCE_WORLD"]))
    what = {"run": thread, "call": f"{thread} {call}", "key": None, "tool": name}
    request = {**what, "sent": json.dumps({"at": at})}
    traps.pass_by("effect.before")
    world.ask(int(os.environ["CHAOS_WORLD"]), request, sent=lambda: traps.pass_by("effect.sent"))
    traps.pass_by("effect.answered")
    return f"done: {name}"


@tool
def tidy(at: str, call: Annotated[str, InjectedToolCallId], config: RunnableConfig) -> str:
    """Tidy up a place."""
    return _act("tidy", at, call, config, asks=False)


@tool
def wipe(at: str, call: Annotated[str, InjectedToolCallId], config: RunnableConfig) -> str:
    """Delete a volume."""
    return _act("wipe", at, call, config, asks=True)


def _model(state: MessagesState) -> Any:
    turn = sum(message.type == "ai" for message in state["messages"])
    turns = json.loads(str(state["messages"][0].content))
    if turn == len(turns):
        return {"messages": [AIMessage("The script is over.")]}
    calls = [
        {"name": name, "args": {"at": at}, "id": f"{turn}.{number}"}
        for number, (name, at) in enumerate(turns[turn])
    ]
    return {"messages": [AIMessage("", tool_calls=calls)]}


def _after(state: MessagesState) -> Any:
    last: Any = state["messages"][-1]
    return [Send("tools", [call]) for call in last.tool_calls] or END


def _graph(saver: Any) -> Any:
    graph = StateGraph(MessagesState)
    graph.add_node("model", _model)
    graph.add_node("tools", ToolNode([tidy, wipe]))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", _after, ["tools", END])
    graph.add_edge("tools", "model")
    return graph.compile(checkpointer=saver)


async def _go_on(graph: Any, thread: str, script: str, decision: str | None) -> str | None:
    """Go on with a thread to its end or its next question, which is given."""
    config: Any = {"configurable": {"thread_id": thread}, "recursion_limit": 100}
    state = await graph.aget_state(config)
    if not state.values:
        given: Any = {"messages": [{"role": "user", "content": script}]}
    elif state.interrupts and decision is not None:
        given = Command(resume={each.id: decision for each in state.interrupts})
    elif state.interrupts:
        return json.dumps([each.value for each in state.interrupts])
    else:
        given = None
    await graph.ainvoke(given, config, durability="sync")
    state = await graph.aget_state(config)
    if not state.next:
        return None
    return json.dumps([each.value for each in state.interrupts])


async def _work(url: str) -> None:
    pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
        url,
        min_size=2,
        max_size=4,
        kwargs={"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row},
        open=False,
    )
    async with pool:
        saver = AsyncPostgresSaver(pool)
        graph = _graph(saver)
        while True:
            try:
                await _round(graph, url)
            except psycopg.Error:
                await asyncio.sleep(0.1)


async def _round(graph: Any, url: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as queue:
        while True:
            row = await (await queue.execute(DUE, (os.getpid(),))).fetchone()
            if row is None:
                await asyncio.sleep(0.02)
                continue
            thread, script, decision = row
            try:
                asked = await _go_on(graph, thread, script, decision)
            except psycopg.Error:
                await _give_back(url, thread)
                continue
            await queue.execute(
                "update threads set state = %s, asked = %s, decision = null where id = %s",
                ("ended" if asked is None else "waiting", asked, thread),
            )


async def _give_back(url: str, thread: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        await conn.execute("update threads set state = 'due' where id = %s", (thread,))


def main() -> None:
    asyncio.run(_work(os.environ[URL]))

"""LangGraph by itself: the same loop with another saver, ungated."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver

from ..readings import WARM_STEPS, Lap, lap_of
from ..workload import TOOL, Marks, body, first_message, react_loop
from .contender import Contender

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.graph.state import CompiledStateGraph


class Graphs(Contender):
    """Walks the loop with one of LangGraph's savers, synchronously durable."""

    @asynccontextmanager
    async def saver(self) -> AsyncIterator[BaseCheckpointSaver[Any]]:
        """The saver of one lap."""
        raise NotImplementedError
        yield

    def lap(self, *, steps: int, size: int, runs: int, per_slot: int) -> Lap:
        """One lap in an event loop of its own."""
        return asyncio.run(self._lap(steps, size, runs, per_slot))

    async def _lap(self, steps: int, size: int, runs: int, per_slot: int) -> Lap:
        marks = Marks()
        async with self.saver() as saver:
            warm = _compiled(WARM_STEPS, size, Marks(), saver)
            await asyncio.gather(*(_walk(warm, WARM_STEPS, number) for number in range(runs)))
            graph = _compiled(steps, size, marks, saver)

            async def slot(first: int) -> None:
                for number in range(first, first + per_slot):
                    await _walk(graph, steps, number)

            began = time.perf_counter()
            await asyncio.gather(*(slot(each * per_slot) for each in range(runs)))
            seconds = time.perf_counter() - began
            cpu = time.process_time()
        return lap_of(marks, steps=steps, runs=runs, per_slot=per_slot, seconds=seconds, cpu=cpu)


class Memory(Graphs):
    """Checkpoints in this process's memory: the framework's own limit."""

    @asynccontextmanager
    async def saver(self) -> AsyncIterator[BaseCheckpointSaver[Any]]:
        """A new memory for each lap."""
        yield InMemorySaver()


def _compiled(
    steps: int, size: int, marks: Marks, saver: BaseCheckpointSaver[Any]
) -> CompiledStateGraph[Any, Any, Any, Any]:
    bare = tool(TOOL)(body(size))
    graph = react_loop(steps=steps, size=size, tools={TOOL: bare}, marks=marks)
    return graph.compile(checkpointer=saver)


async def _walk(graph: CompiledStateGraph[Any, Any, Any, Any], steps: int, number: int) -> None:
    config: Any = {"configurable": {"thread_id": str(uuid4())}, "recursion_limit": steps + 1}
    await graph.ainvoke(first_message(number), config, durability="sync")

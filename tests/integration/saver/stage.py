"""Where one scenario is played: a run, and how its graphs are called."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from typing import Self
    from uuid import UUID

    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.graph import StateGraph
    from langgraph.types import StateSnapshot

    Savers = Callable[[], AbstractAsyncContextManager[BaseCheckpointSaver[Any]]]


@dataclass(frozen=True)
class Stage:
    """Calls graphs for one run; each call asks anew for the saver to make it with.

    With `in_threads` the graph's blocking methods are called, else its coroutines.
    """

    run_id: UUID
    savers: Savers
    durability: str = "sync"
    in_threads: bool = False

    @classmethod
    def of(cls, run_id: UUID, saver: BaseCheckpointSaver[Any], **how: Any) -> Self:
        """One saver for all calls."""
        return cls(run_id, lambda: nullcontext(saver), **how)

    @property
    def config(self) -> Any:
        return {"configurable": {"thread_id": str(self.run_id)}, "recursion_limit": 500}

    async def invoke(self, graph: StateGraph[Any], given: Any, config: Any = None) -> Any:
        """The graph's last state."""
        config = {**self.config, **(config or {})}
        async with self.savers() as saver:
            played: Any = graph.compile(checkpointer=saver)
            how = {"durability": self.durability}
            if self.in_threads:
                return await asyncio.to_thread(played.invoke, given, config, **how)
            return await played.ainvoke(given, config, **how)

    async def state(
        self, graph: StateGraph[Any], config: Any = None, *, subgraphs: bool = False
    ) -> StateSnapshot:
        """The state that the config names, or the newest."""
        async with self.savers() as saver:
            played = graph.compile(checkpointer=saver)
            config = config or self.config
            if self.in_threads:
                return await asyncio.to_thread(played.get_state, config, subgraphs=subgraphs)
            return await played.aget_state(config, subgraphs=subgraphs)

    async def history(self, graph: StateGraph[Any]) -> list[StateSnapshot]:
        """All states, newest first."""
        async with self.savers() as saver:
            played = graph.compile(checkpointer=saver)
            if self.in_threads:
                return await asyncio.to_thread(lambda: list(played.get_state_history(self.config)))
            return [state async for state in played.aget_state_history(self.config)]

    async def update(
        self, graph: StateGraph[Any], values: Any, config: Any = None, as_node: str | None = None
    ) -> Any:
        """Write as if a node had; the config of the state that it makes."""
        async with self.savers() as saver:
            played = graph.compile(checkpointer=saver)
            config = config or self.config
            if self.in_threads:
                return await asyncio.to_thread(played.update_state, config, values, as_node)
            return await played.aupdate_state(config, values, as_node)

"""The loop on Interlock: committed to the queue, then walked by a real worker."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from langchain_core.tools import tool as bare_tool

from ....tools.decorator import tool
from ....tools.gated import GatedTool
from ...agent import Agent
from ...database import Database
from ...schema import migrate
from ..readings import WARM_STEPS, Lap, lap_of
from ..workload import TOOL, Marks, body, first_message, react_loop
from .contender import Contender
from .patience import NotMeasured
from .work import (
    TENANT,
    add_person,
    ample,
    ask_for,
    deciding,
    make_known,
    wait_for,
    working,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from langchain_core.tools import BaseTool


IRREVERSIBLE = "send"
ONE_IN = 100
"""Of how many calls one is irreversible, where some are."""

_CLOCK = """
select extract(epoch from max(ended_at) - min(started_at))::float8,
       array_agg(distinct exit || ': ' || exit_reason), sum(used_steps)
from runs where tenant_id = %s and id = any(%s)
"""


class Gated(Contender):
    """Each kind of tool is a contender of its own; they differ in `tools` and `choice` alone."""

    decides = False

    def __init__(self, url: str) -> None:
        super().__init__(url)
        db = Database(url)
        migrate(db)
        if self.decides:
            add_person(db)
        db.close()
        self._agents: dict[tuple[int, int], tuple[Agent, Marks]] = {}

    def tools(self, size: int) -> list[BaseTool]:
        """The tools that the loop calls."""
        raise NotImplementedError

    def choice(self, steps: int) -> Callable[[int, int], str]:
        """Which of them a run calls."""
        del steps
        return lambda _run, _call: TOOL

    def lap(self, *, steps: int, size: int, runs: int, per_slot: int) -> Lap:
        """By the database's clock, from the first claim to the last end.

        Short runs are in the queue before those that count, so that the worker has opened its
        connections when the clock starts. The last of them may still be walked then.
        """
        warm, _ = self._agent(WARM_STEPS, size)
        agent, marks = self._agent(steps, size)
        db = Database(self.url)
        with ExitStack() as stack:
            stack.callback(db.close)
            make_known(db, warm, agent)
            for number in range(runs):
                ask_for(db, warm, first_message(number))
            ids = [ask_for(db, agent, first_message(each)) for each in range(runs * per_slot)]
            marks.clear()
            needs = [stack.enter_context(working(db, [warm, agent], concurrency=runs))]
            if self.decides:
                needs.append(stack.enter_context(deciding(db)))
            wait_for(db, ids, "ended", needs)
            cpu = time.process_time()
            seconds = _clock(db, ids, steps)
        return lap_of(marks, steps=steps, runs=runs, per_slot=per_slot, seconds=seconds, cpu=cpu)

    def _agent(self, steps: int, size: int) -> tuple[Agent, Marks]:
        if (steps, size) not in self._agents:
            tools = self.tools(size)
            marks = Marks()
            graph = react_loop(
                steps=steps,
                size=size,
                tools={one.name: one for one in tools},
                marks=marks,
                choose=self.choice(steps),
            )
            gated = [one for one in tools if isinstance(one, GatedTool)]
            agent = Agent(f"loop-{steps}-{size}", graph=graph, tools=gated, limits=ample())
            self._agents[steps, size] = agent, marks
        return self._agents[steps, size]


class Bare(Gated):
    """The same worker and saver, and tools of LangChain's that pass no gate."""

    def tools(self, size: int) -> list[BaseTool]:
        """A tool that the gate does not see."""
        return [bare_tool(TOOL)(body(size))]


class Read(Gated):
    """Every call reads."""

    def tools(self, size: int) -> list[BaseTool]:
        """A tool that runs at once."""
        return [tool(name=TOOL, effect="read")(body(size))]


class Reversible(Gated):
    """Every call changes something and can be undone."""

    def tools(self, size: int) -> list[BaseTool]:
        """A tool that runs at once and is written down before it does."""
        return [tool(name=TOOL, effect="reversible", undo=_undo)(body(size))]


class Mixed(Reversible):
    """As `Reversible`, but one call in a hundred waits for a person, who decides at once."""

    decides = True

    def tools(self, size: int) -> list[BaseTool]:
        """The second tool waits."""
        waits = tool(name=IRREVERSIBLE, effect="irreversible")(body(size))
        return [*super().tools(size), waits]

    def choice(self, steps: int) -> Callable[[int, int], str]:
        """By the calls of all runs, counted through."""
        calls = steps // 2

        def choose(run: int, call: int) -> str:
            return IRREVERSIBLE if (run * calls + call) % ONE_IN == ONE_IN // 2 else TOOL

        return choose


def _undo(args: Any, result: Any) -> None:
    """There is nothing to undo."""


def _clock(db: Database, run_ids: Sequence[UUID], steps: int) -> float:
    """Seconds that the runs took together.

    Raises:
        NotMeasured: one of them did not complete, or took another number of steps.
    """
    with db.begin() as conn:
        row = conn.exec_driver_sql(_CLOCK, (TENANT, list(run_ids))).one()
    seconds, exits, taken = row
    if exits != ["completed: The graph ended."] or taken != steps * len(run_ids):
        raise NotMeasured(
            f"{len(run_ids)} runs of {steps} steps took {taken} steps and ended as {exits}."
        )
    return float(seconds)

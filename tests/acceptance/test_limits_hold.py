"""Each limit ends its run at exactly its number, whoever executes it is killed in between.

In one branch as in eight at a time, each of them a graph inside the graph.
"""

from __future__ import annotations

import operator
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import pytest
from interlock import Agent, Limits, Price, tool
from interlock.engine.errors import AlreadyDecided
from interlock.engine.runs import create_run
from interlock.tools import Undo
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

sys.path.insert(0, str(Path(__file__).parents[1]))
from integration.engine.metered import QUESTION, Metered

if TYPE_CHECKING:
    from uuid import UUID

    from interlock.engine.database import Database
    from support.crew import Crew
    from support.desk import Desk, Row

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

AGENT = f"{__file__}:agent"
KILLS = 2
PATIENCE = 60.0


def nothing(args: Any, result: Any) -> None:
    """Undo what changed nothing."""


@tool(effect="reversible", undo=Undo(nothing, idempotent=True), idempotent=True)
def mark(place: str) -> str:
    """Mark a place, through a service that takes an idempotency key."""
    time.sleep(0.01)
    return f"marked {place}"


@tool(effect="irreversible", idempotent=True)
def wipe(place: str) -> str:
    """Wipe a place, through a service that takes an idempotency key."""
    return f"wiped {place}"


class Plan(TypedDict, total=False):
    """What a run does, round after round until a limit ends it."""

    calls: str
    """The tool that each branch calls, or `ask` for a model."""
    branches: int
    is_nested: bool
    """Whether each branch is a graph of its own."""
    is_same: bool
    """Whether all calls are alike."""
    round: int
    said: Annotated[list[str], operator.add]


MODEL = Metered(asked=[], seconds=0.01)
"""Takes a hundred tokens of a prompt and ten of a reply, which are a cent."""


def act(state: Any) -> Any:
    """One call."""
    if state["calls"] == "ask":
        return {"said": [MODEL.invoke(state["place"].ljust(len(QUESTION), "q")).content]}
    made = mark if state["calls"] == "mark" else wipe
    return {"said": [made.invoke({"place": state["place"]})]}


class Errand(TypedDict, total=False):
    """What a branch does."""

    calls: str
    place: str
    said: list[str]


class Done(TypedDict, total=False):
    """What comes of it."""

    said: list[str]


def errand() -> Any:
    """A graph that makes one call."""
    graph = StateGraph(Errand, output_schema=Done)
    graph.add_node("act", act)
    graph.add_edge(START, "act")
    graph.add_edge("act", END)
    return graph.compile()


def build() -> Any:
    """Branches side by side, again and again."""

    def begin(state: Plan) -> Any:
        return {"round": state.get("round", 0) + 1}

    def spread(state: Plan) -> list[Send]:
        places = [
            "the same" if state.get("is_same") else f"{state['round']}.{branch}"
            for branch in range(state["branches"])
        ]
        node = "errand" if state["is_nested"] else "act"
        return [Send(node, {"calls": state["calls"], "place": place}) for place in places]

    graph = StateGraph(Plan)
    graph.add_node("begin", begin)
    graph.add_node("act", act)
    graph.add_node("errand", errand())
    graph.add_edge(START, "begin")
    graph.add_conditional_edges("begin", spread, ["act", "errand"])
    graph.add_edge("act", "begin")
    graph.add_edge("errand", "begin")
    return graph


MOST = Limits(steps=10_000, calls=10_000, irreversible=1000, repeats=1000, pending=100, seconds=600)
PRICES = {"metered": Price(0, 1000)}
agent = Agent("marker", graph=build, tools=[mark, wipe], limits=MOST, prices=PRICES)


@dataclass(frozen=True)
class Case:
    """A limit, and what comes to it.

    Attributes:
        count: what there is of it at the end, in SQL over the run's row `r`.
    """

    limit: str
    allowed: float
    calls: str
    count: str
    is_same: bool = False


OF_ALL = "select count(*) from calls c where c.run_id = r.id"
OF_REPLIES = "select sum(coalesce({0}, {1})) from replies e where e.run_id = r.id"
"""A reply that nobody saw counts as what it could have taken."""
CASES = [
    Case("steps", 21, "mark", "select r.used_steps"),
    Case("calls", 45, "mark", OF_ALL),
    Case("irreversible", 12, "wipe", f"{OF_ALL} and c.approval_id is not null"),
    Case("repeats", 30, "mark", OF_ALL, is_same=True),
    Case("tokens_in", 4000, "ask", OF_REPLIES.format("input_tokens", "reserved_in")),
    Case("tokens_out", 400, "ask", OF_REPLIES.format("output_tokens", "reserved_out")),
    Case("cost_usd", 0.4, "ask", OF_REPLIES.format("usd", "reserved_usd")),
]


MADE = """
select id from calls where run_id = %(id)s union all select id from replies where run_id = %(id)s
"""


def struck(crew: Crew, desk: Desk, run: UUID, times: int) -> int:
    """Kill whoever executes the run, a few times, and decide what it asks; how often it was."""
    dead: set[UUID] = set()
    seen = 0
    deadline = time.monotonic() + PATIENCE
    while desk.run(run).status != "ended":
        assert time.monotonic() < deadline, desk.run(run)
        for asked in desk.pending(run):
            with suppress(AlreadyDecided):  # the limit was reached meanwhile
                if asked.kind == "call":
                    desk.approve(asked)
        row = desk.run(run)
        made = len(desk.rows(MADE, id=run))
        is_on = row.status == "running" and row.worker_id not in dead
        if len(dead) < times and is_on and made > seen:
            query = "select pid from workers where id = %(id)s"
            crew.of(desk.rows(query, id=row.worker_id)[0].pid).kill()
            expire = "update workers set lease_until = heartbeat_at where id = %(id)s returning id"
            desk.rows(expire, id=row.worker_id)
            crew.begin(agent=AGENT)
            dead.add(row.worker_id)
            seen = made
        time.sleep(0.01)
    return len(dead)


@pytest.mark.parametrize(
    "spread",
    [{"branches": 1, "is_nested": False}, {"branches": 8, "is_nested": True}],
    ids=["1 branch", "8 graphs at a time"],
)
@pytest.mark.parametrize("case", CASES, ids=[case.limit for case in CASES])
def test_a_limit_ends_a_run_at_its_number_whoever_is_killed(
    case: Case, spread: Plan, crew: Crew, desk: Desk, database: Database
) -> None:
    for _ in range(2):
        crew.begin(agent=AGENT).wait_until_up()
    run = create_run(
        database,
        tenant="default",
        agent="marker",
        input={**spread, "calls": case.calls, "is_same": case.is_same},
        requested_by="reviewer:dana",
        limits={case.limit: case.allowed},
    ).run_id
    assert struck(crew, desk, run, KILLS) == KILLS
    ended = desk.run(run)
    assert ended.exit == "limit_reached", ended.exit_reason
    assert f"limit of {case.allowed}" in ended.exit_reason.replace(",", "")
    assert counted(desk, run, case) == Decimal(str(case.allowed))


def counted(desk: Desk, run: UUID, case: Case) -> Decimal:
    """How much of what is limited there is."""
    rows: Any = desk.rows(f"select ({case.count}) from runs r where r.id = %(id)s", id=run)  # noqa: S608
    row: Row = rows[0]
    return Decimal(row[0])

"""Each limit ends its run at exactly its number, whoever executes it is killed in between.

In one branch as in eight at a time, each of them a graph inside the graph.
"""

from __future__ import annotations

import operator
import os
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
from langchain_core.runnables import RunnableLambda
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
MILES = 10
PATIENCE = 60.0
AFTER_ALL_OTHERS = 3.0
LEASE = 1.5
BEAT = LEASE / 3
"""What a worker did since it last showed that it lives is not counted when it dies, in seconds."""


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
    """The tool that each branch calls, `ask` for a model, or `mark, then wipe`."""
    branches: int
    at_once: int
    """How many calls that wait each branch makes at once."""
    is_nested: bool
    """Whether each branch is a graph of its own."""
    is_same: bool
    """Whether all calls are alike."""
    round: int
    said: Annotated[list[str], operator.add]


MODEL = Metered(asked=[], seconds=0.01)
"""Takes a hundred tokens of a prompt and ten of a reply, which are a cent."""


def mark_then_wipe(place: str) -> str:
    """Calls that run by themselves, and one that waits, the later the higher its place.

    Who asked before, in an execution that died, asks again when all others have.
    """
    branch, each = map(int, place.split(".")[1:])
    asked = Path(os.environ["ACCEPTANCE_WORLD"], place)
    if asked.exists():
        time.sleep(AFTER_ALL_OTHERS)
    for mile in range(MILES * (1 + branch + each)):
        mark.invoke({"place": f"{place}, mile {mile}"})
    try:
        return str(wipe.invoke({"place": place}))
    finally:
        asked.touch()


def act(state: Any) -> Any:
    """One call."""
    if state["calls"] == "ask":
        return {"said": [MODEL.invoke(state["place"].ljust(len(QUESTION), "q")).content]}
    if state["calls"] == "mark, then wipe":
        places = [f"{state['place']}.{each}" for each in range(state["at_once"])]
        return {"said": RunnableLambda(mark_then_wipe).batch(places)}
    made = mark if state["calls"] == "mark" else wipe
    return {"said": [made.invoke({"place": state["place"]})]}


class Errand(TypedDict, total=False):
    """What a branch does."""

    calls: str
    place: str
    at_once: int
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
        same = {"calls": state["calls"], "at_once": state.get("at_once", 1)}
        return [Send(node, {**same, "place": place}) for place in places]

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


GRACE = 3.0
"""How much later than at its moment a busy machine may end a run, in seconds."""
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
ASKED = "select id from approvals where run_id = %(id)s"


def struck(
    crew: Crew,
    desk: Desk,
    run: UUID,
    *,
    grown: str = MADE,
    after: float = 0,
    decides: bool = True,
) -> list[float]:
    """Kill whoever executes the run, a few times, until it ends; how long each was at it.

    Each time more rows are found by `grown`. Seconds by the database's clock, `after` of them at
    least. What the run asks is decided, or left to wait.
    """
    at_it: dict[UUID, float] = {}
    seen = 0
    deadline = time.monotonic() + PATIENCE
    while desk.run(run).status != "ended":
        assert time.monotonic() < deadline, desk.run(run)
        for asked in desk.pending(run) if decides else ():
            with suppress(AlreadyDecided):  # the limit was reached meanwhile
                if asked.kind == "call":
                    desk.approve(asked)
        row = desk.rows("select *, clock_timestamp() as now from runs where id = %(id)s", id=run)[0]
        made = len(desk.rows(grown, id=run))
        is_on = row.status == "running" and row.worker_id not in at_it
        is_due = is_on and (row.now - row.claimed_at).total_seconds() >= after
        if len(at_it) < KILLS and is_due and made > seen:
            query = "select pid from workers where id = %(id)s"
            crew.of(desk.rows(query, id=row.worker_id)[0].pid).kill()
            expire = """
            update workers set lease_until = heartbeat_at where id = %(id)s
            returning extract(epoch from clock_timestamp() - %(claimed_at)s) as seconds
            """
            gone = desk.rows(expire, id=row.worker_id, claimed_at=row.claimed_at)
            at_it[row.worker_id] = float(gone[0].seconds)
            crew.begin(agent=AGENT, lease=LEASE)
            seen = made
        time.sleep(0.03)
    return list(at_it.values())


SPREADS: dict[str, Plan] = {
    "1 branch": {"branches": 1, "is_nested": False},
    "8 graphs at a time": {"branches": 8, "is_nested": True},
}
spreads = pytest.mark.parametrize("spread", SPREADS.values(), ids=SPREADS)


def begun(crew: Crew, database: Database, plan: Plan, limits: dict[str, float]) -> UUID:
    """A run with these limits, and two workers for it."""
    for _ in range(2):
        crew.begin(agent=AGENT, lease=LEASE).wait_until_up()
    made = create_run(
        database,
        tenant="default",
        agent="marker",
        input=dict(plan),
        requested_by="reviewer:dana",
        limits=limits,
    )
    return made.run_id


@spreads
@pytest.mark.parametrize("case", CASES, ids=[case.limit for case in CASES])
def test_a_limit_ends_a_run_at_its_number_whoever_is_killed(
    case: Case, spread: Plan, crew: Crew, desk: Desk, database: Database
) -> None:
    plan: Plan = {**spread, "calls": case.calls, "is_same": case.is_same}
    run = begun(crew, database, plan, {case.limit: case.allowed})
    assert len(struck(crew, desk, run)) == KILLS
    check_exit(desk, run, case.allowed)
    assert counted(desk, run, case) == Decimal(str(case.allowed))


@pytest.mark.parametrize(
    "spread",
    [SPREADS["1 branch"] | {"at_once": 8}, SPREADS["8 graphs at a time"]],
    ids=["1 branch, 8 calls at once", "8 graphs at a time"],
)
def test_no_more_calls_wait_at_a_time_than_may_whoever_is_killed(
    spread: Plan, crew: Crew, desk: Desk, database: Database
) -> None:
    run = begun(crew, database, {**spread, "calls": "mark, then wipe"}, {"pending": 5})
    assert len(struck(crew, desk, run, grown=ASKED, decides=False)) == KILLS
    check_exit(desk, run, 5)
    asked = desk.rows("select * from approvals where run_id = %(id)s and kind = 'call'", id=run)
    assert [each.state for each in asked] == ["cancelled"] * 5


@spreads
def test_active_time_ends_a_run_whoever_is_killed(
    spread: Plan, crew: Crew, desk: Desk, database: Database
) -> None:
    run = begun(crew, database, {**spread, "calls": "mark"}, {"seconds": 5})
    lost = struck(crew, desk, run, after=2.2)
    assert len(lost) == KILLS
    check_exit(desk, run, 5)
    ended = desk.run(run)
    last = (ended.ended_at - ended.claimed_at).total_seconds()
    assert 5 <= ended.used_ms / 1000 <= 5 + GRACE
    assert sum(lost) + last <= 5 + KILLS * BEAT + GRACE


@spreads
@pytest.mark.parametrize("calls", ["mark", "mark, then wipe"], ids=["busy", "at last waiting"])
def test_a_run_ends_at_its_time_whoever_is_killed(
    calls: str, spread: Plan, crew: Crew, desk: Desk, database: Database
) -> None:
    run = begun(crew, database, {**spread, "calls": calls}, {"wall_seconds": 8})
    assert len(struck(crew, desk, run, decides=False)) == KILLS
    check_exit(desk, run, 8)
    ended = desk.run(run)
    assert 8 <= (ended.ended_at - ended.created_at).total_seconds() <= 8 + GRACE
    waited = "select from approvals where run_id = %(id)s and state = 'cancelled'"
    assert bool(desk.rows(waited, id=run)) is (calls == "mark, then wipe")


def check_exit(desk: Desk, run: UUID, allowed: float) -> None:
    """It ended by the limit of that number."""
    ended = desk.run(run)
    assert ended.exit == "limit_reached", ended.exit_reason
    assert f"limit of {allowed} " in ended.exit_reason.replace(",", "")


def counted(desk: Desk, run: UUID, case: Case) -> Decimal:
    """How much of what is limited there is."""
    rows: Any = desk.rows(f"select ({case.count}) from runs r where r.id = %(id)s", id=run)  # noqa: S608
    row: Row = rows[0]
    return Decimal(row[0])

"""A failure that happened to others: 47 tool calls for 2.40 USD, where 0.12 USD was the budget."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from interlock.engine.reply import cost_of
from interlock.examples import budget
from interlock.examples.budget import PAGES, read_on
from interlock.examples.models import SCRIPTED
from langchain_core.messages import AIMessage

if TYPE_CHECKING:
    from forked_cli import CommandLine
    from interlock.engine.database import Database

pytestmark = pytest.mark.slow

QUESTION = {"messages": [["user", "Which page names the owner?"]]}


def rows(database: Database, query: str) -> list[Any]:
    with database.begin() as conn:
        return list(conn.exec_driver_sql(query))


def test_what_it_would_have_done_without_the_limit() -> None:
    turns = [read_on([AIMessage("")] * turn) for turn in range(PAGES + 1)]
    assert sum(len(turn.tool_calls) for turn in turns) == 47
    price, usd = budget.agent.prices, Decimal(0)
    for turn in turns:
        usd += price.priced(cost_of([turn], {}), SCRIPTED).usd or 0
    assert usd == Decimal("2.40")


def test_it_is_stopped_within_its_budget_and_its_state_is_kept(
    cli: CommandLine, database: Database
) -> None:
    said = cli("run", f"{budget.__file__}:agent", "--input", json.dumps(QUESTION), "--json")
    (run,) = rows(database, "select exit, exit_reason, used_calls from runs")
    assert run.exit == "limit_reached", said
    assert (
        "limit of 0.12 USD; the next call of scripted was not made: 0.1 is used" in run.exit_reason
    )
    assert run.used_calls == 2
    assert rows(database, "select sum(usd), count(*) from replies") == [(Decimal("0.10"), 2)]
    (asked,) = rows(database, "select preview from approvals where kind = 'limit'")
    assert (asked.preview["limit"], asked.preview["raise_to"]) == ("cost_usd", 0.24)
    assert rows(database, "select count(*) from steps")[0][0] > 0

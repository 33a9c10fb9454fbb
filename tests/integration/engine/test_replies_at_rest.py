"""What is written of a reply, and when: what it cost for good, what it said while it is needed."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from interlock import FREE, Agent, tool
from interlock.engine import replies as engine_replies
from interlock.engine import saver as engine_saver
from interlock.engine.lifecycle import Exit
from interlock.engine.retention import Retention, prune
from langgraph.graph import START, StateGraph
from oracle import Plain
from uuid_utils.compat import uuid7

sys.path.insert(0, str(Path(__file__).parent))
from graphs import Notes, one_node
from replying import replies, through_an_approval, twice_and_wipe, wipe_tool

if TYPE_CHECKING:
    from conftest import Lab


def test_what_a_reply_cost_is_recorded_once(lab: Lab) -> None:
    model = Plain(notes=[])
    run = through_an_approval(lab, twice_and_wipe(lab, lambda q: model.invoke(q).text, []))
    rows = replies(lab, run["id"])
    names = ["model", "provider", "input_tokens", "output_tokens", "cache_read_tokens"]
    names += ["cache_write_tokens", "reasoning_tokens"]
    assert [[row[name] for name in names] for row in rows] == [
        ["oracle-1-0613", "plain", 10, 5, 4, 3, 2]
    ] * 3


def forbid(lab: Lab, table: str, when: str, unless: str = "false") -> None:
    """Refuse to commit rows of a table, but where something else is at rest."""
    with lab.database.begin() as conn:
        conn.exec_driver_sql(
            "create function refuse() returns trigger language plpgsql as $$ begin"
            f" if not ({unless}) then raise exception 'it came too early'; end if;"
            f" return new; end $$; create constraint trigger refuse after insert on {table}"
            f" deferrable initially deferred for each row when ({when})"
            " execute function refuse()"
        )


def leave(args: Any, result: Any) -> None:
    """Undo nothing."""


IS_KEPT = "exists (select from replies where content is not null)"


@pytest.mark.parametrize("effect", ["reversible", "irreversible"])
def test_no_call_is_at_rest_without_the_reply_it_came_of(
    lab: Lab, effect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_replies, "_LINGER", 60.0)
    forbid(lab, "calls", "true", IS_KEPT)
    declared: dict[str, Any] = {"effect": effect}
    if effect == "reversible":
        declared["undo"] = leave

    @tool(**declared)
    def act(at: str) -> str:
        """Act on it."""
        lab.effects.append(at)
        return at

    model = Plain(notes=[])
    graph = one_node(lambda _: {"said": act.invoke({"at": model.invoke("one").text})})
    agent = Agent("a", graph=graph, tools=[act])
    if effect == "irreversible":
        run = through_an_approval(lab, agent)
    else:
        lab.work(agent)
        run = lab.ended(lab.start(agent))
    assert (run["exit"], lab.effects) == ("completed", ["one! (1)"])


def test_a_reply_is_at_rest_a_moment_later_while_its_node_goes_on(lab: Lab) -> None:
    model = Plain(notes=[])

    def node(_: Any) -> dict[str, Any]:
        model.invoke("one")
        lab.until(lambda: lab.one(f"select {IS_KEPT}"))
        return {"said": "it is kept"}

    agent = Agent("a", graph=one_node(node), tools=[])
    lab.work(agent)
    run = lab.ended(lab.start(agent))
    assert run["output"] == {"said": "it is kept"}
    assert [row["content"] for row in replies(lab, run["id"])] == [None]


def test_a_reply_is_at_rest_when_its_execution_ends(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_replies, "_LINGER", 60.0)
    model = Plain(notes=[])

    def node(_: Any) -> dict[str, Any]:
        raise ValueError(model.invoke("one").text)

    agent = Agent("a", graph=one_node(node), tools=[])
    lab.work(agent)
    run = lab.ended(lab.start(agent))
    assert [row["content"] is None for row in replies(lab, run["id"])] == [False]


def test_of_a_branch_that_is_done_its_writes_are_at_rest_and_not_its_reply(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_saver, "_LINGER", 60.0)
    monkeypatch.setattr(engine_replies, "_LINGER", 0.5)
    forbid(lab, "replies", "new.content is not null")
    model = Plain(notes=[])

    def quick(_: Any) -> dict[str, Any]:
        return {"said": model.invoke("one").text}

    def slow(_: Any) -> dict[str, Any]:
        lab.until(lambda: lab.one("select exists (select from step_writes)"))
        return {}

    graph = StateGraph(Notes)
    for name, node in (("quick", quick), ("slow", slow)):
        graph.add_node(name, node)
        graph.add_edge(START, name)
    agent = Agent("a", graph=graph, tools=[], prices={model.model: FREE})
    lab.work(agent)
    run = lab.ended(lab.start(agent))
    assert (run["exit"], run["output"]) == ("completed", {"said": "one! (1)"})


def test_only_what_it_cost_is_written_of_a_reply_whose_step_is_stored_at_once(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_replies, "_LINGER", 60.0)
    forbid(lab, "replies", "new.content is not null")
    model = Plain(notes=[])
    graph = one_node(lambda _: {"said": model.invoke("one").text})
    agent = Agent("a", graph=graph, tools=[], prices={model.model: FREE})
    lab.work(agent)
    run = lab.ended(lab.start(agent))
    assert (run["exit"], run["output"]) == ("completed", {"said": "one! (1)"})
    assert [row["input_tokens"] for row in replies(lab, run["id"])] == [10]


def test_a_reply_that_cannot_be_kept_is_asked_for_again(lab: Lab) -> None:
    notes: list[str] = []
    model = Plain(notes=notes, extra={"parsed": object()})
    run = through_an_approval(lab, twice_and_wipe(lab, lambda q: model.invoke(q).text, []))
    assert (run["exit"], notes) == ("completed", ["one", "two", "one", "two", "three"])
    assert [row["input_tokens"] for row in replies(lab, run["id"])] == [10] * 5


def test_what_was_left_of_replies_goes_with_the_steps(lab: Lab) -> None:
    model = Plain(notes=[])
    wipe = wipe_tool(lab)

    def node(_: Any) -> dict[str, Any]:
        model.invoke("one")
        wipe.invoke({"volume": "v7"})
        raise ValueError("no good")

    run = through_an_approval(lab, Agent("a", graph=one_node(node), tools=[wipe]))
    assert [row["content"] is None for row in replies(lab, run["id"])] == [False]
    kept = Retention(exits=[Exit.FAILED], age=timedelta(0), keep_latest=False)
    prune(lab.database, kept, tenant="default", by="operator:tests")
    assert [(row["content"], row["input_tokens"]) for row in replies(lab, run["id"])] == [
        (None, 10)
    ]


def test_what_an_executor_without_the_run_received_is_paid_for_and_not_used(lab: Lab) -> None:
    tokens, content = "1, 1, null, null, null", "'work:1', 'key', 0, 'said'"
    ask = "select reserve_reply('default', %s, %s, %s, 'm', 'p', 1, 1, 0)"
    put = f"select put_reply('default', %s, %s, %s, 'm', 'p', {tokens}, 0, 'declared', {content})"
    forget = "select forget_replies('default', %s, %s, %s)"
    kept = "select content is not null from replies where id = %s"
    late, mine = uuid7(), uuid7()
    found: list[Any] = []

    def node(_: Any) -> dict[str, Any]:
        ((run_id, epoch),) = (row.values() for row in lab.rows("select id, epoch from runs"))
        for each in (late, mine):
            lab.rows(ask, run_id, epoch, each)
        lab.rows(put, run_id, epoch - 1, late)
        lab.rows(put, run_id, epoch, mine)
        found.extend(lab.one(kept, each) for each in (late, mine))
        for held in (epoch - 1, epoch):
            lab.rows(forget, run_id, held, [mine])
            found.append(lab.one(kept, mine))
        return {}

    agent = Agent("a", graph=one_node(node), tools=[])
    lab.work(agent)
    run_id = lab.ended(lab.start(agent))["id"]
    assert found == [False, True, True, False]
    assert [row["input_tokens"] for row in replies(lab, run_id)] == [1, 1]

"""A question parks the run like a held call, and its answer is a person's, recorded as such."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from interlock import Agent, ask_human, tool
from interlock.engine.errors import InvalidDecision, UsageError
from interlock.engine.runs import request_cancel
from interlock.tools.questions import ask_about_conflict
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

sys.path.insert(0, str(Path(__file__).parent))
from graphs import Notes, ask, one_node, scripted

if TYPE_CHECKING:
    from conftest import Lab

WHICH = {"question": "Which booking?", "options": ["B-1", "B-2"], "confidence": 0.4}
OPINIONS = [
    {"by": "a", "value": {"refund": 10}, "confidence": 0.9, "evidence": ["seen"]},
    {"by": "b", "value": {"refund": 20}, "confidence": 0.6},
]


async def which(_: Any) -> dict[str, Any]:
    """A node that asks."""
    return {"said": await ask_human.ainvoke(WHICH)}


def asking(**more: Any) -> Agent:
    """An agent of one node that asks which booking is meant."""
    return Agent("a", graph=one_node(which), tools=[], **more)


def expire(lab: Lab, approval: dict[str, Any]) -> None:
    """Let an approval's deadline be over."""
    with lab.database.begin() as conn:
        conn.exec_driver_sql("alter table approvals disable trigger approvals_guard")
        conn.exec_driver_sql(
            "update approvals set expires_at = created_at where id = %s", (approval["id"],)
        )
        conn.exec_driver_sql("alter table approvals enable trigger approvals_guard")


def test_a_question_waits_and_its_answer_comes_back_to_the_graph(lab: Lab) -> None:
    agent = asking()
    lab.work(agent)
    run_id = lab.start(agent)
    assert lab.settled(run_id)["status"] == "waiting"
    asked = lab.pending(run_id)[0]
    assert (asked["kind"], asked["headline"]) == ("question", "Which booking?")
    assert asked["reviewers"] == ["on-call"]
    assert asked["expires_at"] - asked["created_at"] == pytest.approx(
        timedelta(hours=24), abs=timedelta(seconds=5)
    )
    lab.decide(asked, "answer", answer={"option": "B-2"})
    assert lab.ended(run_id)["exit"] == "completed"
    assert lab.run(run_id)["output"] == {"said": {"answer": "B-2", "answered_by": "dana"}}


def test_the_answer_is_recorded_as_a_persons(lab: Lab) -> None:
    agent = asking()
    lab.work(agent)
    run_id = lab.start(agent)
    lab.decide(lab.pending(run_id)[0], "answer", answer={"text": "  B-3, the one in May "})
    lab.ended(run_id)
    (call,) = lab.calls(run_id)
    assert (call["state"], call["attested_by"], call["effect"]) == ("succeeded", "dana", "read")
    assert lab.one("select state from approvals where run_id = %s", run_id) == "consumed"
    said = lab.one("select answer from decisions where reviewer = 'dana'")
    assert said == {"text": "  B-3, the one in May "}
    actors = lab.rows(
        "select event, actor from audit_log where call_id = %s and subject = call_id order by seq",
        call["id"],
    )
    assert [row["event"] for row in actors] == [
        "call.held", "call.approved", "call.started", "call.succeeded",
    ]  # fmt: skip
    assert {row["actor"] for row in actors[1:]} == {"reviewer:dana"}
    assert lab.run(run_id)["output"]["said"]["answer"] == "B-3, the one in May"


@pytest.mark.parametrize(
    "answer",
    [
        {}, {"option": "B-9"}, {"text": " "}, {"text": "x" * 4001}, {"option": ["B-1"]},
        {"opinion": "a"}, {"option": "B-1", "text": "and"}, {"happened": True},
    ],
)  # fmt: skip
def test_what_answers_nothing_is_refused(lab: Lab, answer: dict[str, Any]) -> None:
    agent = asking()
    lab.work(agent)
    run_id = lab.start(agent)
    asked = lab.pending(run_id)[0]
    with pytest.raises(InvalidDecision, match=r'"option": one of \["B-1", "B-2"\]'):
        lab.decide(asked, "answer", answer=answer)
    assert lab.pending(run_id)[0]["id"] == asked["id"]
    assert lab.one("select count(*) from decisions") == 0


@pytest.mark.parametrize("kind", ["approve", "edit"])
def test_a_question_cannot_be_approved_or_edited(lab: Lab, kind: str) -> None:
    agent = asking()
    lab.work(agent)
    run_id = lab.start(agent)
    asked = lab.pending(run_id)[0]
    with pytest.raises(InvalidDecision, match="takes answer, reject"):
        lab.decide(asked, kind, args={"question": "Another?"} if kind == "edit" else None)


def test_a_question_that_is_declined_ends_the_run_as_ambiguous(lab: Lab) -> None:
    agent = asking()
    lab.work(agent)
    run_id = lab.start(agent)
    lab.decide(lab.pending(run_id)[0], "reject", reason="ask the customer")
    assert lab.ended(run_id)["exit"] == "ambiguous"
    assert lab.run(run_id)["exit_reason"] == (
        "dana did not answer: Which booking? The reason given: ask the customer"
    )


def test_an_agent_that_may_not_ask_ends_as_ambiguous_with_the_question_recorded(lab: Lab) -> None:
    agent = asking(on_ambiguity="exit")
    lab.work(agent)
    run_id = lab.start(agent)
    assert lab.ended(run_id)["exit"] == "ambiguous"
    assert lab.run(run_id)["exit_reason"].endswith("Which booking?")
    (call,) = lab.calls(run_id)
    assert call["state"] == "forbidden"
    assert b'"options":["B-1","B-2"]' in bytes(call["args"])
    assert lab.one("select count(*) from approvals where run_id = %s", run_id) == 0


def test_after_the_deadline_the_run_ends_as_ambiguous(lab: Lab) -> None:
    agent = asking()
    lab.work(agent)
    run_id = lab.start(agent)
    expire(lab, lab.pending(run_id)[0])
    assert lab.ended(run_id)["exit"] == "ambiguous"
    assert lab.run(run_id)["exit_reason"] == "Nobody answered in time: Which booking?"


def test_after_the_deadline_the_configured_answer_counts_and_is_nobodys(lab: Lab) -> None:
    agent = asking(on_deadline={"answer": "Leave it as it is."})
    lab.work(agent)
    run_id = lab.start(agent)
    asked = lab.pending(run_id)[0]
    assert asked["reason"].endswith("the answer is taken to be “Leave it as it is.”")
    expire(lab, asked)
    assert lab.ended(run_id)["exit"] == "completed"
    said = {"answer": "Leave it as it is.", "answered_by": None}
    assert lab.run(run_id)["output"] == {"said": said}
    (call,) = lab.calls(run_id)
    assert (call["state"], call["attested_by"]) == ("expired", None)


def test_an_answer_is_found_again_by_a_node_that_runs_again(lab: Lab) -> None:
    @tool(effect="irreversible")
    def wipe(volume: str) -> str:
        """Wipe a volume."""
        lab.effects.append(volume)
        return "wiped"

    async def work(_: Any) -> dict[str, Any]:
        said = await ask_human.ainvoke(ask("ask_human", WHICH, f"id-{len(lab.effects)}-{id(_)}"))
        lab.effects.append("asked")
        return {"said": [said.content, await wipe.ainvoke({"volume": "v7"})]}

    agent = Agent("a", graph=one_node(work), tools=[wipe])
    lab.work(agent)
    run_id = lab.start(agent)
    lab.decide(lab.pending(run_id)[0], "answer", answer={"option": "B-1"})
    lab.until(lambda: lab.effects == ["asked"])
    lab.decide(lab.pending(run_id)[0])
    assert lab.ended(run_id)["exit"] == "completed"
    assert lab.effects == ["asked", "asked", "v7"]
    assert [call["tool"] for call in lab.calls(run_id)] == ["ask_human", "wipe"]


def test_parallel_branches_and_subgraphs_ask_side_by_side(lab: Lab) -> None:
    async def inner_asks(state: Any) -> dict[str, Any]:
        said = await ask_human.ainvoke({"question": f"Which, {state['said']}?"})
        return {"said": said["answer"]}

    inner = one_node(inner_asks).compile()

    async def branch(state: Any) -> dict[str, Any]:
        found = await inner.ainvoke({"said": state["said"]})
        lab.effects.append(found["said"])
        return {}

    graph = StateGraph(Notes)
    graph.add_node("branch", branch)
    graph.add_conditional_edges(
        START, lambda _: [Send("branch", {"said": f"b{n}"}) for n in range(3)], ["branch"]
    )
    graph.add_edge("branch", END)
    agent = Agent("a", graph=graph, tools=[])
    lab.work(agent)
    run_id = lab.start(agent)
    for asked in lab.pending(run_id, 3):
        lab.decide(asked, "answer", answer={"text": f"re {asked['headline']}"})
    assert lab.ended(run_id)["exit"] == "completed"
    assert sorted(lab.effects) == [f"re Which, b{n}?" for n in range(3)]


def test_a_model_asks_as_it_calls_any_tool(lab: Lab) -> None:
    graph = scripted([ask_human], [ask("ask_human", WHICH, "q1")])
    agent = Agent("a", graph=graph, tools=[ask_human])
    lab.work(agent)
    run_id = lab.start(agent, {"messages": []})
    lab.decide(lab.pending(run_id)[0], "answer", answer={"option": "B-1"})
    assert lab.ended(run_id)["exit"] == "completed"
    assert '"answered_by": "dana"' in str(lab.run(run_id)["output"])


def test_a_question_that_is_none_is_told_to_the_agent(lab: Lab) -> None:
    async def nothing(_: Any) -> dict[str, Any]:
        call = ask("ask_human", {"question": "?", "confidence": 7}, "q1")
        return {"said": (await ask_human.ainvoke(call)).content}

    graph = scripted([ask_human], [ask("ask_human", {"question": "", "confidence": 7}, "q1")])
    agent = Agent("a", graph=graph, tools=[ask_human])
    lab.work(agent)
    run_id = lab.start(agent, {"messages": []})
    assert lab.ended(run_id)["exit"] == "completed"
    assert lab.calls(run_id) == []


def test_no_policy_keeps_an_agent_from_asking(lab: Lab) -> None:
    agent = asking(policy='@id("nothing") forbid (principal, action, resource);')
    lab.work(agent)
    run_id = lab.start(agent)
    assert lab.pending(run_id)[0]["kind"] == "question"


def test_a_tool_that_only_has_the_name_is_no_question(lab: Lab) -> None:
    @tool(effect="irreversible", name="ask_human")
    def wipe(question: str) -> str:
        """Wipe."""
        lab.effects.append(question)
        return "wiped"

    async def work(_: Any) -> dict[str, Any]:
        return {"said": await wipe.ainvoke({"question": "v7"})}

    agent = Agent("a", graph=one_node(work), tools=[wipe])
    lab.work(agent)
    run_id = lab.start(agent)
    asked = lab.pending(run_id)[0]
    assert asked["kind"] == "call"
    with pytest.raises(InvalidDecision):
        lab.decide(asked, "answer", answer={"text": "yes"})
    assert lab.effects == []


def test_a_conflict_is_settled_by_one_of_its_opinions(lab: Lab) -> None:
    async def conflict(_: Any) -> dict[str, Any]:
        said = await ask_about_conflict.ainvoke(
            {"question": "How much?", "because": "They differ.", "opinions": OPINIONS}
        )
        return {"said": said}

    agent = Agent("a", graph=one_node(conflict), tools=[])
    lab.work(agent)
    run_id = lab.start(agent)
    asked = lab.pending(run_id)[0]
    assert asked["kind"] == "conflict"
    with pytest.raises(InvalidDecision, match=r'"opinion": one of \["a", "b"\]'):
        lab.decide(asked, "answer", answer={"opinion": "c"})
    lab.decide(asked, "answer", answer={"opinion": "b"})
    lab.ended(run_id)
    said = {"answer": {"refund": 20}, "answered_by": "dana", "opinion_of": "b"}
    assert lab.run(run_id)["output"] == {"said": said}


def test_a_run_that_is_cancelled_takes_its_question_back(lab: Lab) -> None:
    agent = asking()
    lab.work(agent)
    run_id = lab.start(agent)
    lab.pending(run_id)
    lab.settled(run_id)
    request_cancel(lab.database, tenant="default", run_id=run_id, by="reviewer:dana")
    assert lab.one("select state from approvals where run_id = %s", run_id) == "cancelled"


@pytest.mark.parametrize(
    "wrong",
    [
        {"on_ambiguity": "guess"},
        {"asks": ()},
        {"answer_within": timedelta()},
        {"on_deadline": "guess"},
        {"on_deadline": {"maybe": "yes"}},
    ],
)
def test_an_agent_says_plainly_how_it_asks(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"[aA]gent 'a'"):
        asking(**wrong)


def test_another_way_to_ask_is_another_agent() -> None:
    assert asking().fingerprint != asking(on_ambiguity="exit").fingerprint
    assert asking().fingerprint != asking(on_deadline={"answer": "no"}).fingerprint

"""What a person decides is recorded once, honoured, and bound to what the person saw."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from interlock import Agent, Limits, tool
from interlock.engine import accounts
from interlock.engine.decisions import Answer, decide
from interlock.engine.errors import (
    AlreadyDecided,
    Conflict,
    InvalidDecision,
    NotAReviewer,
    NotFound,
    StaleDigest,
)
from interlock.engine.lifecycle import ApprovalState, DecisionKind
from interlock.engine.runs import create_run, request_cancel
from langgraph.graph import START, StateGraph
from uuid_utils.compat import uuid7

sys.path.insert(0, str(Path(__file__).parent))
from graphs import in_a_loop, one_node

if TYPE_CHECKING:
    from conftest import Lab

POLICY = """
@id("two") @outcome("review") @reviewers("on-call") @quorum("{quorum}") @expires("{expires}")
@reason("Volumes are deleted by two.")
permit (principal, action, resource) when {{ context.effect == "irreversible" }};
"""


def wiper(lab: Lab, name: str = "a", **more: Any) -> Agent:
    """An agent that wipes volume v7."""

    @tool(effect="irreversible", headline=lambda volume, **_: f"Wipe {volume}")
    def wipe(volume: str, force: bool = False) -> str:  # noqa: FBT001, FBT002
        """Wipe a volume."""
        lab.effects.append(f"wipe {volume} {force}")
        return f"wiped {volume}"

    graph = one_node(lambda _: {"said": wipe.invoke({"volume": "v7"})})
    if more.pop("with_another_node", False):
        graph.add_node("idle", lambda _: {})
        graph.add_edge("idle", "work")
        graph.add_conditional_edges("__start__", lambda _: "work", ["work", "idle"])
    return Agent(name, graph=graph, tools=[wipe], **more)


def another_reviewer(lab: Lab, name: str, *groups: str) -> None:
    """An account beside Dana's."""
    accounts.add_reviewer(
        lab.database,
        tenant="default",
        name=name,
        password="long enough for a test",
        groups=groups,
        by="operator:tests",
    )


def test_a_rejection_reaches_the_agent_with_its_reason(lab: Lab) -> None:
    agent = wiper(lab)
    lab.work(agent)
    run_id = lab.start(agent)
    lab.decide(lab.pending(run_id)[0], "reject", reason="it holds customer data")
    said = lab.ended(run_id)["output"]["said"]
    assert said == "wipe did not run. dana rejected it: it holds customer data"
    assert lab.effects == []
    assert [c["state"] for c in lab.calls(run_id)] == ["rejected"]


def test_a_rejection_needs_a_reason(lab: Lab) -> None:
    agent = wiper(lab)
    lab.work(agent)
    held = lab.pending(lab.start(agent))[0]
    for reason in (None, "", "  "):
        with pytest.raises(InvalidDecision, match="needs a reason"):
            lab.decide(held, "reject", reason=reason)
    assert lab.one("select count(*) from decisions") == 0


def test_a_stale_page_approves_nothing(lab: Lab) -> None:
    agent = wiper(lab)
    lab.work(agent)
    run_id = lab.start(agent)
    held = lab.pending(run_id)[0]
    with pytest.raises(StaleDigest, match="not recorded") as refused:
        lab.decide(held, digest="00" * 32)
    assert refused.value.digest == bytes(held["digest"]).hex()
    lab.silence()
    assert (lab.effects, lab.one("select count(*) from decisions")) == ([], 0)
    assert lab.pending(run_id)


def test_of_two_who_decide_at_once_one_wins_and_the_other_is_told(lab: Lab) -> None:
    agent = wiper(lab)
    names = [f"r{n}" for n in range(8)]
    for name in names:
        another_reviewer(lab, name, "on-call")
    lab.work(agent)
    for _ in range(5):
        run_id = lab.start(agent)
        held = lab.pending(run_id)[0]
        lab.effects.clear()

        def click(name: str, held: Any = held) -> Any:
            kind = "approve" if int(name[1:]) % 2 else "reject"
            try:
                return lab.decide(held, kind, reviewer=name, reason="my view")
            except AlreadyDecided as refused:
                return refused

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(click, names))
        won = [
            name
            for name, a in zip(names, answers, strict=True)
            if not isinstance(a, AlreadyDecided)
        ]
        assert len(won) == 1
        late = [a for a in answers if isinstance(a, AlreadyDecided)]
        assert all(a.by == won[0] and won[0] in str(a) for a in late)
        lab.ended(run_id)
        approved = int(won[0][1:]) % 2
        assert lab.effects == (["wipe v7 False"] if approved else [])
        assert lab.one("select count(*) from decisions where approval_id = %s", held["id"]) == 1


def test_the_same_answer_again_is_no_second_decision(lab: Lab) -> None:
    agent = wiper(lab)
    lab.work(agent)
    run_id = lab.start(agent)
    held = lab.pending(run_id)[0]
    first = lab.decide(held)
    lab.ended(run_id)
    again = lab.decide(held)
    assert again.at == first.at
    assert again.state is ApprovalState.CONSUMED
    assert lab.effects == ["wipe v7 False"]
    with pytest.raises(AlreadyDecided):
        lab.decide(held, "reject", reason="changed my mind")


def test_after_its_time_an_approval_takes_no_decision(lab: Lab) -> None:
    agent = wiper(lab, policy=POLICY.format(quorum=1, expires="1s"))
    worker = lab.work(agent)
    run_id = lab.start(agent)
    held = lab.pending(run_id)[0]
    worker.stop()
    lab.silence(1.2)
    with pytest.raises(AlreadyDecided, match="expired") as refused:
        lab.decide(held)
    assert (refused.value.state, refused.value.by) == ("expired", None)
    lab.rest()
    lab.work(agent)
    said = lab.ended(run_id)["output"]["said"]
    assert said.startswith("wipe did not run. Nobody decided in time")
    assert lab.effects == []
    assert [c["state"] for c in lab.calls(run_id)] == ["expired"]
    events = [r["event"] for r in lab.rows("select event from audit_log where run_id = %s", run_id)]
    assert "approval.expired" in events
    assert not [e for e in events if "rejected" in e]


def test_a_quorum_needs_distinct_reviewers(lab: Lab) -> None:
    agent = wiper(lab, policy=POLICY.format(quorum=2, expires="1h"))
    another_reviewer(lab, "eve", "on-call")
    lab.work(agent)
    run_id = lab.start(agent)
    held = lab.pending(run_id)[0]
    assert lab.decide(held).state is ApprovalState.PENDING
    assert lab.decide(held).state is ApprovalState.PENDING
    lab.silence()
    assert lab.effects == []
    assert lab.decide(held, reviewer="eve").state is ApprovalState.APPROVED
    lab.ended(run_id)
    assert lab.effects == ["wipe v7 False"]


def test_only_a_reviewer_of_its_groups_decides(lab: Lab) -> None:
    agent = wiper(lab)
    another_reviewer(lab, "fred", "finance")
    another_reviewer(lab, "gone", "on-call")
    accounts.disable_reviewer(lab.database, tenant="default", name="gone", by="operator:tests")
    lab.work(agent)
    held = lab.pending(lab.start(agent))[0]
    for name in ("fred", "gone", "nobody"):
        with pytest.raises(NotAReviewer, match="Nothing was recorded"):
            lab.decide(held, reviewer=name)
    with pytest.raises(NotFound):
        lab.decide({**held, "id": uuid7()})
    assert lab.one("select count(*) from decisions") == 0


def test_an_edit_is_judged_and_approved_again(lab: Lab) -> None:
    agent = wiper(lab)
    lab.work(agent)
    run_id = lab.start(agent)
    first = lab.pending(run_id)[0]
    lab.decide(first, "edit", args={"volume": "v8", "force": True})
    lab.until(lambda: len(lab.calls(run_id)) == 2)
    second = lab.pending(run_id)[0]
    assert (second["headline"], second["digest"] == first["digest"]) == ("Wipe v8", False)
    assert lab.effects == []
    with pytest.raises(AlreadyDecided):
        lab.decide(first, reviewer="dana")
    lab.decide(second)
    assert lab.ended(run_id)["output"] == {"said": "wiped v8"}
    assert lab.effects == ["wipe v8 True"]
    calls = lab.calls(run_id)
    assert [(c["revision"], c["state"]) for c in calls] == [(1, "superseded"), (2, "succeeded")]
    assert calls[0]["key"] == calls[1]["key"]
    assert lab.run(run_id)["used_calls"] == 1


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        ({"volume": 7, "force": False}, "volume"),
        ({"force": True}, "volume"),
        ({"volume": "v7", "force": False}, "same as before"),
        ({"volume": "v7", "force": False, "sudo": True}, "no argument 'sudo'"),
        (None, "needs the new arguments"),
        ({"volume": "v7", "force": "yes"}, "force"),
    ],
)
def test_an_edit_that_does_not_fit_changes_nothing(lab: Lab, args: Any, complaint: str) -> None:
    agent = wiper(lab)
    lab.work(agent)
    run_id = lab.start(agent)
    held = lab.pending(run_id)[0]
    with pytest.raises(InvalidDecision, match=complaint):
        lab.decide(held, "edit", args=args)
    assert lab.pending(run_id)[0]["id"] == held["id"]


def test_an_edit_that_only_the_tool_itself_refuses_is_forbidden_and_told(lab: Lab) -> None:
    from pydantic import BaseModel, field_validator  # noqa: PLC0415

    class Volume(BaseModel):
        volume: str

        @field_validator("volume")
        @classmethod
        def known(cls, value: str) -> str:
            if not value.startswith("v"):
                raise ValueError("unknown volume")
            return value

    @tool(effect="irreversible", args_schema=Volume)
    def wipe(volume: str) -> str:
        """Wipe a volume."""
        lab.effects.append(volume)
        return "wiped"

    agent = Agent(
        "a", graph=one_node(lambda _: {"said": wipe.invoke({"volume": "v7"})}), tools=[wipe]
    )
    lab.work(agent)
    run_id = lab.start(agent)
    lab.decide(lab.pending(run_id)[0], "edit", args={"volume": "x7"})
    assert "unknown volume" in lab.ended(run_id)["output"]["said"]
    assert [c["state"] for c in lab.calls(run_id)] == ["superseded", "forbidden"]
    assert lab.effects == []


def test_a_decision_made_while_no_worker_lives_is_honoured(lab: Lab) -> None:
    agent = wiper(lab)
    lab.work(agent)
    run_id = lab.start(agent)
    held = lab.pending(run_id)[0]
    lab.settled(run_id)
    lab.rest()
    lab.decide(held)
    assert lab.run(run_id)["status"] == "queued"
    lab.work(agent)
    assert lab.ended(run_id)["exit"] == "completed"
    assert lab.effects == ["wipe v7 False"]


def test_cancelling_a_waiting_run_is_not_a_rejection(lab: Lab) -> None:
    agent = wiper(lab)
    lab.work(agent)
    run_id = lab.start(agent)
    held = lab.pending(run_id)[0]
    lab.settled(run_id)
    assert (
        request_cancel(lab.database, tenant="default", run_id=run_id, by="reviewer:dana") == "ended"
    )
    assert lab.run(run_id)["exit"] == "cancelled"
    with pytest.raises(AlreadyDecided, match="cancelled"):
        lab.decide(held)
    assert [c["state"] for c in lab.calls(run_id)] == ["cancelled"]
    with pytest.raises(Conflict, match="has ended"):
        request_cancel(lab.database, tenant="default", run_id=run_id, by="reviewer:dana")
    assert lab.effects == []


def test_a_running_run_is_cancelled_and_starts_nothing_more(lab: Lab) -> None:
    import time  # noqa: PLC0415

    @tool(effect="read")
    def look(n: int) -> str:
        """Look."""
        lab.effects.append(str(n))
        time.sleep(0.05)
        return "ok"

    def node(_: Any) -> dict[str, Any]:
        return {"said": [look.invoke({"n": n}) for n in range(200)]}

    agent = Agent("a", graph=one_node(node), tools=[look], limits=Limits(calls=500))
    lab.work(agent)
    run_id = lab.start(agent)
    lab.until(lambda: lab.effects)
    assert (
        request_cancel(lab.database, tenant="default", run_id=run_id, by="reviewer:dana")
        == "running"
    )
    assert lab.ended(run_id)["exit"] == "cancelled"
    count = len(lab.effects)
    lab.silence()
    assert len(lab.effects) == count < 200
    assert {c["state"] for c in lab.calls(run_id)} <= {"succeeded", "cancelled"}


def test_a_repeated_request_starts_one_run(lab: Lab) -> None:
    agent = wiper(lab)
    lab.work(agent)
    asked = {
        "tenant": "default",
        "agent": "a",
        "requested_by": "reviewer:dana",
        "idempotency_key": "k",
    }

    def request(_: int) -> Any:
        return create_run(lab.database, input={"x": 1}, **asked)

    with ThreadPoolExecutor(8) as pool:
        refs = list(pool.map(request, range(8)))
    assert len({ref.run_id for ref in refs}) == 1
    assert sum(ref.created for ref in refs) == 1
    with pytest.raises(Conflict, match="used for another request"):
        create_run(lab.database, input={"x": 2}, **asked)


def test_a_run_of_an_unknown_agent_is_refused(lab: Lab) -> None:
    with pytest.raises(NotFound, match="no worker has registered it"):
        create_run(
            lab.database, tenant="default", agent="ghost", input={}, requested_by="reviewer:dana"
        )


@pytest.mark.parametrize(("kind", "end"), [("approve", "completed"), ("reject", "rejected")])
def test_a_changed_agent_waits_for_a_persons_word(lab: Lab, kind: str, end: str) -> None:
    old = wiper(lab)
    lab.work(old)
    run_id = lab.start(old)
    held = lab.pending(run_id)[0]
    lab.settled(run_id)
    lab.rest()
    new = wiper(lab, with_another_node=True)
    lab.decide(held)
    lab.work(new)
    version = lab.pending(run_id)[0]
    assert version["kind"] == "version"
    lab.silence()
    assert lab.effects == []
    lab.decide(version, kind, reason="not this one")
    assert lab.ended(run_id)["exit"] == end
    assert lab.effects == (["wipe v7 False"] if kind == "approve" else [])
    state = lab.one("select state from approvals where id = %s", version["id"])
    assert state == ("consumed" if kind == "approve" else "rejected")


HARMLESS: dict[str, dict[str, Any]] = {
    "limits": {"limits": Limits(steps=7)},
    "policy": {
        "policy": """@id("all") @outcome("review") @reviewers("on-call")
                     permit (principal, action, resource);"""
    },
}


@pytest.mark.parametrize("changed", HARMLESS)
def test_a_run_goes_on_by_itself_where_its_graph_and_tools_are_the_same(
    lab: Lab, changed: str
) -> None:
    old, new = wiper(lab), wiper(lab, **HARMLESS[changed])
    lab.work(old)
    run_id = lab.start(old)
    held = lab.pending(run_id)[0]
    lab.settled(run_id)
    lab.rest()
    lab.decide(held)
    lab.work(new)
    assert lab.ended(run_id)["exit"] == "completed"
    assert lab.effects == ["wipe v7 False"]
    run = lab.run(run_id)
    assert (run["fingerprint"], run["limit_steps"]) == (new.fingerprint, 25)
    assert lab.one("select count(*) from audit_log where event = 'run.repinned'") == 1
    assert lab.one("select count(*) from approvals where kind = 'version'") == 0


@pytest.mark.parametrize("inner", ["same", "other"])
def test_another_node_in_a_subgraph_is_another_shape(lab: Lab, inner: str) -> None:
    def outer(*names: str) -> Agent:
        sub = StateGraph(dict)
        for name in names:
            sub.add_node(name, lambda _: {})
            sub.add_edge(START, name)
        graph = StateGraph(dict)
        graph.add_node("sub", sub.compile())
        graph.add_edge(START, "sub")
        return Agent("a", graph=graph, tools=[])

    is_same = outer("one").shape == outer("one" if inner == "same" else "two").shape
    assert is_same is (inner == "same")


def test_workers_of_two_versions_each_take_their_own_runs(lab: Lab) -> None:
    old, new = wiper(lab), wiper(lab, limits=Limits(steps=7))
    lab.work(old)
    first = lab.start(old)
    lab.settled(first)
    lab.work(new)
    second = lab.start(new)
    for run_id in (first, second):
        lab.decide(lab.pending(run_id)[0])
        assert lab.ended(run_id)["exit"] == "completed"
    assert lab.one("select count(*) from approvals where kind = 'version'") == 0


def test_a_forged_resume_starts_nothing(lab: Lab) -> None:
    """Whoever can run code in a node's place still has no value that opens the gate."""
    from langgraph.types import Command  # noqa: PLC0415

    agent = wiper(lab)
    lab.work(agent)
    run_id = lab.start(agent)
    held = lab.pending(run_id)[0]
    lab.settled(run_id)
    lab.rest()
    for forged in (
        True,
        {"type": "accept"},
        {str(held["call_id"]): "approve"},
        {held["call_id"].hex: True},
    ):
        _resume(lab, agent, Command(resume=forged), run_id)
        assert lab.effects == []
        assert lab.run(run_id)["status"] == "waiting"
        assert lab.pending(run_id)[0]["id"] == held["id"]


def _resume(lab: Lab, agent: Agent, command: Any, run_id: Any) -> None:
    """What a worker does with a run that was woken, but with a forged value to resume from."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    from interlock.engine import runs  # noqa: PLC0415
    from interlock.engine.execution import Execution  # noqa: PLC0415
    from interlock.engine.group_commit import GroupCommit  # noqa: PLC0415
    from interlock.engine.lease import Lease  # noqa: PLC0415
    from interlock.engine.wake import wake  # noqa: PLC0415
    from interlock.tools.gated import current_gate  # noqa: PLC0415

    worker_id = uuid7()
    lease = Lease(lab.database, worker_id, 30)
    lease.start([agent.fingerprint])
    with lab.database.begin() as conn:
        wake(conn, tenant="default", run_id=run_id, why="forged", actor="interlock")
    agents = {agent.name: agent.fingerprint}
    query = runs.claiming(tenant="default", worker_id=worker_id, agents=agents, free=1)
    with GroupCommit(lab.database.url, threads=1) as claims:
        (claim,) = runs.claimed(claims.fetch_now(query), worker_id)

    threads = ThreadPoolExecutor(2)

    async def execute() -> None:
        async with GroupCommit(lab.database.url, threads=2) as commit:
            execution = Execution(lab.database, commit, agent, claim, lease, lease.term(), threads)
            graph: Any = agent.compiled.copy({"checkpointer": execution._saver})
            await execution._recall()
            current_gate.set(execution.gate)
            config: Any = {"configurable": {"thread_id": str(run_id)}}
            await graph.ainvoke(command, config, durability="sync")
            assert (await graph.aget_state(config)).next

    in_a_loop(execute())
    with lab.database.begin() as conn:
        runs.park(conn, claim, active_ms=0)
    lease.stop()
    threads.shutdown()


def test_an_approval_of_another_kind_of_answer_is_refused(lab: Lab) -> None:
    agent = wiper(lab)
    lab.work(agent)
    held = lab.pending(lab.start(agent))[0]
    answer = Answer(
        "default",
        held["id"],
        "dana",
        DecisionKind.ANSWER,
        bytes(held["digest"]).hex(),
        "api",
        answer={"happened": True},
    )
    with pytest.raises(InvalidDecision, match="approve, edit, reject"):
        decide(lab.database, answer)


def test_a_preview_that_holds_a_null_is_decided_however_many_undos_there_are(lab: Lab) -> None:
    @tool(effect="irreversible", preview=lambda body: {body: ["a\0b\udcff"]})
    def send(body: str) -> str:
        """Send it."""
        lab.effects.append(body)
        return "sent"

    graph = one_node(lambda _: {"said": send.invoke({"body": "b"})})
    lab.work(Agent("sender", graph=graph, tools=[send]))
    run_id = create_run(
        lab.database, tenant="default", agent="sender", input={}, requested_by="reviewer:dana"
    ).run_id
    asked = lab.pending(run_id)[0]
    with lab.database.begin() as conn:
        conn.exec_driver_sql("set local session_replication_role = replica")  # of no rollback
        conn.exec_driver_sql(
            "insert into undos (tenant_id, id, rollback_id, call_id, position, effect, recovery,"
            " unsure, state) select 'default', gen_random_uuid(), gen_random_uuid(),"
            " gen_random_uuid(), 1, 'reversible', 'ask', false, 'cancelled'"
            " from generate_series(1, 60)"
        )
    with lab.database.begin() as conn:
        conn.exec_driver_sql("analyze undos")
    lab.decide(asked, "reject", reason="No.")
    assert lab.ended(run_id)["exit"] in {"completed", "failed"}
    assert lab.effects == []


def test_when_it_was_decided_is_told_in_utc_wherever_the_database_is(lab: Lab) -> None:
    name = lab.one("select current_database()")
    with lab.database.begin() as conn:
        conn.exec_driver_sql(f"alter database {name} set timezone = 'Asia/Tokyo'")
    lab.database.engine.dispose()
    lab.work(wiper(lab))
    run_id = lab.start(wiper(lab))
    asked = lab.pending(run_id)[0]
    lab.decide(asked)
    with pytest.raises(AlreadyDecided) as told:
        lab.decide(asked, "reject", reason="No.")
    (of,) = lab.rows(
        "select to_char(d.decided_at at time zone 'UTC', 'HH24:MI:SS') || ' UTC' as one,"
        " to_char(a.closed_at at time zone 'UTC', 'HH24:MI:SS') || ' UTC' as other"
        " from decisions d join approvals a on a.id = d.approval_id where a.id = %s",
        asked["id"],
    )
    assert any(moment in str(told.value) for moment in of.values())

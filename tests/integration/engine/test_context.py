"""What a policy is shown of a call beside the call: its run so far, and the tags; kept with it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from interlock import Agent, tool
from interlock.engine.errors import UsageError
from interlock.engine.past_calls import PastPolicies, history, past_call
from interlock.engine.replay import Replay

sys.path.insert(0, str(Path(__file__).parent))
from graphs import ask, scripted

if TYPE_CHECKING:
    from conftest import Lab

COUNTED = """
@id("reads") permit (principal, action, resource) when { context.effect == "read" };
@id("held") @outcome("review") @reviewers("on-call")
permit (principal, action, resource) when { context.effect == "irreversible" };
@id("two-at-most") @reason("Two in one run are enough.")
forbid (principal, action, resource)
when { context.effect == "irreversible" && context.run.irreversible >= 2 };
"""
BY_TIER = """
@id("gold") @trusts("tier") permit (principal, action, resource)
when { principal.hasTag("tier") && principal.getTag("tier") == "gold" && context.effect == "read" };
"""


def wiper(lab: Lab, volumes: int, **more: Any) -> Agent:
    """It looks once, and then wipes so many volumes, one after the other."""

    @tool(effect="read")
    def look() -> str:
        """Look."""
        return "there"

    @tool(effect="irreversible")
    def wipe(volume: str) -> str:
        """Wipe a volume."""
        lab.effects.append(volume)
        return "wiped"

    turns = [[ask("look", {}, "l")]]
    turns += [[ask("wipe", {"volume": f"v{at}"}, f"w{at}")] for at in range(volumes)]
    graph = scripted([look, wipe], *turns)
    return Agent("wiper", graph=graph, tools=[look, wipe], **more)


def test_a_policy_counts_what_the_run_did_before_a_call_and_not_the_call_itself(lab: Lab) -> None:
    agent = wiper(lab, 3, policy=COUNTED)
    lab.work(agent)
    run_id = lab.start(agent, {"messages": []})
    for _ in range(2):
        lab.decide(lab.pending(run_id)[0])
    assert lab.ended(run_id)["exit"] == "completed"
    assert lab.effects == ["v0", "v1"]
    calls = lab.calls(run_id)
    assert [call["state"] for call in calls] == ["succeeded"] * 3 + ["forbidden"]
    counted = [call["context"]["run"] for call in calls]
    assert [(run["calls"], run["irreversible"]) for run in counted] == [
        (0, 0),
        (1, 0),
        (2, 1),
        (3, 2),
    ]


@pytest.mark.parametrize(("tier", "state"), [("gold", "succeeded"), ("tin", "forbidden")])
def test_a_policy_reads_a_tag_of_the_run_that_it_trusts(lab: Lab, tier: str, state: str) -> None:
    agent = wiper(lab, 0, policy=BY_TIER)
    lab.work(agent)
    run_id = lab.start(agent, {"messages": []}, tags={"tier": tier})
    lab.ended(run_id)
    (call,) = lab.calls(run_id)
    assert (call["state"], call["context"]["tags"]) == (state, {"tier": tier})


@pytest.mark.parametrize("name", ["agent", "tenant"])
def test_a_tag_cannot_take_the_name_of_what_the_engine_says(lab: Lab, name: str) -> None:
    with pytest.raises(UsageError, match=f"may not be called '{name}'"):
        lab.start(wiper(lab, 0), tags={name: "other"})


def test_a_past_call_is_asked_about_as_it_was(lab: Lab) -> None:
    agent = wiper(lab, 1, policy=COUNTED)
    lab.work(agent)
    run_id = lab.start(agent, {"messages": []})
    lab.pending(run_id)
    policies = PastPolicies(lab.database, "default")
    for found in lab.calls(run_id):
        with lab.database.begin() as conn:
            call = past_call(conn, "default", found["id"])
        verdict = policies.recorded(call).decide(call.request("default"))
        assert (verdict.outcome, verdict.policies) == (call.verdict, call.policies)
    since = lab.calls(run_id)[0]["proposed_at"]
    (batch,) = history(lab.database, "default", since, "wiper")
    assert [call.tool for call in batch] == ["look", "wipe"]
    assert not [*history(lab.database, "default", since, "another")]


STRICT = """
@id("reads") permit (principal, action, resource) when { context.effect == "read" };
@id("nothing-is-wiped") @reason("Nothing is wiped.")
forbid (principal, action, resource) when { context.effect == "irreversible" };
"""


def test_a_policy_in_the_shadow_is_asked_and_decides_nothing(lab: Lab) -> None:
    agent = wiper(lab, 1, policy=COUNTED, shadow=STRICT)
    lab.work(agent)
    run_id = lab.start(agent, {"messages": []})
    lab.decide(lab.pending(run_id)[0])
    assert lab.ended(run_id)["exit"] == "completed"
    assert lab.effects == ["v0"]
    look, wipe = (call["context"]["shadow"] for call in lab.calls(run_id))
    assert (look["verdict"], look["change"]) == ("allow", None)
    assert (wipe["verdict"], wipe["change"]) == ("forbid", "forbidden")
    assert wipe["policies"] == ["nothing-is-wiped"]
    judging = Replay(PastPolicies(lab.database, "default"), "default", {})
    since = lab.calls(run_id)[0]["proposed_at"]
    for call in next(history(lab.database, "default", since, None)):
        judging.look_at_shadow(call)
    ((kind, found),) = judging.kinds
    assert (kind.change, kind.tool, kind.after, found.count) == ("forbidden", "wipe", "forbid", 1)
    assert lab.one("select count(*) from policies where text = %s", STRICT) == 1

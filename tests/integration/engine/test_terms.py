"""The terms of an approval: who counts, who is asked later, what an approval is given with."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from argon2 import PasswordHasher
from interlock import Agent, tool
from interlock.engine import accounts, decisions
from interlock.engine import lapse as lapsing
from interlock.engine.errors import AlreadyDecided, InvalidDecision, NotAReviewer, NotTaken
from interlock.engine.lifecycle import ApprovalState
from interlock.engine.queries import get_approval
from interlock.engine.quorum import missing

sys.path.insert(0, str(Path(__file__).parent))
from graphs import one_node

if TYPE_CHECKING:
    from uuid import UUID

    from conftest import Lab
    from interlock.engine.drift import Approved

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PEOPLE = {"erin": ("on-call",), "fay": ("finance",), "hal": ("finance", "on-call")}


def policy(terms: str) -> str:
    """A policy that holds every call under these terms."""
    return (
        f'@id("ask") @outcome("review") {terms} @reason("A person decides.")\n'
        "permit (principal, action, resource);"
    )


def wiper(lab: Lab, terms: str) -> Agent:
    """An agent that wipes volume v7, held under these terms."""

    @tool(effect="irreversible", headline=lambda volume: f"Wipe {volume}")
    def wipe(volume: str) -> str:
        """Wipe a volume."""
        lab.effects.append(f"wipe {volume}")
        return f"wiped {volume}"

    graph = one_node(lambda _: {"said": wipe.invoke({"volume": "v7"})})
    return Agent("a", graph=graph, tools=[wipe], policy=policy(terms))


def held(lab: Lab, terms: str, **asked: Any) -> dict[str, Any]:
    """The approval of the call of a new run; Dana is on call, others are in `PEOPLE`."""
    for name, groups in PEOPLE.items():
        people(lab, *groups, names=(name,))
    agent = wiper(lab, terms)
    lab.work(agent)
    return lab.pending(lab.start(agent, **asked))[0]


def people(lab: Lab, *groups: str, names: tuple[str, ...]) -> None:
    """Accounts in these groups."""
    for name in names:
        accounts.add_reviewer(
            lab.database,
            tenant="default",
            name=name,
            password="long enough for a test",
            groups=groups,
            by="operator:tests",
            hasher=CHEAP,
        )


def disable(lab: Lab, name: str) -> None:
    """Close an account."""
    accounts.disable_reviewer(lab.database, tenant="default", name=name, by="operator:tests")


def let_pass(lab: Lab, hours: int) -> None:
    """Let an approval be so much older."""
    with lab.database.begin() as conn:
        conn.exec_driver_sql("set local session_replication_role = replica")
        conn.exec_driver_sql(
            "update approvals set created_at = created_at - make_interval(hours => %s)", (hours,)
        )


def recorded(lab: Lab) -> int:
    """How many decisions are recorded."""
    return int(lab.one("select count(*) from decisions"))


def test_one_of_each_group_must_approve(lab: Lab) -> None:
    asked = held(lab, '@each("finance: 1, on-call: 1")')
    assert lab.decide(asked).state is ApprovalState.PENDING
    assert lab.decide(asked, reviewer="erin").state is ApprovalState.PENDING
    lab.silence()
    assert lab.effects == []
    assert lab.decide(asked, reviewer="fay").state is ApprovalState.APPROVED
    lab.ended(asked["run_id"])
    assert lab.effects == ["wipe v7"]


def test_somebody_of_both_groups_fills_one_place_whichever_is_left(lab: Lab) -> None:
    asked = held(lab, '@each("finance: 1, on-call: 1")')
    assert lab.decide(asked, reviewer="hal").state is ApprovalState.PENDING
    assert lab.decide(asked, reviewer="fay").state is ApprovalState.APPROVED


@pytest.mark.parametrize(
    "terms",
    [
        '@reviewers("on-call") @quorum("2")',
        '@reviewers("on-call") @separation("editor")',
        '@reviewers("on-call") @separation("requester")',
    ],
)
def test_where_two_must_see_a_call_its_editor_does_not_count(lab: Lab, terms: str) -> None:
    first = held(lab, terms, requested_by="reviewer:fay")
    lab.decide(first, "edit", args={"volume": "v8"})
    lab.until(lambda: len(lab.calls(first["run_id"])) == 2)
    second = lab.pending(first["run_id"])[0]
    with pytest.raises(NotAReviewer, match="dana edited this call, so somebody else"):
        lab.decide(second)
    assert recorded(lab) == 1
    for name in ("erin", "hal")[: second["quorum"]]:
        lab.decide(second, reviewer=name)
    lab.ended(first["run_id"])
    assert lab.effects == ["wipe v8"]


def test_an_editor_may_turn_the_edited_call_down(lab: Lab) -> None:
    first = held(lab, '@reviewers("on-call") @quorum("2")')
    lab.decide(first, "edit", args={"volume": "v8"})
    lab.until(lambda: len(lab.calls(first["run_id"])) == 2)
    second = lab.pending(first["run_id"])[0]
    assert lab.decide(second, "reject", reason="no after all").state is ApprovalState.REJECTED


@pytest.mark.parametrize("by", ["reviewer:dana", "operator:dana"])
def test_who_asked_for_a_run_does_not_count_where_the_terms_say_so(lab: Lab, by: str) -> None:
    asked = held(lab, '@reviewers("on-call") @separation("requester")', requested_by=by)
    with pytest.raises(NotAReviewer, match="dana asked for this run, so somebody else"):
        lab.decide(asked)
    assert recorded(lab) == 0
    assert lab.decide(asked, reviewer="erin").state is ApprovalState.APPROVED
    lab.ended(asked["run_id"])
    assert lab.effects == ["wipe v7"]


def test_groups_that_are_asked_later_decide_from_then_on(lab: Lab) -> None:
    terms = '@reviewers("on-call") @escalate("1h: finance; 3h: owners") @expires("9h")'
    asked = held(lab, terms)
    with pytest.raises(NotAReviewer, match=r"cannot decide this before \d\d:\d\d:\d\d UTC"):
        lab.decide(asked, reviewer="fay")
    let_pass(lab, hours=2)
    assert lab.decide(asked, reviewer="fay").state is ApprovalState.APPROVED
    lab.ended(asked["run_id"])
    assert lab.effects == ["wipe v7"]


def test_an_approval_needs_its_reason(lab: Lab) -> None:
    asked = held(lab, '@reviewers("on-call") @require_reason("approve")')
    for reason in (None, "", " \n"):
        with pytest.raises(InvalidDecision, match="needs a reason"):
            lab.decide(asked, reason=reason)
    assert recorded(lab) == 0
    assert lab.decide(asked, reason="Ticket 7.").state is ApprovalState.APPROVED


def test_an_approval_is_confirmed_by_typing_through_every_client(lab: Lab) -> None:
    asked = held(lab, '@reviewers("on-call") @confirm("typed")')
    assert asked["confirm"] == "wipe"
    for via, typed in (("api", None), ("cli", ""), ("ui", "WIPE")):
        with pytest.raises(InvalidDecision, match="by typing wipe exactly"):
            lab.decide(asked, confirm=typed, via=via)
    assert recorded(lab) == 0
    assert lab.decide(asked, confirm="wipe").state is ApprovalState.APPROVED
    assert lab.one("select confirmed from decisions") == "wipe"


def test_the_approval_of_a_disabled_reviewer_does_not_count(lab: Lab) -> None:
    asked = held(lab, '@reviewers("on-call") @quorum("2")')
    lab.decide(asked)
    disable(lab, "dana")
    assert lab.decide(asked, reviewer="erin").state is ApprovalState.PENDING
    lab.silence()
    assert lab.effects == []
    assert lab.decide(asked, reviewer="hal").state is ApprovalState.APPROVED
    lab.ended(asked["run_id"])
    assert lab.effects == ["wipe v7"]


def asked_again(lab: Lab, run_id: UUID) -> dict[str, Any]:
    """The approval that a lapse led to."""
    query = "select * from approvals where run_id = %s and changes is not null"
    lab.until(lambda: lab.rows(query, run_id), run_id)
    return lab.rows(query, run_id)[0]


def test_a_call_whose_approver_was_disabled_before_it_started_is_asked_for_again(
    lab: Lab,
) -> None:
    asked = held(lab, '@reviewers("on-call")')
    run_id = asked["run_id"]
    lab.settled(run_id)
    lab.rest()
    lab.decide(asked)
    disable(lab, "dana")
    lab.work(wiper(lab, '@reviewers("on-call")'))
    again = asked_again(lab, run_id)
    (change,) = again["changes"]
    assert (change["what"], change["before"], change["now"]) == ("approvers", "dana", "Nobody")
    assert lab.effects == []
    lab.decide(again, reviewer="erin")
    lab.ended(run_id)
    assert lab.effects == ["wipe v7"]


def test_an_approver_who_is_disabled_right_before_the_start_is_noticed_by_the_start_itself(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    read = lapsing.approved_under

    def early(*given: Any) -> Approved:
        found = read(*given)
        looks.append(1)
        if len(looks) == 1:
            disable(lab, "dana")
        return found

    monkeypatch.setattr(lapsing, "approved_under", early)
    asked = held(lab, '@reviewers("on-call")')
    lab.decide(asked)
    assert asked_again(lab, asked["run_id"])["changes"][0]["what"] == "approvers"
    assert lab.effects == []


def test_what_only_the_database_refuses_is_told_in_its_words(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = held(lab, '@reviewers("on-call") @separation("requester")')
    monkeypatch.setattr(decisions, "check_approval", lambda *_: None)
    with pytest.raises(NotTaken, match="whoever asked for this or edited it cannot approve it"):
        lab.decide(asked)
    monkeypatch.setattr(decisions, "check_reviewer", lambda *_: None)
    with pytest.raises(NotTaken, match="not open to this reviewer"):
        lab.decide(asked, reviewer="fay")
    monkeypatch.setattr(decisions, "check_open", lambda *_: None)
    lab.decide(asked, reviewer="erin")
    lab.ended(asked["run_id"])
    with pytest.raises(NotTaken, match="not open to this reviewer"):
        lab.decide(asked, reviewer="hal")


def test_of_fifty_who_approve_at_once_no_more_count_than_the_terms_let(lab: Lab) -> None:
    """Half of them in each group, and among them who asked for the run."""
    terms = '@each("finance: 2, on-call: 1") @quorum("4") @separation("requester")'
    asked = held(lab, terms)
    names = tuple(f"p{number}" for number in range(46))
    people(lab, "on-call", names=names[:23])
    people(lab, "finance", names=names[23:])
    everyone = ("dana", *PEOPLE, *names)
    assert len(everyone) == 50

    def approve(name: str) -> Any:
        try:
            return lab.decide(asked, reviewer=name).state
        except (AlreadyDecided, NotAReviewer) as refused:
            return type(refused)

    with ThreadPoolExecutor(25) as pool:
        answers = dict(zip(everyone, pool.map(approve, everyone), strict=True))
    assert answers["dana"] in (NotAReviewer, AlreadyDecided)
    states = list(answers.values())
    assert states.count(ApprovalState.APPROVED) == 1
    assert states.count(ApprovalState.PENDING) + 1 == recorded(lab)
    lab.ended(asked["run_id"])
    assert lab.effects == ["wipe v7"]
    with lab.database.begin() as conn:
        voices = get_approval(conn, tenant="default", approval_id=asked["id"]).voices
    each = {"finance": 2, "on-call": 1}
    assert missing(4, each, voices) == 0
    assert missing(4, each, voices[:-1]) > 0
    assert "dana" not in {voice.reviewer for voice in voices}
    assert all(replace(voice, why_not=None) == voice for voice in voices)

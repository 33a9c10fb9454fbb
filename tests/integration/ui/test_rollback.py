"""Rolling back in the browser and through the API: the plan, its confirmation, how far it is."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from depot import depot
from integration.engine.conftest import Lab
from visiting import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from interlock import Agent
    from interlock.engine.database import Database
    from visiting import Person


@pytest.fixture
def lab(database: Database, dana: Person) -> Iterator[Lab]:
    made = Lab(database)
    yield made
    made.rest()


CALLS = [("stow", "a"), ("look", "a"), ("ship", "b"), ("stow", "c")]


def done(lab: Lab, agent: Agent) -> UUID:
    lab.work(agent)
    run = lab.start(agent, {"messages": []})
    lab.until(lambda: lab.run(run)["status"] == "waiting")
    lab.decide(lab.pending(run)[0])
    lab.ended(run)
    return run


def form_of(page: str) -> dict[str, Any]:
    fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page)
    form: dict[str, Any] = {}
    for name, value in fields:
        if name == "skip":
            form.setdefault("skip", []).append(value)
        elif name in ("csrf", "digest", "to"):
            form[name] = value
    return form


def over(lab: Lab, run: UUID) -> None:
    query = "select count(*) from rollbacks where run_id = %s and state = 'ended'"
    lab.until(lambda: lab.one(query, run) == 1)


def test_the_plan_names_first_what_cannot_be_undone_and_a_click_undoes_the_rest(
    lab: Lab, dana: Person
) -> None:
    undone: list[str] = []
    run = done(lab, depot(*CALLS, undo=lambda args, _: undone.append(args["box"])))
    assert "Plan a rollback" in text_of(dana.get(f"/runs/{run}"))
    page = dana.get(f"/runs/{run}/rollback")
    words = text_of(page)
    order = ["Cannot be undone 1", "ship", "does not come back", "Can be undone", "stow", "1 read"]
    places = [words.index(word) for word in order]
    assert places == sorted(places)
    assert undone == []

    answer = dana.client.post(f"/runs/{run}/rollback", data=form_of(page.text))
    assert answer.status_code == 200
    over(lab, run)
    assert undone == ["c", "a"]
    words = text_of(dana.get(f"/runs/{run}/rollback"))
    assert "The run is rolled back. Asked for by dana" in words
    assert words.count("Undone") == 2
    assert "2 of 2 calls are undone." in text_of(dana.get(f"/runs/{run}"))


def test_a_plan_that_changed_is_refused_and_shown_anew(lab: Lab, dana: Person) -> None:
    run = done(lab, depot(*CALLS))
    form = form_of(dana.get(f"/runs/{run}/rollback").text)
    lab.rest()
    answer = dana.client.post(f"/runs/{run}/rollback", data=form)
    assert answer.status_code == 409
    words = text_of(answer)
    assert "changed since you saw it. Nothing was undone" in words
    assert "No worker that could undo it is up" in words
    assert "there is nothing to confirm" in words
    assert lab.rows("select from rollbacks") == []


def test_calls_can_be_kept_and_left_out(lab: Lab, dana: Person) -> None:
    undone: list[str] = []
    calls = [("stow", "a"), ("stow", "b"), ("ship", "b"), ("stow", "c")]
    run = done(lab, depot(*calls, undo=lambda args, _: undone.append(args["box"])))
    first, second, _, last = (call["id"] for call in lab.calls(run))
    page = dana.get(f"/runs/{run}/rollback?to={first}&skip={last}")
    assert "You left it out." in text_of(page)
    form = form_of(page.text)
    assert (form["to"], form["skip"]) == (str(first), [str(last)])
    dana.client.post(f"/runs/{run}/rollback", data=form)
    over(lab, run)
    assert undone == ["b"]
    assert lab.one("select state from calls where id = %s", second) == "undone"
    assert dana.get(f"/runs/{run}/rollback?to={run}").status_code == 404


def test_a_plan_with_what_does_not_come_back_is_approved_in_the_queue(
    lab: Lab, dana: Person, person: Callable[..., Person]
) -> None:
    undone: list[str] = []
    agent = depot(*CALLS, final=True, undo=lambda args, _: undone.append(args["box"]))
    run = done(lab, agent)
    page = dana.get(f"/runs/{run}/rollback")
    assert "Ask to roll back 2 calls" in text_of(page)
    assert "Somebody else has to approve the plan before anything is undone." in text_of(page)
    dana.client.post(f"/runs/{run}/rollback", data=form_of(page.text))
    (approval,) = lab.pending(run)
    assert "The rollback waits for its approval." in text_of(dana.get(f"/runs/{run}/rollback"))
    where = f"/approvals/{approval['id']}"
    assert "You asked for this rollback, so somebody else" in text_of(dana.get(where))
    erin = person("erin", "on-call")
    shown = erin.get(where)
    words = text_of(shown)
    for said in ("Roll back 2 calls of run", "Cannot be undone 1", "Its undo cannot be undone.",
                 "If you approve, the calls are undone at once", "Approve rollback"):  # fmt: skip
        assert said in words
    assert undone == []
    form = {**form_of(shown.text), "decision": "approve", "confirm": str(run)[-8:]}
    form.pop("to", None)
    mine = {**form, "csrf": dana.csrf()}
    assert dana.client.post(f"{where}/decisions", data=mine).status_code == 403
    assert undone == []
    assert erin.client.post(f"{where}/decisions", data={**form, "confirm": ""}).status_code == 422
    assert erin.client.post(f"{where}/decisions", data=form).status_code == 200
    over(lab, run)
    assert undone == ["c", "a"]
    assert "erin approved this at" in text_of(dana.get(where))


def test_a_doubt_about_an_undo_is_said_to_be_about_an_undo(
    lab: Lab, dana: Person, person: Callable[..., Person]
) -> None:
    def break_off(args: dict[str, Any], _: Any) -> None:
        raise ConnectionError(args["box"])

    soon = timedelta(seconds=2)
    run = done(lab, depot(*CALLS, final=True, undo=break_off, send_within=soon))
    page = dana.get(f"/runs/{run}/rollback")
    dana.client.post(f"/runs/{run}/rollback", data=form_of(page.text))
    person("erin", "on-call")
    lab.decide(lab.pending(run)[0], reviewer="erin")
    lab.until(lambda: [a["kind"] for a in lab.pending(run)] == ["in_doubt"])
    lab.until(lambda: lab.one("select state from rollbacks") == "waiting")
    (doubt,) = lab.pending(run)
    words = text_of(dana.get(f"/approvals/{doubt['id']}"))
    assert "The undo of stow may have run" in words
    assert "No answer runs the undo." in words
    assert "Say what happened" in text_of(dana.get(f"/runs/{run}/rollback"))
    form = {**form_of(dana.get(f"/approvals/{doubt['id']}").text)}
    form |= {"decision": "not_happened", "note": "I looked at the shelf"}
    lab.until(lambda: lab.one("select max(started_at) + %s < clock_timestamp() from undos", soon))
    assert dana.client.post(f"/approvals/{doubt['id']}/decisions", data=form).status_code == 200
    over(lab, run)
    assert "does not count as undone" in text_of(dana.get(f"/approvals/{doubt['id']}"))
    assert "rolled back in part" in text_of(dana.get(f"/runs/{run}"))


def test_the_page_asks_again_only_while_something_moves(lab: Lab, dana: Person) -> None:
    run = done(lab, depot(*CALLS))
    page = dana.get(f"/runs/{run}/rollback").text
    assert "hx-get" not in page
    dana.client.post(f"/runs/{run}/rollback", data=form_of(page))
    over(lab, run)
    live = dana.get(f"/runs/{run}/rollback/live")
    assert "The run is rolled back." in live.text
    assert "hx-get" not in live.text


def test_a_form_without_the_session_s_token_undoes_nothing(lab: Lab, dana: Person) -> None:
    run = done(lab, depot(*CALLS))
    form = form_of(dana.get(f"/runs/{run}/rollback").text)
    forged = dana.client.post(f"/runs/{run}/rollback", data={**form, "csrf": "00"})
    assert forged.status_code == 403
    assert lab.rows("select from rollbacks") == []


def test_the_api_gives_the_plan_and_carries_out_what_its_digest_names(
    lab: Lab, dana: Person, database: Database
) -> None:
    from interlock.engine import accounts  # noqa: PLC0415

    run = done(lab, depot(*CALLS))
    _, token = accounts.add_token(
        database, tenant="default", reviewer="dana", label="t", by="operator:tests"
    )
    auth = {"authorization": f"Bearer {token}"}
    where = f"/api/runs/{run}/rollback"
    planned = dana.client.post(where, headers=auth)
    assert planned.status_code == 200
    plan = planned.json()
    assert [undo["tool"] for undo in plan["plan"]["undos"]] == ["stow", "stow"]
    assert [call["tool"] for call in plan["plan"]["staying"]] == ["ship"]
    assert lab.rows("select from rollbacks") == []

    stale = dana.client.post(where, headers=auth, json={"digest": "00" * 32})
    assert (stale.status_code, "Nothing was undone" in stale.json()["error"]) == (409, True)
    assert dana.client.post(where, headers=auth, json={"digest": "x"}).status_code == 422
    assert dana.client.post(where, json={"digest": plan["digest"]}).status_code == 403
    asked = dana.client.post(where, headers=auth, json={"digest": plan["digest"]})
    assert (asked.status_code, asked.json()["state"]) == (202, "queued")
    over(lab, run)
    (rollback,) = dana.client.get(f"/api/runs/{run}", headers=auth).json()["rollbacks"]
    assert rollback["rollback_id"] == asked.json()["rollback_id"]
    assert (rollback["outcome"], [u["state"] for u in rollback["undos"]]) == (
        "undone",
        ["succeeded", "succeeded"],
    )

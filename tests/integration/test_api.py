"""The JSON API: what programs can ask, and how a person's program decides."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from interlock.approvals_ui.app import create_app
from interlock.engine.accounts import add_token
from interlock.engine.limits import Limits
from interlock.engine.settings import Settings
from seeded_rows import VOLUME
from starlette.testclient import TestClient

if TYPE_CHECKING:
    from conftest import Account
    from interlock.engine.database import Database
    from seeding import Seeds


def token_for(database: Database, name: str) -> dict[str, str]:
    """The header of a new API token."""
    _, secret = add_token(
        database, tenant="default", reviewer=name, label="tests", by="operator:tests"
    )
    return {"authorization": f"Bearer {secret}"}


@pytest.fixture
def api(database: Database, reviewer: Account) -> TestClient:
    """A client with Dana's token."""
    app = create_app(database, Settings())
    return TestClient(app, headers=token_for(database, reviewer.name))


def decide(api: TestClient, approval_id: object, **body: Any) -> Any:
    """Post a decision."""
    return api.post(f"/api/approvals/{approval_id}/decisions", json=body)


def test_a_run_is_accepted_once_it_is_committed(
    api: TestClient, seeds: Seeds, database: Database
) -> None:
    answer = api.post(
        "/api/runs", json={"agent": "fleet-ops", "input": {"ask": "Tidy."}, "tags": {"a": "b"}}
    )
    assert answer.status_code == 202
    assert set(answer.json()) == {"run_id", "status"}
    assert answer.json()["status"] == "queued"
    with database.begin() as conn:
        run = conn.exec_driver_sql("select id::text, requested_by, tags from runs").one()
    assert tuple(run) == (answer.json()["run_id"], "reviewer:dana", {"a": "b"})


def test_an_idempotency_key_starts_one_run_and_refuses_another_request(
    api: TestClient, seeds: Seeds
) -> None:
    body = {"agent": "fleet-ops", "input": "Tidy.", "idempotency_key": "k1"}
    first, second = api.post("/api/runs", json=body), api.post("/api/runs", json=body)
    assert second.status_code == 202
    assert first.json()["run_id"] == second.json()["run_id"]
    other = api.post("/api/runs", json={**body, "input": "Something else."})
    assert other.status_code == 409
    assert "k1" in other.json()["error"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"agent": "nobody", "input": 1}, 404),
        ({"agent": "fleet-ops"}, 422),
        ({"agent": "fleet-ops", "input": 1, "priority": 9}, 422),
        ({"agent": "fleet-ops", "input": 1, "tags": {"a": 1}}, 422),
        ([], 422),
    ],
)
def test_a_request_that_does_not_fit_is_refused_with_a_sentence(
    api: TestClient, seeds: Seeds, body: object, status: int
) -> None:
    answer = api.post("/api/runs", json=body)
    assert answer.status_code == status
    assert answer.json()["error"].endswith((".", "AGENT"))


def test_a_body_that_is_not_json_is_refused(api: TestClient) -> None:
    answer = api.post("/api/runs", content=b"{", headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert "error" in answer.json()


def test_runs_are_listed_newest_first_by_pages(api: TestClient, seeds: Seeds) -> None:
    made = [str(seeds.run()) for _ in range(5)]
    seen: list[str] = []
    cursor = ""
    while True:
        page = api.get(f"/api/runs?limit=2{cursor}").json()
        seen += [run["run_id"] for run in page["items"]]
        if page["cursor"] is None:
            break
        cursor = f"&cursor={page['cursor']}"
    assert seen == made[::-1]


def test_one_run_has_its_calls_usage_and_limits(api: TestClient, seeds: Seeds) -> None:
    held = seeds.held()
    seeds.read(held.run_id, region="eu-west-1")
    run = api.get(f"/api/runs/{held.run_id}").json()
    assert run["status"] == "waiting"
    assert run["exit"] is None
    assert run["limits"] == Limits().as_json()
    used = {"steps": 4, "calls": 3, "irreversible": 0, "seconds": 11.4}
    assert run["usage"] == {**used, "tokens_in": 0, "tokens_out": 0, "cost_usd": 0}
    assert [call["tool"] for call in run["calls"]] == ["list_volumes", "delete_volume"]
    assert run["calls"][0]["result"] == ["vol-prod-7", "vol-stage-2"]
    assert run["approvals"][0]["approval_id"] == str(held.approval_id)
    assert run["timeline"][0]["event"] == "run.created"


def test_a_run_can_be_asked_for_with_lower_limits(api: TestClient, seeds: Seeds) -> None:
    body = {"agent": "fleet-ops", "input": 1, "limits": {"calls": 5}}
    run_id = api.post("/api/runs", json=body).json()["run_id"]
    assert api.get(f"/api/runs/{run_id}").json()["limits"]["calls"] == 5
    for limits, says in (({"calls": 51}, "can only lower it"), ({"speed": 1}, "no limit 'speed'")):
        answer = api.post("/api/runs", json={**body, "limits": limits})
        assert answer.status_code == 422
        assert says in answer.json()["error"]


def test_a_limit_is_raised_by_a_decision_and_the_run_queued(api: TestClient, seeds: Seeds) -> None:
    stopped = seeds.stopped(seeds.run())
    asked = api.get(f"/api/approvals/{stopped.approval_id}").json()
    assert (asked["kind"], asked["preview"]["raise_to"]) == ("limit", 50)
    body = {"decision": "answer", "digest": asked["digest"]}
    wrong = decide(api, stopped.approval_id, **body, answer={"limits": {"steps": 20}})
    assert (wrong.status_code, "does not raise it" in wrong.json()["error"]) == (422, True)
    assert decide(api, stopped.approval_id, **body, answer={"limits": {"steps": 90}}).is_success
    run = api.get(f"/api/runs/{stopped.run_id}").json()
    assert (run["status"], run["exit"], run["limits"]["steps"]) == ("queued", None, 90)


def test_a_run_is_cancelled_and_then_cannot_be(api: TestClient, seeds: Seeds) -> None:
    run_id = seeds.run()
    answer = api.post(f"/api/runs/{run_id}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "ended")
    assert api.post(f"/api/runs/{run_id}/cancel").status_code == 409
    assert api.post(f"/api/runs/{uuid4()}/cancel").status_code == 404


def test_what_a_stage_stated_can_be_said_to_be_wrong_once(
    api: TestClient, seeds: Seeds, second: dict[str, str]
) -> None:
    run_id = seeds.run()
    stated = str(seeds.stated(run_id, "classify", 0.93))
    said = {"assessment_id": stated, "reason": "A break-in."}
    for _ in range(2):
        answer = api.post(f"/api/runs/{run_id}/wrong", json=said)
        assert (answer.status_code, answer.json()["outcome"]) == (200, "wrong")
    late = api.post(f"/api/runs/{run_id}/wrong", json=said, headers=second)
    assert (late.status_code, "dana said so before you" in late.json()["error"]) == (409, True)
    other = api.post(f"/api/runs/{seeds.run()}/wrong", json=said)
    assert other.status_code == 404
    (found,) = api.get(f"/api/runs/{run_id}").json()["assessments"]
    assert {name: found[name] for name in ("assessment_id", "stage", "confidence", "outcome")} == {
        "assessment_id": stated, "stage": "classify", "confidence": 0.93, "outcome": "wrong",
    }  # fmt: skip
    assert (found["wrong_by"], found["wrong_reason"]) == ("dana", "A break-in.")


def test_calibration_gives_each_stage_its_bins(api: TestClient, seeds: Seeds) -> None:
    seeds.stated(seeds.run(), "classify", 0.93, "other", "dana")
    found = api.get("/api/calibration?agent=fleet-ops&since=2026-01-01").json()
    assert found["since"] == "2026-01-01T00:00:00+00:00"
    (stage,) = found["stages"]
    assert (stage["agent"], stage["stage"], stage["cases"]) == ("fleet-ops", "classify", 1)
    (sure,) = [each for each in stage["bins"] if each["outcomes"]["rejected"]]
    assert (sure["from"], sure["to"]) == (0.9, 0.95)
    assert sure["threshold"]["lets_pass"] == {
        "hits": 1, "cases": 1, "rate": 1.0, "low": 0.2065, "high": 1.0,
    }  # fmt: skip
    assert api.get("/api/calibration?since=2090-01-01T00:00:00Z").json()["stages"] == []
    assert api.get("/api/calibration?agent=nobody").json()["stages"] == []
    assert api.get("/api/calibration?since=yesterday").status_code == 422


def test_an_approval_has_what_a_decision_needs(api: TestClient, seeds: Seeds) -> None:
    held = seeds.held(preview={"Rows": 3})
    found = api.get(f"/api/approvals/{held.approval_id}").json()
    assert found["digest"] == held.digest
    assert found["call"]["args"] == VOLUME
    assert found["call"]["digest"] == held.digest
    assert found["effect"] == "irreversible"
    assert found["call"]["source"] == "declared"
    assert found["call"]["evidence"] == ["effect=irreversible"]
    assert found["call"]["verdict"] == "review"
    assert found["preview"] == {"Rows": 3}
    assert found["quorum"] == 1
    assert found["decisions"] == []
    assert found["expires_at"] > found["created_at"]


def test_approvals_are_filtered(api: TestClient, seeds: Seeds) -> None:
    held = seeds.held()
    expired = seeds.held(tool="move_booking", args={}, expires_in=timedelta(seconds=-1))
    seeds.close(expired, "expired")

    def ids(query: str) -> list[str]:
        return [item["approval_id"] for item in api.get(f"/api/approvals?{query}").json()["items"]]

    assert ids("status=pending") == [str(held.approval_id)]
    assert ids("status=expired") == [str(expired.approval_id)]
    assert ids("tool=move_booking") == [str(expired.approval_id)]
    assert ids("agent=nobody") == []
    assert ids("kind=in_doubt") == []
    assert len(ids("")) == 2


def test_an_approval_is_given_once(api: TestClient, seeds: Seeds) -> None:
    held = seeds.held()
    answer = decide(api, held.approval_id, decision="approve", digest=held.digest, reason="Fine.")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["state"], body["call_id"]) == ("approved", str(held.call_id))
    found = api.get(f"/api/approvals/{held.approval_id}").json()
    assert [(d["reviewer"], d["decision"], d["via"]) for d in found["decisions"]] == [
        ("dana", "approve", "api")
    ]


def test_who_comes_second_is_told_who_was_first_and_when(
    api: TestClient, seeds: Seeds, database: Database, second: dict[str, str]
) -> None:
    held = seeds.held()
    decide(api, held.approval_id, decision="reject", digest=held.digest, reason="No.")
    late = api.post(
        f"/api/approvals/{held.approval_id}/decisions",
        json={"decision": "approve", "digest": held.digest},
        headers=second,
    )
    assert late.status_code == 409
    body = late.json()
    assert (body["state"], body["by"]) == ("rejected", "dana")
    assert body["at"]
    assert "Your decision was not recorded." in body["error"]


@pytest.fixture
def second(database: Database, reviewer: Account) -> dict[str, str]:
    """Another on-call reviewer's token."""
    from interlock.engine.accounts import add_reviewer  # noqa: PLC0415

    add_reviewer(
        database,
        tenant="default",
        name="erin",
        password="a password for erin",
        groups=["on-call"],
        by="operator:tests",
    )
    return token_for(database, "erin")


def test_another_digest_is_a_conflict_that_names_the_stored_one(
    api: TestClient, seeds: Seeds
) -> None:
    held = seeds.held()
    answer = decide(api, held.approval_id, decision="approve", digest="0" * 64)
    assert answer.status_code == 409
    assert answer.json()["digest"] == held.digest


def test_a_decision_after_the_deadline_is_a_conflict_called_expired(
    api: TestClient, seeds: Seeds
) -> None:
    held = seeds.held(expires_in=timedelta(seconds=-1))
    answer = decide(api, held.approval_id, decision="approve", digest=held.digest)
    assert answer.status_code == 409
    assert (answer.json()["state"], answer.json()["by"]) == ("expired", None)


def test_somebody_who_is_no_reviewer_of_it_is_refused(api: TestClient, seeds: Seeds) -> None:
    held = seeds.held(reviewers=("storage",))
    answer = decide(api, held.approval_id, decision="approve", digest=held.digest)
    assert answer.status_code == 403
    assert "it is for storage" in answer.json()["error"]


def test_an_approval_gives_its_terms_and_who_counts(
    api: TestClient, seeds: Seeds, second: dict[str, str]
) -> None:
    terms = {
        "each": '{"on-call": 2}',
        "escalation": '{"storage": 86400}',
        "separation": ["requester"],
        "needs_reason": True,
        "confirm": "vol-prod-7",
    }
    held = seeds.held(seeds.run(requested_by="reviewer:dana"), quorum=2, terms=terms)
    given = {"reason": "Ticket 7.", "confirm": "vol-prod-7"}
    answer = decide(api, held.approval_id, decision="approve", digest=held.digest, **given)
    assert answer.status_code == 403
    assert "dana asked for this run, so somebody else" in answer.json()["error"]
    path = f"/api/approvals/{held.approval_id}"
    body = {"decision": "approve", "digest": held.digest}
    for lacking in ({"reason": "Ticket 7."}, {"confirm": "vol-prod-7"}, {"confirm": "vol"}):
        answer = api.post(f"{path}/decisions", json={**body, **lacking}, headers=second)
        assert answer.status_code == 422, lacking
    answer = api.post(f"{path}/decisions", json={**body, **given}, headers=second)
    assert (answer.status_code, answer.json()["state"]) == (200, "pending")
    found = api.get(path).json()
    assert (found["each"], found["quorum"], found["missing"]) == ({"on-call": 2}, 2, 1)
    assert found["asked_groups"] == ["on-call"]
    assert list(found["escalation"]) == ["storage"]
    assert found["separation"] == ["requester"]
    assert (found["needs_reason"], found["confirm"]) == (True, "vol-prod-7")
    assert found["set_apart"] == {"dana": "requester"}
    assert found["approvals"] == [{"reviewer": "erin", "counts": True, "why_not": None}]


@pytest.mark.parametrize(
    "body",
    [
        {"decision": "reject"},
        {"decision": "edit"},
        {"decision": "edit", "args": {"volume_id": 7}},
        {"decision": "answer", "answer": {"happened": True}},
        {"decision": "ok"},
        {"decision": "approve", "digest": "short"},
        {"decision": "approve", "force": True},
    ],
)
def test_a_decision_that_does_not_fit_is_unprocessable_and_records_nothing(
    api: TestClient, seeds: Seeds, body: dict[str, Any]
) -> None:
    held = seeds.held()
    answer = decide(api, held.approval_id, **{"digest": held.digest, **body})
    assert answer.status_code == 422
    assert answer.json()["error"]
    found = api.get(f"/api/approvals/{held.approval_id}").json()
    assert (found["state"], found["decisions"]) == ("pending", [])


def test_an_edit_closes_the_approval_as_superseded(api: TestClient, seeds: Seeds) -> None:
    held = seeds.held()
    args = {**VOLUME, "include_backups": False}
    answer = decide(api, held.approval_id, decision="edit", digest=held.digest, args=args)
    assert (answer.status_code, answer.json()["state"]) == (200, "superseded")
    found = api.get(f"/api/approvals/{held.approval_id}").json()
    assert found["decisions"][0]["args"] == args


def test_a_call_in_doubt_is_answered(api: TestClient, seeds: Seeds) -> None:
    held = seeds.held()
    seeds.decide(held, "dana", "approve")
    seeds.close(held, "approved", by="dana")
    seeds.start(held)
    doubt = seeds.in_doubt(held)
    answer = decide(
        api,
        doubt.approval_id,
        decision="answer",
        digest=doubt.digest,
        answer={"happened": True, "result": "gone"},
        reason="The console shows it.",
    )
    assert answer.status_code == 200
    call = api.get(f"/api/approvals/{doubt.approval_id}").json()["call"]
    assert (call["state"], call["result"], call["attested_by"]) == ("succeeded", "gone", "dana")


def test_tools_and_policies_are_listed(api: TestClient, seeds: Seeds) -> None:
    tools = api.get("/api/tools").json()["items"]
    assert {(tool["agent"], tool["name"], tool["effect"]) for tool in tools} >= {
        ("fleet-ops", "delete_volume", "irreversible"),
        ("fleet-ops", "list_volumes", "read"),
    }
    (policy,) = api.get("/api/policies").json()["items"]
    assert policy["agents"] == ["fleet-ops"]
    assert "irreversible-needs-a-person" in policy["text"]


def test_the_log_is_read_with_its_exact_entries(api: TestClient, seeds: Seeds) -> None:
    held = seeds.held()
    seeds.run()
    entries = api.get(f"/api/audit?run_id={held.run_id}").json()["items"]
    assert {entry["run_id"] for entry in entries} == {str(held.run_id)}
    assert [entry["seq"] for entry in entries] == sorted((e["seq"] for e in entries), reverse=True)
    assert json.loads(entries[0]["entry"])["event"] == entries[0]["event"]
    page = api.get("/api/audit?limit=2").json()
    following = api.get(f"/api/audit?limit=2&cursor={page['cursor']}").json()
    assert following["items"][0]["seq"] == page["items"][-1]["seq"] - 1


@pytest.mark.parametrize("path", ["/api/runs", "/api/approvals", "/api/audit"])
@pytest.mark.parametrize("query", ["cursor=zzz", "limit=0", "limit=501", "limit=x"])
def test_a_page_that_cannot_be_is_refused(
    api: TestClient, seeds: Seeds, path: str, query: str
) -> None:
    answer = api.get(f"{path}?{query}")
    assert answer.status_code == 422
    assert answer.json()["error"]


def test_what_is_not_there_is_said_in_json(api: TestClient, seeds: Seeds) -> None:
    for path in (f"/api/runs/{uuid4()}", f"/api/approvals/{uuid4()}", "/api/nothing"):
        answer = api.get(path)
        assert answer.status_code == 404
        assert answer.json()["error"].startswith("There is no")
    assert api.get("/api/runs/nonsense").status_code == 422
    assert api.delete("/api/runs").status_code == 405


def test_a_token_that_was_revoked_opens_nothing(
    api: TestClient, database: Database, seeds: Seeds
) -> None:
    with database.begin() as conn:
        conn.exec_driver_sql("update tokens set revoked_at = now()")
    answer = api.get("/api/runs")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_the_openapi_document_describes_the_contract(api: TestClient) -> None:
    document = api.get("/api/openapi.json").json()
    assert set(document["paths"]) == {
        "/api/runs",
        "/api/runs/{run_id}",
        "/api/runs/{run_id}/cancel",
        "/api/runs/{run_id}/rollback",
        "/api/runs/{run_id}/wrong",
        "/api/approvals",
        "/api/approvals/{approval_id}",
        "/api/approvals/{approval_id}/decisions",
        "/api/grants",
        "/api/grants/{grant_id}/revoke",
        "/api/calibration",
        "/api/breakers",
        "/api/breakers/{trip_id}/reset",
        "/api/tools",
        "/api/policies",
        "/api/audit",
        "/api/usage",
    }


def test_a_database_that_is_away_is_said_to_be(
    api: TestClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.close()
    monkeypatch.setattr(database, "url", "postgresql://127.0.0.1:1/none")
    answer = api.get("/api/runs")
    assert answer.status_code == 503
    assert "Nothing was recorded." in answer.json()["error"]


def test_an_approval_that_asks_again_says_what_changed(api: TestClient, seeds: Seeds) -> None:
    first = seeds.held()
    seeds.decide(first, "dana", "approve")
    seeds.close(first, "approved", by="dana")
    seeds.lapse(first, "Its target changed.")
    change = {"what": "target", "says": "Its target changed.", "before": "a1", "now": "b2"}
    second = seeds.held(first.run_id, revises=first, changes=[change])
    lapsed = api.get(f"/api/approvals/{first.approval_id}").json()
    assert (lapsed["state"], lapsed["close_reason"]) == ("lapsed", "Its target changed.")
    assert (lapsed["changes"], lapsed["successor_id"]) == ([], str(second.approval_id))
    again = api.get(f"/api/approvals/{second.approval_id}").json()
    assert (again["state"], again["changes"]) == ("pending", [change])
    assert again["window_seconds"] == 86_400
    late = {"decision": "reject", "digest": first.digest, "reason": "After all."}
    assert decide(api, first.approval_id, **late).status_code == 409


def test_that_a_call_did_not_happen_is_refused_while_it_may_be_sent(
    api: TestClient, seeds: Seeds
) -> None:
    held = seeds.held(send_within=timedelta(minutes=5))
    seeds.decide(held, "dana", "approve")
    seeds.close(held, "approved", by="dana")
    seeds.start(held)
    doubt = seeds.in_doubt(held)
    body = {"decision": "answer", "digest": doubt.digest}
    refused = decide(api, doubt.approval_id, **body, answer={"happened": False})
    assert refused.status_code == 422
    assert "may still be sent until" in refused.json()["error"]
    settled = decide(api, doubt.approval_id, **body, answer={"happened": True, "result": {"n": 1}})
    assert settled.status_code == 200
    call = api.get(f"/api/approvals/{doubt.approval_id}").json()["call"]
    assert (call["state"], call["result"], call["attested_by"]) == ("succeeded", {"n": 1}, "dana")
    assert call["send_before"] > call["started_at"]


def test_a_grant_is_made_listed_and_revoked_by_a_persons_token(
    api: TestClient, seeds: Seeds
) -> None:
    held = seeds.held()
    body = {
        "approval_id": str(held.approval_id),
        "digest": held.digest,
        "bounds": 'context.input.volume_id like "vol-*"',
        "uses": 3,
        "expires_seconds": 3600,
        "scope": "agent",
    }
    assert api.post("/api/grants", json={**body, "bounds": "true"}).status_code == 422
    assert api.post("/api/grants", json={**body, "uses": 1001}).status_code == 422
    assert api.post("/api/grants", json={**body, "digest": "0" * 64}).status_code == 409
    made = api.post("/api/grants", json=body)
    assert made.status_code == 201
    assert "volume_id" not in made.json()["unbounded"]
    (listed,) = api.get("/api/grants").json()["items"]
    assert listed["grant_id"] == made.json()["grant_id"]
    assert (listed["state"], listed["uses"], listed["used"]) == ("standing", 3, 0)
    assert (listed["granted_by"], listed["agent"], listed["run_id"]) == ("dana", "fleet-ops", None)
    for _ in range(2):
        assert api.post(f"/api/grants/{listed['grant_id']}/revoke").status_code == 200
    assert api.get("/api/grants").json()["items"][0]["state"] == "revoked"
    assert api.post(f"/api/grants/{uuid4()}/revoke").status_code == 404


def test_nobody_grants_over_the_api_what_is_not_theirs_to_approve(
    api: TestClient, seeds: Seeds
) -> None:
    held = seeds.held(reviewers=("finance",))
    body = {
        "approval_id": str(held.approval_id),
        "digest": held.digest,
        "bounds": 'context.input.volume_id like "vol-*"',
        "uses": 3,
        "expires_seconds": 3600,
    }
    assert api.post("/api/grants", json=body).status_code == 403
    stranger = TestClient(api.app)
    assert stranger.post("/api/grants", json=body).status_code == 401
    assert api.get("/api/grants").json()["items"] == []


def test_identical_calls_are_decided_together_by_naming_each(api: Any, seeds: Seeds) -> None:
    run_id = seeds.run()
    first, second = (seeds.held(run_id, terms={"together": True}) for _ in range(2))
    asked = api.get(f"/api/approvals/{first.approval_id}").json()
    assert asked["alike"] == [{"approval_id": str(second.approval_id), "digest": second.digest}]
    body = {"decision": "approve", "digest": first.digest}
    path = f"/api/approvals/{first.approval_id}/decisions"
    stale = [{"approval_id": str(second.approval_id), "digest": "0" * 64}]
    assert api.post(path, json={**body, "also": stale}).status_code == 409
    answer = api.post(path, json={**body, "also": asked["alike"]}).json()
    assert answer["also"] == [{"approval_id": str(second.approval_id), "state": "approved"}]
    assert answer["left"] == []
    (said,) = api.get(f"/api/approvals/{second.approval_id}").json()["decisions"]
    assert said["beside"] == str(first.approval_id)

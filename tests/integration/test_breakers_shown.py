"""Circuit breakers in the API, on the command line, on pages, and for Prometheus."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from interlock.approvals_ui.app import create_app
from interlock.engine.accounts import add_token
from interlock.engine.settings import Settings
from prometheus_client.parser import text_string_to_metric_families
from seeded_rows import run_sql
from starlette.testclient import TestClient
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from conftest import Account
    from forked_cli import CommandLine
    from interlock.engine.database import Database
    from seeding import Seeds


@pytest.fixture
def api(database: Database, reviewer: Account) -> TestClient:
    """A client with Dana's token."""
    _, secret = add_token(
        database, tenant="default", reviewer=reviewer.name, label="tests", by="operator:tests"
    )
    app = create_app(database, Settings())
    return TestClient(app, headers={"authorization": f"Bearer {secret}"})


def started(api: TestClient) -> str:
    """A run that was asked for."""
    answer = api.post("/api/runs", json={"agent": "fleet-ops", "input": 1})
    return str(answer.json()["run_id"])


def test_a_trip_is_told_and_reset_once(api: TestClient, seeds: Seeds) -> None:
    trip_id = str(seeds.trip("fleet-ops"))
    found = api.get("/api/breakers?open=true").json()
    assert found["tenant"] is None
    (trip,) = found["items"]
    assert {key: trip[key] for key in ("trip_id", "agent", "usd", "usd_per_hour", "then")} == {
        "trip_id": trip_id, "agent": "fleet-ops", "usd": 6.2, "usd_per_hour": 5.0, "then": "pause",
    }  # fmt: skip
    run_id = started(api)
    assert api.get(f"/api/runs/{run_id}").json()["paused_by"] == trip_id
    for _ in range(2):
        assert api.post(f"/api/breakers/{trip_id}/reset").json()["state"] == "reset"
    assert api.get("/api/breakers?open=true").json()["items"] == []
    assert api.get("/api/breakers").json()["items"][0]["reset_by"] == "reviewer:dana"
    assert api.get(f"/api/runs/{run_id}").json()["paused_by"] is None
    assert api.post(f"/api/breakers/{uuid7()}/reset").status_code == 404


def test_a_run_of_an_agent_that_can_fall_back_is_not_paused(
    api: TestClient, seeds: Seeds, database: Database
) -> None:
    seeds.trip(None)
    with database.begin() as conn:
        run_sql(conn, "update agents set fallback = 'cheap'")
    assert api.get(f"/api/runs/{started(api)}").json()["paused_by"] is None


def test_prometheus_is_told_what_is_tripped(api: TestClient, seeds: Seeds) -> None:
    seeds.trip("fleet-ops", model="cheap")
    seeds.trip(None)
    families = text_string_to_metric_families(api.get("/metrics").text)
    (family,) = [each for each in families if each.name == "interlock_breaker_tripped"]
    assert {sample.labels["agent"]: sample.value for sample in family.samples} == {
        "fleet-ops": 1,
        "": 1,
    }


def test_the_command_line_lists_resets_and_sets(
    cli: CommandLine, seeds: Seeds, database: Database
) -> None:
    assert "No breaker has tripped." in cli("breakers", "list").stdout
    trip_id = str(seeds.trip(None))
    assert "50.00 USD an hour" in cli("breakers", "set", "50", "--reset-after", "600").stdout
    listed = cli("breakers", "list", "--open").stdout
    assert "All agents together trip above 50.00 USD an hour." in listed
    assert "6.20 of 5.00" in listed
    assert "It is reset." in cli("breakers", "reset", trip_id).stdout
    told: dict[str, Any] = json.loads(cli("breakers", "list", "--json").stdout)
    assert told["tenant"] == {"usd_per_hour": 50.0, "reset_seconds": 600}
    assert told["items"][0]["reset_by"].startswith("operator:")
    assert "no breaker" in cli("breakers", "set", "none").stdout
    assert cli("breakers", "set", "much").returncode == 2
    assert cli("breakers", "reset", str(uuid7())).returncode == 1


def test_a_run_that_waits_for_a_breaker_ends_the_command_with_its_code(
    cli: CommandLine, seeds: Seeds
) -> None:
    (cli.folder / "agents.py").write_text(
        "from interlock import Agent\n"
        "from langgraph.graph import END, START, MessagesState, StateGraph\n"
        "graph = StateGraph(MessagesState)\n"
        "graph.add_node('work', lambda _: {})\n"
        "graph.add_edge(START, 'work')\n"
        "graph.add_edge('work', END)\n"
        "agent = Agent('quiet', graph=graph, tools=[])\n"
    )
    trip_id = seeds.trip("quiet")
    said = cli("run", "agents.py:agent", "--input", '{"messages": []}')
    assert said.returncode == 3, said.stderr
    assert f"Reset it with: interlock breakers reset {trip_id}" in said.stderr

"""What models cost: in the API, on the command line, on its page, and for Prometheus."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from interlock.approvals_ui.app import create_app
from interlock.engine.accounts import add_token
from interlock.engine.errors import UsageError
from interlock.engine.metrics import exposition
from interlock.engine.settings import Settings
from interlock.engine.tenant_limits import TenantLimits, limit_tenant, today
from interlock.engine.usage_queries import Window, usage_by
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

if TYPE_CHECKING:
    from conftest import Account
    from forked_cli import CommandLine
    from interlock.engine.database import Database
    from seeding import Seeds

LISTED = "genai-prices 0.2.3"


@pytest.fixture
def api(database: Database, reviewer: Account) -> TestClient:
    """A client with Dana's token."""
    _, secret = add_token(
        database, tenant="default", reviewer=reviewer.name, label="tests", by="operator:tests"
    )
    app = create_app(database, Settings())
    return TestClient(app, headers={"authorization": f"Bearer {secret}"})


@pytest.fixture
def spent(seeds: Seeds) -> list[str]:
    """A hundred and one runs: of a cent each, but for one of five dollars; the id of that one."""
    for at in range(100):
        seeds.run(spent=[("small", "0.01", LISTED)], tags={"customer": "acme" if at < 3 else "b"})
    heavy = [("large", "2.00", LISTED), ("large", "2.00", LISTED), ("odd", "1.00", "unknown")]
    return [str(seeds.run(agent="billing", spent=heavy, budget=9, tags={"customer": "acme"}))]


def test_an_average_does_not_hide_the_tail(api: TestClient, spent: list[str]) -> None:
    total = api.get("/api/usage").json()["total"]
    assert total == {
        "name": "default",
        "runs": 101,
        "replies": 103,
        "tokens_in": 309_000,
        "tokens_out": 51_500,
        "usd": 6.0,
        "mean": pytest.approx(6 / 101),
        "median": 0.01,
        "heaviest": 2,
        "heaviest_usd": 5.01,
        "unknown_usd": 1.0,
    }


@pytest.mark.parametrize(
    ("by", "groups"),
    [
        ("agent", {"billing": 5.0, "fleet-ops": 1.0}),
        ("tenant", {"default": 6.0}),
        ("model", {"large": 4.0, "small": 1.0, "odd": 1.0}),
        ("tag:customer", {"acme": 5.03, "b": 0.97}),
        ("tag:nobody-has-it", {}),
    ],
)
def test_usage_is_summed_by_what_is_asked_for(
    api: TestClient, spent: list[str], by: str, groups: dict[str, float]
) -> None:
    answer = api.get("/api/usage", params={"by": by}).json()
    assert answer["by"] == by
    assert {row["name"]: row["usd"] for row in answer["items"]} == groups
    assert [row["usd"] for row in answer["items"]] == sorted(groups.values(), reverse=True)


def test_the_dearest_run_comes_first(api: TestClient, spent: list[str]) -> None:
    items = api.get("/api/usage", params={"by": "run", "limit": 2}).json()["items"]
    assert [(row["name"] == spent[0], row["usd"]) for row in items] == [(True, 5.0), (False, 0.01)]


def test_usage_is_of_the_time_that_is_asked_about(api: TestClient, seeds: Seeds) -> None:
    seeds.run(spent=[("small", "0.01", LISTED)])
    now = datetime.now(UTC)
    for since, until, count in (
        (now - timedelta(hours=1), now + timedelta(hours=1), 1),
        (now - timedelta(hours=2), now - timedelta(hours=1), 0),
        (now + timedelta(hours=1), now + timedelta(hours=2), 0),
    ):
        asked = {"since": since.isoformat(), "until": until.isoformat()}
        assert len(api.get("/api/usage", params=asked).json()["items"]) == count


@pytest.mark.parametrize(
    "asked", [{"by": "mood"}, {"by": "tag:"}, {"since": "2026-02-02", "until": "2026-02-01"}]
)
def test_what_cannot_be_asked_is_refused(api: TestClient, asked: dict[str, str]) -> None:
    assert api.get("/api/usage", params=asked).status_code == 422


def test_a_time_without_a_zone_is_utc() -> None:
    at = datetime(2026, 11, 27)  # noqa: DTZ001 - that is the point
    assert Window.of(at, at + timedelta(days=1)).since == datetime(2026, 11, 27, tzinfo=UTC)


def test_another_tenant_sees_nothing_of_it(database: Database, spent: list[str]) -> None:
    with database.begin() as conn:
        window = Window.of(None, None)
        assert usage_by(conn, tenant="another", by="agent", window=window) == ()


def test_a_run_says_what_it_took_and_what_it_may(api: TestClient, spent: list[str]) -> None:
    run = api.get(f"/api/runs/{spent[0]}").json()
    took = {"tokens_in": 9000, "tokens_out": 1500, "cost_usd": 5.0}
    assert {name: run["usage"][name] for name in took} == took
    assert run["limits"]["cost_usd"] == 9.0


# The tenant's day ----------------------------------------


def test_a_tenants_limits_are_set_audited_and_shown(
    api: TestClient, database: Database, spent: list[str]
) -> None:
    limits = TenantLimits(Decimal("7.5"), 20)
    limit_tenant(database, tenant="default", limits=limits, by="operator:tests")
    assert api.get("/api/usage").json()["today"] == {
        "limits": {"usd_per_day": 7.5, "irreversible_per_day": 20},
        "used": {"usd": 6.0, "irreversible": 0},
    }
    limit_tenant(database, tenant="default", limits=TenantLimits(), by="operator:tests")
    with database.begin() as conn:
        assert today(conn, "default").limits == TenantLimits()
        assert today(conn, "another").usd == 0
    entries = api.get("/api/audit").json()["items"][:2]
    assert [entry["event"] for entry in entries] == ["tenant.limited"] * 2


@pytest.mark.parametrize(
    "limits",
    [
        TenantLimits(Decimal(0)),
        TenantLimits(Decimal(-1)),
        TenantLimits(Decimal("NaN")),
        TenantLimits(Decimal(10**8)),
        TenantLimits(None, 0),
    ],
)
def test_a_limit_of_nothing_is_refused(database: Database, limits: TenantLimits) -> None:
    with pytest.raises(UsageError):
        limit_tenant(database, tenant="default", limits=limits, by="operator:tests")


def test_the_command_line_sets_one_limit_and_leaves_the_other(cli: CommandLine) -> None:
    first = cli("limits", "set", "--usd-per-day", "12.50", "--irreversible-per-day", "9", "--json")
    assert json.loads(first.stdout)["limits"] == {"usd_per_day": 12.5, "irreversible_per_day": 9}
    cli("limits", "set", "--irreversible-per-day", "none")
    shown = cli("limits", "show").stdout
    assert "0.0000 of 12.50" in shown
    assert "no limit" in shown


WRONG = {
    "--usd-per-day=lots": "A limit is a number or 'none', not 'lots'.",
    "--usd-per-day=NaN": "A limit is a number or 'none', not 'NaN'.",
    "--irreversible-per-day=2.5": "Calls are counted in whole numbers, not '2.5'.",
    "": "No limit is named: --usd-per-day, --irreversible-per-day, or both.",
}


@pytest.mark.parametrize("option", WRONG)
def test_the_command_line_refuses_what_is_no_limit(cli: CommandLine, option: str) -> None:
    wrong = cli("limits", "set", *filter(None, [option]))
    assert (wrong.returncode, wrong.stderr.strip()) == (2, WRONG[option])


def test_the_command_line_says_what_models_cost(cli: CommandLine, spent: list[str]) -> None:
    shown = cli("usage", "--by", "model").stdout
    assert "large" in shown
    assert "4.0000" in shown
    found = json.loads(cli("usage", "--by", "agent", "--days", "1", "--json").stdout)
    assert [row["name"] for row in found["items"]] == ["billing", "fleet-ops"]
    assert "USD" in cli("runs", "show", spent[0]).stdout


# Prometheus ----------------------------------------


def figures(api: TestClient) -> dict[tuple[str, ...], float]:
    """Each sample by its name and the values of its labels, in the order of their names."""
    answer = api.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    families = text_string_to_metric_families(answer.text)
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_prometheus_gets_runs_calls_approvals_and_cost(
    api: TestClient, seeds: Seeds, spent: list[str]
) -> None:
    seeds.held()
    found = figures(api)
    expected: dict[tuple[str, ...], Any] = {
        ("interlock_runs", "billing", "waiting"): 1,
        ("interlock_runs", "fleet-ops", "waiting"): 101,
        ("interlock_calls", "irreversible", "waiting"): 1,
        ("interlock_approvals_pending", "call"): 1,
        ("interlock_replies_total", "billing", "large"): 2,
        ("interlock_replies_unknown_price_total", "billing", "odd"): 1,
        ("interlock_replies_unknown_price_total", "billing", "large"): 0,
        ("interlock_tokens_total", "billing", "in", "large"): 6000,
        ("interlock_tokens_total", "billing", "out", "large"): 1000,
        ("interlock_cost_usd_total", "fleet-ops", "small"): 1.0,
    }
    assert {key: found[key] for key in expected} == expected
    assert 0 <= found["interlock_approvals_oldest_seconds", "call"] < 3600


def test_prometheus_hears_of_one_tenant(database: Database, seeds: Seeds, spent: list[str]) -> None:
    seeds.held()
    with database.begin() as conn:
        families = text_string_to_metric_families(exposition(conn, tenant="another").decode())
    assert not [sample for family in families for sample in family.samples]


def test_what_was_decided_does_not_wait(api: TestClient, seeds: Seeds) -> None:
    held = seeds.held()
    seeds.decide(held, "dana", "reject")
    seeds.close(held, "rejected", by="dana")
    assert not [key for key in figures(api) if key[0] == "interlock_approvals_pending"]


def test_prometheus_signs_in_as_every_program(api: TestClient) -> None:
    assert api.get("/metrics", headers={"authorization": "Bearer no"}).status_code == 401

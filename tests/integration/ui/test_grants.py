"""Grants in the browser: the form, what it refuses, the list, and where a use is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from visiting import text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from interlock.engine.database import Database
    from seeding import Seeded, Seeds
    from visiting import Person

BOUNDS = 'context.input.volume_id like "vol-*"'


def grant(who: Person, held: Seeded, **fields: Any) -> Any:
    """Send the form."""
    sent = {"digest": held.digest, "bounds": BOUNDS, "uses": "3", "lasts": "3600", "scope": "agent"}
    return who.post(f"/approvals/{held.approval_id}/grant", **{**sent, **fields})


def granted(database: Database) -> list[Any]:
    """What is granted."""
    with database.begin() as conn:
        query = "select granted_by, most, bounds, agent, run_id, reason from grants"
        return [tuple(row) for row in conn.exec_driver_sql(query)]


def test_the_form_proposes_the_very_arguments_of_the_call(dana: Person, seeds: Seeds) -> None:
    held = seeds.held()
    assert f"/approvals/{held.approval_id}/grant" in dana.get(f"/approvals/{held.approval_id}").text
    page = dana.get(f"/approvals/{held.approval_id}/grant")
    assert page.status_code == 200
    assert 'context.input.volume_id == "vol-prod-7"' in text_of(page)


def test_a_grant_is_recorded_listed_and_decides_nothing(
    dana: Person, seeds: Seeds, database: Database
) -> None:
    held = seeds.held()
    assert grant(dana, held, note="Cleaning day.").headers["location"] == "/grants"
    assert granted(database) == [("dana", 3, BOUNDS, "fleet-ops", None, "Cleaning day.")]
    page = text_of(dana.get("/grants"))
    for part in ("delete_volume , 0 of 3 calls used", "agent fleet-ops", BOUNDS, "Cleaning day."):
        assert part in page
    with database.begin() as conn:
        assert conn.exec_driver_sql("select state from approvals").scalar_one() == "pending"


@pytest.mark.parametrize(
    ("fields", "status", "says"),
    [
        ({"bounds": "true"}, 422, "look at no argument"),
        ({"uses": "0"}, 422, "1 to 1000 calls"),
        ({"uses": "²"}, 422, "1 to 1000 calls"),
        ({"lasts": "99999999"}, 422, "Choose until when"),
        ({"digest": "0" * 64}, 409, "did not show the call that is stored"),
    ],
)
def test_what_does_not_fit_is_said_on_the_form_which_keeps_what_was_typed(
    dana: Person, seeds: Seeds, database: Database, fields: Any, status: int, says: str
) -> None:
    answer = grant(dana, seeds.held(), note="Typed before.", **fields)
    assert answer.status_code == status
    assert says in text_of(answer)
    assert "Typed before." in answer.text
    assert granted(database) == []


TERMS: list[dict[str, Any]] = [
    {"quorum": 2},
    {"terms": {"confirm": "vol-prod-7"}},
    {"terms": {"each": '{"on-call": 1}'}},
    {"reviewers": ("finance",)},
]


@pytest.mark.parametrize("terms", TERMS, ids=map(str, TERMS))
def test_a_grant_is_not_offered_where_nobody_could_approve_alone_at_a_click(
    dana: Person, seeds: Seeds, database: Database, terms: dict[str, Any]
) -> None:
    held = seeds.held(**terms)
    assert "/grant" not in dana.get(f"/approvals/{held.approval_id}").text.replace("/grants", "")
    assert dana.get(f"/approvals/{held.approval_id}/grant").status_code == 303
    assert grant(dana, held).status_code == 403
    assert granted(database) == []


def test_anybody_revokes_a_grant_from_the_list(
    dana: Person, person: Callable[..., Person], seeds: Seeds, database: Database
) -> None:
    grant(dana, seeds.held())
    with database.begin() as conn:
        grant_id = conn.exec_driver_sql("select id from grants").scalar_one()
    fay = person("fay", "finance")
    assert f"/grants/{grant_id}/revoke" in fay.get("/grants").text
    assert fay.post(f"/grants/{grant_id}/revoke").status_code == 303
    page = fay.get("/grants")
    assert "Revoked by fay" in text_of(page)
    assert "/revoke" not in page.text


def test_a_run_shows_which_of_its_calls_nobody_was_asked_about(
    dana: Person, seeds: Seeds, database: Database
) -> None:
    held = seeds.held()
    grant(dana, held)
    with database.begin() as conn:
        grant_id = conn.exec_driver_sql("select id from grants").scalar_one()
    seeds.granted(held.run_id, grant_id, volume_id="vol-2")
    page = dana.get(f"/runs/{held.run_id}")
    assert "Nobody was asked: dana had granted it" in text_of(page)
    assert f"/grants#g-{grant_id}" in page.text
    asked = text_of(dana.get(f"/approvals/{held.approval_id}"))
    assert "delete_volume let start by a grant of dana" in asked
    assert "1 of 3 calls used" in text_of(dana.get("/grants"))

"""Identical calls that may be decided together: one entry in the queue, one form, explicit rows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from interlock.engine.queries import get_approval
from visiting import text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from interlock.engine.database import Database
    from seeding import Seeded, Seeds
    from visiting import Person


@pytest.fixture
def same(seeds: Seeds) -> list[Seeded]:
    """Three identical calls of a run."""
    run_id = seeds.run()
    return [seeds.held(run_id, terms={"together": True}) for _ in range(3)]


@pytest.fixture
def states(database: Database) -> Callable[[list[Seeded]], list[str]]:
    """Where approvals stand."""

    def look(all_of_them: list[Seeded]) -> list[str]:
        with database.begin() as conn:
            return [
                get_approval(conn, tenant="default", approval_id=each.approval_id).approval.state
                for each in all_of_them
            ]

    return look


def on_the_page(who: Person, held: Seeded) -> list[str]:
    """The identical calls that the form would send."""
    page = who.get(f"/approvals/{held.approval_id}").text
    return re.findall(r'name="also" value="([^"]+)"', page)


def names(held: list[Seeded]) -> list[str]:
    return [f"{each.approval_id}:{each.digest}" for each in held]


def approve(who: Person, held: Seeded, **fields: Any) -> Any:
    """Press the button of the form as it was shown."""
    return who.decide(held.approval_id, "approve", confirm="vol-prod-7", **fields)


def test_identical_calls_are_one_entry_of_the_queue(dana: Person, same: list[Seeded]) -> None:
    page = dana.get("/approvals")
    assert "3 identical calls." in text_of(page)
    listed = [each for each in same if f'href="/approvals/{each.approval_id}"' in page.text]
    assert len(listed) == 1
    assert "3 waiting." in text_of(page)


def test_calls_that_may_not_be_decided_together_stand_alone(dana: Person, seeds: Seeds) -> None:
    run_id = seeds.run()
    alone = [seeds.held(run_id) for _ in range(2)]
    page = dana.get("/approvals")
    assert all(f'href="/approvals/{each.approval_id}"' in page.text for each in alone)
    assert "identical" not in page.text
    assert on_the_page(dana, alone[0]) == []


def test_one_click_approves_them_all(dana: Person, same: list[Seeded], states: Any) -> None:
    page = text_of(dana.get(f"/approvals/{same[0].approval_id}"))
    assert "3 identical calls of this run wait" in page
    assert "0 of 1, 3 identical calls" in page  # in the bar that a small screen keeps in sight
    shown = on_the_page(dana, same[0])
    assert shown == names(same[1:])
    assert approve(dana, same[0], scope="all", also=shown).status_code == 303
    assert states(same) == ["approved"] * 3
    after = text_of(dana.get(f"/approvals/{same[1].approval_id}"))
    assert "dana, with an identical call" in after


def test_only_this_one_leaves_the_others(dana: Person, same: list[Seeded], states: Any) -> None:
    assert approve(dana, same[0], scope="one", also=names(same[1:])).status_code == 303
    assert states(same) == ["approved", "pending", "pending"]


def test_a_call_that_came_after_the_page_is_not_decided(
    dana: Person, seeds: Seeds, same: list[Seeded], states: Any
) -> None:
    shown = on_the_page(dana, same[0])
    late = seeds.held(same[0].run_id, terms={"together": True})
    approve(dana, same[0], scope="all", also=shown)
    assert states([*same, late]) == ["approved"] * 3 + ["pending"]


def test_what_was_decided_meanwhile_is_said(
    dana: Person, person: Callable[..., Person], same: list[Seeded], states: Any
) -> None:
    shown = on_the_page(dana, same[0])
    person("erik", "on-call").decide(same[2].approval_id, "reject", reason="target", scope="one")
    said = text_of(approve(dana, same[0], scope="all", also=shown))
    assert "Recorded for 2 of 3 calls." in said
    assert "Not open to you any more, and not touched: 1 call." in said
    assert states(same) == ["approved", "approved", "rejected"]


def test_a_form_that_names_another_call_records_nothing(
    dana: Person, seeds: Seeds, same: list[Seeded], states: Any
) -> None:
    other = seeds.held(terms={"together": True})
    answer = approve(dana, same[0], scope="all", also=names([other]))
    assert answer.status_code == 422
    assert "is not of an identical call" in text_of(answer)
    assert states([*same, other]) == ["pending"] * 4

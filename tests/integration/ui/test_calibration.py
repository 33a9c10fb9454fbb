"""How sure stages were: on the run's page, where a person may say that it was wrong, and in all."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from visiting import text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from seeding import Seeds
    from visiting import Person


def test_nothing_stated_is_said_to_be_so(dana: Person, seeds: Seeds) -> None:
    assert "Nothing was stated" in text_of(dana.get("/calibration"))
    assert "How sure its stages were" not in text_of(dana.get(f"/runs/{seeds.run()}"))


def test_a_stage_has_its_bins_with_how_little_is_known(dana: Person, seeds: Seeds) -> None:
    run = seeds.run()
    for taken in ("as it was", "as it was", "other", ""):
        seeds.stated(run, "classify", 0.92, taken, "dana" if taken else None)
    seeds.stated(run, "classify", 0.3)
    page = text_of(dana.get("/calibration"))
    assert "classify of fleet-ops 5 cases, something is known of 3" in page
    assert "0.9 to 0.95 2 Approved 1 Rejected 1 Open 2 of 3 21% to 94% 0.9 1 of 5 1 of 3" in page
    assert "0 to 0.5 1 Open Not known 0 0 of 5 1 of 3 6% to 79%" in page
    assert "0.5 to 0.6" not in page


def test_stages_are_filtered_by_agent_and_time(dana: Person, seeds: Seeds) -> None:
    seeds.agent("billing")
    seeds.stated(seeds.run(agent="billing"), "refund", 0.9)
    seeds.stated(seeds.run(), "classify", 0.9)
    page = text_of(dana.get("/calibration?agent=billing&days=7"))
    assert "refund of billing" in page
    assert "classify" not in page
    assert dana.get("/calibration?days=forever").status_code == 200


def test_a_person_says_on_the_run_s_page_that_a_stage_was_wrong(
    dana: Person, person: Callable[..., Person], seeds: Seeds
) -> None:
    run = seeds.run()
    assessment = seeds.stated(run, "classify", 0.93)
    page = text_of(dana.get(f"/runs/{run}"))
    assert "classify 0.93 Open This was wrong" in page
    sent = {"assessment": str(assessment), "note": " A break-in. "}
    assert dana.post(f"/runs/{run}/wrong", **sent).status_code == 303
    page = text_of(dana.get(f"/runs/{run}"))
    assert "classify 0.93 Wrong dana said so: “A break-in.”" in page
    assert "This was wrong" not in page
    fay = person("fay", "finance")
    late = fay.post(f"/runs/{run}/wrong", **sent)
    assert late.status_code == 409
    assert "dana said so before you. Nothing was recorded." in text_of(late)
    assert dana.post(f"/runs/{run}/wrong", assessment=str(uuid4())).status_code == 404
    assert "A stage was said to be wrong" in text_of(dana.get(f"/audit?run={run}"))


def test_who_was_asked_about_a_stage_is_named(dana: Person, seeds: Seeds) -> None:
    run = seeds.run()
    seeds.stated(run, "classify", 0.4, "other", "erin")
    assert "classify 0.40 Rejected erin was asked" in text_of(dana.get(f"/runs/{run}"))

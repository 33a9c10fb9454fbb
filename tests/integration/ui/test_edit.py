"""Editing a held call: the form, what it refuses, and where it leads."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from interlock.approvals_ui import pages_edit
from interlock.engine.queries import get_approval
from seeded_rows import VOLUME
from visiting import text_of

if TYPE_CHECKING:
    from interlock.engine.database import Database
    from seeding import Seeded, Seeds
    from visiting import Person


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing judges the edited call here, unless the test does."""
    monkeypatch.setattr(pages_edit, "PATIENCE", 0.3)


def fields(args: dict[str, Any], **changed: str) -> dict[str, str]:
    """The form as the browser would send it back, with some fields changed."""
    as_sent = {
        name: value if isinstance(value, str) and name != "region" else _json(value)
        for name, value in args.items()
    }
    return {f"arg.{name}": value for name, value in {**as_sent, **changed}.items()}


def _json(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


def edit(dana: Person, held: Seeded, **sent: str) -> Any:
    """Send the edit form."""
    return dana.post(f"/approvals/{held.approval_id}/edit", digest=held.digest, **sent)


def test_the_form_has_a_labelled_field_for_each_argument(dana: Person, seeds: Seeds) -> None:
    held = seeds.held()
    page = dana.get(f"/approvals/{held.approval_id}/edit").text
    for name in VOLUME:
        assert f'name="arg.{name}"' in page
        assert f"<code>{name}</code>" in page
    assert page.count("<label for=") == len(VOLUME) + 1
    assert '<option value="true" selected>true</option>' in page
    assert '<option value="&#34;eu-west-1&#34;" selected>eu-west-1</option>' in page


def test_an_edit_replaces_the_call_and_records_who_changed_what(
    dana: Person, seeds: Seeds, database: Database
) -> None:
    held = seeds.held()
    sent = fields(VOLUME, include_backups="false", reason="Keep the\r\nbackups.")
    answer = edit(dana, held, **sent, note="Safer.")
    assert answer.headers["location"] == f"/approvals/{held.approval_id}"
    with database.begin() as conn:
        detail = get_approval(conn, tenant="default", approval_id=held.approval_id)
    assert detail.approval.state == "superseded"
    (said,) = detail.decisions
    assert said.kind == "edit"
    assert said.args == {**VOLUME, "include_backups": False, "reason": "Keep the\nbackups."}
    page = text_of(dana.get(f"/approvals/{held.approval_id}"))
    assert "You edited the arguments at" in page
    assert "look again" in page


def test_the_page_waits_for_the_edited_call_and_leads_to_its_approval(
    dana: Person, seeds: Seeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages_edit, "PATIENCE", 30.0)
    held = seeds.held()
    found: list[Seeded] = []

    def is_edited() -> bool:
        with seeds.database.begin() as conn:
            query = "select state = 'superseded' from calls where id = %s"
            return bool(conn.exec_driver_sql(query, (held.call_id,)).scalar_one())

    def judge() -> None:
        until = time.monotonic() + 20
        while not is_edited() and time.monotonic() < until:
            time.sleep(0.05)
        found.append(
            seeds.held(held.run_id, args={**VOLUME, "include_backups": False}, revises=held)
        )

    worker = threading.Thread(target=judge)
    worker.start()
    answer = edit(dana, held, **fields(VOLUME, include_backups="false"))
    worker.join()
    assert answer.headers["location"] == f"/approvals/{found[0].approval_id}"


def test_an_edit_that_changes_nothing_is_refused(
    dana: Person, seeds: Seeds, database: Database
) -> None:
    held = seeds.held(args={**VOLUME, "reason": "Two\r\nlines"})
    answer = edit(dana, held, **fields({**VOLUME, "reason": "Two\r\nlines"}))
    assert answer.status_code == 422
    assert "The arguments are the same as before." in text_of(answer)
    with database.begin() as conn:
        detail = get_approval(conn, tenant="default", approval_id=held.approval_id)
    assert detail.approval.state == "pending"


@pytest.mark.parametrize(
    ("name", "sent", "says"),
    [
        ("amount_cents", "12,50", "amount_cents is not a number."),
        ("amount_cents", "NaN", "amount_cents is not a number."),
        ("amount_cents", "", "amount_cents needs a value."),
        ("lines", "[{", "lines is not JSON."),
        ("amount_cents", "12.5", "amount_cents"),
        ("lines", '["text"]', "lines"),
    ],
)
def test_a_value_that_does_not_fit_is_named_and_what_was_typed_is_kept(
    dana: Person, seeds: Seeds, name: str, sent: str, says: str
) -> None:
    held = seeds.held(
        tool="refund_booking", args={"booking_id": "RB-1", "amount_cents": 16400, "lines": []}
    )
    typed = {"arg.booking_id": "RB-2", "arg.amount_cents": "16400", "arg.lines": "[]"}
    answer = edit(dana, held, **{**typed, f"arg.{name}": sent})
    assert answer.status_code == 422
    assert says in text_of(answer)
    assert "Your edit was not recorded." in text_of(answer)
    assert 'value="RB-2"' in answer.text


def test_an_argument_that_the_tool_does_not_have_is_not_taken(
    dana: Person, seeds: Seeds, database: Database
) -> None:
    held = seeds.held()
    sent = fields(VOLUME, include_backups="false")
    edit(dana, held, **sent, **{"arg.skip_grace_period": "true"})
    with database.begin() as conn:
        detail = get_approval(conn, tenant="default", approval_id=held.approval_id)
    assert detail.decisions[0].args == {**VOLUME, "include_backups": False}


def test_an_edit_of_a_page_that_showed_another_call_is_refused(dana: Person, seeds: Seeds) -> None:
    held = seeds.held()
    answer = dana.post(
        f"/approvals/{held.approval_id}/edit",
        digest="0" * 64,
        **fields(VOLUME, include_backups="false"),
    )
    assert answer.status_code == 409


def test_who_may_not_decide_may_not_edit(person: Any, seeds: Seeds) -> None:
    held = seeds.held()
    carl = person("carl", "finance")
    page = carl.get(f"/approvals/{held.approval_id}/edit")
    assert page.headers["location"] == f"/approvals/{held.approval_id}"
    answer = edit(carl, held, **fields(VOLUME, include_backups="false"))
    assert answer.status_code == 403


def test_a_closed_call_cannot_be_edited(dana: Person, seeds: Seeds) -> None:
    held = seeds.held()
    seeds.decide(held, "dana", "reject", reason="no")
    seeds.close(held, "rejected", by="dana", reason="no")
    assert dana.get(f"/approvals/{held.approval_id}/edit").status_code == 303
    answer = edit(dana, held, **fields(VOLUME, include_backups="false"))
    assert answer.status_code == 409

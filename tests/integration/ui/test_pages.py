"""The queue, its updates, runs and the audit log."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from seeded_rows import FIGURES
from visiting import text_of

if TYPE_CHECKING:
    from interlock.engine.database import Database
    from seeding import Seeds
    from visiting import Person


def test_an_empty_queue_says_what_could_still_arrive(dana: Person) -> None:
    page = text_of(dana.get("/approvals"))
    assert "Nothing is waiting for you" in page
    assert "It appears here by itself." in page


def test_the_queue_puts_the_most_urgent_first(dana: Person, seeds: Seeds) -> None:
    for minutes, headline in ((300, "Later one"), (40, "Hour one"), (5, "Urgent one")):
        seeds.held(headline=headline, expires_in=timedelta(minutes=minutes))
    seeds.held(headline="Endless one", expires_in=None)
    page = text_of(dana.get("/approvals"))
    order = ["Act now 1", "Urgent one", "Within the hour 1", "Hour one", "Later 2", "Later one"]
    places = [page.index(words) for words in [*order, "Endless one"]]
    assert places == sorted(places)
    assert "4 waiting. The next one expires in" in page


def test_a_row_says_what_who_and_by_when(dana: Person, seeds: Seeds) -> None:
    seeds.held(preview=FIGURES, quorum=2)
    row = text_of(dana.get("/approvals/rows"))
    for words in (
        "Delete volume vol-prod-7 and its 14 backups",
        "Customer records: 1,206, Backups: 14, Data: 3.2 GB",
        "Irreversible",
        "fleet-ops",
        "irreversible-needs-a-person",
        "0 of 2",
        "41 min by",
    ):
        assert words in row


def test_the_queue_s_update_is_empty_until_something_changed(dana: Person, seeds: Seeds) -> None:
    seeds.held()
    first = dana.get("/approvals/rows")
    seen = re.search(r"seen=(\w+)", first.text)
    assert seen
    assert dana.get(f"/approvals/rows?seen={seen.group(1)}").status_code == 204
    seeds.held(headline="Another one")
    again = dana.get(f"/approvals/rows?seen={seen.group(1)}")
    assert again.status_code == 200
    assert "Another one" in again.text
    assert 'id="pending-count" hx-swap-oob="true">2' in again.text
    assert "<html" not in again.text


def test_an_open_page_learns_that_somebody_else_decided(dana: Person, seeds: Seeds) -> None:
    held = seeds.held()
    path = f"/approvals/{held.approval_id}"
    seen = re.search(r"live\?seen=(\w+)", dana.get(path).text)
    assert seen
    live = f"{path}/live?seen={seen.group(1)}"
    assert dana.get(live).status_code == 204
    seeds.decide(held, "dana", "reject", reason="no")
    seeds.close(held, "rejected", by="dana", reason="no")
    update = dana.get(live)
    assert "You rejected this at" in text_of(update)
    assert "Show this page as it stands now" in text_of(update)


def test_history_keeps_expired_and_rejected_apart(dana: Person, seeds: Seeds) -> None:
    expired = seeds.held(expires_in=timedelta(seconds=-1))
    seeds.close(expired, "expired")
    rejected = seeds.held()
    seeds.decide(rejected, "dana", "reject", reason="no")
    seeds.close(rejected, "rejected", by="dana", reason="no")
    seeds.held(headline="Still open")
    page = text_of(dana.get("/approvals/history"))
    assert page.index("Rejected dana") < page.index("Expired Interlock")
    assert "Still open" not in page


def test_a_run_shows_its_limits_its_history_and_the_way_to_what_waits(
    dana: Person, seeds: Seeds
) -> None:
    run_id = seeds.run()
    seeds.read(run_id, region="eu-west-1")
    held = seeds.held(run_id)
    page = dana.get(f"/runs/{run_id}")
    says = text_of(page)
    for words in (
        "Waiting for a person",
        "Steps 4 of 25",
        "Calls 3 of 50",
        "Active time 11.4 s of 5 min",
        "list_volumes Done",
        "delete_volume Held",
        "finance-lead asked for the run",
        str(run_id),
    ):
        assert words in says, words
    assert f'href="/approvals/{held.approval_id}">Review the held call' in page.text


def test_an_ended_run_shows_how_and_what_came_out(dana: Person, seeds: Seeds) -> None:
    run_id = seeds.run()
    seeds.end_run(run_id, how="limit_reached", reason="25 of 25 steps are used.")
    page = text_of(dana.get(f"/runs/{run_id}"))
    assert "Stopped at a limit. 25 of 25 steps are used." in page
    assert '{"answer":"Two volumes are left."}' in page
    assert "Written by the agent" in page
    assert "Cancel the run" not in page


def test_a_run_is_cancelled_once_and_a_late_click_is_told(
    dana: Person, seeds: Seeds, database: Database
) -> None:
    held = seeds.held()
    assert dana.post(f"/runs/{held.run_id}/cancel").status_code == 303
    with database.begin() as conn:
        run = conn.exec_driver_sql("select exit, cancel_requested_by from runs").one()
    assert tuple(run) == ("cancelled", "reviewer:dana")
    late = dana.post(f"/runs/{held.run_id}/cancel")
    assert late.status_code == 409
    assert "The run had already ended. Your cancellation was not recorded." in text_of(late)


def test_runs_are_filtered_by_status_and_agent(dana: Person, seeds: Seeds) -> None:
    seeds.agent("billing")
    seeds.run("Pay the refunds.", agent="billing")
    seeds.end_run(seeds.run("Tidy up."))
    assert "Tidy up." not in text_of(dana.get("/runs?status=waiting"))
    only = text_of(dana.get("/runs?agent=billing"))
    assert "Pay the refunds." in only
    assert "Tidy up." not in only
    assert "No run fits this filter." in text_of(dana.get("/runs?status=running"))


def test_long_lists_have_pages(dana: Person, seeds: Seeds) -> None:
    for number in range(51):
        seeds.run(f"Request {number}.")
    first = dana.get("/runs")
    older = re.search(r'href="([^"]+)">Older', first.text)
    assert older
    second = dana.get(older.group(1).replace("&amp;", "&"))
    assert "Request 0." in second.text
    assert "Request 0." not in first.text
    assert "Newest" in second.text
    log = dana.get("/audit")
    older = re.search(r'href="([^"]+)">Older', log.text)
    assert older
    assert dana.get(older.group(1).replace("&amp;", "&")).status_code == 200


def test_the_log_shows_an_entry_with_its_exact_bytes(
    dana: Person, seeds: Seeds, database: Database
) -> None:
    held = seeds.held()
    with database.begin() as conn:
        seq, entry = conn.exec_driver_sql(
            "select seq, entry from audit_log where event = 'call.held'"
        ).one()
    page = text_of(dana.get(f"/audit?run={held.run_id}&entry={seq}"))
    assert "Held before it ran" in page
    assert bytes(entry).decode() in page
    assert "Signed in" not in page
    wrong = dana.get("/audit?run=nonsense")
    assert wrong.status_code == 422
    assert "This is not the id of a run." in text_of(wrong)


def test_a_made_up_cursor_is_refused_with_a_sentence(dana: Person, seeds: Seeds) -> None:
    for path in ("/runs?cursor=zzz", "/audit?cursor=zzz", "/approvals/history?cursor=WzFd"):
        answer = dana.get(path)
        assert answer.status_code == 422, path
        assert "This cursor does not belong to this list." in text_of(answer)


def test_health_needs_no_session_and_readiness_looks_at_the_database(
    dana: Person, database: Database
) -> None:
    dana.client.cookies.clear()
    assert dana.get("/healthz").json() == {"status": "up"}
    assert dana.get("/readyz").json() == {"status": "ready"}
    with database.begin() as conn:
        conn.exec_driver_sql("update alembic_version set version_num = '0000'")
    answer = dana.get("/readyz")
    assert answer.status_code == 503
    assert "interlock db migrate" in answer.json()["error"]

"""Every answer is guarded, and nothing changes without proof of who asks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from fastapi.routing import APIRoute
from interlock.approvals_ui.app import create_app
from interlock.approvals_ui.security import API, LARGEST_BODY
from interlock.engine.accounts import add_token
from interlock.engine.settings import Settings
from starlette.testclient import TestClient
from visiting import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI
    from interlock.engine.database import Database
    from seeding import Seeds
    from visiting import Person

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
OPEN = {"/sign-in", "/healthz", "/readyz", "/"}
SOME_ID = "01890000-0000-7000-8000-000000000000"


def routes(app: FastAPI, method: str) -> Iterator[str]:
    """Every path that answers to the method, with ids filled in."""
    for route in _flat(app.routes):
        if isinstance(route, APIRoute) and method in route.methods:
            yield re.sub(r"\{[^}]+\}", SOME_ID, route.path)


def _flat(found: list) -> Iterator[object]:
    for route in found:
        inner = getattr(route, "routes", None) or getattr(
            getattr(route, "original_router", None), "routes", None
        )
        if isinstance(route, APIRoute) or not inner:
            yield route
        else:
            yield from _flat(inner)


@pytest.mark.parametrize(
    "path", ["/sign-in", "/approvals", "/nowhere", "/static/style.css", "/api/runs", "/healthz"]
)
def test_every_answer_carries_the_security_headers(stranger: TestClient, path: str) -> None:
    headers = stranger.get(path, follow_redirects=False).headers
    assert headers["content-security-policy"] == CSP
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == ("no-cache" if "static" in path else "no-store")


def test_an_unexpected_failure_keeps_the_headers_and_tells_nothing(
    database: Database, dana: Person, app: FastAPI
) -> None:
    with database.begin() as conn:
        conn.exec_driver_sql("alter table runs rename to runs_gone")
    answer = dana.get("/runs")
    assert answer.status_code == 500
    assert answer.headers["content-security-policy"] == CSP
    assert "runs_gone" not in answer.text
    assert "Traceback" not in answer.text


def test_no_page_needs_inline_script_or_style(dana: Person, seeds: Seeds) -> None:
    held = seeds.held(preview={"Rows": 3})
    for path in (
        "/approvals",
        "/approvals/history",
        f"/approvals/{held.approval_id}",
        f"/approvals/{held.approval_id}/edit",
        "/runs",
        f"/runs/{held.run_id}",
        "/audit?entry=1",
    ):
        page = dana.get(path)
        assert page.status_code == 200, path
        assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=", page.text), path


def test_every_form_that_changes_something_is_refused_without_its_token(
    app: FastAPI, dana: Person
) -> None:
    paths = [path for path in routes(app, "POST") if path != "/sign-in"]
    assert len(paths) >= 6
    for path in paths:
        for fields in ({}, {"csrf": ""}, {"csrf": "0" * 64}):
            answer = dana.client.post(path, data=fields, follow_redirects=False)
            assert answer.status_code == 403, path
            assert "does not carry this session's token" in answer.text.replace("&#39;", "'")


def test_the_token_of_one_session_is_worth_nothing_in_another(
    dana: Person, person: object, seeds: Seeds
) -> None:
    run_id = seeds.run()
    erin = person("erin", "on-call")  # type: ignore[operator]
    answer = dana.client.post(f"/runs/{run_id}/cancel", data={"csrf": erin.csrf()})
    assert answer.status_code == 403


def test_a_route_that_is_added_later_is_protected_by_being_there(
    app: FastAPI, dana: Person
) -> None:
    async def careless() -> dict[str, str]:
        return {"done": "something"}

    app.add_api_route("/careless", careless, methods=["POST"])
    assert dana.client.post("/careless").status_code == 403
    assert dana.client.post("/careless", data={"csrf": dana.csrf()}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://[broken"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_request_from_another_site_is_refused_even_with_the_right_token(
    dana: Person, seeds: Seeds, database: Database, headers: dict[str, str]
) -> None:
    run_id = seeds.run()
    answer = dana.client.post(f"/runs/{run_id}/cancel", data={"csrf": dana.csrf()}, headers=headers)
    assert answer.status_code == 403
    with database.begin() as conn:
        status = conn.exec_driver_sql("select status from runs").scalar_one()
    assert status == "waiting"


def test_another_site_cannot_sign_somebody_in(stranger: TestClient, reviewer: object) -> None:
    answer = stranger.post(
        "/sign-in",
        data={"name": reviewer.name, "password": reviewer.password},  # type: ignore[attr-defined]
        headers={"origin": "https://evil.example"},
        follow_redirects=False,
    )
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_a_dead_session_does_not_keep_anybody_from_signing_in(
    dana: Person, database: Database
) -> None:
    with database.begin() as conn:
        conn.exec_driver_sql("delete from sessions")
    answer = dana.client.post(
        "/sign-in", data={"name": "dana", "password": PASSWORD}, follow_redirects=False
    )
    assert answer.status_code == 303
    assert dana.get("/runs").status_code == 200


def test_a_browser_on_the_same_site_is_let_through(dana: Person, seeds: Seeds) -> None:
    answer = dana.client.post(
        f"/runs/{seeds.run()}/cancel",
        data={"csrf": dana.csrf()},
        headers={"origin": "http://testserver", "sec-fetch-site": "same-origin"},
        follow_redirects=False,
    )
    assert answer.status_code == 303


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(
    database: Database, reviewer: object
) -> None:
    secure = TestClient(create_app(database, Settings(secure_cookies=True)))
    answer = secure.post(
        "/sign-in",
        data={"name": reviewer.name, "password": reviewer.password},  # type: ignore[attr-defined]
        follow_redirects=False,
    )
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("interlock_session=")
    for attribute in ("HttpOnly", "Secure", "SameSite=lax", "Path=/", "Max-Age=43200"):
        assert attribute in cookie


def test_every_page_wants_a_session_and_brings_its_visitor_back(
    app: FastAPI, stranger: TestClient
) -> None:
    for path in routes(app, "GET"):
        if path in OPEN or path.startswith(API):
            continue
        answer = stranger.get(path, follow_redirects=False)
        assert answer.status_code == 303, path
        assert answer.headers["location"].startswith("/sign-in?next=/"), path
    answer = stranger.get("/runs?status=ended", follow_redirects=False)
    assert answer.headers["location"] == "/sign-in?next=/runs%3Fstatus%3Dended"


def test_every_api_route_wants_a_token_or_a_session(app: FastAPI, stranger: TestClient) -> None:
    for method in ("GET", "POST"):
        for path in routes(app, method):
            if path.startswith(API):
                answer = stranger.request(method, path)
                assert answer.status_code == 401, path
                assert set(answer.json()) == {"error"}


def test_a_session_that_was_signed_out_is_over_on_the_server(dana: Person) -> None:
    cookies = dict(dana.client.cookies)
    assert dana.post("/sign-out").status_code == 303
    dana.client.cookies.update(cookies)
    assert dana.get("/runs").status_code == 303


def test_what_a_lost_session_sent_is_said_to_be_lost(dana: Person, seeds: Seeds) -> None:
    held = seeds.held()
    csrf, cookies = dana.csrf(), dict(dana.client.cookies)
    dana.post("/sign-out")
    dana.client.cookies.update(cookies)
    answer = dana.client.post(
        f"/approvals/{held.approval_id}/decisions",
        data={"csrf": csrf, "decision": "approve", "digest": held.digest},
        headers={"referer": f"http://testserver/approvals/{held.approval_id}"},
        follow_redirects=False,
    )
    assert answer.headers["location"] == f"/sign-in?next=/approvals/{held.approval_id}&lost=1"
    assert "was not recorded" in dana.client.get(answer.headers["location"]).text


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "evil",
    ],
)
def test_signing_in_leads_nowhere_else(stranger: TestClient, reviewer: object, target: str) -> None:
    answer = stranger.post(
        "/sign-in",
        data={"name": reviewer.name, "password": reviewer.password, "next": target},  # type: ignore[attr-defined]
        follow_redirects=False,
    )
    assert answer.headers["location"] == "/approvals"


def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(
    stranger: TestClient, reviewer: object
) -> None:
    answers = [
        stranger.post("/sign-in", data={"name": name, "password": "not the password"})
        for name in ("dana", "dave")
    ]
    assert [answer.status_code for answer in answers] == [403, 403]
    pages = [a.text.replace("dana", "X").replace("dave", "X") for a in answers]
    assert pages[0] == pages[1]


def test_no_get_changes_anything(
    app: FastAPI, dana: Person, seeds: Seeds, database: Database
) -> None:
    held = seeds.held()

    def rows() -> list[tuple[object, ...]]:
        with database.begin() as conn:
            return [
                tuple(row)
                for row in conn.exec_driver_sql(
                    "select (select count(*) from audit_log), (select count(*) from decisions),"
                    " (select state from approvals), (select status from runs)"
                )
            ]

    before = rows()
    for path in routes(app, "GET"):
        for target in (held.approval_id, held.run_id):
            dana.get(path.replace(SOME_ID, str(target)) + "?decision=approve&csrf=x")
    assert rows() == before


def test_a_body_that_is_too_large_is_refused_before_it_is_read(dana: Person) -> None:
    answer = dana.client.post("/sign-out", content=b"x" * (LARGEST_BODY + 1))
    assert answer.status_code == 413


def test_the_api_takes_a_session_only_with_its_token_in_the_header(
    dana: Person, seeds: Seeds
) -> None:
    path = f"/api/runs/{seeds.run()}/cancel"
    assert dana.client.post(path).status_code == 403
    assert dana.client.post(path, data={"csrf": dana.csrf()}).status_code == 403
    assert dana.client.post(path, headers={"x-csrf-token": dana.csrf()}).status_code == 200


def test_a_bearer_token_needs_no_form_token_and_is_not_looked_past(
    dana: Person, seeds: Seeds, database: Database
) -> None:
    _, secret = add_token(
        database, tenant="default", reviewer="dana", label="tests", by="operator:tests"
    )
    path = f"/api/runs/{seeds.run()}/cancel"
    wrong = {"authorization": "Bearer il_wrong"}
    assert dana.client.post(path, headers=wrong).status_code == 401
    assert dana.client.get("/api/runs", headers=wrong).status_code == 401
    right = {"authorization": f"Bearer {secret}"}
    assert dana.client.post(path, headers=right).status_code == 200


def test_a_bearer_header_does_not_open_the_pages(dana: Person, seeds: Seeds) -> None:
    path = f"/runs/{seeds.run()}/cancel"
    answer = dana.client.post(path, headers={"authorization": "Bearer il_anything"})
    assert answer.status_code == 403


def test_the_framework_s_own_documentation_pages_are_off(dana: Person) -> None:
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert dana.get(path).status_code == 404

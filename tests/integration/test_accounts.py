"""Reviewers, sessions and tokens on a real database."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg
import pytest
from argon2 import PasswordHasher
from interlock.engine import accounts
from interlock.engine.accounts import SignInRefused
from interlock.engine.errors import Conflict, NotFound, UsageError

if TYPE_CHECKING:
    from interlock.engine.database import Database

    from tests.conftest import Account

TENANT = "default"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def add(database: Database, name: str, **more: object) -> None:
    account = {
        "tenant": TENANT,
        "name": name,
        "password": "long enough for all",
        "groups": ["on-call"],
        "by": "operator:tests",
        "hasher": CHEAP,
    }
    accounts.add_reviewer(database, **{**account, **more})  # type: ignore[arg-type]


def sign_in(database: Database, name: str, password: str) -> str | None:
    return accounts.sign_in(database, tenant=TENANT, name=name, password=password)


def who(database: Database, token: str, tenant: str = TENANT) -> accounts.Reviewer | None:
    with database.begin() as conn:
        return accounts.session_reviewer(conn, token, tenant=tenant)


def whose(database: Database, secret: str, tenant: str = TENANT) -> accounts.Reviewer | None:
    with database.begin() as conn:
        return accounts.token_reviewer(conn, secret, tenant=tenant)


def events(database: Database) -> list[tuple[str, str]]:
    with database.begin() as conn:
        rows = conn.exec_driver_sql("select event, actor from audit_log order by seq")
        return [(row.event, row.actor) for row in rows]


def everything_stored(database: Database) -> bytes:
    """All bytes of the account tables and the audit log."""
    statements = (
        "select reviewers::text from reviewers",
        "select tokens::text from tokens",
        "select sessions::text from sessions",
        "select convert_from(entry, 'utf8') from audit_log",
    )
    with psycopg.connect(database.url) as conn:
        return json.dumps([conn.execute(each).fetchall() for each in statements]).encode()


def test_the_right_password_opens_a_session_of_that_reviewer(
    database: Database, reviewer: Account
) -> None:
    token = sign_in(database, reviewer.name, reviewer.password)
    assert token is not None
    found = who(database, token)
    assert found is not None
    assert (found.name, found.groups) == (reviewer.name, reviewer.groups)
    assert events(database) == [
        ("reviewer.added", "operator:tests"),
        ("session.opened", "reviewer:dana"),
    ]


@pytest.mark.parametrize(
    ("name", "password"),
    [("dana", "not her password"), ("nobody", "a password for dana"), ("dana", ""), ("", "")],
)
def test_a_wrong_password_and_an_unknown_name_are_refused_alike_and_recorded(
    database: Database, reviewer: Account, name: str, password: str
) -> None:
    assert sign_in(database, name, password) is None
    assert events(database)[-1] == ("session.refused", "interlock")


def test_a_password_longer_than_any_allowed_never_fits(database: Database) -> None:
    longest = "x" * accounts.LONGEST_PASSWORD
    add(database, "ines", password=longest)
    assert sign_in(database, "ines", longest + "x") is None
    assert sign_in(database, "ines", longest) is not None


def test_no_secret_is_stored(database: Database, reviewer: Account) -> None:
    session = sign_in(database, reviewer.name, reviewer.password)
    sign_in(database, reviewer.name, "a mistyped password")
    _, secret = accounts.add_token(
        database, tenant=TENANT, reviewer="dana", label="laptop", by="operator:tests"
    )
    stored = everything_stored(database)
    for hidden in (reviewer.password, "a mistyped password", session or "", secret):
        assert hidden.encode() not in stored


def test_accounts_made_without_a_hasher_have_argon2id_at_its_recommended_cost(
    database: Database,
) -> None:
    add(database, "ines", hasher=accounts.HASHER)
    with database.begin() as conn:
        hashed = conn.exec_driver_sql("select password_hash from reviewers").scalar_one()
    assert hashed.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_ten_wrong_passwords_shut_the_door_even_to_the_right_one(
    database: Database, reviewer: Account
) -> None:
    for _ in range(accounts.REFUSALS):
        assert sign_in(database, "dana", "wrong") is None
    with pytest.raises(SignInRefused, match="15 minutes"):
        sign_in(database, "dana", reviewer.password)
    assert len([event for event, _ in events(database) if event == "session.refused"]) == 10


def test_the_door_opens_again_after_fifteen_minutes(database: Database, reviewer: Account) -> None:
    for _ in range(accounts.REFUSALS):
        sign_in(database, "dana", "wrong")
    with database.begin() as conn:
        # the log is append-only, so the test, not Interlock, turns its guard off
        conn.exec_driver_sql("alter table audit_log disable trigger append_only")
        conn.exec_driver_sql("update audit_log set at = at - interval '15 minutes'")
    assert sign_in(database, "dana", reviewer.password) is not None


def test_wrong_passwords_count_for_their_name_and_tenant_only(
    database: Database, reviewer: Account
) -> None:
    add(database, "ines")
    for _ in range(accounts.REFUSALS):
        sign_in(database, "ines", "wrong")
        accounts.sign_in(database, tenant="other", name="dana", password="wrong")
    assert sign_in(database, "dana", reviewer.password) is not None


def test_a_crowd_gets_no_more_guesses_than_one(database: Database, reviewer: Account) -> None:
    start = threading.Barrier(25)

    def guess(_: int) -> str:
        start.wait()
        try:
            return str(sign_in(database, "dana", "wrong"))
        except SignInRefused:
            return "refused"

    with ThreadPoolExecutor(25) as pool:
        answers = list(pool.map(guess, range(25)))
    assert answers.count("None") == accounts.REFUSALS
    assert answers.count("refused") == 25 - accounts.REFUSALS


def test_a_session_ends_after_twelve_hours(database: Database, reviewer: Account) -> None:
    token = sign_in(database, "dana", reviewer.password) or ""
    with database.begin() as conn:
        lasts = conn.exec_driver_sql("select expires_at - created_at from sessions").scalar_one()
        assert abs(lasts - timedelta(hours=12)) < timedelta(seconds=5)
        conn.exec_driver_sql("update sessions set expires_at = clock_timestamp()")
    assert who(database, token) is None
    sign_in(database, "dana", reviewer.password)
    with database.begin() as conn:
        assert conn.exec_driver_sql("select count(*) from sessions").scalar_one() == 1


def test_signing_out_ends_that_session_alone(database: Database, reviewer: Account) -> None:
    phone, laptop = (sign_in(database, "dana", reviewer.password) or "" for _ in range(2))
    accounts.sign_out(database, phone)
    accounts.sign_out(database, phone)
    assert who(database, phone) is None
    assert who(database, laptop) is not None
    assert [event for event, _ in events(database)].count("session.closed") == 1


def test_a_session_and_a_token_are_worth_nothing_in_another_tenant(
    database: Database, reviewer: Account
) -> None:
    session = sign_in(database, "dana", reviewer.password) or ""
    _, secret = accounts.add_token(
        database, tenant=TENANT, reviewer="dana", label="ci", by="operator:tests"
    )
    assert who(database, session, "other") is None
    assert whose(database, secret, "other") is None


def test_a_disabled_reviewer_loses_sessions_tokens_and_password_at_once(
    database: Database, reviewer: Account
) -> None:
    session = sign_in(database, "dana", reviewer.password) or ""
    _, secret = accounts.add_token(
        database, tenant=TENANT, reviewer="dana", label="ci", by="operator:tests"
    )
    accounts.disable_reviewer(database, tenant=TENANT, name="dana", by="operator:tests")
    assert who(database, session) is None
    assert whose(database, secret) is None
    assert sign_in(database, "dana", reviewer.password) is None
    with pytest.raises(NotFound, match="no active reviewer 'dana'"):
        accounts.disable_reviewer(database, tenant=TENANT, name="dana", by="operator:tests")


def test_a_name_is_given_once_even_if_its_account_is_disabled(
    database: Database, reviewer: Account
) -> None:
    accounts.disable_reviewer(database, tenant=TENANT, name="dana", by="operator:tests")
    with pytest.raises(Conflict, match="already a reviewer 'dana'"):
        add(database, "dana")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": "Dana"}, "'Dana' cannot be a reviewer's name"),
        ({"name": ""}, "cannot be a reviewer's name"),
        ({"name": "dana\n"}, "cannot be a reviewer's name"),
        ({"groups": ["on call"]}, "'on call' cannot be a group"),
        ({"password": "short"}, "this one has 5"),
        ({"password": "x" * 1025}, "this one has 1025"),
    ],
)
def test_an_account_that_cannot_be_is_refused_and_not_stored(
    database: Database, change: dict[str, object], sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        add(database, **{"name": "ines", **change})  # type: ignore[arg-type]
    with database.begin() as conn:
        assert accounts.list_reviewers(conn, TENANT) == []


def test_a_token_speaks_for_its_reviewer_until_it_is_revoked(
    database: Database, reviewer: Account
) -> None:
    token_id, secret = accounts.add_token(
        database, tenant=TENANT, reviewer="dana", label="laptop", by="reviewer:dana"
    )
    assert secret.startswith("il_")
    found = whose(database, secret)
    assert found is not None
    assert found.name == "dana"
    accounts.revoke_token(database, tenant=TENANT, token_id=token_id, by="reviewer:dana")
    assert whose(database, secret) is None
    assert events(database)[-2:] == [
        ("token.added", "reviewer:dana"),
        ("token.revoked", "reviewer:dana"),
    ]
    with pytest.raises(NotFound, match="no active token"):
        accounts.revoke_token(database, tenant=TENANT, token_id=token_id, by="reviewer:dana")


def test_a_token_ends_at_its_time(database: Database, reviewer: Account) -> None:
    for expires, works in ((timedelta(hours=1), True), (timedelta(hours=-1), False)):
        _, secret = accounts.add_token(
            database,
            tenant=TENANT,
            reviewer="dana",
            label="short",
            expires=datetime.now(UTC) + expires,
            by="operator:tests",
        )
        assert (whose(database, secret) is not None) is works


def test_nobody_gets_a_token_without_an_account(database: Database, reviewer: Account) -> None:
    with pytest.raises(NotFound, match="no active reviewer 'ines'"):
        accounts.add_token(database, tenant=TENANT, reviewer="ines", label="x", by="operator:tests")
    with pytest.raises(NotFound, match="no active token"):
        accounts.revoke_token(database, tenant=TENANT, token_id=uuid4(), by="operator:tests")


def test_listings_show_all_accounts_and_tokens_but_no_secret(
    database: Database, reviewer: Account
) -> None:
    add(database, "ines", groups=["finance", "finance", "auditors"])
    token_id, secret = accounts.add_token(
        database, tenant=TENANT, reviewer="ines", label="laptop", by="operator:tests"
    )
    with database.begin() as conn:
        listed = [found.as_json() for found in accounts.list_reviewers(conn, TENANT)]
        tokens = [token.as_json() for token in accounts.list_tokens(conn, TENANT)]
        assert accounts.list_reviewers(conn, "other") == []
    assert [(row["name"], row["groups"]) for row in listed] == [
        ("dana", ["on-call"]),
        ("ines", ["auditors", "finance"]),
    ]
    assert tokens[0]["id"] == str(token_id)
    assert secret not in json.dumps([listed, tokens])

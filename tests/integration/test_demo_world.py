"""The demo's world: what each tool does to it, and what undo restores."""

from __future__ import annotations

import json
import shutil
import smtplib
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import psycopg
import pytest
from interlock.examples.fleet_ops import access, letters, rental, tools, world
from interlock.examples.fleet_ops.home import Home, NoWorld
from interlock.examples.fleet_ops.mail_server import MailServer
from interlock.examples.fleet_ops.rental_data import CUSTOMERS, TODAY, make_rows
from interlock.examples.fleet_ops.volumes import VolumeStore, size_in_words
from interlock.tools import CallContext, Effect, Happened, NotDone, OutsideRun
from interlock.tools.gated import _current_call
from interlock.tools.vault import open_vault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from interlock.engine.embedded import EmbeddedPostgres

CALL = CallContext(UUID(int=1), UUID(int=2), "key-of-the-call")
FRAMEWORK = {"config": {}, "run_manager": None}
TO = ["one@example.com", "two@example.com"]


@pytest.fixture
def mail(tmp_path: Path) -> Iterator[MailServer]:
    with MailServer(tmp_path / "demo" / "mail") as server:
        yield server


@pytest.fixture(scope="session")
def original(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A whole world; its files are copied, its tables made again for each test."""
    name = f"fleet_{uuid4().hex}"
    with psycopg.connect(postgres.url, autocommit=True) as conn:
        conn.execute(f"create database {name}")
    made = Home(tmp_path_factory.mktemp("world"), postgres.database_url(name), 0)
    assert world.build(made) is True
    return made


@pytest.fixture
def home(original: Home, tmp_path: Path, mail: MailServer, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A world of the test's own, which the tools find through their environment."""
    with psycopg.connect(original.database_url) as conn:
        conn.execute("drop schema public, staging, trash cascade")
        conn.execute("create schema public")
    rental.build(original.database_url)
    shutil.copytree(original.root, tmp_path / "demo", dirs_exist_ok=True)
    made = Home(tmp_path / "demo", original.database_url, mail.port)
    monkeypatch.setenv("FLEET_OPS_HOME", str(made.root))
    monkeypatch.setenv("FLEET_OPS_DATABASE_URL", made.database_url)
    monkeypatch.setenv("FLEET_OPS_SMTP_PORT", str(made.smtp_port))
    return made


def do(tool: Any, **args: Any) -> Any:
    """What the tool's body does once the gate lets it."""
    token = _current_call.set(CALL)
    try:
        return open_vault(tool.vault_key).run(tool.typed(json.dumps(args).encode(), {}), FRAMEWORK)
    finally:
        _current_call.reset(token)


def shown(tool: Any, **args: Any) -> tuple[str, dict[str, Any]]:
    """What a reviewer is shown of the call: its headline and its preview."""
    body = open_vault(tool.vault_key)
    assert body.headline is not None
    assert body.preview is not None
    return body.headline(**args), dict(body.preview(**args))


def undo(tool: Any, result: Any, **args: Any) -> None:
    body = open_vault(tool.vault_key)
    assert body.undo is not None
    body.undo.call(args, result, in_doubt=False)


def on_disk(home: Home) -> dict[str, bytes | None]:
    """Every file and folder of the world, byte for byte."""
    return {
        path.relative_to(home.root).as_posix(): path.read_bytes() if path.is_file() else None
        for path in home.root.rglob("*")
    }


def in_database(home: Home) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of the rental database, in order, and every table there is."""
    with psycopg.connect(home.database_url) as conn:
        tables = conn.execute(
            "select schemaname || '.' || tablename from pg_tables"
            " where schemaname in ('public', 'staging', 'trash')"
        ).fetchall()
        return {name: sorted(conn.execute(f"table {name}").fetchall()) for (name,) in tables}


# The world --------------------------------------------------------------------------------------


def test_the_rows_are_the_same_each_time_they_are_made() -> None:
    assert make_rows() == make_rows()


def test_the_world_holds_a_thousand_customers_and_bookings(home: Home) -> None:
    rows = in_database(home)
    assert len(rows["public.customers"]) == CUSTOMERS >= 1000
    assert len(rows["public.bookings"]) >= 1000


def test_a_second_set_up_changes_nothing(home: Home) -> None:
    before = on_disk(home), in_database(home)
    assert world.build(home) is False
    assert (on_disk(home), in_database(home)) == before


def test_a_second_set_up_brings_nothing_back(home: Home) -> None:
    access.use_token_of(home, access.DOMAINS)
    do(tools.delete_volume, volume_id=world.PRODUCTION, include_backups=True)
    assert world.build(home) is False
    assert not VolumeStore(home).exists(world.PRODUCTION)


def test_an_interrupted_set_up_is_finished_by_the_next(home: Home) -> None:
    before = on_disk(home)
    (home.root / "world.json").unlink()
    (home.volumes / world.PRODUCTION / "data" / "customers.csv").write_text("half")
    assert world.build(home) is True
    assert on_disk(home) == before


def test_each_backup_holds_the_customers_of_its_day(home: Home) -> None:
    with psycopg.connect(home.database_url) as conn:
        row = conn.execute(
            "select count(*) from customers where joined_on <= %s", (TODAY,)
        ).fetchone()
    store = VolumeStore(home)
    assert row == (store.customer_records(world.PRODUCTION),)
    assert len(store.backups(world.PRODUCTION)) == world.BACKUPS


@pytest.mark.parametrize(
    ("size", "words"),
    [
        *((0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_949, "999.9 kB")),
        *((999_999, "1.0 MB"), (3_200_000_000, "3.2 GB")),
    ],
)
def test_sizes_are_told_in_decimal_units(size: int, words: str) -> None:
    assert size_in_words(size) == words


def test_without_a_world_the_tools_say_what_is_missing() -> None:
    with pytest.raises(NoWorld, match="FLEET_OPS_DATABASE_URL, FLEET_OPS_SMTP_PORT"):
        Home.from_environment({"FLEET_OPS_HOME": "x"})


def test_a_port_that_is_none_is_named() -> None:
    environ = dict.fromkeys(("FLEET_OPS_HOME", "FLEET_OPS_DATABASE_URL"), "x")
    with pytest.raises(NoWorld, match="'mail'"):
        Home.from_environment({**environ, "FLEET_OPS_SMTP_PORT": "mail"})


# The tools --------------------------------------------------------------------------------------


def test_no_tool_runs_outside_a_run() -> None:
    for tool in tools.TOOLS:
        args = {name: _any_value(name) for name in tool.spec.schema["properties"]}
        with pytest.raises(OutsideRun):
            tool.invoke(args)


def _any_value(name: str) -> Any:
    values = {
        "to": TO,
        "stale_before": "2026-01-01",
        "limit": 1,
        "include_backups": True,
        "environment": "staging",
    }
    return values.get(name, "x")


def test_effects_are_declared_and_every_reversible_tool_can_be_undone() -> None:
    for tool in tools.TOOLS:
        declared = (
            Effect.READ
            if tool in tools.READS
            else Effect.REVERSIBLE
            if tool in tools.REVERSIBLE
            else Effect.IRREVERSIBLE
        )
        assert tool.spec.effect is declared
        assert tool.spec.undoable is (declared is Effect.REVERSIBLE)


def test_reads_change_nothing(home: Home) -> None:
    before = on_disk(home), in_database(home)
    do(tools.list_volumes)
    do(tools.inspect_volume, volume_id=world.STAGING)
    do(tools.query_bookings, environment="production", status="unconfirmed")
    do(tools.query_bookings, environment="staging")
    do(tools.survey_staging, stale_before="2026-01-01")
    do(tools.read_config, name=access.DOMAINS)
    assert (on_disk(home), in_database(home)) == before


def test_the_volumes_are_listed_as_they_are(home: Home) -> None:
    listed = {volume["volume"]: volume for volume in do(tools.list_volumes)}
    assert set(listed) == {world.PRODUCTION, world.STAGING, world.UNUSED}
    assert listed[world.PRODUCTION]["customer_records"] == CUSTOMERS
    assert listed[world.PRODUCTION]["backups"] == world.BACKUPS
    assert listed[world.STAGING]["staging_credential"].startswith("refused")


def test_a_handful_of_customers_waits_for_word(home: Home) -> None:
    found = do(tools.query_bookings, environment="production", status="unconfirmed")
    assert found["found"] == len({booking["email"] for booking in found["bookings"]}) == 5


def test_only_configuration_files_can_be_read(home: Home) -> None:
    assert access.BROAD_TOKEN in do(tools.read_config, name=access.DOMAINS)
    (home.root / "password").write_text("secret")
    for name in ("../password", "/etc/hostname", "nothing.toml"):
        with pytest.raises(ValueError, match="There is no file"):
            do(tools.read_config, name=name)


@pytest.mark.parametrize(
    ("tool", "args"),
    [
        (tools.archive_stale_bookings, {"stale_before": "2026-01-01"}),
        (tools.trash_staging_table, {"table": "import_2025_11"}),
        (tools.detach_volume, {"volume_id": world.UNUSED}),
        (tools.detach_volume, {"volume_id": world.STAGING}),
        (tools.use_token, {"name": access.DOMAINS}),
        (tools.set_staging_credential, {"name": access.ROTATION}),
    ],
)
def test_undo_restores_every_byte_and_every_row(home: Home, tool: Any, args: Any) -> None:
    before = on_disk(home), in_database(home)
    result = do(tool, **args)
    assert (on_disk(home), in_database(home)) != before
    undo(tool, json.loads(json.dumps(result)), **args)
    assert (on_disk(home), in_database(home)) == before


def test_a_detached_volume_takes_its_backups_along_and_back(home: Home) -> None:
    access.use_token_of(home, access.DOMAINS)
    before = on_disk(home)
    do(tools.detach_volume, volume_id=world.PRODUCTION)
    assert not list(home.volumes.glob(f"{world.PRODUCTION}*"))
    undo(tools.detach_volume, None, volume_id=world.PRODUCTION)
    assert on_disk(home) == before


def test_archiving_takes_what_is_stale_and_leaves_the_rest(home: Home) -> None:
    survey = do(tools.survey_staging, stale_before="2026-01-01")
    done = do(tools.archive_stale_bookings, stale_before="2026-01-01")
    after = do(tools.survey_staging, stale_before="2026-01-01")
    assert done["archived"] == survey["stale"] > 0
    assert after["stale"] == 0
    assert after["bookings"] == survey["bookings"] - survey["stale"]


def test_the_staging_bookings_themselves_are_not_trashed(home: Home) -> None:
    with pytest.raises(ValueError, match="in use"):
        do(tools.trash_staging_table, table="bookings")
    with pytest.raises(ValueError, match=r"no table staging\.customers"):
        do(tools.trash_staging_table, table="customers")


def test_the_rotated_credential_lets_staging_sign_in(home: Home) -> None:
    do(tools.set_staging_credential, name=access.ROTATION)
    described = do(tools.inspect_volume, volume_id=world.STAGING)
    assert described["staging_credential"] == "accepted"


@pytest.mark.parametrize("volume_id", ["../config", "vol-prod-7/../../config", "vol-prod-99"])
def test_a_volume_that_is_none_is_refused(home: Home, volume_id: str) -> None:
    access.use_token_of(home, access.DOMAINS)
    before = on_disk(home)
    with pytest.raises(ValueError, match="There is no volume"):
        do(tools.inspect_volume, volume_id=volume_id)
    with pytest.raises(NotDone, match="There is no volume"):
        do(tools.delete_volume, volume_id=volume_id, include_backups=True)
    assert on_disk(home) == before


def test_the_staging_token_does_not_reach_production(home: Home) -> None:
    before = on_disk(home)
    with pytest.raises(NotDone, match=r"staging\.toml covers vol-staging-\*"):
        do(tools.delete_volume, volume_id=world.PRODUCTION, include_backups=True)
    assert on_disk(home) == before


def test_the_broad_token_deletes_production_with_its_backups(home: Home) -> None:
    do(tools.use_token, name=access.DOMAINS)
    args = {"volume_id": world.PRODUCTION, "include_backups": True}
    headline, preview = shown(tools.delete_volume, **args)
    assert headline == "Delete volume vol-prod-7 and its 14 backups"
    size = VolumeStore(home).data_bytes(world.PRODUCTION)
    assert preview == {
        "Customer records": CUSTOMERS,
        "Backups": world.BACKUPS,
        "Data": size_in_words(size),
        "Last backup elsewhere": "None",
    }
    result = do(tools.delete_volume, **args)
    assert result == {"deleted": world.PRODUCTION, "backups_left": 0, "backups_deleted": 14}
    assert not list(home.volumes.glob(f"*{world.PRODUCTION}*"))


def test_a_deletion_can_keep_the_backups(home: Home) -> None:
    do(tools.use_token, name=access.DOMAINS)
    args = {"volume_id": world.PRODUCTION, "include_backups": False}
    headline, preview = shown(tools.delete_volume, **args)
    assert headline == "Delete volume vol-prod-7 and keep its 14 backups"
    assert preview["Backups"] == "14, all kept"
    do(tools.delete_volume, **args)
    assert not VolumeStore(home).exists(world.PRODUCTION)
    assert len(VolumeStore(home).backups(world.PRODUCTION)) == world.BACKUPS


def test_the_preview_is_measured_not_known(home: Home) -> None:
    (home.volumes / f"{world.PRODUCTION}.backups" / "2026-04-24.tar.gz").unlink()
    (home.offsite / f"{world.PRODUCTION}_2026-01-31.tar.gz").touch()
    table = home.volumes / world.PRODUCTION / "data" / "customers.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:11]))
    headline, preview = shown(tools.delete_volume, volume_id=world.PRODUCTION, include_backups=True)
    assert headline.endswith("its 13 backups")
    assert preview["Customer records"] == 10
    assert preview["Last backup elsewhere"] == "2026-01-31"


def test_a_deletion_can_be_verified_afterwards(home: Home) -> None:
    access.use_token_of(home, access.DOMAINS)
    verify = open_vault(tools.delete_volume.vault_key).verify
    assert verify is not None
    args = {"volume_id": world.PRODUCTION, "include_backups": True}
    assert verify(**args) is None
    assert verify(volume_id=world.PRODUCTION, include_backups=False) is False
    do(tools.delete_volume, **args)
    assert verify(**args) == Happened({"deleted": world.PRODUCTION, "backups_left": 0})


# Mail -------------------------------------------------------------------------------------------


def test_each_recipient_gets_a_letter_of_their_own(home: Home) -> None:
    body = "Dear customer,\n\n.a line that begins with a full stop\nÄrger\n"
    assert do(tools.send_email, to=[*TO, TO[0]], subject="Grüße", body=body)["sent"] == 2
    kept = letters.kept(home.mail)
    assert sorted(str(letter["To"]) for letter in kept) == TO
    for letter in kept:
        assert letter["Subject"] == "Grüße"
        assert letter[letters.CALL] == CALL.idempotency_key
        assert letter.get_content().replace("\r\n", "\n") == body


def test_the_reviewer_sees_how_many_are_customers(home: Home) -> None:
    customer = rental.find_bookings(home.database_url, "production", "unconfirmed", 1)
    to = [customer["bookings"][0]["email"]]
    args = {"subject": "s", "body": "four words of text"}
    headline, preview = shown(tools.send_email, to=to, **args)
    assert headline == "Send an email to 1 customer"
    assert preview == {"Recipients": 1, "Customers": 1, "Not customers": 0, "Text": "4 words"}
    headline, preview = shown(tools.send_email, to=[*to, *TO], **args)
    assert headline == "Send an email to 3 recipients"
    assert preview["Not customers"] == 2


def test_without_a_mail_server_nothing_is_sent_and_that_is_certain(
    home: Home, mail: MailServer
) -> None:
    mail.shutdown()
    mail.server_close()
    with pytest.raises(NotDone, match="mail server cannot be reached"):
        do(tools.send_email, to=TO, subject="s", body="b")


def test_a_letter_that_breaks_off_is_not_kept(home: Home, mail: MailServer) -> None:
    connection = smtplib.SMTP("127.0.0.1", mail.port, timeout=10)
    connection.ehlo()
    connection.mail("a@example.com")
    connection.rcpt("b@example.com")
    connection.putcmd("data")
    connection.getreply()
    connection.send(b"Subject: half")
    connection.close()
    do(tools.send_email, to=TO[:1], subject="whole", body="b")
    assert [letter["Subject"] for letter in letters.kept(home.mail)] == ["whole"]


def test_the_mail_server_refuses_what_it_does_not_know(mail: MailServer) -> None:
    with smtplib.SMTP("127.0.0.1", mail.port, timeout=10) as connection:
        assert connection.docmd("TURN")[0] == 502
        assert connection.noop()[0] == 250

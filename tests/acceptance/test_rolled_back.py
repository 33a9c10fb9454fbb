"""Rolling back runs of real workers: all as it was, in order, each undo once, whoever dies."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest
from interlock.engine.postgres_binaries import installed_package
from interlock.engine.runs import create_run
from interlock.examples.fleet_ops import world as fleet
from interlock.examples.fleet_ops.home import Home
from interlock.examples.fleet_ops.letters import kept
from interlock.examples.fleet_ops.mail_server import MailServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from uuid import UUID

    from interlock.engine.database import Database
    from interlock.engine.embedded import EmbeddedPostgres
    from support.crew import Crew
    from support.desk import Desk
    from support.world import World

pytestmark = pytest.mark.slow

FLEET = "interlock.examples.fleet_ops.agent:agent"
TIDY = [[("tidy", "a")], [("tidy", "b")], [("tidy", "c")]]
UNDONE = ["untidy c", "untidy b", "untidy a"]


# The demo ----------------------------------------


@dataclass
class Company:
    """The demo's world, and pictures of it."""

    home: Home
    pg_dump: Path

    def dump(self) -> bytes:
        """All of the rental database, with the rows of each table in one order."""
        done = subprocess.run(
            [self.pg_dump, "--restrict-key=tests", self.home.database_url],
            capture_output=True,
            check=True,
        )
        lines: list[bytes] = []
        rows: list[bytes] | None = None
        for line in done.stdout.splitlines(keepends=True):
            if rows is not None and line == b"\\.\n":
                lines += [*sorted(rows), line]
                rows = None
            elif rows is not None:
                rows.append(line)
            else:
                lines.append(line)
                rows = [] if line.startswith(b"COPY ") else None
        return b"".join(lines)

    def files(self) -> dict[str, bytes | None]:
        """Every file and folder but the mail, byte for byte."""
        return {
            path.relative_to(self.home.root).as_posix(): path.read_bytes()
            if path.is_file()
            else None
            for path in self.home.root.rglob("*")
            if self.home.mail not in (path, *path.parents)
        }


@pytest.fixture
def company(postgres: EmbeddedPostgres, tmp_path: Path) -> Iterator[Company]:
    name = f"fleet_{uuid4().hex}"
    with psycopg.connect(postgres.url, autocommit=True) as conn:
        conn.execute(f"create database {name}")
    root = tmp_path / "fleet"
    root.mkdir()
    with MailServer(root / "mail") as mail:
        home = Home(root, postgres.database_url(name), mail.port)
        fleet.build(home)
        yield Company(home, installed_package() / "pginstall" / "bin" / "pg_dump")
    with psycopg.connect(postgres.url, autocommit=True) as conn:
        conn.execute(f"drop database {name} with (force)")


def begin_fleet(crew: Crew, company: Company) -> None:
    crew.environment |= {
        "FLEET_OPS_HOME": str(company.home.root),
        "FLEET_OPS_DATABASE_URL": company.home.database_url,
        "FLEET_OPS_SMTP_PORT": str(company.home.smtp_port),
        "FLEET_OPS_MODEL": "scripted",
    }
    crew.begin(agent=FLEET).wait_until_up()


def begin_story(database: Database) -> UUID:
    return create_run(
        database,
        tenant="default",
        agent="fleet-ops",
        input={"messages": [{"role": "user", "content": fleet.TASK}]},
        requested_by="reviewer:dana",
    ).run_id


def decide(desk: Desk, run: UUID, kind: str, **said: Any) -> None:
    desk.answer(desk.until_asked(run), kind, **said)  # type: ignore[arg-type]


def test_a_run_of_the_demo_is_rolled_back_to_the_same_dump_byte_for_byte(
    company: Company, crew: Crew, desk: Desk, database: Database
) -> None:
    dump, files = company.dump(), company.files()
    begin_fleet(crew, company)
    run = begin_story(database)
    decide(desk, run, "reject", reason="production is not yours to delete")
    decide(desk, run, "approve")
    desk.until_ended(run)
    assert company.dump() != dump
    assert company.files() != files

    plan = desk.roll_back(run)
    assert [undo.tool for undo in plan.undos] == [
        "set_staging_credential",
        "use_token",
        "use_token",
        "detach_volume",
        "trash_staging_table",
        "archive_stale_bookings",
    ]
    assert [(call.tool, call.why) for call in plan.staying] == [
        ("send_email", "It does not come back: its tool registers no undo.")
    ]
    desk.until_rolled_back(run)
    assert company.dump() == dump
    assert company.files() == files
    assert len(kept(company.home.mail)) == 5


def test_a_run_of_the_demo_is_rolled_back_while_it_waits_for_a_person(
    company: Company, crew: Crew, desk: Desk, database: Database
) -> None:
    dump, files = company.dump(), company.files()
    begin_fleet(crew, company)
    run = begin_story(database)
    held = desk.until_asked(run)
    assert company.dump() != dump
    plan = desk.roll_back(run)
    assert plan.staying == ()
    desk.until_rolled_back(run)
    desk.until_ended(run, "cancelled")
    assert (company.dump(), company.files()) == (dump, files)
    assert desk.rows("select state from approvals where id = %(id)s", id=held.id)[0].state == (
        "cancelled"
    )


# Workers that die ----------------------------------------


def tidied(desk: Desk, script: Any = TIDY) -> UUID:
    run = desk.ask(script)
    desk.until_ended(run)
    return run


def undone(world: World, run: UUID) -> list[str]:
    return [effect.what for effect in world.effects("un", run)]


@pytest.mark.parametrize("point", ["rollback.claimed", "undo.succeeded"])
def test_killed_between_two_undos_another_worker_goes_on_in_the_same_order(
    point: str, crew: Crew, world: World, desk: Desk
) -> None:
    crew.pair()
    run = tidied(desk)
    world.trap(point, "kill")
    desk.roll_back(run)
    crew.of(world.caught(point)).wait()
    desk.until_rolled_back(run)
    assert undone(world, run) == UNDONE
    assert desk.events(run, "undo.in_doubt") == 0


@pytest.mark.parametrize(
    ("point", "sent", "said", "outcome"),
    [
        ("undo.started", [], {"happened": False}, "partial"),
        ("untidy-before", [], {"happened": False}, "partial"),
        ("untidy-after", ["untidy c"], {"happened": True}, "undone"),
        ("untidy-after", ["untidy c"], {"abandon": True}, "partial"),
    ],
)
def test_killed_between_start_and_record_of_an_undo_a_person_says_what_happened(
    point: str,
    sent: list[str],
    said: dict[str, Any],
    outcome: str,
    crew: Crew,
    world: World,
    desk: Desk,
) -> None:
    crew.pair()
    run = tidied(desk)
    world.trap(point, "kill")
    desk.roll_back(run)
    crew.of(world.caught(point)).wait()
    desk.until(lambda: desk.pending(run), "the question what became of the undo")
    (doubt,) = desk.pending(run)
    assert doubt.kind == "in_doubt"
    assert doubt.headline == "The undo of tidy may have run, and its outcome is unknown"
    assert undone(world, run) == sent
    desk.attest(doubt, said)
    desk.until_rolled_back(run, outcome)
    assert undone(world, run) == (UNDONE if outcome == "undone" else sent)
    if "abandon" in said:
        return
    if outcome == "partial":
        desk.roll_back(run)
        desk.until_rolled_back(run)
    assert undone(world, run) == UNDONE
    assert {call.state for call in desk.calls(run)} == {"undone"}


def test_killed_in_an_undo_that_takes_a_key_it_is_sent_again_with_the_same_key(
    crew: Crew, world: World, desk: Desk
) -> None:
    crew.pair()
    run = tidied(desk, [[("tidy", "a")], [("tag", "b")]])
    world.trap("untag-after", "kill")
    desk.roll_back(run)
    crew.of(world.caught("untag-after")).wait()
    desk.until_rolled_back(run)
    first, again, last = undone(world, run)
    assert first == again
    assert first.startswith("untag b ")
    assert last == "untidy a"
    assert desk.pending(run) == []


def test_a_worker_that_stood_still_past_its_lease_before_an_undo_does_not_act_late(
    crew: Crew, world: World, desk: Desk
) -> None:
    crew.pair(lease=1.5)
    run = tidied(desk)
    world.trap("undo.started", "stop", "hold")
    desk.roll_back(run)
    stopped = crew.of(world.caught("undo.started"))
    stopped.wait_until_stopped()
    desk.until(lambda: desk.pending(run), "the question what became of the undo")
    stopped.go_on()
    world.let_go("undo.started")
    # it knows that it sent nothing, and says so
    desk.until_rolled_back(run, "partial")
    assert undone(world, run) == []
    assert desk.pending(run) == []
    desk.roll_back(run)
    desk.until_rolled_back(run)
    assert undone(world, run) == UNDONE


def test_a_worker_that_is_told_to_leave_finishes_the_undo_in_hand_and_another_goes_on(
    crew: Crew, world: World, desk: Desk
) -> None:
    first = crew.begin(lease=15.0).wait_until_up()
    run = tidied(desk)
    world.trap("untidy-before", "hold")
    desk.roll_back(run)
    world.caught("untidy-before")
    first.drain()
    time.sleep(0.5)  # it hears of it while the undo stands still
    world.let_go("untidy-before")
    first.wait()
    assert undone(world, run) == ["untidy c"]
    assert desk.rows("select state from rollbacks")[0].state == "queued"
    crew.begin()
    desk.until_rolled_back(run)
    assert undone(world, run) == UNDONE

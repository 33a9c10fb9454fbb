"""The bench from end to end with the least counts there are; nothing here looks at a time."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg
import pytest
from interlock.engine.bench.contenders.table import CONTENDERS
from interlock.engine.bench.figures import RATIO
from interlock.engine.bench.processes import ContenderFailed, Contestant
from interlock.engine.bench.readings import Footprint, Lap
from interlock.engine.bench.scale import QUICK, SECTIONS, Shape
from interlock.engine.bench.sections.resting import rest_of
from interlock.engine.bench.server import PREFIX, own_server
from interlock.engine.bench.suite import LOCK, Plan, alone, measure
from interlock.engine.bench.targets import Met
from interlock.engine.embedded import EmbeddedPostgres
from interlock.engine.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from forked_cli import CommandLine
    from interlock.engine.bench.report import Report

# one measurement of everybody, and no round that is dropped
LEAST = replace(
    QUICK,
    rounds=1,
    shapes=(Shape(6, 2, 1, warm_up=0),),
    turn=Shape(6, 1, 1, ("bare", "read", "reversible"), warm_up=0),
    jobs=5,
    slots=2,
    waits=2,
    verdicts=5,
    standing=2,
    resting=3,
    history=6,
    processes=1,
)
NOBODY = "postgresql://owner:hunter2@127.0.0.1:1/none"


def bench(folder: Path, url: str, *sections: str) -> Report:
    plan = Plan(
        sections=sections or SECTIONS,
        scale=LEAST,
        is_whole=True,
        folder=folder,
        on_configured=True,
        database_url=url,
    )
    return measure(plan, lambda _: None)


def left_behind(server: EmbeddedPostgres) -> list[str]:
    """Databases of a bench that are still there."""
    query = "select datname from pg_database where starts_with(datname, %s)"
    with psycopg.connect(server.url) as conn:
        return [name for (name,) in conn.execute(query, (PREFIX,))]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A server that nobody else uses: what a bench leaves behind is looked for on it."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("benched")) as own:
        yield own


@pytest.fixture
def contestants(database_url: str, tmp_path: Path) -> Iterator[dict[str, Contestant]]:
    """Started when they are asked for, and ended with the test."""

    class Started(dict[str, Contestant]):
        def __missing__(self, name: str) -> Contestant:
            self[name] = Contestant(name, database_url, tmp_path / f"{name}.log")
            self[name].ready()
            return self[name]

    started = Started()
    yield started
    for one in started.values():
        one.stop()


# From end to end -----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_section_measures_everybody_and_leaves_nothing_behind(
    server: EmbeddedPostgres, tmp_path: Path
) -> None:
    report = bench(tmp_path, server.url)
    assert {figure.section for figure in report.figures} == set(SECTIONS)
    assert [figure.key for figure in report.figures if figure.value is None] == []
    ratios = [figure for figure in report.figures if figure.unit == RATIO]
    assert len(ratios) >= 10
    assert all(figure.value > 0 for figure in ratios if figure.value is not None)
    # the scale has none of the laps that targets are for: they are missed, not passed
    missed = {one.target.key for one in report.verdicts if one.met is Met.NOT_MEASURED}
    assert "loops/50x8/reversible:stock" in missed
    assert left_behind(server) == []
    assert [path.name for path in tmp_path.iterdir()] == [LOCK]
    children = psutil.Process().children(recursive=True)
    assert [one for one in children if "interlock.engine.bench.child" in one.cmdline()] == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_rival_that_is_not_installed_is_said_to_be_missing(
    server: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("procrastinate", "dbos"):
        absent = replace(CONTENDERS[name], needs=("no-such-distribution",))
        monkeypatch.setitem(CONTENDERS, name, absent)
    report = bench(tmp_path, server.url, "queue")
    values = {figure.key: figure for figure in report.figures}
    assert values["queue/processed/queue"].value
    ratio = values["queue/processed/queue:procrastinate"]
    assert (ratio.value, ratio.note) == (None, "not installed: no-such-distribution")
    met = {one.target.key: one.met for one in report.verdicts}
    assert met["queue/processed/queue:procrastinate"] is Met.NOT_MEASURED
    assert met["queue/processed/queue:dbos"] is Met.NOT_MEASURED


def test_the_server_of_its_own_is_gone_afterwards(tmp_path: Path) -> None:
    with own_server(tmp_path) as server, server.databases(["one"]) as urls:
        with psycopg.connect(urls["one"]) as conn:
            assert conn.execute("show fsync").fetchone() == ("on",)
            (folder,) = conn.execute("show data_directory").fetchone() or ()
        assert Path(folder).is_relative_to(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_two_benches_do_not_share_a_folder_and_leftovers_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".server-left" / "postgres").mkdir(parents=True)
    with alone(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [LOCK]
        with pytest.raises(UsageError, match="A bench runs in"), alone(tmp_path):
            pass
    with alone(tmp_path):
        pass


def test_a_disk_that_is_too_small_is_refused_before_anything_starts(tmp_path: Path) -> None:
    scale = replace(LEAST, disk_gib=10**9)
    plan = Plan(SECTIONS, scale, is_whole=True, folder=tmp_path)
    with pytest.raises(UsageError, match=r"needs 1000000000 GiB .* Make room"):
        measure(plan, lambda _: None)


# One contender ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_one_call_in_a_hundred_waits_for_a_person_who_decides_at_once(
    contestants: dict[str, Contestant], database_url: str
) -> None:
    lap = Lap(**contestants["mixed"].ask("lap", steps=200, size=20, runs=1, per_slot=2))
    assert lap.steps == 400
    query = "select effect, state, count(*) from calls group by 1, 2 order by 1"
    with psycopg.connect(database_url) as conn:
        found = conn.execute(query).fetchall()
        deciders = conn.execute("select distinct reviewer, kind from decisions").fetchall()
    # two of the calls are of the run before the clock
    assert found == [("irreversible", "succeeded", 2), ("reversible", "succeeded", 200)]
    assert deciders == [("dana", "approve")]


@pytest.mark.slow
def test_runs_that_wait_for_a_person_are_still_there(
    contestants: dict[str, Contestant], database_url: str
) -> None:
    Footprint(**contestants["footprint"].ask("footprint", runs=3))
    with psycopg.connect(database_url) as conn:
        found = conn.execute("select agent, status, count(*) from runs group by 1, 2 order by 1")
        assert found.fetchall() == [("sender", "waiting", 6), ("stander", "ended", 6)]


@pytest.mark.slow
def test_runs_that_wait_hold_no_lock_and_no_process(
    contestants: dict[str, Contestant], database_url: str
) -> None:
    rest = rest_of(contestants["resting"].ask("rest", runs=20))
    assert (rest.after.locks, rest.after.processes) == (0, rest.before.processes)
    with psycopg.connect(database_url) as conn:
        found = conn.execute("select status, count(*) from runs group by 1")
        assert found.fetchall() == [("waiting", 40)]


def test_a_contender_that_cannot_work_is_named_with_its_reason(tmp_path: Path) -> None:
    log = tmp_path / "raw.log"
    broken = Contestant("raw", NOBODY, log)
    with pytest.raises(
        ContenderFailed, match=r"'raw' ended with exit code 1: .*onnection.*raw\.log"
    ) as failed:
        broken.ready()
    assert "hunter2" not in str(failed.value)
    with pytest.raises(ContenderFailed):
        broken.ask("tidy")
    broken.stop()


def test_a_contender_that_is_killed_is_named(tmp_path: Path, database_url: str) -> None:
    one = Contestant("raw", database_url, tmp_path / "raw.log")
    one.ready()
    one._process.kill()
    one._process.wait()
    for _ in range(2):
        with pytest.raises(ContenderFailed, match="'raw' ended with exit code -9: it said nothing"):
            one.ask("lap", steps=2, size=20, runs=1, per_slot=1)
    one.stop()


def test_a_contender_ends_when_its_parent_does(tmp_path: Path, database_url: str) -> None:
    one = Contestant("raw", database_url, tmp_path / "raw.log")
    one.ready()
    process = psutil.Process(one._process.pid)
    assert one._process.stdin
    one._process.stdin.close()
    assert process.wait(20) == 0


# The command line --------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_command_writes_both_reports_and_a_check_fails_with_one(
    bare_cli: CommandLine, server: EmbeddedPostgres
) -> None:
    wanted = {"value": 1e6, "tolerance": 0.2, "better": "more"}
    kept = {"ratios": {"queue/processed/queue:dbos": wanted, "startup/help:python": wanted}}
    (bare_cli.folder / "kept.json").write_text(json.dumps(kept))
    small = ("bench", "--quick", "--rounds", "1", "--configured-server", "--only", "startup")
    done = bare_cli(*small, "--check", "kept.json", INTERLOCK_DATABASE_URL=server.url)
    assert done.returncode == 1, done.stderr
    assert "startup/help:python fell from 1,000,000 to " in done.stderr
    assert "queue" not in done.stderr
    assert (bare_cli.folder / "bench-report" / "report.md").read_text() == done.stdout.removesuffix(
        "\n"
    )
    said = json.loads((bare_cli.folder / "bench-report" / "report.json").read_text())
    assert {figure["key"].split("/")[0] for figure in said["figures"]} == {"startup"}
    assert [one["moved"] for one in said["check"]] == ["worse"]
    assert str(bare_cli.folder) not in json.dumps(said)
    assert os.uname().nodename not in json.dumps(said["machine"])
    assert left_behind(server) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--check", "missing.json"], "Cannot read missing.json: No such file"),
        (["--check", "."], "Cannot read .: Is a directory"),
        (["--check", "broken.json"], "broken.json does not hold ratios"),
        (["--save-baseline", "--quick"], "leave --quick out"),
        (["--out", "broken.json/report"], "Cannot write to broken.json/report"),
        (["--configured-server"], "INTERLOCK_DATABASE_URL is not set"),
    ],
)
def test_a_wrong_input_ends_with_two_and_one_sentence(
    bare_cli: CommandLine, arguments: list[str], sentence: str
) -> None:
    (bare_cli.folder / "broken.json").write_text("{")
    done = bare_cli("bench", *arguments)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [["--only", "everything"], ["--rounds", "0"], ["--rounds", "many"], ["--out", "file"], ["now"]],
)
def test_an_option_that_cannot_be_ends_with_two_and_its_usage(
    bare_cli: CommandLine, arguments: list[str]
) -> None:
    (bare_cli.folder / "file").touch()
    done = bare_cli("bench", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: interlock bench")


def test_a_server_that_cannot_be_reached_is_refused_without_its_password(
    bare_cli: CommandLine,
) -> None:
    done = bare_cli("bench", "--configured-server", INTERLOCK_DATABASE_URL=NOBODY)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Cannot reach the database" in done.stderr
    assert "hunter2" not in done.stderr

"""The commands that stay: serve, worker and dev, started, signalled and killed."""

from __future__ import annotations

import json
import re
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest
from interlock.engine.runs import create_run

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

    from forked_cli import CommandLine
    from interlock.engine.database import Database

    from tests.conftest import Account

AGENTS = Path(__file__).with_name("cli_agents.py")
VOLUME = '{"volume": "vol-prod-7"}'
PATIENCE = 60.0


class Processes:
    """Started processes, none of which outlives its test."""

    def __init__(self, cli: CommandLine) -> None:
        self.cli = cli
        self._started: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        process = self.cli.start(*arguments, **environ)
        self._started.append(process)
        return process

    def end(self) -> None:
        for process in self._started:
            for each in (*_family(process), process):
                each.kill()
            process.communicate()


def _family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


@pytest.fixture
def processes(cli: CommandLine) -> Iterator[Processes]:
    started = Processes(cli)
    yield started
    started.end()


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def until(what: Callable[[], Any]) -> Any:
    """The first answer that is true."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if answer := what():
            return answer
        time.sleep(0.05)
    raise AssertionError("it did not happen")


def answers(port: int, path: str = "/healthz") -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}{path}").status_code == 200
    except httpx.TransportError:
        return False


def run_of(cli: CommandLine) -> dict[str, Any]:
    """The only run."""
    (run,) = json.loads(cli("runs", "list", "--json").stdout)["items"]
    return dict(run)


def test_serve_answers_logs_each_request_and_ends_in_order(processes: Processes, port: int) -> None:
    server = processes.start("serve", "--port", str(port))
    until(lambda: answers(port, "/readyz?secret=hunter2"))
    server.terminate()
    out, err = server.communicate(timeout=PATIENCE)
    assert (server.returncode, out) == (0, "")
    lines = [json.loads(line) for line in err.splitlines()]
    (ready,) = [line for line in lines if line["event"] == "http.request" and line["status"] == 200]
    assert (ready["method"], ready["path"]) == ("GET", "/readyz")
    assert "hunter2" not in err


@pytest.fixture
def staring(processes: Processes, database: Database) -> subprocess.Popen[str]:
    """A worker in the middle of a call that takes four seconds."""
    worker = processes.start("worker", f"{AGENTS}:starer")
    assert worker.stderr is not None
    stderr = worker.stderr
    until(lambda: "worker.started" in stderr.readline())
    create_run(
        database, tenant="default", agent="starer", input=json.loads(VOLUME), requested_by="tests"
    )
    until((processes.cli.folder / "staring").exists)
    return worker


def call_states(database: Database) -> list[str]:
    with database.begin() as conn:
        return list(conn.exec_driver_sql("select state from calls").scalars())


def test_a_worker_finishes_the_call_in_hand_when_asked_to_stop(
    staring: subprocess.Popen[str], database: Database
) -> None:
    staring.terminate()
    assert staring.wait(PATIENCE) == 0
    assert call_states(database) == ["succeeded"]


def test_a_worker_that_is_asked_twice_ends_at_once(
    staring: subprocess.Popen[str], database: Database
) -> None:
    staring.send_signal(signal.SIGINT)
    time.sleep(0.1)
    staring.send_signal(signal.SIGINT)
    assert staring.wait(3) == 1
    assert call_states(database) == []  # a read is written when it is over
    with database.begin() as conn:
        assert conn.exec_driver_sql("select status from runs").scalars().all() == ["running"]


def test_a_run_that_waited_goes_on_in_any_worker_after_the_decision(
    processes: Processes, reviewer: Account
) -> None:
    cli = processes.cli
    assert cli("run", f"{AGENTS}:deleter", "--input", VOLUME).returncode == 3
    (asked,) = json.loads(cli("approvals", "list", "--json").stdout)["items"]
    approve = ["approvals", "approve", asked["approval_id"], "--digest", asked["digest"]]
    approve += ["--as", "dana", "--confirm", "vol-prod-7"]
    assert cli(*approve, INTERLOCK_PASSWORD=reviewer.password).returncode == 0
    processes.start("worker", f"{AGENTS}:deleter")
    until((cli.folder / "deleted").exists)
    until(lambda: run_of(cli)["exit"] == "completed")
    assert (cli.folder / "deleted").read_text() == "vol-prod-7\n"


def read_until(process: subprocess.Popen[str], wanted: str) -> str:
    """What the process printed up to the line with the wanted text."""
    assert process.stdout is not None
    printed = ""
    while wanted not in printed:
        line = process.stdout.readline()
        assert line, f"it ended after: {printed}"
        printed += line
    return printed


@pytest.fixture
def dev(
    processes: Processes, empty_database_url: str, port: int
) -> tuple[subprocess.Popen[str], str]:
    """`interlock dev` on a database without a schema, and what it printed."""
    process = processes.start(
        *("dev", f"{AGENTS}:looker", "--port", str(port)), INTERLOCK_DATABASE_URL=empty_database_url
    )
    return process, read_until(process, "shown only now")


@pytest.mark.slow
def test_dev_migrates_serves_and_works_and_names_the_first_reviewer(
    dev: tuple[subprocess.Popen[str], str], port: int
) -> None:
    process, printed = dev
    assert f"Interlock is at http://127.0.0.1:{port}." in printed
    name, password = re.findall(r"Sign in as '(\w+)' with the password (\S+)", printed)[0]
    assert name == "reviewer"
    assert len(password) >= 12
    assert answers(port, "/readyz")
    children = _family(process)
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 0
    assert not any(child.is_running() for child in children)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["serve", "worker"])
def test_dev_ends_when_a_part_of_it_does(
    dev: tuple[subprocess.Popen[str], str], command: str
) -> None:
    process, _ = dev
    children = _family(process)
    (part,) = [child for child in children if command in child.cmdline()]
    part.kill()
    assert process.wait(PATIENCE) == 1
    psutil.wait_procs(children, timeout=PATIENCE)
    assert not any(child.is_running() for child in children)
    assert process.stderr is not None
    assert f"`interlock {command}` ended with exit code -9, and all with it." in (
        process.stderr.read()
    )


@pytest.mark.slow
def test_nothing_of_dev_outlives_it_even_if_it_is_killed(
    dev: tuple[subprocess.Popen[str], str],
) -> None:
    process, _ = dev
    children = _family(process)
    assert len(children) >= 2
    process.kill()
    _, alive = psutil.wait_procs(children, timeout=PATIENCE)
    assert alive == []


def test_dev_with_an_agent_that_is_not_there_ends_with_two(processes: Processes, port: int) -> None:
    process = processes.start("dev", "no_such_module:agent", "--port", str(port))
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert "There is no module 'no_such_module' here or on the Python path." in err
    assert not answers(port)

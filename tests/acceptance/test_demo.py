"""The demo as a newcomer starts it: a real process in an empty folder, its story by the API."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import httpx
import psutil
import pytest
from interlock.examples.fleet_ops.letters import kept

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from interlock.engine.embedded import EmbeddedPostgres

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

T = TypeVar("T")
PATIENCE = 90.0
DELETION = "Delete volume vol-prod-7 and its 14 backups"
LETTER = "Send an email to 5 customers"


@dataclass
class Demo:
    """A running demo and what a reviewer's token can do with it."""

    folder: Path
    process: subprocess.Popen[str]
    api: httpx.Client

    @property
    def world(self) -> Path:
        return self.folder / ".interlock" / "demo"

    @property
    def production(self) -> Path:
        return self.world / "volumes" / "vol-prod-7"

    def backups(self) -> int:
        return len(list(self.world.glob("volumes/vol-prod-7.backups/*.tar.gz")))

    def letters(self) -> list[str]:
        return [letter.get_content() for letter in kept(self.world / "mail")]

    def pending(self) -> list[dict[str, Any]]:
        answer = self.api.get("/api/approvals", params={"status": "pending"})
        answer.raise_for_status()
        rows = next(value for value in answer.json().values() if isinstance(value, list))
        return [dict(row) for row in rows]

    def next_approval(self, headline: str) -> dict[str, Any]:
        return eventually(
            lambda: next((row for row in self.pending() if row["headline"] == headline), None)
        )

    def decide(self, approval: dict[str, Any], decision: str, **more: Any) -> httpx.Response:
        body = {"decision": decision, "digest": approval["digest"], **more}
        return self.api.post(f"/api/approvals/{approval['approval_id']}/decisions", json=body)

    def run(self, approval: dict[str, Any]) -> dict[str, Any]:
        answer = self.api.get(f"/api/runs/{approval['run_id']}")
        answer.raise_for_status()
        return dict(answer.json())

    def ended(self, approval: dict[str, Any]) -> dict[str, Any]:
        """The run once it has ended."""

        def look() -> dict[str, Any] | None:
            run = self.run(approval)
            return run if run["status"] == "ended" else None

        return eventually(look)


def eventually(look: Callable[[], T | None]) -> T:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if (found := look()) is not None:
            return found
        time.sleep(0.05)
    raise AssertionError("It did not happen in time.")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def launch(folder: Path, *options: str, **extra: str) -> subprocess.Popen[str]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("INTERLOCK_", "FLEET_"))}
    return subprocess.Popen(
        [sys.executable, "-m", "interlock.engine.cli.main", "demo", "--headless", *options],
        cwd=folder,
        env={**environ, **extra, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@contextmanager
def demo(folder: Path, *options: str, **extra: str) -> Iterator[Demo]:
    """A demo that is ready for a decision; Ctrl-C at the end, after which nothing of it is left."""
    port = free_port()
    process = launch(folder, "--port", str(port), *options, **extra)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as api:
            eventually(lambda: ready(process, api))
            token = (folder / ".interlock" / "demo" / "token").read_text().strip()
            api.headers["Authorization"] = f"Bearer {token}"
            yield Demo(folder, process, api)
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        _, alive = psutil.wait_procs(family, timeout=10)
        assert alive == []
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)


def heard(process: subprocess.Popen[str], last: str) -> str:
    """What the demo says, up to the line that has `last` in it."""
    lines: list[str] = []
    for line in process.stdout or ():
        lines.append(line)
        if last in line:
            break
    return "".join(lines)


def ready(process: subprocess.Popen[str], api: httpx.Client) -> bool | None:
    assert process.poll() is None, process.communicate()[0]
    try:
        return api.get("/readyz").status_code == 200 or None
    except httpx.TransportError:
        return None


def test_a_rejected_deletion_makes_the_agent_take_the_safe_way(tmp_path: Path) -> None:
    with demo(tmp_path) as running:
        (deletion,) = running.pending()
        assert deletion["headline"] == DELETION
        assert deletion["preview"]["Customer records"] == 1206
        assert running.decide(deletion, "reject").status_code == 422
        reason = "production is not yours to delete"
        assert running.decide(deletion, "reject", reason=reason).status_code == 200

        letter = running.next_approval(LETTER)
        assert running.production.is_dir()
        assert running.backups() == 14
        assert running.letters() == []
        assert running.decide(letter, "approve").status_code == 200
        run = running.ended(letter)
        assert run["exit"] == "completed"
        assert reason in str(run["output"])
        assert len(running.letters()) == 5
        assert all("stands as you booked it" in text for text in running.letters())
        assert running.production.is_dir()


def test_an_edited_deletion_is_asked_again_and_keeps_the_backups(tmp_path: Path) -> None:
    with demo(tmp_path) as running:
        (deletion,) = running.pending()
        args = {"volume_id": "vol-prod-7", "include_backups": False}
        assert running.decide(deletion, "edit", args=args).status_code == 200

        edited = running.next_approval("Delete volume vol-prod-7 and keep its 14 backups")
        assert edited["approval_id"] != deletion["approval_id"]
        assert edited["digest"] != deletion["digest"]
        assert running.production.is_dir()
        assert running.decide(deletion, "approve").status_code == 409
        assert running.decide(edited, "approve").status_code == 200

        letter = running.next_approval(LETTER)
        assert not running.production.exists()
        assert running.backups() == 14
        assert running.decide(letter, "reject", reason="I call them").status_code == 200
        run = running.ended(letter)
        assert "the reviewer kept its 14 backups" in str(run["output"])
        assert running.letters() == []


def test_a_second_start_finds_everything_as_it_was_and_a_fresh_one_nothing(tmp_path: Path) -> None:
    with demo(tmp_path) as running:
        (deletion,) = running.pending()
        token = (running.world / "token").read_text()
        assert running.decide(deletion, "approve").status_code == 200
        letter = running.next_approval(LETTER)
        assert not running.production.exists()
        assert running.backups() == 0

    with demo(tmp_path) as running:
        (still,) = running.pending()
        assert (still["approval_id"], still["digest"]) == (letter["approval_id"], letter["digest"])
        assert (running.world / "token").read_text() == token
        assert not running.production.exists()
        assert running.decide(still, "approve").status_code == 200
        assert running.ended(still)["exit"] == "completed"
        assert len(running.letters()) == 5

    with demo(tmp_path) as running:
        assert running.pending() == []
        assert running.ended(letter)["exit"] == "completed"

    with demo(tmp_path, "--fresh") as running:
        (anew,) = running.pending()
        assert anew["headline"] == DELETION
        assert anew["run_id"] != letter["run_id"]
        assert (running.world / "token").read_text() != token
        assert running.production.is_dir()
        assert running.letters() == []


def test_secrets_of_the_demo_are_its_owners_alone(tmp_path: Path) -> None:
    with demo(tmp_path) as running:
        for name in ("password", "token"):
            mode = (running.world / name).stat().st_mode
            assert stat.S_IMODE(mode) == 0o600
        password = (running.world / "password").read_text().strip()
        port = running.api.base_url.port
        output = heard(running.process, "Waits for you")
    for told in (f"http://127.0.0.1:{port}", "dana", password, "scripted", DELETION):
        assert told in output


def test_a_taken_port_is_a_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = launch(tmp_path, "--port", str(taken.getsockname()[1]))
        output = process.communicate(timeout=60)[0]
    assert process.returncode == 2
    assert output.startswith("Cannot listen on 127.0.0.1")
    assert not (tmp_path / ".interlock").exists()


def test_two_demos_in_one_folder_are_refused(tmp_path: Path) -> None:
    with demo(tmp_path):
        second = launch(tmp_path, "--port", str(free_port()), "--fresh")
        output = second.communicate(timeout=60)[0]
    assert second.returncode == 2
    assert "runs in" in output


def test_a_model_that_cannot_be_used_is_a_sentence(tmp_path: Path) -> None:
    process = launch(tmp_path, "--port", str(free_port()), "--model", "nobody:nothing")
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 2
    assert output.startswith("The model 'nobody:nothing' cannot be used")


def test_another_model_does_not_take_over_a_story(tmp_path: Path) -> None:
    provider = tmp_path / "provider" / "langchain_openai.py"
    provider.parent.mkdir()
    provider.write_text(
        "from interlock.examples.fleet_ops.model import ScriptedModel\n"
        "class ChatOpenAI(ScriptedModel):\n"
        "    def __init__(self, model: str, **_: object) -> None:\n"
        "        super().__init__()\n"
    )
    with demo(tmp_path):
        pass
    options = ("--port", str(free_port()), "--model", "openai:made-up")
    process = launch(tmp_path, *options, PYTHONPATH=str(provider.parent))
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 2
    assert "begun with another model" in output


def test_a_server_of_ones_own_holds_the_same_demo(
    tmp_path: Path, postgres: EmbeddedPostgres
) -> None:
    (here := tmp_path / "here").mkdir()
    (elsewhere := tmp_path / "elsewhere").mkdir()
    url = {"INTERLOCK_DATABASE_URL": postgres.url}
    with demo(here, **url) as running:
        assert not (here / ".interlock" / "postgres").exists()
        (deletion,) = running.pending()
        assert running.decide(deletion, "reject", reason="no").status_code == 200
        running.next_approval(LETTER)
    process = launch(elsewhere, "--port", str(free_port()), **url)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 2
    assert "interlock demo --fresh" in output
    with demo(elsewhere, "--fresh", **url) as running:
        assert [row["headline"] for row in running.pending()] == [DELETION]


def test_a_part_that_dies_ends_the_demo_with_all_its_processes(tmp_path: Path) -> None:
    port = free_port()
    process = launch(tmp_path, "--port", str(port))
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as api:
        eventually(lambda: ready(process, api))
    family = psutil.Process(process.pid).children(recursive=True)
    worker = next(child for child in family if child.cmdline()[-1] == "worker")
    worker.kill()
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 1
    assert "`interlock worker` ended with exit code -9" in output
    assert psutil.wait_procs(family, timeout=10)[1] == []


def test_nothing_outlives_a_demo_that_is_killed(tmp_path: Path) -> None:
    port = free_port()
    process = launch(tmp_path, "--port", str(port))
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as api:
        eventually(lambda: ready(process, api))
        family = psutil.Process(process.pid).children(recursive=True)
        started = [child for child in family if "demo_children" in " ".join(child.cmdline())]
        assert len(started) == 2
        process.kill()
        process.communicate(timeout=60)
        assert psutil.wait_procs(started, timeout=30)[1] == []
    with demo(tmp_path) as running:
        assert [row["headline"] for row in running.pending()] == [DELETION]

"""The built wheel, in an environment that has nothing but what the wheel asks for."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

REPO = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
PACKAGES = ("approvals_ui", "engine", "examples", "policies", "tools")
PATIENCE = 120.0


def uv(*arguments: str | Path) -> None:
    """Run uv, from its cache alone where that is possible."""
    for offline in (["--offline"], []):
        done = subprocess.run([UV, *arguments, *offline], check=False, capture_output=True)
        if done.returncode == 0:
            return
    raise AssertionError(done.stderr.decode())


def sources() -> list[str]:
    """The files that are, or are about to be, in the repository."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, check=True, capture_output=True, cwd=REPO).stdout
    return [name for name in names.decode().split("\0") if name and (REPO / name).is_file()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: setuptools would pack whatever an earlier build left in the folder."""
    copy = tmp_path_factory.mktemp("sources")
    for name in sources():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPO / name, copy / name)
    out = tmp_path_factory.mktemp("wheel")
    uv("build", "--wheel", "--out-dir", out, copy)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command `interlock` in a new environment, with its dependencies as they are locked."""
    environment = tmp_path_factory.mktemp("environment") / "venv"
    uv("venv", "--python", sys.executable, environment)
    python = environment / "bin" / "python"
    locked = ("--constraints", REPO / "requirements.lock")
    uv("pip", "install", "--python", python, *locked, wheel)
    return environment / "bin" / "interlock"


def bare_environ() -> dict[str, str]:
    """The environment without any way back to the sources."""
    hidden = ("INTERLOCK_", "PYTHON", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if not name.startswith(hidden)}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def test_the_wheel_has_every_file_of_every_package(wheel: Path) -> None:
    packed = set(ZipFile(wheel).namelist())
    wanted = {
        f"interlock/{name}"
        for name in sources()
        if name.split("/")[0] in PACKAGES or name in ("__init__.py", "py.typed")
    }
    assert {Path(name).suffix for name in wanted} >= {".py", ".sql", ".html", ".css", ".cedar"}
    assert wanted - packed == set()
    strangers = {name for name in packed - wanted if ".dist-info/" not in name}
    assert strangers == set()


def test_the_command_line_starts_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [installed, "--help"],
        check=True,
        capture_output=True,
        cwd=tmp_path,
        env=bare_environ(),
        text=True,
    )
    assert "Exit codes: 0 done" in done.stdout


def test_the_demo_from_the_wheel_comes_to_its_first_approval(
    installed: Path, tmp_path: Path
) -> None:
    port = free_port()
    folder = tmp_path / "empty"
    folder.mkdir()
    log = tmp_path / "demo.log"
    with log.open("w") as output:
        demo = subprocess.Popen(
            [installed, "demo", "--headless", "--port", str(port)],
            cwd=folder,
            env=bare_environ(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until_ready(demo, f"http://127.0.0.1:{port}", log)
        token = (folder / ".interlock" / "demo" / "token").read_text().strip()
        listed = httpx.get(
            f"http://127.0.0.1:{port}/api/approvals",
            params={"status": "pending"},
            headers={"authorization": f"Bearer {token}"},
        ).json()
        assert len(listed["items"]) >= 1
        demo.terminate()
        assert demo.wait(60) == 0
    finally:
        demo.kill()
        demo.wait()


def wait_until_ready(demo: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Return once the first approval can be decided."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if demo.poll() is not None:
            raise AssertionError(f"the demo ended: {log.read_text()}")
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"the demo did not become ready: {log.read_text()}")

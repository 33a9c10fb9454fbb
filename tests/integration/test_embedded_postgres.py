"""The embedded PostgreSQL, met by real processes that share it, die, and leave things behind."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import psycopg
import pytest
from interlock.engine import postgres_binaries
from interlock.engine.embedded import EmbeddedPostgres
from interlock.engine.errors import InterlockError
from interlock.engine.postgres_server import SOCKET, PostgresServer, shut_down, socket_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user runs PostgreSQL as is")

# A user of the server: starts it, again for each line it reads, and leaves at the end of its input.
USER = """
import signal, sys
from pathlib import Path
from interlock.engine.embedded import EmbeddedPostgres

if "shrugs" in sys.argv:
    signal.signal(signal.SIGINT, lambda *_: None)
server = EmbeddedPostgres(Path(sys.argv[1]))
server.start()
print("up", flush=True)
for _ in sys.stdin:
    server.start()
    print("up", flush=True)
"""


class User:
    def __init__(
        self, root: Path, *words: str, prefix: tuple[str, ...] = (), **environment: str
    ) -> None:
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-c", USER, str(root), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=os.environ | environment,
        )

    def wait_until_up(self) -> User:
        assert self.process.stdout
        assert self.process.stdout.readline() == "up\n"
        return self

    def start_again(self) -> None:
        assert self.process.stdin
        self.process.stdin.write("again\n")
        self.process.stdin.flush()
        self.wait_until_up()

    def leave(self) -> None:
        self.process.communicate(timeout=30)
        assert self.process.returncode == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=30)


@pytest.fixture
def empty_root(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "postgres"
    clear_away(tmp_path / "postgres")


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cluster")
    with EmbeddedPostgres(root):
        return root / "data"


@pytest.fixture
def root(empty_root: Path, cluster: Path) -> Path:
    """A root whose first start was earlier."""
    shutil.copytree(cluster, empty_root / "data")
    return empty_root


@pytest.fixture
def open_root() -> Iterator[Path]:
    """A root in a folder that every user can reach, which `tmp_path` is not."""
    folder = Path(tempfile.mkdtemp(prefix="interlock-test-"))
    folder.chmod(0o755)
    yield folder / "postgres"
    clear_away(folder / "postgres")
    folder.rmdir()


@pytest.fixture
def user(empty_root: Path) -> Iterator[Callable[..., User]]:
    users: list[User] = []

    def begin(*words: str, **options: Any) -> User:
        users.append(User(empty_root, *words, **options))
        return users[-1]

    yield begin
    for each in users:
        each.kill()


def clear_away(root: Path) -> None:
    if postmaster := PostgresServer(root.resolve()).postmaster():
        shut_down(postmaster)
        postmaster.wait(20)
    shutil.rmtree(root, ignore_errors=True)


def postmaster_of(root: Path) -> psutil.Process:
    found = PostgresServer(root.resolve()).postmaster()
    assert found is not None
    return found


def lives(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def ask(root: Path, statement: str) -> Any:
    with psycopg.connect(EmbeddedPostgres(root).url, autocommit=True) as conn:
        cursor = conn.execute(statement)
        return cursor.fetchone() if cursor.description else None


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_a_server_is_made_in_an_empty_place_and_stops_with_its_only_user(empty_root: Path) -> None:
    with EmbeddedPostgres(empty_root):
        server = postmaster_of(empty_root)
        assert ask(empty_root, "select 1") == (1,)
    assert not lives(server)
    assert {path.name for path in empty_root.iterdir()} == {
        *("data", "postgres.log", "server.lock", "users.lock")
    }


def test_what_is_committed_is_kept_and_only_the_owner_can_connect(empty_root: Path) -> None:
    with EmbeddedPostgres(empty_root):
        for durable in ("fsync", "full_page_writes", "synchronous_commit"):
            assert ask(empty_root, f"show {durable}") == ("on",)
        assert ask(empty_root, "show max_connections") == ("200",)
        assert ask(empty_root, "show listen_addresses") == ("",)
        assert (empty_root / SOCKET).stat().st_mode & 0o777 == 0o700
        assert empty_root.stat().st_mode & 0o777 == 0o700


def test_another_database_has_its_own_address_on_the_same_server(root: Path) -> None:
    with EmbeddedPostgres(root) as server:
        ask(root, 'create database "a/b c"')
        with psycopg.connect(server.database_url("a/b c")) as conn:
            assert conn.info.dbname == "a/b c"


def test_starting_twice_is_starting_once_and_stopping_unstarted_is_nothing(root: Path) -> None:
    server = EmbeddedPostgres(root)
    server.stop()
    server.start()
    first = postmaster_of(root)
    server.start()
    assert postmaster_of(root) == first
    server.stop()
    server.stop()
    assert not lives(first)


def test_two_processes_share_a_server_and_the_last_one_stops_it(
    root: Path, user: Callable[..., User]
) -> None:
    first, second = user().wait_until_up(), user().wait_until_up()
    server = postmaster_of(root)
    first.leave()
    assert lives(server)
    assert ask(root, "select 1") == (1,)
    second.leave()
    assert not lives(server)


def test_three_processes_that_start_at_once_get_one_server(
    empty_root: Path, user: Callable[..., User]
) -> None:
    users = [user() for _ in range(3)]
    for each in users:
        each.wait_until_up()
    server = postmaster_of(empty_root)
    for each in users:
        assert lives(server)
        each.leave()
    assert not lives(server)
    assert (empty_root / "postgres.log").read_text().count("ready to accept connections") == 1


def test_a_killed_starter_leaves_the_server_to_the_others(
    root: Path, user: Callable[..., User]
) -> None:
    starter, other = user().wait_until_up(), user().wait_until_up()
    server = postmaster_of(root)
    starter.kill()
    assert ask(root, "select 1") == (1,)
    other.leave()
    assert not lives(server)


def test_a_server_whose_users_were_all_killed_is_adopted_by_the_next(
    root: Path, user: Callable[..., User]
) -> None:
    user().wait_until_up().kill()
    server = postmaster_of(root)
    assert lives(server)
    with EmbeddedPostgres(root):
        assert postmaster_of(root) == server
    assert not lives(server)


def test_a_live_user_revives_a_killed_server_with_all_that_was_committed(
    root: Path, user: Callable[..., User]
) -> None:
    one, two = user().wait_until_up(), user().wait_until_up()
    ask(root, "create table kept as select 7 as n")
    old = postmaster_of(root)
    old.kill()
    one.start_again()
    two.start_again()
    assert ask(root, "select n from kept") == (7,)
    new = postmaster_of(root)
    assert new != old
    one.leave()
    assert lives(new)
    two.leave()
    assert not lives(new)


def test_a_revival_waits_for_the_last_process_of_the_killed_server(root: Path) -> None:
    with EmbeddedPostgres(root) as server:
        ask(root, "create table kept as select 7 as n")
        slow = psutil.Process(
            ask(root, "select pid from pg_stat_activity where backend_type = 'checkpointer'")[0]
        )
        slow.suspend()
        postmaster_of(root).kill()
        delay = threading.Timer(0.5, slow.resume)
        delay.start()
        server.start()
        delay.join()
        assert not lives(slow)
        assert ask(root, "select n from kept") == (7,)


@pytest.mark.parametrize("state", ["zombie", "reused"])
def test_a_stale_process_id_does_not_hinder_the_next_start(
    root: Path, user: Callable[..., User], state: str
) -> None:
    starter = user().wait_until_up()
    postmaster_of(root).kill()
    starter.kill()
    stranger = subprocess.Popen(["true"] if state == "zombie" else ["sleep", "60"])
    if state == "zombie":
        wait_for(lambda: psutil.Process(stranger.pid).status() == psutil.STATUS_ZOMBIE)
    for path in (root / "data/postmaster.pid", root / f"{SOCKET}.lock"):
        rest = path.read_text().partition("\n")[2]
        path.write_text(f"{stranger.pid}\n{rest}")
    with EmbeddedPostgres(root):
        assert ask(root, "select 1") == (1,)
    assert stranger.poll() == (0 if state == "zombie" else None)
    stranger.kill()
    stranger.wait()


def test_lock_files_that_a_power_cut_left_empty_do_not_hinder_the_next_start(root: Path) -> None:
    (root / "data/postmaster.pid").write_text("")
    (root / f"{SOCKET}.lock").write_text("")
    with EmbeddedPostgres(root):
        assert ask(root, "select 1") == (1,)


def test_leaving_a_dead_server_signals_nobody_who_has_its_process_id_now(root: Path) -> None:
    server = EmbeddedPostgres(root)
    server.start()
    postmaster_of(root).kill()
    pid_file = root / "data/postmaster.pid"
    with subprocess.Popen(["sleep", "60"]) as stranger:
        pid_file.write_text(f"{stranger.pid}\n{pid_file.read_text().partition(chr(10))[2]}")
        server.stop()
        assert stranger.poll() is None
        stranger.kill()
    with EmbeddedPostgres(root):
        assert ask(root, "select 1") == (1,)


def test_a_removed_socket_is_made_anew_by_the_next_start(root: Path) -> None:
    with EmbeddedPostgres(root) as server:
        (root / SOCKET).unlink()
        server.start()
        assert ask(root, "select 1") == (1,)


def test_half_of_a_cluster_is_thrown_away(empty_root: Path) -> None:
    (empty_root / "data.new/base").mkdir(parents=True)
    (empty_root / "data.new/PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(empty_root):
        assert ask(empty_root, "select 1") == (1,)
        assert not (empty_root / "data.new").exists()


def test_a_start_waits_for_the_initdb_of_a_killed_one_and_makes_its_own_cluster(
    empty_root: Path, user: Callable[..., User]
) -> None:
    killed = user()
    wait_for((empty_root / "data.new/base").exists)
    killed.kill()
    with EmbeddedPostgres(empty_root):
        assert ask(empty_root, "select 1") == (1,)


@pytest.mark.parametrize("name", [100 * "x", 'it\'s "$(touch oops)", ok', "ü"])
def test_any_path_will_do(tmp_path: Path, name: str) -> None:
    root = tmp_path / name
    with EmbeddedPostgres(root):
        server = postmaster_of(root)
        assert ask(root, "show data_directory") == (f"{root}/data",)
    assert not lives(server)
    assert not socket_folder(root).exists()
    assert not list(tmp_path.rglob("oops"))
    clear_away(root)


def test_a_socket_folder_of_somebody_elses_making_is_refused(tmp_path: Path) -> None:
    root = tmp_path / ("x" * 100)
    socket_folder(root).symlink_to(tmp_path)
    try:
        with pytest.raises(InterlockError, match="made by somebody else"):
            EmbeddedPostgres(root).start()
    finally:
        socket_folder(root).unlink()


def test_settings_for_the_users_other_servers_do_not_reach_this_one(
    root: Path, user: Callable[..., User]
) -> None:
    one = user(PGPORT="7777", PGDATA="/nonexistent", PGCLIENTENCODING="LATIN1").wait_until_up()
    one.start_again()
    assert ask(root, "show port") == ("5432",)
    assert ask(root, "show client_encoding") == ("UTF8",)


def test_ctrl_c_in_the_starters_terminal_does_not_reach_the_server(
    root: Path, user: Callable[..., User]
) -> None:
    starter = user("shrugs").wait_until_up()
    server = postmaster_of(root)
    os.killpg(starter.process.pid, signal.SIGINT)
    starter.start_again()
    assert postmaster_of(root) == server
    assert os.getpgid(server.pid) != starter.process.pid


def test_ctrl_c_during_the_first_start_leaves_no_server_and_a_usable_root(
    empty_root: Path, user: Callable[..., User]
) -> None:
    starter = user()
    wait_for((empty_root / "data.new").exists)
    starter.process.send_signal(signal.SIGINT)
    starter.process.communicate(timeout=30)
    assert PostgresServer(empty_root).postmaster() is None
    with EmbeddedPostgres(empty_root):
        assert ask(empty_root, "select 1") == (1,)


def test_a_forked_child_neither_stops_its_parents_server_nor_keeps_it(root: Path) -> None:
    script = """
import os, signal, sys
from pathlib import Path
from interlock.engine.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
server.start()
if os.fork() == 0:
    sys.exit()
os.wait()
assert server._server.answers()
child = os.fork()
if child == 0:
    signal.pause()
server.stop()
assert not server._server.answers()
server.start()
server.stop()
os.kill(child, signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", script, str(root)], check=True, timeout=30)
    assert PostgresServer(root).postmaster() is None


def test_a_forked_child_that_starts_is_a_user_of_its_own(root: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from interlock.engine.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
server.start()
started, stopped = os.pipe(), os.pipe()
if os.fork() == 0:
    server.start()
    os.write(started[1], b".")
    os.read(stopped[0], 1)
    sys.exit(not server._server.answers())
os.read(started[0], 1)
server.stop()
os.write(stopped[1], b".")
sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""
    subprocess.run([sys.executable, "-c", script, str(root)], check=True, timeout=30)
    assert PostgresServer(root).postmaster() is None


def test_an_ordinary_user_runs_a_server(empty_root: Path, user: Callable[..., User]) -> None:
    prefix = postgres_binaries._namespace_prefix() if os.geteuid() == 0 else ()
    ordinary = user(prefix=prefix).wait_until_up()
    assert ask(empty_root, "select 1") == (1,)
    server = postmaster_of(empty_root)
    ordinary.leave()
    assert not lives(server)


@as_root
@pytest.mark.parametrize("programs", ["as installed", "copied"])
def test_root_without_namespaces_runs_the_server_as_nobody(
    open_root: Path, monkeypatch: pytest.MonkeyPatch, programs: str
) -> None:
    monkeypatch.setattr(postgres_binaries, "namespace_works", lambda _: False)
    if programs == "copied":
        monkeypatch.setattr(postgres_binaries, "open_to_everyone", lambda _: False)
    for _ in range(2):
        with EmbeddedPostgres(open_root):
            server = postmaster_of(open_root)
            assert server.username() == "nobody"
            assert (open_root / "data").owner() == "nobody"
            assert ask(open_root, "select 1") == (1,)
            assert any(open_root.glob("programs-*")) is (programs == "copied")
        assert not lives(server)


@as_root
def test_a_cluster_made_in_a_namespace_goes_over_to_nobody(
    open_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EmbeddedPostgres(open_root):
        ask(open_root, "create table kept as select 7 as n")
    monkeypatch.setattr(postgres_binaries, "namespace_works", lambda _: False)
    with EmbeddedPostgres(open_root):
        assert ask(open_root, "select n from kept") == (7,)
    monkeypatch.undo()
    with EmbeddedPostgres(open_root):
        assert postmaster_of(open_root).username() == "nobody"
        assert ask(open_root, "select n from kept") == (7,)


@as_root
def test_a_folder_that_nobody_cannot_reach_is_named(
    empty_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_binaries, "namespace_works", lambda _: False)
    with pytest.raises(InterlockError, match=f"may not enter a folder above {empty_root}"):
        EmbeddedPostgres(empty_root).start()
    assert empty_root.stat().st_uid == pwd.getpwnam("root").pw_uid


def test_a_broken_configuration_is_told_in_a_sentence_with_the_log(root: Path) -> None:
    with EmbeddedPostgres(root):
        pass
    configuration = root / "data/postgresql.conf"
    whole = configuration.read_text()
    configuration.write_text(whole + "shared_buffers = plenty\n")
    with pytest.raises(InterlockError) as refusal:
        EmbeddedPostgres(root).start()
    sentence = str(refusal.value)
    assert "pg_ctl failed: configuration file" in sentence
    assert str(root / "postgres.log") in sentence
    assert "\n" not in sentence
    configuration.write_text(whole)
    with EmbeddedPostgres(root):
        server = postmaster_of(root)
    assert not lives(server)


def test_a_disk_that_takes_no_more_is_told_and_nothing_half_made_is_used(empty_root: Path) -> None:
    script = """
import resource, sys
from pathlib import Path
from interlock.engine.embedded import EmbeddedPostgres
from interlock.engine.errors import InterlockError
resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
try:
    EmbeddedPostgres(Path(sys.argv[1])).start()
except InterlockError as error:
    print(error)
"""
    command = [sys.executable, "-c", script, str(empty_root)]
    told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout
    assert "initdb failed" in told
    assert "MB free" in told
    assert not (empty_root / "data").exists()
    with EmbeddedPostgres(empty_root):
        assert ask(empty_root, "select 1") == (1,)


def test_a_root_that_cannot_be_made_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InterlockError, match=r"cannot start: .*Not a directory.*choose another"):
        EmbeddedPostgres(tmp_path / "file/postgres").start()

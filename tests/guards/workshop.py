"""A throw-away copy of the tree with a server of its own, in which guards are deleted."""

from __future__ import annotations

import compileall
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from py_compile import PycInvalidationMode
from typing import TYPE_CHECKING, Any

import psycopg

from .deletions import ROOT
from .trial import Verdict, try_tests

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import Self

    from .deletions import Deletion

_LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", ".dev", ".interlock", ".*_cache", ".gatebench", "*-report", "__pycache__"
)
_KEEP = """
import sys
from pathlib import Path
from interlock.engine.embedded import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1])) as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""


class Workshop:
    """One copy and its server; used by one process."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._tree = home / "interlock"
        shutil.copytree(ROOT, self._tree, ignore=_LEFT_OUT)
        # by content, so that a file that was changed and put back in the same second is noticed
        compileall.compile_dir(
            self._tree, quiet=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH
        )
        keep = [sys.executable, "-c", _KEEP, str(home / "server" / "postgres")]
        environment = {**os.environ, "PYTHONPATH": str(home)}
        self._keeper = subprocess.Popen(
            keep, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self._url = self._keeper.stdout.readline().strip() if self._keeper.stdout else ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._keeper.communicate()
        shutil.rmtree(self.home)

    def passes(self, tests: Sequence[str]) -> Verdict:
        """What the tests say with nothing deleted."""
        return try_tests(self.home, tests)

    def without(self, deletion: Deletion) -> Verdict:
        """What they say without this guard; a machine that is too busy for them is no notice."""
        with self._deleted(deletion):
            verdict = try_tests(self.home, deletion.tests)
        if not (verdict.ended or self.passes(deletion.tests).ended):
            return replace(verdict, noticed=False, sound=False, by="no end with the guard either")
        return verdict

    @contextmanager
    def _deleted(self, deletion: Deletion) -> Iterator[None]:
        before = {edit.file: (self._tree / edit.file).read_text("utf-8") for edit in deletion.edits}
        after = dict(before)
        for edit in deletion.edits:
            after[edit.file] = after[edit.file].replace(edit.text, edit.becomes, 1)
        try:
            self._write(after, renew_schema=deletion.changes_schema)
            yield
        finally:
            self._write(before, renew_schema=deletion.changes_schema)

    def _write(self, files: dict[str, str], *, renew_schema: bool) -> None:
        for name, text in files.items():
            if name.endswith(".py"):
                compile(text, name, "exec")
            (self._tree / name).write_text(text, "utf-8")
        if renew_schema:
            with psycopg.connect(self._url, autocommit=True) as conn:
                for name in ("interlock_template", "interlock_template_new"):
                    drop: Any = f"drop database if exists {name} with (force)"
                    conn.execute(drop)

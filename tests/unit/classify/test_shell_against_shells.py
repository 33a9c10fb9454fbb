"""What is called a read, run by real shells: nothing unseen runs, and no file changes."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from interlock.tools.classify.shell import classify_shell
from interlock.tools.classify.shell.script import Script
from interlock.tools.effect import Effect

DATA = Path(__file__).parents[2] / "data/shell"
READS = [json.loads(line) for line in (DATA / "reads.jsonl").read_text().splitlines()]
HELD = [json.loads(line) for line in (DATA / "held.jsonl").read_text().splitlines()]
SHELLS = [shell for shell in ("/bin/bash", "/bin/dash") if Path(shell).exists()]
HARM = [
    "HARM x",
    ";HARM x;",
    "\nHARM\n",
    "$(HARM)",
    "`HARM`",
    "|HARM",
    "&HARM ",
    "(HARM)",
    "'HARM'",
]
PIECES = [
    *" \n;&|\"'\\$()`#{}[]<>!=~*?\t%^@",
    *(
        "$'",
        '$"',
        "\\\n",
        "''",
        '""',
        "\\'",
        '\\"',
        "\\\\",
        "\\ ",
        "\\#",
        "$#",
        "$((",
        "<(",
        "<<EOF\n",
    ),
    *(
        "\nEOF\n",
        "EOF",
        "[[ ",
        " ]]",
        "[ ",
        "${x:-",
        "$(",
        "((",
        "))",
        "&&",
        "||",
        "|&",
        ";;",
        "<<<",
    ),
    *(
        "if ",
        " then ",
        " fi",
        " do ",
        " done",
        "for i in a",
        "while ",
        "case x in x)",
        " esac",
        "time ",
    ),
    *(
        ">/dev/null",
        "-f ",
        "=~",
        "a=",
        "ls",
        " x ",
        "f()",
        "{ ",
        "; }",
        "{a,b}",
        "é",
        "@(",
        "test ",
    ),
]


SORT = """#!/bin/sh
case " $* " in
*" -- "*) ;;
*" -o f"*) : > "$MARK" ;;
esac
exit STATUS
"""
SORTS = [
    "sort",
    "sort f",
    "sort <<E\nx\nE",
    "sort < f | cat",
    "x=1; sort f",
    "(sort f)",
    "cat <(sort f)",
]


def mutated(chance: random.Random, seeds: list[str]) -> str:
    text = chance.choice(seeds)
    sorts = text in SORTS
    for piece in [
        " -o f " if sorts else chance.choice(HARM),
        *chance.choices(PIECES, k=chance.randint(1, 4)),
    ]:
        at = chance.randint(0, len(text))
        text = text[:at] + piece + text[at:]
    return text


def harm_runs(command: str, shell: str, folder: Path, status: int) -> bool:
    """Whether a shell that has no commands but stand-ins comes to run HARM, or `sort -o f`."""
    stubs, mark = folder / f"stubs{status}", folder / "mark"
    if not stubs.exists():
        stubs.mkdir()
        for name in ("ls", "cat", "grep", "git", "find", "x", "wc", "sort"):
            (stubs / name).write_text(f"#!/bin/sh\nexit {status}\n")
        (stubs / "sort").write_text(SORT.replace("STATUS", str(status)))
        (stubs / "HARM").write_text('#!/bin/sh\n: > "$MARK"\n')
        for stub in stubs.iterdir():
            stub.chmod(0o755)
    mark.unlink(missing_ok=True)
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    with suppress(subprocess.TimeoutExpired):
        subprocess.run(
            [shell, "-c", command],
            env={"PATH": str(stubs), "MARK": str(mark)},
            cwd=scratch,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=2,
            check=False,
        )
    assert not list(scratch.iterdir()), command
    return mark.exists()


def test_the_stand_ins_show_what_runs(tmp_path: Path) -> None:
    assert harm_runs("ls && HARM", SHELLS[0], tmp_path, 0)
    assert harm_runs("sort <<E -o f\nx\nE", SHELLS[0], tmp_path, 0)
    assert not harm_runs("ls && HARM", SHELLS[0], tmp_path, 1)


@pytest.mark.parametrize("seed", range(4))
def test_no_shell_runs_what_was_not_seen(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a repeatable choice, no secret
    seeds = [text for text in READS + HELD if "bin/" not in text and len(text) < 120]
    seeds += SORTS * 20
    tried = {mutated(chance, seeds) for _ in range(4_000)}
    reads = [text for text in sorted(tried) if classify_shell(text).effect is Effect.READ][:40]
    assert len(reads) >= 20
    for command in reads:
        for shell in SHELLS:
            for status in (0, 1):
                assert not harm_runs(command, shell, tmp_path, status), command


SAFE = {
    "[",
    "awk",
    "base64",
    "basename",
    "bash",
    "cat",
    "cd",
    "cksum",
    "cmp",
    "column",
    "comm",
    "command",
    "cut",
    "date",
    "diff",
    "dirname",
    "du",
    "echo",
    "env",
    "expand",
    "expr",
    "false",
    "file",
    "find",
    "fmt",
    "fold",
    "git",
    "grep",
    "gunzip",
    "gzip",
    "head",
    "hexdump",
    "join",
    "ls",
    "md5sum",
    "nice",
    "nl",
    "od",
    "paste",
    "printf",
    "pwd",
    "read",
    "readlink",
    "realpath",
    "rev",
    "sed",
    "seq",
    "sh",
    "sha1sum",
    "sort",
    "stat",
    "strings",
    "tac",
    "tar",
    "test",
    "time",
    "timeout",
    "tr",
    "tree",
    "true",
    "uname",
    "uniq",
    "wc",
    "which",
    "xargs",
    "xxd",
    "zcat",
    "zgrep",
}
ENDLESS = ("/ ", "tail -f", "find /", " /", "~", "origin")


def runnable(command: str) -> bool:
    script = Script()
    script.read(command)
    return set(script.seen) <= SAFE and not any(part in command for part in ENDLESS)


def snapshot(folder: Path) -> dict[str, str]:
    """Every file and folder with what is in it, but git's own cache of what it saw last."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else "folder"
        for path in sorted(folder.rglob("*"))
        if path.name != "index"
    }


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    (folder / "src").mkdir(parents=True)
    for name in (
        "f",
        "a",
        "b",
        "file.txt",
        "a.py",
        "src/main.py",
        "data.csv",
        "names",
        "x.csv",
        "log",
    ):
        (folder / name).write_text("foo,1\nbar,2\n\nTODO 3\n")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"], ["tag", "v1.0"]):
        subprocess.run([*git, *words], cwd=folder, check=True, capture_output=True)
    subprocess.run(["tar", "czf", "a.tgz", "src"], cwd=folder, check=True)
    shutil.copy(folder / "a.tgz", folder / "f.gz")
    return folder


def test_a_read_that_runs_changes_no_file(tree: Path) -> None:
    commands = [command for command in READS if runnable(command)]
    assert len(commands) > 120
    before = snapshot(tree)
    for command in commands:
        subprocess.run(
            ["/bin/bash", "-c", command],
            cwd=tree,
            env={"PATH": os.environ["PATH"], "HOME": str(tree)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=20,
            check=False,
        )
        assert snapshot(tree) == before, command

"""The shell tool: nothing of the worker's reaches the command, and nothing of it lives on."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from interlock.tools import Effect
from interlock.tools.ready import shell_tools
from interlock.tools.ready.process import TookTooLong

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Hands


@pytest.fixture
def shell(tmp_path: Path, hands: type[Hands]) -> Hands:
    return hands(shell_tools(tmp_path, environ={"GREETING": "hi"}, seconds=20, most_bytes=1_000))


def lives(pid: int) -> bool:
    """Whether a process stays there; one that was killed may take a moment to be gone."""
    ends = time.monotonic() + 20
    while is_there(pid) and time.monotonic() < ends:
        time.sleep(0.05)
    return is_there(pid)


def is_there(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:  # noqa: PTH123 - it may vanish
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_command_runs_in_the_folder_and_tells_how_it_ended(shell: Hands, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("text\n")
    answer = shell.call("run_command", command="cat notes; echo err >&2; exit 3")
    assert answer == {"exit_code": 3, "output": "text\nerr\n", "cut": False}
    assert shell.call("run_command", command="read x; echo $GREETING $?")["output"] == "hi 1\n"


def test_nothing_of_the_workers_environment_is_inherited(
    shell: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", "made-up")
    monkeypatch.setenv("BASH_ENV", "/nowhere")
    output = shell.call("run_command", command="env")["output"]
    assert "made-up" not in output
    assert "BASH_ENV" not in output
    with open(os.devnull) as inherited:  # noqa: PTH123 - a descriptor to look for
        os.set_inheritable(inherited.fileno(), True)  # noqa: FBT003 - as os has it
        listed = shell.call("run_command", command=f"ls /proc/self/fd/{inherited.fileno()}")
    assert listed["exit_code"] != 0


def test_the_whole_group_ends_with_the_command(shell: Hands) -> None:
    answer = shell.call("run_command", command="sleep 300 & echo $!")
    assert not lives(int(answer["output"]))


def test_a_command_is_killed_with_its_children_after_its_time(
    tmp_path: Path, hands: type[Hands]
) -> None:
    shell = hands(shell_tools(tmp_path, seconds=0.5))
    with pytest.raises(TookTooLong, match=r"0\.5 s"):
        shell.call("run_command", command="sleep 300 & echo $! > child; trap '' TERM; wait")
    assert not lives(int((tmp_path / "child").read_text()))
    with pytest.raises(TookTooLong):
        shell.call("run_command", command="exec >&- 2>&-; sleep 300")


def test_output_is_cut_and_the_command_goes_on(shell: Hands, tmp_path: Path) -> None:
    answer = shell.call("run_command", command="head -c 500000 /dev/zero | tr '\\0' x; touch done")
    assert answer == {"exit_code": 0, "output": "x" * 1_000, "cut": True}
    assert (tmp_path / "done").exists()


@pytest.mark.parametrize(
    "command", ["cat notes", "grep -r x . 2>/dev/null | sort", "ls sub/inner", "wc -l *.py"]
)
def test_reads_within_the_folder_are_free(shell: Hands, command: str) -> None:
    assert shell.effect("run_command", command=command).effect is Effect.READ


@pytest.mark.parametrize(
    "command",
    [
        "cat /etc/passwd",
        "ps eww",
        "cat notes | w",
        "cat ../secret",
        "cat ~/.ssh/id",
        "cat $HOME",
        "cat sub/../../x",
        "cat </etc/passwd",
        "cat ''/etc/passwd",
        "grep -f/etc/passwd x",
        "grep -fsub/names x",
        "grep --file=/etc/passwd x",
        "echo etc/passwd | sed s,^,/, | xargs cat",
        "wc --files0-from=names",
        "cat /dev/null/../../etc/passwd",
        "cat `ls`",
        "rm notes",
        "echo x > notes",
    ],
)
def test_what_may_read_elsewhere_or_acts_is_held(shell: Hands, command: str) -> None:
    judged = shell.effect("run_command", command=command)
    assert judged.effect is Effect.IRREVERSIBLE
    assert judged.evidence[0] in shell.preview("run_command", command=command)["Why it is held"]

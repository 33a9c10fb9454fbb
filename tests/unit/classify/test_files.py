"""What an operation on a file is, after `..` and links."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from interlock.tools.classify.files import Operation, by_file, classify_file
from interlock.tools.effect import Effect

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("twelve bytes")
    (tmp_path / "secret").write_text("x")
    (folder / "out").symlink_to(tmp_path)
    (folder / "in").symlink_to(folder / "sub")
    return folder


@pytest.mark.parametrize(
    "path", ["a.txt", "sub/../a.txt", "in/../a.txt", "sub", "in", "missing", "."]
)
def test_a_read_within_the_root_is_a_read(root: Path, path: str) -> None:
    assert classify_file(Operation.READ, path, root).effect is Effect.READ


@pytest.mark.parametrize(
    "path",
    [
        "../secret",
        "/etc/passwd",
        "sub/../../secret",
        "out/secret",
        "in/../../secret",
        "out/../../etc",
        "",
        "a.txt\0",
        "x" * 5000,
    ],
)
@pytest.mark.parametrize("operation", [Operation.WRITE, Operation.DELETE])
def test_nothing_outside_is_freed_even_if_versions_are_kept(
    root: Path, path: str, operation: Operation
) -> None:
    done = classify_file(operation, path or "../root/..", root, versioned=True)
    assert done.effect is Effect.IRREVERSIBLE
    assert done.rule in {"file-outside-root", "file-path"}


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "out/secret"])
def test_a_read_outside_the_root_is_held(root: Path, path: str) -> None:
    assert classify_file("read", path, root).rule == "file-outside-root"


@pytest.mark.parametrize(
    ("operation", "path", "rule"),
    [
        ("write", "new", "file-create"),
        ("append", "new", "file-create"),
        ("write", "a.txt", "file-overwrite"),
        ("append", "a.txt", "file-append"),
        ("delete", "a.txt", "file-delete"),
        ("delete", "sub", "file-delete"),
        ("make_folder", "new", "file-make-folder"),
    ],
)
def test_a_change_is_reversible_only_if_the_tool_keeps_what_was_there(
    root: Path, operation: str, path: str, rule: str
) -> None:
    kept = classify_file(operation, path, root, versioned=True)
    lost = classify_file(operation, path, root)
    assert (kept.effect, lost.effect) == (Effect.REVERSIBLE, Effect.IRREVERSIBLE)
    assert kept.rule == lost.rule == rule


def test_the_reviewer_is_told_how_much_is_overwritten(root: Path) -> None:
    assert "holds 12 bytes" in classify_file("write", "a.txt", root).evidence[0]


def test_the_root_itself_is_never_deleted_by_itself(root: Path) -> None:
    assert classify_file("delete", "sub/..", root, versioned=True).rule == "file-root"


def test_a_pipe_is_not_a_file(root: Path) -> None:
    os.mkfifo(root / "pipe")
    assert classify_file("read", "pipe", root).rule == "file-special"


def test_a_loop_of_links_is_held(root: Path) -> None:
    (root / "loop").symlink_to("loop")
    assert classify_file("delete", "loop/x", root, versioned=True).effect is Effect.IRREVERSIBLE


@pytest.mark.parametrize("operation", ["", "chmod", "READ", "read "])
def test_an_unknown_operation_is_irreversible(root: Path, operation: str) -> None:
    assert classify_file(operation, "a.txt", root).rule == "file-operation"


def test_a_rule_takes_the_path_and_the_operation_from_the_arguments(root: Path) -> None:
    rule = by_file("what", root=root, path="where", versioned=True)
    assert rule({"what": "read", "where": "a.txt"}).effect is Effect.READ
    assert rule({"what": "write", "where": "a.txt"}).effect is Effect.REVERSIBLE
    assert rule({"where": "a.txt"}).effect is Effect.IRREVERSIBLE
    assert rule({"what": "read", "where": 3}).effect is Effect.IRREVERSIBLE
    assert rule.__name__ == "by_file('what', path='where')"


def test_a_rule_of_one_operation_is_not_talked_out_of_it(root: Path) -> None:
    rule = by_file(Operation.DELETE, root=root)
    assert rule({"path": "a.txt", "operation": "read", "delete": "read"}).rule == "file-delete"

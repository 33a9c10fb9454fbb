"""The file tools: nothing leads out of the folder, and what a call changed comes back exactly."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from interlock.tools import Effect, Happened, NotDone, ToolDeclarationError
from interlock.tools.ready import file_tools
from interlock.tools.ready.folder import Folder
from pydantic import ValidationError
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Hands


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "root"
    made.mkdir()
    (tmp_path / "secret").write_text("not for the agent")
    return made


@pytest.fixture
def files(root: Path, hands: type[Hands]) -> Hands:
    return hands(file_tools(root, keep=root.parent / "kept", most_bytes=1_000))


def seen(root: Path) -> dict[str, Any]:
    """Everything in the folder: bytes, mode and time."""
    return {
        str(path.relative_to(root)): (
            path.read_bytes(),
            path.stat().st_mode,
            path.stat().st_mtime_ns,
        )
        for path in root.rglob("*")
        if path.is_file()
    }


def test_a_change_that_is_undone_leaves_no_trace(root: Path, files: Hands) -> None:
    (root / "notes").write_bytes(b"\x00\xffold\r\n")
    (root / "notes").chmod(0o640)
    os.utime(root / "notes", ns=(1, 1_234_567_890_123_456_789))
    before = seen(root)
    for name, args in (("write_file", {"text": "new"}), ("delete_file", {})):
        call, asked = uuid7(), {"path": "notes", **args}
        assert files.effect(name, **asked).effect is Effect.REVERSIBLE
        state = files.fingerprint(name, **asked)
        files.call(name, call, **asked)
        assert seen(root) != before
        files.undo(name, call, **asked)
        assert seen(root) == before
        assert files.fingerprint(name, **asked) == state
        files.undo(name, call, **asked)  # after a crash right behind it
        assert seen(root) == before


def test_a_new_file_is_gone_after_its_undo(root: Path, files: Hands) -> None:
    call = uuid7()
    files.call("write_file", call, path="new", text="text")
    assert (root / "new").read_text() == "text"
    files.undo("write_file", call, path="new", text="text")
    assert seen(root) == {}


@pytest.mark.parametrize("fails_at", ["rename", "fsync", "fchmod"])
def test_a_write_that_breaks_off_can_be_undone_verified_and_made_again(
    root: Path, files: Hands, monkeypatch: pytest.MonkeyPatch, fails_at: str
) -> None:
    (root / "notes").write_text("old")
    before, call, args = seen(root), uuid7(), {"path": "notes", "text": "new"}

    with monkeypatch.context() as broken:
        # as where the process is killed there: nothing tidies up
        broken.setattr(Folder, "_discard", staticmethod(lambda *_: None))
        files_fail(broken, fails_at)
        with pytest.raises(KeyboardInterrupt):
            files.call("write_file", call, **args)
    assert (root / "notes").read_text() == "old"
    assert files.verify("write_file", call, **args) is False
    files.undo("write_file", call, in_doubt=True, **args)
    assert seen(root) == before
    files.call("write_file", call, **args)
    assert (root / "notes").read_text() == "new"
    assert files.verify("write_file", call, **args) == Happened("Wrote 3 bytes to notes.")
    files.undo("write_file", call, in_doubt=True, **args)
    assert seen(root) == before


def files_fail(broken: pytest.MonkeyPatch, at: str) -> None:
    """Have the next change of the folder break off there."""
    if at == "fsync":
        broken.setattr(Folder, "_fill", staticmethod(breaking))
    else:
        broken.setattr(f"interlock.tools.ready.folder.os.{at}", breaking)


def breaking(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_what_somebody_changed_since_is_left_as_it_is(root: Path, files: Hands) -> None:
    (root / "notes").write_text("old")
    call, args = uuid7(), {"path": "notes", "text": "new"}
    files.call("write_file", call, **args)
    (root / "notes").write_text("by somebody else")
    with pytest.raises(NotDone, match="changed after the call"):
        files.undo("write_file", call, **args)
    with pytest.raises(NotDone, match="by somebody else"):
        files.call("write_file", call, **args)
    assert files.verify("write_file", call, **args) is None
    assert (root / "notes").read_text() == "by somebody else"


def test_an_undo_without_what_was_kept_is_refused(root: Path, files: Hands) -> None:
    (root / "notes").write_text("new")
    with pytest.raises(NotDone, match="not kept"):
        files.undo("write_file", uuid7(), path="notes", text="new")


@pytest.mark.parametrize("path", ["../secret", "a/../../secret", "/etc/passwd", "", "a\nb", "."])
def test_a_path_that_leads_out_is_refused_before_anybody_is_asked(files: Hands, path: str) -> None:
    for name, args in (("read_file", {}), ("write_file", {"text": ""}), ("delete_file", {})):
        with pytest.raises(ValidationError):
            files.typed(name, path=path, **args)


def test_no_link_is_followed(root: Path, files: Hands) -> None:
    (root / "link").symlink_to(root.parent / "secret")
    (root / "way").symlink_to(root.parent)
    (root / "inner").write_text("inside")
    (root / "to_inner").symlink_to(root / "inner")
    (root / "twin").hardlink_to(root.parent / "secret")
    for path in ("link", "way/secret", "to_inner", "twin"):
        with pytest.raises(NotDone):
            files.call("read_file", path=path)
        with pytest.raises(NotDone):
            files.call("write_file", path=path, text="overwritten")
        with pytest.raises(NotDone):
            files.call("delete_file", path=path)
    with pytest.raises(NotDone):
        files.call("list_folder", path="way")
    assert files.effect("read_file", path="way/secret").effect is Effect.IRREVERSIBLE
    assert (root.parent / "secret").read_text() == "not for the agent"


def test_a_link_that_appears_after_the_look_is_not_followed(
    root: Path, files: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "sub").mkdir()
    real = Folder.read

    def read_and_swap(folder: Folder, path: str) -> Any:
        found = real(folder, path)
        if (root / "sub").is_dir() and not (root / "sub").is_symlink():
            (root / "sub").rmdir()
            (root / "sub").symlink_to(root.parent)
        return found

    monkeypatch.setattr(Folder, "read", read_and_swap)
    with pytest.raises(NotDone):
        files.call("write_file", path="sub/secret", text="overwritten")
    assert (root.parent / "secret").read_text() == "not for the agent"


def test_pipes_large_files_and_missing_ones_are_named(root: Path, files: Hands) -> None:
    os.mkfifo(root / "pipe")
    (root / "large").write_bytes(b"x" * 1_001)
    with pytest.raises(NotDone, match="not a plain file"):
        files.call("read_file", path="pipe")
    with pytest.raises(NotDone, match="limit is 1,000"):
        files.call("read_file", path="large")
    with pytest.raises(NotDone, match="limit is 1,000"):
        files.call("write_file", path="new", text="x" * 1_001)
    with pytest.raises(NotDone, match="no file 'missing'"):
        files.call("delete_file", path="missing")
    assert not (root / "new").exists()


def test_reads_and_lists(root: Path, files: Hands) -> None:
    (root / "sub").mkdir()
    (root / "notes").write_text("text")
    (root / "link").symlink_to("notes")
    assert files.call("read_file", path="notes") == "text"
    assert files.call("list_folder") == [
        {"name": "link", "kind": "link"},
        {"name": "notes", "kind": "file", "bytes": 4},
        {"name": "sub", "kind": "folder"},
    ]
    assert files.effect("list_folder", path=".").effect is Effect.READ


def test_a_reviewer_sees_the_difference(root: Path, files: Hands) -> None:
    (root / "notes").write_text("one\ntwo\n")
    shown = files.preview("write_file", path="notes", text="one\nthree\n")
    assert shown["Now"] == "8 bytes"
    assert "-two\n+three" in shown["Difference"]
    assert "-one\n-two" in files.preview("delete_file", path="notes")["Difference"]
    (root / "binary").write_bytes(b"\xff")
    assert files.preview("delete_file", path="binary")["Difference"] == "Not text."


def test_former_versions_are_kept_out_of_reach(root: Path) -> None:
    with pytest.raises(ToolDeclarationError, match="where calls reach them"):
        file_tools(root, keep=root / "kept")

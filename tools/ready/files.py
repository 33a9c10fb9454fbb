"""Tools for the files under one folder: reads, and changes that can be taken back."""

from __future__ import annotations

import difflib
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from ..classify.files import Operation, by_file
from ..decorator import tool
from ..gated import Happened, NotDone, current_call
from ..spec import ToolDeclarationError
from ..undo import Undo
from .folder import Content, Folder, plain_folder, plain_path
from .versions import Version, Versions

if TYPE_CHECKING:
    from pathlib import Path

    from ..gated import GatedTool

FilePath = Annotated[
    str, Field(max_length=500, description="From the folder."), AfterValidator(plain_path)
]
FolderPath = Annotated[str, Field(max_length=500), AfterValidator(plain_folder)]
_KEY_LIFE = timedelta(days=30)
_MOST_NAMES = 2_000
_DIFF_LINES = 60


def file_tools(
    root: str | Path, *, keep: str | Path, most_bytes: int = 1_000_000
) -> list[GatedTool]:
    """`read_file`, `list_folder`, `write_file` and `delete_file` for the files under a folder.

    A change is reversible: what the file held is kept aside first, and the undo brings it back with
    its mode and time, unless somebody changed the file since.

    Args:
        root: the folder; nothing leads out of it, and links are not followed.
        keep: where former versions are kept; outside `root`, so that no call reaches them.
        most_bytes: the largest file that is read or written.

    Raises:
        ToolDeclarationError: `keep` is within `root`.
        FileNotFoundError: there is no such folder.
    """
    files = _Files(Folder(root, most_bytes), Versions(keep))
    if files.versions.folder.is_relative_to(files.folder.root):
        raise ToolDeclarationError(
            f"Former versions would be kept in '{keep}', within '{root}', where calls reach them. "
            "Keep them elsewhere."
        )
    return [*_reading(files.folder), _writing(files), _deleting(files)]


class _Files:
    """A folder, and what calls changed in it."""

    def __init__(self, folder: Folder, versions: Versions) -> None:
        self.folder = folder
        self.versions = versions

    def change(self, path: str, after: Content | None) -> None:
        """Keep what is there and put `after` in its place; a call that begins again goes on."""
        call, now = current_call().call_id, self.folder.read(path)
        kept = self.versions.find(call)
        if kept is None:
            kept = Version(path, now, after)
            self.versions.keep(call, kept)
        elif _is(now, kept.after):
            return
        elif not _is(now, kept.before):
            raise NotDone(f"'{path}' was changed by somebody else meanwhile; it is left as it is.")
        self._put(path, after)

    def take_back(self, args: dict[str, Any], _result: Any, in_doubt: bool) -> None:  # noqa: FBT001 - an undo's
        """Bring back what the file held before the call; nothing where it never got to it.

        Raises:
            NotDone: the file was changed since, or what it held is not kept.
        """
        path = args["path"]
        kept, now = self.versions.find(current_call().call_id), self.folder.read(path)
        if kept is None:
            if in_doubt:
                return
            raise NotDone(f"What '{path}' held before is not kept any more.")
        if _is(now, kept.before):
            self.folder.tidy(path, _part())
        elif _is(now, kept.after):
            self._put(path, kept.before)
        else:
            raise NotDone(f"'{path}' was changed after the call; it is left as it is.")

    def what_became(self, path: str) -> Happened | bool | None:
        """Whether a call in doubt changed the file; None where somebody else did meanwhile."""
        kept, now = self.versions.find(current_call().call_id), self.folder.read(path)
        if kept is None:
            return False
        if _is(now, kept.after):
            return Happened(_told(path, kept.after))
        return False if _is(now, kept.before) else None

    def state(self, path: str) -> dict[str, Any]:
        """The file as it is, for the comparison before a start and after an undo."""
        now = self.folder.read(path)
        if now is None:
            return {"exists": False}
        return {"bytes": len(now.data), "mode": f"{now.mode:o}", "sha256": now.sha256}

    def _put(self, path: str, content: Content | None) -> None:
        if content is None:
            self.folder.remove(path, _part())
        else:
            self.folder.write(path, content, _part())


def _reading(folder: Folder) -> list[GatedTool]:
    @tool(effect=by_file(Operation.READ, root=folder.root))
    def read_file(path: FilePath) -> str:
        """A file's text."""
        found = folder.read(path)
        if found is None:
            raise NotDone(f"There is no file '{path}'.")
        return found.data.decode(errors="replace")

    @tool(effect=by_file(Operation.LIST, root=folder.root))
    def list_folder(path: FolderPath = ".") -> list[dict[str, Any]]:
        """The names in a folder, with their kind and size."""
        return folder.list(path, _MOST_NAMES)

    return [read_file, list_folder]


def _writing(files: _Files) -> GatedTool:
    @tool(
        effect=by_file(Operation.WRITE, root=files.folder.root, versioned=True),
        undo=Undo(files.take_back, idempotent=True),
        fingerprint=lambda path, text: files.state(path),  # noqa: ARG005 - it gets all arguments
        verify=lambda path, text: files.what_became(path),  # noqa: ARG005 - as above
        preview=lambda path, text: _difference(files.folder.read(path), _text(text)),
        headline=lambda path, text: f"Write {len(text.encode()):,} bytes to {path}",
        idempotent=True,
        key_life=_KEY_LIFE,
    )
    def write_file(path: FilePath, text: str) -> str:
        """Make a file, or put a text in the place of what it holds. The folder must exist."""
        now = files.folder.read(path)
        after = _text(text) if now is None else Content(text.encode(), now.mode & 0o777)
        files.change(path, after)
        return _told(path, after)

    return write_file


def _deleting(files: _Files) -> GatedTool:
    @tool(
        effect=by_file(Operation.DELETE, root=files.folder.root, versioned=True),
        undo=Undo(files.take_back, idempotent=True),
        fingerprint=files.state,
        verify=files.what_became,
        preview=lambda path: _difference(files.folder.read(path), None),
        headline=lambda path: f"Delete {path}",
        idempotent=True,
        key_life=_KEY_LIFE,
    )
    def delete_file(path: FilePath) -> str:
        """Delete a file; what it held is kept aside."""
        if files.folder.read(path) is None and files.versions.find(current_call().call_id) is None:
            raise NotDone(f"There is no file '{path}'.")
        files.change(path, None)
        return _told(path, None)

    return delete_file


def _text(text: str) -> Content:
    return Content(text.encode())


def _told(path: str, after: Content | None) -> str:
    return f"Deleted {path}." if after is None else f"Wrote {len(after.data):,} bytes to {path}."


def _part() -> str:
    return current_call().call_id.hex


def _is(now: Content | None, then: Content | None) -> bool:
    return now is None if then is None else then.is_like(now)


def _difference(before: Content | None, after: Content | None) -> dict[str, Any]:
    """What a reviewer sees of a change: a diff, or sizes where there is no text."""
    try:
        old, new = (content.data.decode() if content else "" for content in (before, after))
    except UnicodeDecodeError:
        return {"Now": _size(before), "Afterwards": _size(after), "Difference": "Not text."}
    lines = list(
        difflib.unified_diff(old.splitlines(), new.splitlines(), "now", "afterwards", lineterm="")
    )
    shown = lines[:_DIFF_LINES]
    if len(lines) > len(shown):
        shown.append(f"… and {len(lines) - len(shown)} lines more")
    return {"Now": _size(before), "Afterwards": _size(after), "Difference": "\n".join(shown)}


def _size(content: Content | None) -> str:
    return "no file" if content is None else f"{len(content.data):,} bytes"

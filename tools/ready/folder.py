"""Files under one folder, reached step by step so that no link leads out of it."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ..gated import NotDone

if TYPE_CHECKING:
    from collections.abc import Iterator

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# a pipe without a writer must not hold the reader up
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_MODE = 0o644


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds, and what comes back with it."""

    data: bytes
    mode: int = _NEW_MODE
    mtime_ns: int | None = None

    @property
    def sha256(self) -> str:
        """The digest of the bytes."""
        return hashlib.sha256(self.data).hexdigest()

    def is_like(self, other: Content | None) -> bool:
        """Whether the bytes and the mode are the same."""
        return other is not None and (self.data, self.mode) == (other.data, other.mode)


def plain_path(path: str) -> str:
    """A path from the folder, in its shortest form; of a validator of arguments.

    Raises:
        ValueError: it is absolute, climbs, or holds characters that nobody sees.
    """
    parts = PurePosixPath(path).parts
    if not parts or parts[0] == "/" or ".." in parts:
        raise ValueError(f"'{path}' is not a path within the folder")
    if not path.isprintable():
        raise ValueError("the path holds characters that are not printable")
    return "/".join(parts)


def plain_folder(path: str) -> str:
    """The same for a folder, which may be the folder itself (`.`)."""
    return "." if path == "." else plain_path(path)


class Folder:
    """The files under `root`.

    Args:
        root: where they are; it exists.
        most_bytes: the largest file that is read or written.
    """

    def __init__(self, root: str | Path, most_bytes: int) -> None:
        self.root = Path(root).resolve(strict=True)
        self._most_bytes = most_bytes

    def read(self, path: str) -> Content | None:
        """What the file holds; None where there is none.

        Raises:
            NotDone: it is no plain file, has several names, is too large, or a link leads there.
        """
        with self._within(path) as (parent, name):
            return self._read(parent, name, path)

    def write(self, path: str, content: Content, part: str) -> None:
        """Put the content there at once and for good, or not at all.

        Args:
            path: where; the folder exists.
            content: the bytes, with the mode and the time that the file gets.
            part: a word for the file's name while it is incomplete.
        """
        self._check_size(len(content.data), path)
        with self._within(path) as (parent, name):
            piece = f".{part}.part"
            self._discard(parent, piece)
            try:
                self._fill(parent, piece, content)
                os.rename(piece, name, src_dir_fd=parent, dst_dir_fd=parent)
            except OSError as error:
                self._discard(parent, piece)
                raise _said(path, error) from None
            os.fsync(parent)

    def remove(self, path: str, part: str) -> None:
        """Remove a file, and what an incomplete write of this call left beside it."""
        with self._within(path) as (parent, name):
            self._discard(parent, f".{part}.part")
            self._discard(parent, name)
            os.fsync(parent)

    def tidy(self, path: str, part: str) -> None:
        """Remove what an incomplete write of this call left."""
        with self._within(path) as (parent, _):
            self._discard(parent, f".{part}.part")

    def list(self, path: str, most: int) -> list[dict[str, Any]]:
        """The names in a folder with their kind and size, sorted; links are named and not followed.

        Raises:
            NotDone: there is no such folder, or it holds more than `most` names.
        """
        with self._opened(plain_folder(path)) as folder:
            found = sorted(os.scandir(folder), key=lambda entry: entry.name)
            if len(found) > most:
                raise NotDone(f"'{path}' holds {len(found)} names; at most {most} are listed.")
            return [_entry(entry) for entry in found]

    def _read(self, parent: int, name: str, path: str) -> Content | None:
        try:
            handle = os.open(name, _READ, dir_fd=parent)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _said(path, error) from None
        with os.fdopen(handle, "rb") as file:
            about = os.fstat(handle)
            if not stat.S_ISREG(about.st_mode):
                raise NotDone(f"'{path}' is not a plain file.")
            if about.st_nlink > 1:
                raise NotDone(f"'{path}' has another name elsewhere (a hard link).")
            self._check_size(about.st_size, path)
            data = file.read(self._most_bytes + 1)
            self._check_size(len(data), path)
            return Content(data, stat.S_IMODE(about.st_mode), about.st_mtime_ns)

    def _check_size(self, size: int, path: str) -> None:
        if size > self._most_bytes:
            raise NotDone(f"'{path}' would have {size:,} bytes; the limit is {self._most_bytes:,}.")

    @staticmethod
    def _fill(parent: int, piece: str, content: Content) -> None:
        with os.fdopen(os.open(piece, _MAKE, 0o600, dir_fd=parent), "wb") as file:
            file.write(content.data)
            file.flush()
            os.fchmod(file.fileno(), content.mode)
            if content.mtime_ns is not None:
                os.utime(file.fileno(), ns=(content.mtime_ns, content.mtime_ns))
            os.fsync(file.fileno())

    @staticmethod
    def _discard(parent: int, name: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=parent)

    @contextmanager
    def _within(self, path: str) -> Iterator[tuple[int, str]]:
        """The open folder that the path is in, and its name there."""
        *folders, name = PurePosixPath(plain_path(path)).parts
        with self._opened("/".join(folders) or ".") as parent:
            yield parent, name

    @contextmanager
    def _opened(self, path: str) -> Iterator[int]:
        """A folder, opened part by part; a link in the way is refused, not followed."""
        handle = os.open(self.root, _DIRECTORY)
        try:
            for part in PurePosixPath(path).parts:
                try:
                    inner = os.open(part, _DIRECTORY, dir_fd=handle)
                except OSError as error:
                    raise _said(path, error) from None
                os.close(handle)
                handle = inner
            yield handle
        finally:
            os.close(handle)


def _entry(entry: os.DirEntry[str]) -> dict[str, Any]:
    if entry.is_symlink():
        return {"name": entry.name, "kind": "link"}
    if entry.is_dir(follow_symlinks=False):
        return {"name": entry.name, "kind": "folder"}
    about = entry.stat(follow_symlinks=False)
    kind = "file" if stat.S_ISREG(about.st_mode) else "special"
    return {"name": entry.name, "kind": kind, "bytes": about.st_size}


def _said(path: str, error: OSError) -> NotDone:
    return NotDone(f"'{path}' cannot be used: {error.strerror}. Links are not followed.")

"""The effect of an operation on a file, by what it does and where."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..effect import Classification, Effect, Source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..effect import EffectRule


class Operation(StrEnum):
    """What a tool does with a file or a folder."""

    READ = "read"
    LIST = "list"
    WRITE = "write"
    APPEND = "append"
    DELETE = "delete"
    MAKE_FOLDER = "make_folder"


_READS = frozenset({Operation.READ, Operation.LIST})


def classify_file(
    operation: Operation | str, path: str, root: str | Path, *, versioned: bool = False
) -> Classification:
    """The effect of an operation on a path, after `..` and links that this host can see.

    A link may change between this answer and the operation, so the tool must look again as it acts.

    Args:
        operation: what is done; an unknown word is irreversible.
        path: where, absolute or from the root.
        root: the folder that the tool is for; what leads out of it is irreversible, reads too.
        versioned: whether the tool keeps what was there, so that its undo can bring it back.

    Returns:
        A read, a reversible or an irreversible effect, with what the host saw there.
    """
    try:
        known = Operation(operation)
    except ValueError:
        return _irreversible("file-operation", f"'{operation}' is not a known operation on a file.")
    try:
        base = Path(root).resolve()
        place = (base / path).resolve()
        if not place.is_relative_to(base):
            return _irreversible("file-outside-root", f"'{path}' leads out of '{root}'.")
        return _inside(known, place, base, versioned=versioned)
    except (OSError, RuntimeError, ValueError) as error:
        return _irreversible("file-path", f"'{path}' cannot be looked up: {error}.")


def by_file(
    operation: Operation | str,
    *,
    root: str | Path,
    path: str = "path",
    versioned: bool = False,
) -> EffectRule:
    """A rule for a tool that works on files.

    Args:
        operation: what the tool does, or as text the name of the argument that says it.
        root: as for `classify_file`.
        path: the name of the argument that holds the path.
        versioned: as for `classify_file`.
    """

    def rule(args: Mapping[str, Any]) -> Classification:
        done = operation if isinstance(operation, Operation) else args.get(operation)
        place = args.get(path)
        if not isinstance(done, str) or not isinstance(place, str):
            return _irreversible("file-no-path", "The call names no operation or no path.")
        return classify_file(done, place, root, versioned=versioned)

    rule.__name__ = f"by_file({operation!r}, path={path!r})"
    return rule


def _inside(operation: Operation, place: Path, base: Path, *, versioned: bool) -> Classification:
    if place.exists() and not (place.is_file() or place.is_dir()):
        return _irreversible("file-special", f"'{place}' is a device, a pipe or a socket.")
    if operation in _READS:
        return _inferred(Effect.READ, "file-read", f"Reads '{place}'.")
    if operation is Operation.DELETE and place == base:
        return _irreversible("file-root", f"'{place}' is the root itself.")
    rule, evidence = _change(operation, place)
    if versioned:
        return _inferred(Effect.REVERSIBLE, rule, evidence, "The tool keeps what was there before.")
    return _irreversible(rule, evidence)


def _change(operation: Operation, place: Path) -> tuple[str, str]:
    if operation is Operation.DELETE:
        what = "the folder and all in it" if place.is_dir() else "the file"
        return "file-delete", f"Deletes '{place}': {what}."
    if operation is Operation.MAKE_FOLDER:
        return "file-make-folder", f"Makes the folder '{place}'."
    if not place.exists():
        return "file-create", f"Makes the file '{place}'."
    held = f"'{place}', which holds {place.stat().st_size} bytes."
    if operation is Operation.APPEND:
        return "file-append", f"Adds to {held}"
    return "file-overwrite", f"Overwrites {held}"


def _inferred(effect: Effect, rule: str, *evidence: str) -> Classification:
    return Classification(effect, Source.INFERRED, rule, evidence)


def _irreversible(rule: str, reason: str) -> Classification:
    return _inferred(Effect.IRREVERSIBLE, rule, reason)

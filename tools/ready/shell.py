"""A tool for command lines in a working folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from ..classify.shell import classify_shell
from ..classify.shell.script import Script
from ..decorator import tool
from ..effect import Classification, Effect, Source
from .process import run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..gated import GatedTool

Command = Annotated[str, Field(min_length=1, max_length=8_000)]
_ENVIRON = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "PAGER": "cat",
    "GIT_PAGER": "cat",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
}
_NULL = re.compile(r"(?<![\w/])/dev/null\b(?!/)")
# a path from the root or up, a home, an expansion that may become one, names from elsewhere
_LEADS_OUT = re.compile(
    r"(?<![\w.*?\])}-])/|(?<!\S)-\S*/|\.\.|~|[$`\\]|\bxargs\b|\bfiles0-from\b|-T\b"
)


_OF_FILES = """
  [ awk basename cat cd cksum cmp column comm cut date diff dirname du echo egrep expand false fgrep
  file find fmt fold git grep head hexdump join jq ls md5sum nl od paste printf pwd rev rg sed seq
  sha1sum sha256sum sort stat strings tac tail test tr tree true tsort unexpand uniq wc xxd
"""
"""Commands that look at files and at nothing else of the machine, such as the processes on it."""


def shell_tools(
    folder: str | Path,
    *,
    environ: Mapping[str, str] | None = None,
    seconds: float = 60,
    most_bytes: int = 100_000,
) -> list[GatedTool]:
    """`run_command`: a command line in a folder. Reads within the folder run, all else is held.

    The command gets an environment of its own, nothing of the worker's; its process group is killed
    when it ends or its time is over. The account it runs under is the worker's: what that may read
    and write is what bounds an approved command.

    Args:
        folder: where it runs; it exists.
        environ: variables beside the few that it gets.
        seconds: how long it may run.
        most_bytes: of what it says; the rest is cut.
    """
    place = Path(folder).resolve(strict=True)
    variables = {**_ENVIRON, "HOME": str(place), **(environ or {})}

    @tool(
        effect=_by_command,
        preview=lambda command: _what_it_does(command, place),
        headline=lambda command: f"Run `{' '.join(command.split())[:100]}`",
    )
    def run_command(command: Command) -> dict[str, Any]:
        """Run a command line with bash in the working folder; gives its exit code and output."""
        ran = run(command, folder=place, environ=variables, seconds=seconds, most_bytes=most_bytes)
        return {"exit_code": ran.exit_code, "output": ran.output, "cut": ran.cut}

    return [run_command]


def _by_command(args: Mapping[str, Any]) -> Classification:
    """As `by_shell`, and what may look outside of the folder is held."""
    command = args.get("command")
    if not isinstance(command, str):
        return _held("shell-no-command", "The call holds no command line.")
    judged = classify_shell(command)
    if judged.effect is Effect.READ and _may_look_elsewhere(command):
        return _held("shell-outside-folder", "It may read what is outside of the working folder.")
    return judged


def _may_look_elsewhere(command: str) -> bool:
    script = Script()
    script.read(command)
    return bool(_LEADS_OUT.search(_NULL.sub("", command))) or not set(_OF_FILES.split()).issuperset(
        script.seen
    )


def _held(rule: str, why: str) -> Classification:
    return Classification(Effect.IRREVERSIBLE, Source.INFERRED, rule, (why,))


def _what_it_does(command: str, place: Path) -> dict[str, Any]:
    return {
        "Command": command,
        "Folder": str(place),
        "Why it is held": " ".join(_by_command({"command": command}).evidence),
    }

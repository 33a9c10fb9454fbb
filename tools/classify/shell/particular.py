"""Commands whose arguments follow rules of their own."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from .condition import check_test
from .unproven import Unproven
from .variables import check_variable
from .words import Spread, Word

if TYPE_CHECKING:
    from .options import Given
    from .simple import Simple

_SETS_VARIABLE = re.compile(r"%[-+ #0-9.*'hlLjztq]*n")
_LISTS = frozenset(
    {"--list", "--contains", "--no-contains", "--merged", "--no-merged", "--points-at"}
)
_GETS = frozenset({"-l", "--list", "--get", "--get-all", "--get-regexp", "--get-urlmatch"})
_IP_OBJECTS = re.compile(
    r"a|addr|address|l|link|r|ro|route|n|neigh|neighbor|neighbour|ru|rule|maddr|mroute|netns|tunnel"
)
_IP_SHOWS = re.compile(r"show|list|ls|lst|get")
_OLD_TAR = re.compile(r"[tvfzjJZap]*t[tvfzjJZap]*")
_TO_OUTPUT = frozenset({"-c", "--stdout", "--to-stdout"})
_LOOKS = frozenset({"-l", "--list", "-t", "--test"})
_UNPACKS = frozenset({"-d", "--decompress"})
_SERVICE = re.compile(r"[\w@-]+(?:\.[\w@-]+)*")
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
_READ = re.compile(r"[A-Za-z_]\w*", re.ASCII)


def check_printf(command: Simple) -> None:
    """`printf` sets a variable with `-v` and with `%n`.

    Raises:
        Unproven: it may set a variable.
    """
    rest = command.words[1:] if command.words[:1] == [Word("--")] else command.words
    if rest and (
        not rest[0].exact or rest[0].head.startswith("-") or _SETS_VARIABLE.search(rest[0].head)
    ):
        raise Unproven("shell-option", "`printf` may set a variable here.")


def check_test_command(command: Simple) -> None:
    """`test` is `[` by another name.

    Raises:
        Unproven: it may evaluate a subscript.
    """
    check_test(command.words)


def check_read(command: Simple) -> None:
    """`read` sets the variables that it names.

    Raises:
        Unproven: one of them may change what commands do.
    """
    given = command.given()
    arrays = [value for option, value in given.options if option == "-a" and value]
    for word in [*given.operands, *arrays]:
        if not (word.exact and _READ.fullmatch(word.head)):
            raise Unproven("shell-dynamic", "Which variable `read` sets is not known.")
        check_variable(word.head)


def check_gh(command: Simple) -> None:
    """`gh` asks the host that a repository or an address names, and brings a token.

    Raises:
        Unproven: it may ask another host than GitHub's.
    """
    given = command.checked()
    repositories = [value for name, value in given.options if name in {"-R", "--repo"} and value]
    if not all(value.exact and _REPOSITORY.fullmatch(value.head) for value in repositories):
        raise Unproven("shell-option", "`gh` may ask another host here.")
    for value in given.operands:
        named = value.head.removeprefix("https://github.com/")
        if not value.exact or (":" in named or (named == value.head and value.head.count("/") > 1)):
            raise Unproven("shell-operand", "`gh` may ask another host here.")


def check_openssl(command: Simple) -> None:
    """`openssl` takes an address, an engine or a provider's object where it takes a file.

    Raises:
        Unproven: it may ask a host, or load a library.
    """
    given = command.checked()
    for value in (*(value for _, value in given.options if value), *given.operands):
        if not value.exact or ":" in value.head:
            raise Unproven("shell-option", "`openssl` may ask a host or load a library here.")


def check_rpm(command: Simple) -> None:
    """`rpm` expands macros in what a query shows, if the format says so: they may run commands.

    Raises:
        Unproven: it may run something.
    """
    given = command.checked().options
    for value in (value for name, value in given if name in {"--qf", "--queryformat"} and value):
        if not value.exact or ":expand" in value.head or "%(" in value.head:
            raise Unproven("shell-option", "`rpm` may expand macros here.")


def check_tar(command: Simple) -> None:
    """`tar` lists an archive with `-t`, or in the old style as in `tar tzf`.

    Raises:
        Unproven: it does more than list, or may run something.
    """
    words = command.words
    first, *rest = [*words, Word("")]
    old = first.exact and not first.head.startswith("-")
    if old and not (_OLD_TAR.fullmatch(first.head) and first.head.count("f") <= 1):
        raise Unproven("shell-option", f"`{command.name} {first.head}` is not known to only read.")
    if old:
        letters = [Word("-" + letter) for letter in first.head if letter != "f"]
        archive = [Word("-f"), *rest[:1]] if "f" in first.head else rest[:1]
        words = [*letters, *archive, *rest[1:-1]]
    replace(command, words=words).checked()


def check_listing(command: Simple) -> None:
    """`git branch` and `git tag` list; with a name alone they make one.

    Raises:
        Unproven: it may make or change something.
    """
    given = command.given()
    lists = _LISTS | ({"-l", "-n"} if command.name.endswith("tag") else set())
    if given.operands and not lists & given.names:
        raise Unproven("shell-operand", f"`{command.name} {given.operands[0].head}` makes one.")


def check_git_config(command: Simple) -> None:
    """`git config` gets with a name, and sets with a name and a value.

    Raises:
        Unproven: it may set something.
    """
    given = command.given()
    first = given.operands[0] if given.operands else None
    asks = first in (Word("list"), Word("get")) or bool(_GETS & given.names)
    if not asks and not _is_one(given):
        raise Unproven("shell-operand", f"`{command.name}` may set something here.")


def _is_one(given: Given) -> bool:
    return len(given.operands) == 1 and given.operands[0].spread is Spread.ONE


def check_compressed(command: Simple) -> None:
    """`gzip` and its like leave files alone if they write to the output, list or test.

    Raises:
        Unproven: it may replace a file; of `-t` and `-d`, some take the last.
    """
    names = command.given().names
    if not (_TO_OUTPUT & names or (_LOOKS & names and not _UNPACKS & names)):
        raise Unproven("shell-option", f"`{command.name}` replaces files unless it has `-c`.")


def check_service(command: Simple) -> None:
    """`service NAME status`.

    Raises:
        Unproven: it asks a service for something else.
    """
    words = command.words
    named = words[:1] and words[0].exact and _SERVICE.fullmatch(words[0].head)
    if words != [Word("--status-all")] and not (named and words[1:] == [Word("status")]):
        raise Unproven("shell-sub-command", f"`{command.name}` may act here.")


def check_ip(command: Simple) -> None:
    """`ip OBJECT`, `ip OBJECT show …`.

    Raises:
        Unproven: it may change an object.
    """
    given = command.given(stop=True)
    what, verb = [*given.operands, Word("show"), Word("show")][:2]
    if not (what.exact and _IP_OBJECTS.fullmatch(what.head)):
        raise Unproven(
            "shell-sub-command", f"`{command.name} {what.head}` is not known to only read."
        )
    if not (verb.exact and _IP_SHOWS.fullmatch(verb.head)):
        raise Unproven("shell-sub-command", f"`{command.name} {what.head} {verb.head}` may act.")

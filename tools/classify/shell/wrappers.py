"""Commands that run the command in their arguments."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .options import Spec, read_options
from .unproven import Unproven
from .variables import check_variable
from .words import ANYTHING, Word

if TYPE_CHECKING:
    from .options import Given
    from .simple import Check, Simple

_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL | re.ASCII)


def _spec(options: str) -> Spec:
    named = ((text.rstrip(":?"), text[-1] if text[-1] in ":?" else "") for text in options.split())
    return Spec(options=dict(named))


_PREFIXES = {
    "builtin": (_spec(""), 0),
    "exec": (_spec(""), 0),
    "ionice": (_spec("-c: -n: -t --class: --classdata: --ignore"), 0),
    "nice": (_spec("-# -n: --adjustment:"), 0),
    "stdbuf": (_spec("-i: -o: -e: --input: --output: --error:"), 0),
    "time": (_spec("-p"), 0),
    "timeout": (_spec("-k: -s: -v --kill-after: --signal: --foreground --preserve-status"), 1),
}
"""By name, the options and the operands that come before the command."""
_COMMAND = _spec("-p -v -V")
_ENV = _spec("-i -0 -v -u: -C: --ignore-environment --null --unset: --chdir: --debug")
_XARGS = _spec(
    "-0 -r -t -x -n: -L: -P: -I: -d: -a: -E: -s: --null --no-run-if-empty --verbose --exit"
    " --max-args: --max-lines? --max-procs: --replace? --delimiter: --arg-file:"
    " --max-chars: -i? -l?"
)
_WATCH = _spec("-n: -d? -t -c -g -e -b --interval: --no-title --color --differences? --chgexit")
_SHELL = _spec("-c -e -u -x -n -f --norc --noprofile")


def _given(command: Simple, spec: Spec) -> Given:
    return read_options(command.name, command.words, spec, stop=True)


def _prefix(command: Simple) -> None:
    spec, before = _PREFIXES[command.name]
    rest = _given(command, spec).operands
    if not all(word.exact for word in rest[:before]):
        raise _dynamic(command)
    if rest[before:]:
        command.judge(rest[before:])


def _command(command: Simple) -> None:
    given = _given(command, _COMMAND)
    if given.operands and not {"-v", "-V"} & given.names:
        command.judge(given.operands)


def _env(command: Simple) -> None:
    rest = _given(command, _ENV).operands
    while rest and (found := _ASSIGNMENT.fullmatch(rest[0].head)):
        value = rest[0].after(found.start(2))
        if value.spread:
            raise _dynamic(command)
        check_variable(found[1], value, exported=True)
        rest = rest[1:]
    if rest:
        command.judge(rest)


def _xargs(command: Simple) -> None:
    """What xargs adds comes from its input, so the command may have any arguments."""
    given = _given(command, _XARGS)
    places = [
        value or Word("{}")
        for option, value in given.options
        if option in {"-I", "-i", "--replace"}
    ]
    rest = given.operands
    for place in places:
        if not (place.exact and place.head):
            raise _dynamic(command)
        rest = [_filled(word, place.head) for word in rest]
    if rest:
        command.judge([*rest, ANYTHING])


def _filled(word: Word, place: str) -> Word:
    """The word with something from the input in the place."""
    start, found, _ = word.head.partition(place)
    return Word(start, exact=False, spread=word.spread) if found else word


def _watch(command: Simple) -> None:
    rest = _given(command, _WATCH).operands
    if not all(word.exact for word in rest):
        raise _dynamic(command)
    command.script(" ".join(word.head for word in rest))


def _shell(command: Simple) -> None:
    given = _given(command, _SHELL)
    if "-c" in given.names and given.operands and given.operands[0].exact:
        command.script(given.operands[0].head)
    elif "-n" not in given.names or any(word.head[:1] == "+" for word in given.operands):
        raise Unproven("shell-script", f"`{command.name}` runs a script that is not seen here.")


def _dynamic(command: Simple) -> Unproven:
    return Unproven("shell-dynamic", f"What `{command.name}` runs is known only once it runs.")


WRAPPERS: dict[str, Check] = {
    **dict.fromkeys(_PREFIXES, _prefix),
    **dict.fromkeys(("bash", "dash", "sh"), _shell),
    "command": _command,
    "env": _env,
    "watch": _watch,
    "xargs": _xargs,
}

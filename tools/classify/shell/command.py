"""Whether one simple command, with its words expanded as far as is known, only reads."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from . import awk, cloud, find, particular, sed, wrappers
from .catalogue import catalogue
from .simple import Simple
from .unproven import Unproven
from .words import Word

if TYPE_CHECKING:
    from collections.abc import Callable

    from .options import Given
    from .simple import Check

_SYSTEM_PLACES = re.compile(r"/(?:usr/(?:local/)?)?s?bin/(?=[^/]+$)")
_QUESTIONS = ([Word("--version")], [Word("--help")])
_CHECKS: dict[str, Check] = {
    "awk": awk.check,
    "aws": cloud.check_aws,
    "compressed": particular.check_compressed,
    "find": find.check,
    "gh": particular.check_gh,
    "git-config": particular.check_git_config,
    "ip": particular.check_ip,
    "listing": particular.check_listing,
    "printf": particular.check_printf,
    "read": particular.check_read,
    "sed": sed.check,
    "service": particular.check_service,
    "openssl": particular.check_openssl,
    "rpm": particular.check_rpm,
    "tar": particular.check_tar,
    "test": particular.check_test_command,
}


def judge(
    words: list[Word], again: Callable[[list[Word]], None], script: Callable[[str], None]
) -> None:
    """Judge a command and its arguments.

    Args:
        words: the command's name and its arguments.
        again: judges a command that this one runs.
        script: judges a script that this one runs.

    Raises:
        Unproven: it is not known to only read.
    """
    name, arguments = _name(words[0]), words[1:]
    known = catalogue()
    spec = known.known.get(name)
    asked = arguments in _QUESTIONS and (spec or name in known.versions)
    if asked or name in known.free:
        return
    command = Simple(name, arguments, again, script)
    if name in wrappers.WRAPPERS:
        wrappers.WRAPPERS[name](command)
    elif spec:
        _judge_known(replace(command, spec=spec))
    else:
        raise _unknown(name)


def _name(word: Word) -> str:
    if not word.exact:
        raise Unproven("shell-dynamic", "Which command runs is known only once it runs.")
    return _SYSTEM_PLACES.sub("", word.head)


def _judge_known(command: Simple) -> None:
    spec = command.spec
    if spec.check:
        _CHECKS[spec.check](command)
    elif not spec.subs:
        command.checked()
    else:
        _judge_sub_command(command, command.given(stop=True))


def _judge_sub_command(command: Simple, given: Given) -> None:
    name, spec = command.name, command.spec
    sub = given.operands[0] if given.operands else None
    if sub and sub.exact and sub.head in spec.subs:
        words = given.operands[1:]
        below = replace(command, name=f"{name} {sub.head}", words=words, spec=spec.subs[sub.head])
        _judge_known(below)
    elif sub and spec.first:
        command.checked()
    elif sub:
        raise Unproven("shell-sub-command", f"`{name} {sub.head}` may act.")
    elif not (spec.bare or given.options):
        raise Unproven("shell-sub-command", f"`{name}` alone may act.")


def _unknown(name: str) -> Unproven:
    known = catalogue()
    if name in known.egress:
        return Unproven("egress-network", f"`{name}` sends to an address of the caller's choice.")
    if name in known.acts:
        return Unproven("shell-acts", f"`{name}` {known.acts[name]}.")
    return Unproven("shell-unknown-command", f"`{name[:60]}` is not known to only read.")

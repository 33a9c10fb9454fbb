"""The effect of a command line: a read where every part of it is shown to only read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...effect import Classification, Effect, Source
from .script import Script
from .unproven import Unproven

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...effect import EffectRule


def classify_shell(command: str) -> Classification:
    """The effect of a command line that bash, or a POSIX shell, would run.

    It is parsed, and each command is looked up with its options. What cannot be parsed, is not
    known, or may expand into something else is irreversible.

    Returns:
        A read or an irreversible effect, with the rule that decided and a sentence for people.
        Rules that begin with `egress-` are reads that send to an address of the caller's choice.
    """
    script = Script()
    try:
        script.read(command)
    except Unproven as stop:
        return Classification(Effect.IRREVERSIBLE, Source.INFERRED, stop.rule, (stop.reason,))
    seen = ", ".join(f"`{name}`" for name in script.seen)
    evidence = f"Only reads: {seen}." if seen else "It runs no command."
    return Classification(Effect.READ, Source.INFERRED, "shell-only-reads", (evidence,))


def by_shell(argument: str) -> EffectRule:
    """A rule for a tool that runs the command line in this argument.

    Args:
        argument: the name of the argument; a call without it is irreversible.
    """

    def rule(args: Mapping[str, Any]) -> Classification:
        command = args.get(argument)
        if isinstance(command, str):
            return classify_shell(command)
        reason = f"The argument '{argument}' holds no command line."
        return Classification(Effect.IRREVERSIBLE, Source.INFERRED, "shell-no-command", (reason,))

    rule.__name__ = f"by_shell({argument!r})"
    return rule

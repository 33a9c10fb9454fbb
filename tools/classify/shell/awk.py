"""`awk`: a program only reads if nothing in it can write, run or send."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .unproven import Unproven

if TYPE_CHECKING:
    from .simple import Simple

_RUNS = re.compile(r"system|getline|ARGV|SYMTAB|@[\s\\]*[A-Za-z_]")
_SOCKET = re.compile(r"/inet|[A-Za-z_]\w*=.*/inet")
_PIPE_OR_WRITE = re.compile(r">|(?<!\|)\|(?!\|)|\|&")


def check(command: Simple) -> None:
    """Judge an awk program by what it could do at most.

    Whether a quote or a slash begins a string, a pattern or a division depends on all that is
    before it, so nothing is taken out of the program first: `>` and `|` act only after a `print`.

    Raises:
        Unproven: the program is not seen, or may write, run or send something.
    """
    given = command.checked()
    if not given.operands:
        return
    if not given.operands[0].exact:
        raise Unproven(
            "shell-dynamic", f"The program of `{command.name}` is known only once it runs."
        )
    for operand in given.operands[1:]:
        if _SOCKET.match(operand.head):
            raise Unproven("egress-network", f"`{command.name}` opens `{operand.head[:60]}`.")
    program = given.operands[0].head
    found = _RUNS.search(program) or _PIPE_OR_WRITE.search(program, _first_print(program))
    if found:
        shown = program[found.start() :][:20]
        raise Unproven(
            "shell-script", f"The program of `{command.name}` may write or run at `{shown}`."
        )


def _first_print(program: str) -> int:
    at = program.find("print")
    return len(program) if at < 0 else at

"""The bounds of a grant: a Cedar condition over the arguments of one tool."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..tools.effect import Classification, Effect, Source
from .errors import PolicyError
from .evaluator import Policy, Principal, Request
from .expressions import conditions, references
from .schema import agent_schema
from .shape import Kind, Record
from .statements import read_statements
from .verdict import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .expressions import Reference
    from .schema import ToolShape
    from .shape import Member
    from .statements import Statement

_NAME = "grant"
_HARMLESS = Classification(Effect.READ, Source.POLICY, "bounds")
"""Bounds look at arguments alone, so that they are asked of every call as if it only read."""
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = frozenset({"true", "false", "if", "then", "else", "in", "is", "like", "has", "__cedar"})


class Bounds:
    """A condition that was read and checked against its tool's arguments."""

    def __init__(self, condition: str, tool: ToolShape) -> None:
        """Raises `PolicyError` with every problem found in the condition."""
        self._tool = tool.name
        self._record = agent_schema(_NAME, [tool]).inputs[tool.name]
        text = _policy(condition, tool)
        statements = read_statements(text)
        problems = tuple(_problems(statements, self._record))
        if problems:
            raise PolicyError(problems)
        self._named = {found.path[1] for found in _looked_at(statements[0])}
        self._policy = Policy.load(text, _NAME, [tool])

    def contain(self, args: Mapping[str, Any]) -> bool:
        """Whether these arguments are within them; no, where that cannot be told."""
        request = Request(
            tool=self._tool,
            args=args,
            classification=_HARMLESS,
            now=datetime.now(UTC),
            principal=Principal(_NAME, _NAME),
        )
        return self._policy.decide(request).outcome is Outcome.ALLOW

    @property
    def open(self) -> tuple[str, ...]:
        """The arguments that the condition says nothing of, so that they may be anything."""
        every = {*self._record.members, *self._record.left_out}
        return tuple(sorted(every - self._named))


def exact_bounds(args: Mapping[str, Any], tool: ToolShape) -> str:
    """A condition that holds the arguments to what they are, as far as one can say so."""
    members = agent_schema(_NAME, [tool]).inputs[tool.name].members
    told = (
        _equal(name, value, members[name])
        for name, value in sorted(args.items())
        if name in members and _is_plain(name)
    )
    return " &&\n".join(part for part in told if part)


def _policy(condition: str, tool: ToolShape) -> str:
    action = agent_schema(_NAME, [tool]).actions[tool.name]
    return (
        f'@id("{_NAME}") @reason("Within the bounds of the grant.")\n'
        f'permit (principal, action == AgentCore::Action::"{action}", resource) when {{\n'
        f"{condition}\n}};"
    )


def _problems(statements: tuple[Statement, ...], record: Record) -> Iterator[str]:
    if len(statements) != 1 or len(statements[0].body["conditions"]) != 1:
        yield "These are several policies or conditions; write one condition."
        return
    strangers = {str(found) for found in _references(statements[0]) if not _is_argument(found)}
    for stranger in sorted(strangers):
        yield f"Bounds look at `context.input` alone, and not at `{stranger}`."
    if record.members and not strangers and not any(_looked_at(statements[0])):
        yield "These bounds look at no argument, so they bound nothing."


def _references(statement: Statement) -> Iterator[Reference]:
    every = (found for part in conditions(statement.body) for found in references(part))
    return (found for found in every if found is not None)  # Policy refuses what is computed


def _looked_at(statement: Statement) -> Iterator[Reference]:
    """What the condition compares, and does not only test for being there."""
    return (found for found in _references(statement) if found.path[1:] and not found.tested)


def _is_argument(found: Reference) -> bool:
    return found.variable == "context" and found.path[:1] == ("input",)


def _equal(name: str, value: Any, member: Member) -> str | None:
    literal = _literal(value, member.shape)
    if literal is None:
        return None
    path = f"context.input.{name}"
    equal = f"{path} == {literal}"
    return equal if member.required else f"(context.input has {name} && {equal})"


def _literal(value: Any, shape: object) -> str | None:
    if shape is Kind.BOOL and isinstance(value, bool):
        return str(value).lower()
    if shape is Kind.LONG and type(value) is int:
        return str(value)
    if shape is Kind.DECIMAL and type(value) in (int, float):
        return f'decimal("{value:.4f}")'
    if shape is Kind.TEXT and isinstance(value, str):
        return '"' + "".join(map(_escaped, value)) + '"'
    return None


def _escaped(character: str) -> str:
    if character in {'"', "\\"}:
        return f"\\{character}"
    return character if character.isprintable() else f"\\u{{{ord(character):x}}}"


def _is_plain(name: str) -> bool:
    return _IDENTIFIER.fullmatch(name) is not None and name not in _RESERVED

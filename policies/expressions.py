"""What a policy's conditions use: operators, attribute paths, and the texts they compare with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Expression = Mapping[str, Any]
"""A node of Cedar's JSON policy format: one operator and its operand."""

_LEAVES = frozenset({"Value", "Var", "Slot", "Unknown"})
_NOT_EXPRESSIONS = frozenset({"attr", "pattern", "entity_type"})


@dataclass(frozen=True, slots=True)
class Reference:
    """An attribute path from a variable; `tested` if it is only asked whether it is there."""

    variable: str
    path: tuple[str, ...]
    tested: bool = False

    def __str__(self) -> str:
        return ".".join((self.variable, *self.path))


def conditions(body: Mapping[str, Any]) -> Iterator[Expression]:
    for condition in body["conditions"]:
        yield condition["body"]


def nodes(expression: Expression) -> Iterator[tuple[str, Any]]:
    """Every operator of an expression with its operand."""
    waiting = [expression]
    while waiting:
        operator, operand = split(waiting.pop())
        yield operator, operand
        waiting.extend(operands(operator, operand))


def references(expression: Expression) -> Iterator[Reference | None]:
    """Every longest attribute path; None for an attribute of a computed value."""
    waiting = [expression]
    while waiting:
        node = waiting.pop()
        operator, operand = split(node)
        if operator in {"Var", "."}:
            yield reference(node)
        elif operator == "has":
            yield _tested(operand)
        else:
            waiting.extend(operands(operator, operand))


def reference(expression: Expression) -> Reference | None:
    """The path that an expression is, or None if it is anything else."""
    path: list[str] = []
    operator, operand = split(expression)
    while operator == ".":
        path.append(operand["attr"])
        operator, operand = split(operand["left"])
    return Reference(operand, tuple(reversed(path))) if operator == "Var" else None


def literals(expression: Expression) -> tuple[Any, ...] | None:
    """The values of a literal or of a set of literals, or None."""
    operator, operand = split(expression)
    if operator == "Value":
        return (operand,)
    if operator != "Set":
        return None
    values = [split(part) for part in operand]
    return tuple(value for _, value in values) if all(op == "Value" for op, _ in values) else None


def split(expression: Expression) -> tuple[str, Any]:
    ((operator, operand),) = expression.items()
    return operator, operand


def operands(operator: str, operand: Any) -> list[Expression]:
    if operator in _LEAVES:
        return []
    if operator == "Record":
        return list(operand.values())
    if isinstance(operand, list):
        return operand
    return [part for name, part in operand.items() if name not in _NOT_EXPRESSIONS]


def _tested(operand: Mapping[str, Any]) -> Reference | None:
    found = reference(operand["left"])
    if found is None:
        return None
    return Reference(found.variable, (*found.path, operand["attr"]), tested=True)

"""What is refused when a policy text is loaded, beyond what Cedar's own validator refuses.

Cedar skips a policy whose evaluation errs, even a `forbid`, and takes a test for an attribute that
no tool has as false. Each check here closes a way to write a policy that validates and then
silently does not hold.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import cedarpy

from ..tools.effect import Effect, Source
from .annotations import annotation_problems
from .claims import claim_problems
from .expressions import (
    Reference,
    conditions,
    literals,
    nodes,
    operands,
    reference,
    references,
)
from .shape import LeftOut, Record, find

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .schema import AgentSchema
    from .statements import Statement

_ARITHMETIC = frozenset({"+", "-", "*", "neg", "offset", "durationSince"})
# A list of what cannot err and not of what can, so that an operator new to Cedar is refused.
# `unknown(…)` is not on it: it validates, and never has a value.
_OPERATORS = frozenset(
    {
        *("Value", "Var", "Set", "Record", "if-then-else", "&&", "||", "!"),
        *("==", "!=", "<", "<=", ">", ">=", "in", "is", "like", "has", ".", "hasTag", "getTag"),
        *("contains", "containsAll", "containsAny", "isEmpty"),
        *("decimal", "lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual"),
        *("datetime", "duration", "toDate", "toTime"),
        *("toMilliseconds", "toSeconds", "toMinutes", "toHours", "toDays"),
        *("ip", "isIpv4", "isIpv6", "isLoopback", "isMulticast", "isInRange"),
    }
)
_CLOSED_TEXTS: Final[Mapping[tuple[str, ...], frozenset[str]]] = {
    ("effect",): frozenset(Effect),
    ("effect_source",): frozenset(Source),
}
_READABLE: Final[Mapping[str, set[tuple[str, ...]]]] = {
    "principal": {(), ("id",)},
    "action": {()},
    "resource": {()},
}


def policy_problems(statements: Iterable[Statement], schema: AgentSchema) -> Iterator[str]:
    """Every reason to refuse the policies, as sentences that start with the policy's line."""
    taken: set[str] = set()
    for statement in statements:
        if statement.id and statement.id in taken:
            yield f"{statement.name} has an @id that another policy has."
        taken.add(statement.id)
        for problem in _statement_problems(statement, schema):
            yield f"{statement.name} {problem}"


def _statement_problems(statement: Statement, schema: AgentSchema) -> Iterator[str]:
    yield from annotation_problems(statement)
    if _is_unscoped(statement):
        yield "permits every call; name actions or a condition."
    yield from _operator_problems(statement)
    yield from _text_problems(statement)
    yield from claim_problems(statement)
    yield from _reference_problems(statement, schema)
    yield from _cedar_problems(statement, schema)


def _is_unscoped(statement: Statement) -> bool:
    """Whether a permit plainly lets everything run by itself.

    The principal's type, the gateway and a condition on literals narrow nothing. A review of every
    call is no such permit: a person still decides.
    """
    body = statement.body
    if statement.effect != "permit" or statement.reviews:
        return False
    if body["principal"]["op"] in {"==", "in"} or statement.actions:
        return False
    return not any(_narrows(op, x) for part in conditions(body) for op, x in nodes(part))


def _narrows(operator: str, operand: Any) -> bool:
    if operator == "is":
        return False
    read = [reference(part) for part in operands(operator, operand)]
    return any(found and found.variable != "resource" for found in read)


def _operator_problems(statement: Statement) -> Iterator[str]:
    used = Counter(op for part in conditions(statement.body) for op, _ in nodes(part))
    for operator in sorted(used.keys() & _ARITHMETIC):
        yield (
            f"uses `{operator}`: arithmetic can overflow, and Cedar skips a policy that errs, "
            "even a forbid. Compare the argument with a literal."
        )
    for operator in sorted(used.keys() - _ARITHMETIC - _OPERATORS):
        yield f"uses `{operator}`, which is not supported here."


def _text_problems(statement: Statement) -> Iterator[str]:
    """A misspelt effect would validate and never match."""
    for condition in conditions(statement.body):
        for operator, operand in nodes(condition):
            parts = operands(operator, operand)
            for part in parts:
                found = reference(part)
                if found and found.variable == "context" and found.path in _CLOSED_TEXTS:
                    others = [other for other in parts if other is not part]
                    yield from _closed_text_problems(found, operator, others)


def _closed_text_problems(found: Reference, operator: str, others: list[Any]) -> Iterator[str]:
    allowed = _CLOSED_TEXTS[found.path]
    values = literals(others[0]) if others and operator in {"==", "!=", "contains"} else None
    if values is None or not all(isinstance(value, str) for value in values):
        yield f"may only compare `{found}` with literals by ==, != or [...].contains()."
    elif not allowed.issuperset(values):
        yield f"compares `{found}` with something that is none of {', '.join(sorted(allowed))}."


def _reference_problems(statement: Statement, schema: AgentSchema) -> Iterator[str]:
    contexts = _contexts(statement, schema)
    for condition in conditions(statement.body):
        for found in references(condition):
            if found is None:
                yield "takes an attribute of a computed value; name the attribute directly."
            elif found.variable != "context":
                yield from _entity_problems(found)
            elif contexts:
                yield from _context_problems(found, contexts)


def _contexts(statement: Statement, schema: AgentSchema) -> list[Record]:
    return [context for name, context in schema.contexts.items() if statement.is_about(name)]


def _entity_problems(found: Reference) -> Iterator[str]:
    if found.path not in _READABLE[found.variable]:
        yield f"refers to `{found}`, which does not exist; claims are tags (hasTag, getTag)."


def _context_problems(found: Reference, contexts: list[Record]) -> Iterator[str]:
    places = [find(context, found.path) for context in contexts]
    for place in places:
        if isinstance(place, LeftOut):
            yield f"refers to `{found}`, which policies cannot see: {place.reason}."
            return
    if not any(places):
        yield f"refers to `{found}`, which no tool in its scope has."
    elif not found.tested and any(isinstance(place, Record) for place in places):
        yield f"uses `{found}` as a whole; name its attributes one by one."


def _cedar_problems(statement: Statement, schema: AgentSchema) -> Iterator[str]:
    for error in cedarpy.validate_policies(statement.text, schema.handle).errors:
        message = error.error.removeprefix(f"for policy `{error.policy_id}`, ")
        yield f"is refused by Cedar: {message}."

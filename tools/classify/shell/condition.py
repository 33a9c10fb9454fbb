"""`[ … ]`, `[[ … ]]` and `test`: they read, unless a subscript in them is evaluated."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .source import text_of
from .unproven import Unproven
from .words import Spread, Word, word_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tree_sitter import Node

_EVALUATES = frozenset({"-v", "-R"})
_ARITHMETIC = frozenset({"-eq", "-ne", "-lt", "-le", "-gt", "-ge"})
_COMPARES = frozenset({"=", "==", "!=", "-ef", "-nt", "-ot", *_ARITHMETIC})
_UNARY = re.compile(r"-[a-zA-Z]|!")
_PLAIN = frozenset({"[", "]", "=", "==", "!=", "!"})
_EXTENDED = frozenset({"[[", "]]", "=", "==", "!=", "!", "&&", "||", "=~"})
_EXPRESSIONS = frozenset({"unary_expression", "binary_expression", "parenthesized_expression"})
_NUMBER = re.compile(r'-?\d+|"?\$[#?]"?|"?\$\{#\w+\}"?')


def judge_condition(node: Node) -> None:
    """Judge `[ … ]` or `[[ … ]]`.

    Raises:
        Unproven: it may evaluate what it compares, or is more than a condition.
    """
    opening = node.children[0].type
    if opening == "[":
        leaves = list(_leaves(node, _PLAIN))
        check_test([_as_word(leaf) for leaf in leaves if leaf.type not in {"[", "]"}])
    elif opening == "[[":
        _check_extended(node)
    else:
        raise Unproven("shell-arithmetic", f"`{text_of(node)[:60]}` may set a variable.")


def check_test(words: Sequence[Word]) -> None:
    """Judge the arguments of `test`.

    Raises:
        Unproven: a variable's subscript may be evaluated, which can run a command.
    """
    for at, word in enumerate(words):
        if word.exact and word.head in _EVALUATES:
            raise _evaluates(word.head)
        if not word.exact and (word.spread is not Spread.ONE or _may_be_operator(words, at)):
            raise _evaluates("an expansion")


def _may_be_operator(words: Sequence[Word], at: int) -> bool:
    """Whether the word stands where `test` looks for an operator."""
    if words[at].head and not words[at].head.startswith("-"):
        return False
    before = words[at - 1] if at else None
    after = words[at + 1] if at + 1 < len(words) else None
    is_left = after is not None and after.exact and after.head in _COMPARES
    is_operand = before is not None and before.exact and _takes_operand(before.head)
    return len(words) > 1 and not (is_left or is_operand)


def _takes_operand(operator: str) -> bool:
    return operator in _COMPARES or bool(_UNARY.fullmatch(operator) and operator != "!")


def _check_extended(node: Node) -> None:
    before = ""
    for leaf in _leaves(node, _EXTENDED):
        text = text_of(leaf)
        if before in {"&&", "||"} and not _UNARY.fullmatch(text):
            raise Unproven("shell-construct", f"A plain shell would run `{text[:40]}`.")
        before = text
        if text in _EVALUATES:
            raise _evaluates(text)
        if text in _ARITHMETIC:
            sides = leaf.prev_sibling, leaf.next_sibling
            if not all(side and _NUMBER.fullmatch(text_of(side)) for side in sides):
                raise _evaluates(text)


def _leaves(node: Node, signs: frozenset[str]) -> Iterable[Node]:
    for child in node.children:
        if child.type in _EXPRESSIONS:
            yield from _leaves(child, signs)
        elif child.is_named or child.type in signs:
            yield child
        else:
            raise Unproven("shell-construct", f"`{text_of(node)[:60]}` is not just a condition.")


def _as_word(leaf: Node) -> Word:
    return word_of(leaf) if leaf.is_named else Word(leaf.type)


def _evaluates(what: str) -> Unproven:
    return Unproven(
        "shell-arithmetic", f"In a condition, {what} may evaluate a subscript, which runs commands."
    )

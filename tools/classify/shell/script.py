"""Every statement of a script, down to its commands, redirections and assignments."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .command import judge
from .condition import judge_condition
from .source import parse, text_of
from .unproven import Unproven
from .variables import check_variable
from .words import Word, word_of

if TYPE_CHECKING:
    from tree_sitter import Node

_SHELLS_IN_SHELLS = 3
_STRUCTURE = frozenset(
    {
        "program",
        "list",
        "pipeline",
        "subshell",
        "compound_statement",
        "do_group",
        "negated_command",
        "if_statement",
        "elif_clause",
        "else_clause",
        "while_statement",
        "case_statement",
        "case_item",
        "redirected_statement",
        "variable_assignments",
        "command_substitution",
        "process_substitution",
        "heredoc_redirect",
    }
)
_WORDS = frozenset(
    {
        "word",
        "number",
        "string",
        "raw_string",
        "ansi_c_string",
        "concatenation",
        "simple_expansion",
        "expansion",
        "arithmetic_expansion",
        "brace_expression",
    }
)
_HOLD_WORDS = frozenset({"for_statement", "case_statement", "case_item"})
_SILENT = frozenset(
    {
        "comment",
        "extglob_pattern",
        "file_descriptor",
        "heredoc_start",
        "heredoc_body",
        "heredoc_end",
    }
)
_REDIRECTS = frozenset({"file_redirect", "herestring_redirect"})
_WRITES = frozenset({">", ">>", "&>", "&>>", ">|"})
_DUPLICATES = frozenset({">&", "<&"})
_CONNECTIONS = ("/dev/tcp/", "/dev/udp/")
"""Paths that the shell itself opens as connections."""


@dataclass(slots=True)
class Script:
    """The commands of one command line, as far as they were looked at."""

    depth: int = 0
    seen: list[str] = field(default_factory=list)

    def read(self, text: str) -> None:
        """Go through a command line.

        Raises:
            Unproven: something in it is not shown to only read.
        """
        if self.depth > _SHELLS_IN_SHELLS:
            raise Unproven("shell-too-deep", "Shells start shells too many times.")
        self._visit(parse(text))

    def _visit(self, node: Node) -> None:
        if node.type in _STRUCTURE:
            for child in node.named_children:
                self._visit(child)
        elif node.type in _WORDS and node.parent and node.parent.type in _HOLD_WORDS:
            self._word(node)
        elif node.type == "command":
            self._command(node)
        elif node.type == "for_statement":
            self._loop(node)
        elif node.type in _REDIRECTS:
            self._redirect(node)
        elif node.type == "variable_assignment":
            self._assignment(node)
        elif node.type == "test_command":
            self._condition(node)
        elif node.type not in _SILENT:
            raise _unknown(node)

    def _word(self, node: Node) -> Word:
        for child in _statements_within(node):
            self._visit(child)
        return word_of(node)

    def _command(self, node: Node) -> None:
        words: list[Word] = []
        for child in node.children:
            if child.type == "variable_assignment":
                self._assignment(child, exported=True)
            elif child.type in _REDIRECTS:
                self._redirect(child)
            elif child.type == "command_name":
                words.append(self._word(child.children[0]))
            elif child.is_named or child.type == "$":
                words.append(self._word(child))
            else:
                raise _unknown(child)
        self._judge(words)

    def _judge(self, words: list[Word]) -> None:
        if words[0].head not in self.seen:
            self.seen.append(words[0].head)
        nested = Script(self.depth + 1, self.seen)
        judge(words, self._judge, nested.read)

    def _loop(self, node: Node) -> None:
        if node.children[0].type != "for":
            raise _unknown(node)
        for child in node.named_children:
            if child.type == "variable_name":
                check_variable(text_of(child))
            else:
                self._visit(child)

    def _assignment(self, node: Node, *, exported: bool = False) -> None:
        name, sign, *value = node.children
        if name.type != "variable_name" or sign.type != "=":
            raise _unknown(node)
        word = self._word(value[0]) if value else Word("")
        check_variable(text_of(name), word, exported=exported)

    def _redirect(self, node: Node) -> None:
        operator = next(child.type for child in node.children if not child.is_named)
        targets = [child for child in node.named_children if child.type != "file_descriptor"]
        if len(targets) != 1:
            raise _unknown(node)
        target = self._word(targets[0])
        if operator == "<<<":
            return
        if operator in _DUPLICATES:
            if not (target.exact and re.fullmatch(r"\d*-?", target.head)):
                raise Unproven("shell-writes-file", f"`{text_of(node)}` may write a file.")
        elif operator in _WRITES:
            if target != Word("/dev/null"):
                raise Unproven("shell-writes-file", f"`{text_of(node)}` writes a file.")
        elif operator != "<":
            raise _unknown(node)
        elif any(_may_start_with(target, place) for place in _CONNECTIONS):
            raise Unproven("egress-network", f"`{text_of(node)}` may open a connection.")

    def _condition(self, node: Node) -> None:
        for child in _statements_within(node):
            self._visit(child)
        judge_condition(node)


def _may_start_with(word: Word, place: str) -> bool:
    return word.head.startswith(place) or (not word.exact and place.startswith(word.head))


def _statements_within(node: Node) -> list[Node]:
    """The command and process substitutions in a word, each as a statement of its own."""
    if node.type in {"command_substitution", "process_substitution"}:
        return [node]
    return [found for child in node.named_children for found in _statements_within(child)]


def _unknown(node: Node) -> Unproven:
    shown = " ".join(text_of(node).split())[:60]
    kind = node.type.replace("_", " ")
    return Unproven("shell-construct", f"`{shown}` ({kind}) is not known to only read.")

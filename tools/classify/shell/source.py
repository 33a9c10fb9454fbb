"""The syntax tree of a command line, checked against what a shell itself would read.

tree-sitter's grammar is not a shell: it skips a blank that a backslash keeps, takes a `#` within a
word for a comment, and lets one token run on where a shell ends it. So each leaf must look like
what the tree takes it for, and nothing but blanks may lie between leaves.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from .unproven import Unproven

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

LONGEST = 8_000
"""Characters of a command line that is looked at."""
DEEPEST = 60
"""Levels of its syntax tree."""

NAME = r"(?:[A-Za-z_]\w*|[0-9]|[*@#?$!_-])"
_SIMPLE = r"(?:[\w./:=@%+*?~, ^\[\]-]|\$[A-Za-z_]\w*|\$\{[A-Za-z_]\w*\})*"
_SUBSCRIPT = r"(?:\[(?:\d+|[@*])\])?"
_NAMED = rf"(?:[A-Za-z_]\w*{_SUBSCRIPT}|\d+|[*@])"
_OPERATOR = r"(?::?[-+?]|##?|%%?|//?|/[#%]|\^\^?|,,?)"
_LEAVES = {
    "word": r"(?:[^\s'\"`$\\|&;<>()]|\\[^\s])+",
    "number": r"-?\d+",
    "raw_string": r"'[^']*'",
    "ansi_c_string": r"\$'(?:[^'\\]|\\[^'])*'",
    "simple_expansion": rf"\${NAME}",
    "expansion": (
        rf"\$\{{(?:#?{_NAMED}|[?$#!]|{_NAMED}{_OPERATOR}{_SIMPLE}|{_NAMED}:\d+(?::-?\d+)?"
        rf"|{_NAMED}@[ULuQ])\}}"
    ),
    "arithmetic_expansion": r"\$\(\((?:[\s\d+*/%()<>=!&|^~?:-]|\$\{#\w+\}|\$[#?])*\)\)",
    "brace_expression": r"\{\d+\.\.\d+\}",
    "comment": r"#[^\n]*",
    "variable_name": r"[A-Za-z_]\w*",
    "file_descriptor": r"\d+",
    "test_operator": r"-[A-Za-z]{1,2}",
    "regex": r"[^\s$`\"'\\<>&;|()]+\$?",
    "extglob_pattern": r"[\w*?.:/\[\]-]+",
    "heredoc_start": r"\w+|'\w+'|\"\w+\"",
    "heredoc_end": r"\w+",
}
_LEAF = {kind: re.compile(pattern, re.ASCII) for kind, pattern in _LEAVES.items()}
_STRING = re.compile(r'(?:[^"\\`$\x00]|\\[^\n]|\$(?=[\s.,/%^+=:~)|\]}]|$)|\x00)*')
_BLANK = re.compile(r"(?:[ \t]|\\\n)*")
_BLANK_LINES = re.compile(r"(?:[ \t\n]|\\\n)*")
_OF_ONE_LINE = frozenset(
    {
        "command",
        "command_name",
        "file_redirect",
        "herestring_redirect",
        "negated_command",
        "redirected_statement",
        "test_command",
        "unary_expression",
        "binary_expression",
        "parenthesized_expression",
    }
)
_REDIRECTS = frozenset({"file_redirect", "heredoc_redirect", "herestring_redirect"})
_OF_HEREDOC = frozenset(
    {"<<", "<<-", "file_descriptor", "heredoc_start", "heredoc_body", "heredoc_end", "\n"}
)
_WITHOUT_GAPS = frozenset({"concatenation", "variable_assignment"})
_APART = frozenset(
    {
        "command",
        "negated_command",
        "redirected_statement",
        "unary_expression",
        "variable_assignments",
    }
)
_OPERATORS = frozenset(
    {
        "|",
        "|&",
        "&&",
        "||",
        ";",
        ";;",
        ";&",
        ";;&",
        "&",
        "(",
        ")",
        "$(",
        "`",
        "<(",
        ">(",
        "<",
        ">",
        ">>",
        "&>",
        "&>>",
        "<&",
        ">&",
        ">|",
        "<<",
        "<<-",
        "<<<",
    }
)
_KEYWORDS = frozenset(
    {
        "if",
        "then",
        "elif",
        "else",
        "fi",
        "for",
        "in",
        "do",
        "done",
        "while",
        "until",
        "case",
        "esac",
        "!",
        "{",
        "}",
        "[",
        "]",
        "[[",
        "]]",
    }
)
_SIGNS = frozenset({"=", "==", "!=", "=~", "+=", '"', "$"})
_EDGE = frozenset(" \t\n;&|()<>`")
_EDGES = frozenset(letter.encode() for letter in _EDGE) | {b""}


@cache
def _parser() -> Parser:
    import tree_sitter_bash
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_bash.language()))


def parse(text: str) -> Node:
    """The syntax tree of a command line.

    Raises:
        Unproven: it is too long, too deep, holds characters that people cannot see, cannot be
            parsed, or a shell might read it otherwise.
    """
    if len(text) > LONGEST:
        raise Unproven("shell-too-long", f"It has more than {LONGEST:,} characters.")
    if not all(letter.isprintable() or letter in "\t\n" for letter in text):
        raise Unproven("shell-odd-character", "It holds characters that a screen does not show.")
    source = text.encode()
    root = _parser().parse(source).root_node
    if root.has_error:
        raise Unproven("shell-syntax", "It cannot be parsed as a shell would read it.")
    _check(root, source)
    return root


def text_of(node: Node) -> str:
    """The node's own source."""
    return (node.text or b"").decode()


def _misread(node: Node) -> Unproven:
    shown = " ".join(text_of(node).split())[:40]
    return Unproven("shell-syntax", f"A shell may read `{shown}` otherwise than it looks.")


def _check(root: Node, source: bytes) -> None:
    waiting = [(root, 0)]
    while waiting:
        node, depth = waiting.pop()
        if depth > DEEPEST:
            raise Unproven("shell-too-deep", f"It is nested more than {DEEPEST} levels deep.")
        inside = _inside(node, source)
        waiting.extend((child, depth + 1) for child in inside)


def _inside(node: Node, source: bytes) -> list[Node]:
    """The children to be checked, too, once the node itself is."""
    if node.type in _LEAF:
        _check_leaf(node, source)
        return []
    if node.type == "string":
        return _check_string(node)
    if node.type == "heredoc_redirect":
        return _check_heredoc(node, source)
    if node.type == "special_variable_name":
        return []
    if not node.is_named:
        _check_sign(node, source)
        return []
    if (
        node.type == "command_substitution"
        and source[node.start_byte : node.start_byte + 1] == b"`"
    ):
        _check_backticks(node)
    _check_gaps(node, source)
    return node.children


def _check_leaf(node: Node, source: bytes) -> None:
    if not _LEAF[node.type].fullmatch(text_of(node)):
        raise _misread(node)
    if node.type == "comment":
        before = source[: node.start_byte].decode()
        if before and (before[-1] not in _EDGE or before[-2:-1] == "\\"):
            raise _misread(node)


def _check_sign(node: Node, source: bytes) -> None:
    text = text_of(node)
    if node.type == "\n":
        if text.strip():
            raise _misread(node)
        return
    if text != node.type or text not in _OPERATORS | _KEYWORDS | _SIGNS:
        raise _misread(node)
    if text in _KEYWORDS:
        around = source[max(node.start_byte - 1, 0) : node.start_byte], source[node.end_byte :][:1]
        if not all(letter in _EDGES for letter in around):
            raise _misread(node)


def _check_string(node: Node) -> list[Node]:
    """What a string holds between its quotes is text, but for the expansions the tree shows."""
    inner = [child for child in node.children if child.is_named and child.type != "string_content"]
    content, at = b"", node.start_byte + 1
    own = node.text or b""
    for child in inner:
        content += own[at - node.start_byte : child.start_byte - node.start_byte] + b"\x00"
        at = child.end_byte
    content += own[at - node.start_byte : -1]
    if not _STRING.fullmatch(content.decode()):
        raise _misread(node)
    return inner


def _check_backticks(node: Node) -> None:
    quoted = node.parent is not None and node.parent.type == "string"
    inner = text_of(node)[1:-1]
    if "\\" in inner or "`" in inner or (quoted and '"' in inner):
        raise _misread(node)


def _check_gaps(node: Node, source: bytes) -> None:
    blank = _BLANK if node.type in _OF_ONE_LINE else _BLANK_LINES
    for before, after in zip(node.children, node.children[1:], strict=False):
        gap = source[before.end_byte : after.start_byte].decode()
        joined = gap.replace("\\\n", "")
        if not blank.fullmatch(gap) or (gap and not joined):
            raise _misread(node)
        if node.type in _WITHOUT_GAPS and gap:
            raise _misread(node)
        if node.type in _APART and not gap and not _ends_word(before, after):
            raise _misread(node)


def _ends_word(before: Node, after: Node) -> bool:
    """Whether a redirection begins right after a word, and not with a variable as in `{name}<f`."""
    return after.type in _REDIRECTS and text_of(after)[0] in "<>&" and text_of(before)[-1] != "}"


def _check_heredoc(node: Node, source: bytes) -> list[Node]:
    """A here-document shares its own line with redirections and a pipe alone.

    What else the tree puts there belongs to the command before it, or to nothing at all.
    """
    parts = {child.type: child for child in node.children}
    after = [child for child in node.children if child.type not in _OF_HEREDOC]
    if source.count(b"<<") != 1 or not {"heredoc_start", "heredoc_end"} <= parts.keys():
        raise _misread(node)
    row = parts["heredoc_start"].end_point.row
    if any(
        child.type not in {"file_redirect", "pipeline"} or child.end_point.row != row
        for child in after
    ):
        raise _misread(node)
    at = parts["heredoc_start"].end_byte
    for child in after:
        if source[at : child.start_byte].strip(b" \t"):
            raise _misread(node)
        at = child.end_byte
    if source[at:].partition(b"\n")[0].strip(b" \t"):
        raise _misread(node)
    _check_heredoc_body(node, source.decode().split("\n"))
    return after


def _check_heredoc_body(node: Node, lines: list[str]) -> None:
    """Its body ends with the first line that is its delimiter."""
    parts = {child.type: child for child in node.children}
    start, end = parts["heredoc_start"], parts["heredoc_end"]
    delimiter, first = text_of(start), start.end_point.row + 1
    if "<<-" in parts:
        lines = [line.lstrip("\t") for line in lines]
    named = delimiter.strip("'\"")
    last = next((row for row in range(first, len(lines)) if lines[row] == named), None)
    expands = delimiter == named and re.search(r"[$`\\]", "\n".join(lines[first:last]))
    if last != end.start_point.row or expands:
        raise _misread(node)

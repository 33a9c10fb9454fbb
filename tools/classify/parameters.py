"""What the names of a tool's parameters say: that it takes code, content or orders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .lexicon import words_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_CODE: Final = frozenset(
    {
        *("sql", "cmd", "command", "commands", "script", "scripts", "shell", "javascript", "js"),
        *("program", "mutation", "statement", "statements", "lambda", "bash", "powershell"),
        *("python", "fn", "hook", "clause", "callback"),
    }
)
_WHOLE_CODE: Final = frozenset(
    {"code", "snippet", "function", "expression", "expr", "program", "eval", "query_string"}
)
_CONTENT: Final = frozenset(
    {
        *("body", "payload", "content", "contents", "message", "messages", "recipient", "cc"),
        *("recipients", "bcc", "attachment", "attachments", "subject", "html", "amount", "file"),
        *("replacement", "patch", "tool_input", "instructions", "prompt", "task"),
    }
)
_ORDERS: Final = frozenset(
    {
        *("delete", "remove", "create", "update", "send", "mark", "overwrite", "replace", "write"),
        *("save", "notify", "publish", "approve", "execute", "apply", "force", "insert", "add"),
        *("purge", "clear", "reset", "install", "upload", "confirm", "acknowledge", "ack"),
        *("consume", "lock", "revoke", "restart", "new", "set", "acknowledgement", "confirmation"),
        *("cleanup", "fix", "autofix", "persist", "refresh", "export", "dump", "share", "forward"),
        *("post", "outfile", "password"),
    }
)
_ORDER_NOUNS: Final = frozenset(
    {
        *("id", "ids", "at", "by", "date", "time", "count", "after", "before", "since", "type"),
        *("only", "first", "limit", "from", "status"),
    }
)
"""After one of these, a verb is a part of a name: `update_id`, `new_only`."""
_PROGRAM_ARGUMENTS: Final = frozenset({"args", "argv", "arguments", "exec"})
_PLACES: Final = frozenset({"path", "dir", "directory", "folder", "file", "filename"})
_OF_THE_OUTPUT: Final = frozenset(
    {"output", "out", "local", "target", "dest", "destination", "download", "save"}
)
"""With one of these, a place is where the tool writes: `localPath`, `output_dir`."""
_SENDS_TO: Final = frozenset({"to_email", "email_to", "send_to", "dest"})
_DISPATCH: Final = frozenset({"action", "operation", "op", "method", "verb", "subcommand"})
_DEEPEST: Final = 6
_MOST: Final = 500


def names_in(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of all arguments of a JSON schema, nested ones included."""
    found: list[str] = []
    todo: list[tuple[Any, int]] = [(schema, 0)]
    while todo and len(found) < _MOST:
        node, depth = todo.pop()
        if isinstance(node, dict):
            named = node.get("properties")
            if isinstance(named, dict):
                found.extend(map(str, named))
            if depth < _DEEPEST:
                todo.extend((part, depth + 1) for part in node.values())
        elif isinstance(node, list) and depth < _DEEPEST:
            todo.extend((part, depth + 1) for part in node)
    return tuple(dict.fromkeys(found))


def acting_parameter(names: Iterable[str], *, is_arithmetic: bool) -> str | None:
    """The parameter that says that the tool does more than read, if one does.

    Args:
        names: the parameters' names.
        is_arithmetic: the tool says that it reckons, so an expression is one of arithmetic.
    """
    return next((name for name in names if _acts(name, is_arithmetic=is_arithmetic)), None)


def _acts(name: str, *, is_arithmetic: bool) -> bool:
    words = words_of(name)
    whole = "_".join(words)
    if not words or not name.isascii():
        return True
    if whole in {"expression", "expr"} and is_arithmetic:
        return False
    if _CODE & set(words) or whole in _WHOLE_CODE | _CONTENT | _DISPATCH | _SENDS_TO:
        return True
    if words[-1] in _PROGRAM_ARGUMENTS:
        return True
    if _orders(words):
        return True
    return words[-1] in _PLACES and bool(_OF_THE_OUTPUT.intersection(words[:-1]))


def _orders(words: tuple[str, ...]) -> bool:
    """`mark_as_read`, `auto_fix`, `fields_to_update`; not `update_id`."""
    verb = words[1] if words[0] == "auto" and len(words) > 1 else words[0]
    sets = verb == "set" and len(words) > 1
    if verb in _ORDERS and (sets or words[-1] not in _ORDER_NOUNS):
        return True
    return words[-1] in _ORDERS and "to" in words[:-1]

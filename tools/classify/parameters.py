"""What the names of a tool's parameters say: that it takes code, content or orders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .lexicon import ACTING, words_of

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
_ORDERS: Final = (ACTING - {"stop", "move", "drop", "fire", "mint", "set", "pop", "swap"}) | {
    *(
        "force",
        "update",
        "new",
        "set",
        "acknowledgement",
        "confirmation",
        "cleanup",
        "fix",
        "autofix",
    ),
    *("refresh", "export", "dump", "share", "post", "outfile", "password", "close", "archive"),
    *("reserve", "dedupe", "deduplicate", "calibrate", "adjust", "repair", "extend", "charge"),
    *("merge", "renew", "requeue", "commit", "release", "resend", "unlock", "trash", "ship"),
}
_ORDERS_WITH_MORE: Final = frozenset({"stop", "start", "move", "drop", "turn", "check", "store"})
"""Verbs that are nouns alone, and orders before one of these."""
_MORE: Final = frozenset({"to", "on", "off", "in", "out", "if", "as", "all", "first", "now"})
_ORDER_NOUNS: Final = frozenset(
    {
        *(
            "id",
            "ids",
            "iid",
            "at",
            "by",
            "date",
            "time",
            "count",
            "after",
            "before",
            "since",
            "type",
        ),
        *("only", "first", "limit", "from", "status", "name", "url", "period", "mode", "level"),
        *("address", "code", "number", "key", "keys", "until", "reason", "policy", "version"),
    }
)
"""After one of these, a verb is a part of a name: `update_id`, `new_only`."""
_ENDS_A_TIME: Final = frozenset({"at", "by", "date", "time", "count", "reason", "policy"})
_TAKES_AWAY: Final = frozenset({"delete", "purge", "clear", "remove", "erase", "wipe", "destroy"})
"""Verbs that `first`, `after` and `ids` do not make a name of: `clear_first`."""
_BEFORE_AN_ORDER: Final = frozenset({"auto", "then", "also", "should", "with", "do", "and"})
_OF_A_CHANGE: Final = frozenset({"dry_run", "dryrun", "idempotency_key", "no_ack", "auto_ack"})
"""What only a call that changes something has a use for."""
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
    """`mark_as_read`, `then_delete`, `fields_to_update`; not `update_id`."""
    if "_".join(words) in _OF_A_CHANGE or words[0] == "desired":
        return True
    verb, *more = words[1:] if words[0] in _BEFORE_AN_ORDER and len(words) > 1 else words
    names = _ENDS_A_TIME if verb in _TAKES_AWAY else _ORDER_NOUNS
    sets = verb == "set" and more
    if verb in _ORDERS and (sets or not more or more[-1] not in names):
        return True
    if verb == "check" and more[:1] in (["in"], ["out"]):
        return True
    if verb in _ORDERS_WITH_MORE and more and more[0] in _MORE and more[-1] not in names:
        return True
    return words[-1] in _ORDERS and "to" in words[:-1]

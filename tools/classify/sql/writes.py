"""A statement that is not known to only read: how grave it is, and how to say so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...effect import Classification, Effect, Source
from .calls import closing, unknown_calls
from .reading import begins_query
from .scanner import Kind, Unsure
from .spelling import spell
from .words import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .dialects import Dialect
    from .scanner import Token

_SHOWN = 60
_DML = frozenset({"insert", "replace", "update", "delete", "merge", "truncate"})
_UNDONE_OBJECTS = {
    "create": words("table index view sequence schema type statistics"),
    "alter": words("table index view sequence schema type statistics domain"),
    "drop": words(
        "table index view sequence schema type statistics domain function procedure routine trigger"
        " rule operator aggregate policy collation"
    ),
}
_OBJECT_WORDS = words(
    "temp temporary global local unlogged unique recursive materialized or replace"
)
_UNDONE_IN_POSTGRES = frozenset({"truncate", "comment", "grant", "revoke", "set", "reset", "lock"})
_NEVER_UNDONE = frozenset({"concurrently", "program", "tablespace", "execute"})
# What is defined within runs later, and unseen.
_LATENT = frozenset({"create", "function", "rule", "trigger"})
_MEANING = {
    "alter": ("sql-ddl", "changes the definition of what is stored"),
    "analyze": ("sql-maintenance", "is maintenance of the server"),
    "attach": ("sql-file", "opens another database file"),
    "begin": ("sql-transaction", "changes the transaction it stands in"),
    "call": ("sql-procedure", "runs a procedure whose body is not seen"),
    "checkpoint": ("sql-maintenance", "is maintenance of the server"),
    "cluster": ("sql-maintenance", "is maintenance of the server"),
    "comment": ("sql-ddl", "changes the definition of what is stored"),
    "commit": ("sql-transaction", "makes what was done final"),
    "copy": ("sql-copy", "copies into a table, or into a file or program of the server"),
    "create": ("sql-ddl", "makes something that stays"),
    "deallocate": ("sql-session", "changes the session"),
    "declare": ("sql-session", "opens a cursor in the session"),
    "delete": ("sql-delete", "deletes rows"),
    "discard": ("sql-session", "changes the session"),
    "do": ("sql-procedure", "runs code whose effects are not seen"),
    "drop": ("sql-ddl", "drops what is stored, with its data"),
    "exec": ("sql-procedure", "runs a procedure whose body is not seen"),
    "execute": ("sql-procedure", "runs a statement that is not seen"),
    "fetch": ("sql-session", "moves a cursor whose query is not seen"),
    "grant": ("sql-privileges", "changes who may do what"),
    "insert": ("sql-insert", "adds rows"),
    "kill": ("sql-maintenance", "ends somebody's session"),
    "listen": ("sql-notification", "changes what the session is told"),
    "load": ("sql-file", "loads a file of the server"),
    "lock": ("sql-lock", "locks a table"),
    "merge": ("sql-merge", "adds, changes or deletes rows"),
    "notify": ("sql-notification", "sends a notification"),
    "pragma": ("sql-pragma", "may change the database or the session"),
    "prepare": ("sql-procedure", "prepares a statement, or a transaction, that outlives it"),
    "refresh": ("sql-maintenance", "stores a query's rows anew"),
    "reindex": ("sql-maintenance", "is maintenance of the server"),
    "replace": ("sql-insert", "adds rows, or puts them in the place of others"),
    "reset": ("sql-session-setting", "changes a setting of the session"),
    "revoke": ("sql-privileges", "changes who may do what"),
    "rollback": ("sql-transaction", "throws away what was done"),
    "set": ("sql-session-setting", "changes a setting, and so what later statements mean"),
    "truncate": ("sql-truncate", "deletes every row"),
    "update": ("sql-update", "changes rows"),
    "use": ("sql-session-setting", "changes which database later statements mean"),
    "vacuum": ("sql-maintenance", "is maintenance of the server"),
}


def judge_write(
    tokens: Sequence[Token], text: str, dialect: Dialect, doubt: Unsure, *, transactional: bool
) -> Classification:
    """The effect of a statement for which `doubt` says why it is not known to only read."""
    rule, evidence = _meaning(tokens, text, doubt)
    if not transactional:
        return Classification(Effect.IRREVERSIBLE, Source.INFERRED, rule, (evidence,))
    try:
        _check_undone(tokens, dialect)
    except Unsure as reason:
        known = (evidence,) if str(reason) in evidence else (evidence, str(reason))
        return Classification(Effect.IRREVERSIBLE, Source.INFERRED, rule, known)
    undone = "It runs in a transaction, and a rollback undoes it."
    return Classification(Effect.REVERSIBLE, Source.INFERRED, f"{rule}-undone", (evidence, undone))


def _meaning(tokens: Sequence[Token], text: str, doubt: Unsure) -> tuple[str, str]:
    shown = _shown(tokens, text)
    first = tokens[0]
    verb = first.value if first.kind is Kind.WORD else ""
    if verb in {"delete", "update"} and not any(token.is_word("where") for token in tokens):
        return f"sql-{verb}-every-row", f"`{shown}` has no WHERE: every row."
    if verb in _MEANING:
        rule, does = _MEANING[verb]
        return rule, f"`{shown}` {does}."
    return doubt.rule, f"`{shown}`: {doubt}"


def _shown(tokens: Sequence[Token], text: str) -> str:
    if tokens[0].is_word("delete", "update"):
        stops = ("set", "where", "using", "returning")
        end = next((at for at, token in enumerate(tokens) if token.is_word(*stops)), len(tokens))
        text = text[: tokens[end - 1].end - tokens[0].start]
    plain = " ".join(text.split())
    return plain if len(plain) <= _SHOWN else plain[: _SHOWN - 1] + "…"


def _check_undone(tokens: Sequence[Token], dialect: Dialect) -> None:
    if not dialect.undoes:
        raise Unsure(f"Whether a rollback undoes it is not known for {dialect.name}.")
    called = () if tokens[0].is_word("drop") else unknown_calls(tokens, dialect)
    for call in called:
        raise Unsure(f"What `{call.name}` does may outlive a rollback.")
    if any(token.is_word(*_NEVER_UNDONE) for token in tokens):
        raise Unsure("A rollback does not undo it.")
    if not _rolls_back(tokens, dialect):
        raise Unsure("Whether a rollback undoes it is not known.")
    if dialect.is_postgres:
        _check_types(tokens, dialect)


def _rolls_back(tokens: Sequence[Token], dialect: Dialect) -> bool:
    first = tokens[0].value if tokens[0].kind is Kind.WORD else ""
    if begins_query(tokens):
        return dialect.is_postgres or tokens[0].is_word("with")
    if first in _UNDONE_OBJECTS and first in dialect.undoes:
        latent = any(token.is_word(*_LATENT) for token in tokens[1:])
        return _object(tokens) in _UNDONE_OBJECTS[first] and (first == "drop" or not latent)
    if dialect.is_postgres and first == "copy":
        return _copies_into_table(tokens)
    return (first in _DML and first in dialect.undoes) or (
        dialect.is_postgres and first in _UNDONE_IN_POSTGRES
    )


def _copies_into_table(tokens: Sequence[Token]) -> bool:
    behind = closing(tokens, 1) if tokens[1:2] and tokens[1].is_mark("(") else 1
    way = next((token for token in tokens[behind:] if token.is_word("to", "from")), tokens[0])
    return way.is_word("from")


def _object(tokens: Sequence[Token]) -> str:
    named = (token.value for token in tokens[1:] if not token.is_word(*_OBJECT_WORDS))
    return next(named, "")


def _check_types(tokens: Sequence[Token], dialect: Dialect) -> None:
    if tokens[0].is_word(*_DML, "with", "select"):
        spell(tokens, dialect)

"""Tools that plainly run what they are given: the SQL or the command of a call decides.

Such a tool acts by its name; each call of it does what its argument says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..effect import Classification, Effect, Source
from .lexicon import plain, words_of
from .parameters import acting_parameter
from .sentences import acting_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..effect import SureRule

RUNS_WHAT_IT_IS_GIVEN: Final = "runs-what-it-is-given"
_SQL: Final = frozenset({"sql", "statement", "query"})
_SHELL: Final = frozenset({"command", "cmd"})
_DIALECTS: Final[Mapping[str, str]] = {
    "postgres": "postgres",
    "postgresql": "postgres",
    "mysql": "mysql",
    "sqlite": "sqlite",
    "duckdb": "duckdb",
}
_EVERY_DIALECT: Final = ("postgres", "mysql", "sqlite")
_SHELLS: Final = frozenset({"bash", "shell", "sh"})
_RUNS: Final = frozenset({"run", "runs", "execute", "executes", "exec", "query", "do"})
_SAYS_NO_MORE: Final = (
    _RUNS
    | _SHELLS
    | _SQL
    | _SHELL
    | _DIALECTS.keys()
    | {
        *("raw", "read", "only", "readonly", "db", "database", "tool", "the", "in", "on", "a"),
    }
)


def by_what_it_runs(name: str, description: str, parameters: tuple[str, ...]) -> SureRule | None:
    """The rule of a tool that runs one argument and says no more than that; None for any other."""
    words, told = words_of(name), plain(description)
    if told is None or not set(words) <= _SAYS_NO_MORE or not _only_runs(acting_words(told)):
        return None
    given = [parameter for parameter in parameters if parameter in _SQL | _SHELL]
    others = [parameter for parameter in parameters if parameter not in given]
    if len(given) != 1 or acting_parameter(others, is_arithmetic=False):
        return None
    if given[0] in _SHELL:
        return _by_shell(given[0]) if _SHELLS.intersection(words) else None
    if "sql" not in words and given[0] != "sql" and not _DIALECTS.keys() & set(words):
        return None
    named = tuple(dict.fromkeys(_DIALECTS[word] for word in words if word in _DIALECTS))
    return _by_sql(given[0], named or _EVERY_DIALECT)


def _only_runs(acting: Iterable[str]) -> bool:
    return all(word in _RUNS for word in acting)


def _by_sql(parameter: str, dialects: tuple[str, ...]) -> SureRule:
    def rule(args: Mapping[str, Any]) -> Classification:
        from .sql import classify_sql  # noqa: PLC0415 - its parser is heavy, and few tools need it

        statement = args.get(parameter)
        if not isinstance(statement, str):
            return _not_there(parameter, "SQL")
        found = [classify_sql(statement, dialect=dialect) for dialect in dialects]
        return next((each for each in found if each.effect is not Effect.READ), found[0])

    return rule


def _by_shell(parameter: str) -> SureRule:
    def rule(args: Mapping[str, Any]) -> Classification:
        from .shell import classify_shell  # noqa: PLC0415 - as above

        command = args.get(parameter)
        if not isinstance(command, str):
            return _not_there(parameter, "command")
        return classify_shell(command)

    return rule


def _not_there(parameter: str, what: str) -> Classification:
    said = f"It runs the {what} in `{parameter}`, and there is none."
    return Classification(Effect.IRREVERSIBLE, Source.INFERRED, RUNS_WHAT_IT_IS_GIVEN, (said,))

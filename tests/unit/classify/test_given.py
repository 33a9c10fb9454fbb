"""Tools that say no more than that they run what they are given."""

from __future__ import annotations

from typing import Any

import pytest
from interlock.tools.classify.evidence import Evidence, by_evidence
from interlock.tools.effect import Effect


def effect(name: str, args: dict[str, Any], description: str = "", **hints: Any) -> Effect:
    rule = by_evidence(Evidence(name, description, tuple(args), hints))
    return rule(args).effect


@pytest.mark.parametrize(
    ("name", "parameter", "description"),
    [
        ("run_sql", "sql", "Execute a single SQL statement."),
        ("execute_sql", "query", "Executes raw SQL in the database. Use `migrate_it` for DDL."),
        ("postgres_query", "sql", "Run a query"),
        ("query", "sql", ""),
    ],
)
def test_a_tool_that_runs_sql_does_what_the_sql_does(
    name: str, parameter: str, description: str
) -> None:
    assert effect(name, {parameter: "select 1"}, description) is Effect.READ
    for statement in ("delete from t", "select 1; drop table t", "select f()", "", 7, None):
        assert effect(name, {parameter: statement}, description) is Effect.IRREVERSIBLE
    assert effect(name, {parameter: "select 1"}, "Runs it and deletes the log.") is (
        Effect.IRREVERSIBLE
    )
    assert effect(name, {parameter: "select 1"}, readOnlyHint=False) is Effect.IRREVERSIBLE


@pytest.mark.parametrize("name", ["run_sql_job", "schedule_sql", "run_sql_and_mail", "sql_delete"])
def test_one_that_says_more_is_judged_by_that(name: str) -> None:
    assert effect(name, {"sql": "select 1"}) is Effect.IRREVERSIBLE


def test_what_reads_in_one_dialect_and_writes_in_another_is_not_freed() -> None:
    statement = "select 1 /*! into outfile '/tmp/x' */"

    assert effect("run_sql", {"sql": statement}) is Effect.IRREVERSIBLE


def test_another_argument_that_acts_holds_it() -> None:
    assert effect("run_sql", {"sql": "select 1", "database": "a"}) is Effect.READ
    assert effect("run_sql", {"sql": "select 1", "mail_to": "a"}) is Effect.READ
    assert effect("run_sql", {"sql": "select 1", "recipients": "a"}) is Effect.IRREVERSIBLE
    assert effect("run_sql", {"sql": "select 1", "query": "drop table t"}) is Effect.IRREVERSIBLE


def test_a_shell_does_what_its_command_does() -> None:
    for name in ("bash", "run_shell_command", "execute_bash"):
        assert effect(name, {"command": "ls -l"}) is Effect.READ
        assert effect(name, {"command": "rm -r x"}) is Effect.IRREVERSIBLE
        assert effect(name, {"command": ["ls"]}) is Effect.IRREVERSIBLE


def test_a_command_of_an_unknown_shell_is_not_read() -> None:
    for name in ("run_command", "execute_powershell_command", "ssh_exec"):
        assert effect(name, {"command": "ls"}) is Effect.IRREVERSIBLE

"""Statements made to look harmless, harmless ones in each dialect, and what reviewers are told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from interlock.tools import tool
from interlock.tools.classify.sql import by_sql, classify_sql
from interlock.tools.classify.sql.dialects import ALIASES, DIALECTS
from interlock.tools.effect import Effect
from sqlglot import column, select

FOLDER = Path(__file__).parents[2] / "data" / "sql"


def _rows(name: str) -> list[tuple[str, str]]:
    lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()
    return [(row["dialect"], row["sql"]) for row in map(json.loads, lines)]


@pytest.mark.parametrize(("dialect", "sql"), _rows("attacks.jsonl"))
def test_an_attack_is_irreversible(dialect: str, sql: str) -> None:
    answer = classify_sql(sql, dialect=dialect)
    assert answer.effect is Effect.IRREVERSIBLE
    assert answer.rule.startswith("sql-")
    assert answer.evidence[0]


@pytest.mark.parametrize(("dialect", "sql"), _rows("reads.jsonl"))
def test_a_query_reads(dialect: str, sql: str) -> None:
    assert classify_sql(sql, dialect=dialect).effect is Effect.READ


@pytest.mark.parametrize(
    ("sql", "rule", "evidence"),
    [
        ("DELETE FROM orders", "sql-delete-every-row", "`DELETE FROM orders` has no WHERE"),
        ("update  a.b set x = 1", "sql-update-every-row", "`update a.b` has no WHERE: every row."),
        ("DELETE FROM t WHERE a = 1", "sql-delete", "`DELETE FROM t` deletes rows."),
        ("DROP TABLE t", "sql-ddl", "`DROP TABLE t` drops what is stored, with its data."),
        ("SELECT nextval('s')", "sql-function-acts", "`nextval` moves a sequence on"),
        ("SELECT pg_advisory_lock(1)", "sql-function-acts", "takes or gives back a lock"),
        ("SELECT f(1)", "sql-unknown-function", "`f` is not among the built-in functions"),
        ("SELECT s.lower('x')", "sql-unknown-function", "`s.lower` is not among"),
        ("SELECT * FROM t FOR UPDATE", "sql-lock", "locks the rows"),
        ("SELECT 1 INTO x", "sql-select-into", "into `x`"),
        ("SELECT 1::d", "sql-user-type", "`d`, a type that is not built in"),
        ("SELECT 'a\\'", "sql-unreadable", "A backslash stands before a quote"),
        ("SELECT d 'x'", "sql-user-type", "`d '…'` makes a value of a type"),
        ('SELECT U&"a"', "sql-unreadable", "spelled in Unicode escapes"),
        ("SELECT " + "(" * 70 + "1" + ")" * 70, "sql-unreadable", "nested more than 60 deep"),
        ("EXPLAIN ANALYZE EXECUTE p", "sql-explain-unknown", "is not known to only read"),
        ("SELECT 1, FROM WHERE", "sql-unparsed", "sqlglot cannot read it"),
        ("SELECT 1; COMMIT", "sql-transaction", "`COMMIT` makes what was done final."),
        ("", "sql-empty", "no statement"),
        ("SELECT " + "1," * 60_000, "sql-unreadable", "120,007 characters"),
        ("SELECT " + "1," * 6_000, "sql-unreadable", "12,001 words"),
    ],
)
def test_the_reviewer_is_told_what_was_seen(sql: str, rule: str, evidence: str) -> None:
    answer = classify_sql(sql)
    assert answer.rule == rule
    assert evidence in " ".join(answer.evidence)


@pytest.mark.parametrize(
    "sql",
    [
        "(" * 50_000,
        "SELECT " + "(" * 4_000 + "1" + ")" * 4_000,
        "SELECT " + "NOT " * 9_000 + "true",
        "SELECT " + "- " * 9_000 + "1",
        "SELECT " + "CASE WHEN " * 4_000,
        "SELECT " + "a[" * 3_000,
        "SELECT (" * 3_000,
        "WITH a AS (" * 2_000,
        "EXPLAIN " * 9_000 + "DELETE FROM t",
        "SELECT '" + "x" * 2_000_000 + "'",
        "/*" * 40_000,
        "SELECT 1;" * 3_000 + "DELETE FROM t",
        "SELECT $a$ " * 5_000,
    ],
    ids=range(13),
)
def test_a_bomb_is_irreversible(sql: str) -> None:
    assert classify_sql(sql).effect is Effect.IRREVERSIBLE


@pytest.mark.parametrize(
    ("dialect", "sql", "evidence"),
    [
        ("mysql", 'SELECT "f"(1)', "A string stands where a function's name would."),
        ("tsql", "SELECT NEXT VALUE FOR s", "It moves a sequence on, which no rollback undoes."),
        ("mysql", "SELECT @a := 1", "It sets a variable of the session."),
        ("duckdb", "SELECT * FROM 'a.csv'", "It reads a file or an address."),
    ],
)
def test_the_reviewer_is_told_in_other_dialects(dialect: str, sql: str, evidence: str) -> None:
    assert classify_sql(sql, dialect=dialect).evidence == (f"`{sql}`: {evidence}",)


def test_an_error_inside_the_parser_is_irreversible(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise IndexError

    monkeypatch.setattr("sqlglot.parse", fails)
    answer = classify_sql("SELECT 1")
    assert (answer.effect, answer.rule) == (Effect.IRREVERSIBLE, "sql-unparsed")


@pytest.mark.parametrize(
    ("trees", "rule"),
    [
        ([], "sql-unparsed"),
        ([None], "sql-unparsed"),
        ([select("a"), select("b")], "sql-unparsed"),
        ([column("a")], "sql-not-a-query"),
    ],
)
def test_anything_but_one_query_from_the_parser_is_irreversible(
    monkeypatch: pytest.MonkeyPatch, trees: list[object], rule: str
) -> None:
    monkeypatch.setattr("sqlglot.parse", lambda *_, **__: trees)
    answer = classify_sql("SELECT 1")
    assert (answer.effect, answer.rule) == (Effect.IRREVERSIBLE, rule)


def test_the_gravest_of_several_statements_counts() -> None:
    answer = classify_sql("SELECT 1; DELETE FROM a WHERE b = 1; SELECT 2")
    assert (answer.effect, answer.rule) == (Effect.IRREVERSIBLE, "sql-delete")
    assert classify_sql("SELECT 1; SELECT 2;").effect is Effect.READ


@pytest.mark.parametrize("name", [*DIALECTS, *ALIASES, "PostgreSQL", "postgresql+psycopg"])
def test_each_dialect_reads_and_writes(name: str) -> None:
    assert classify_sql("SELECT a FROM t", dialect=name).effect is Effect.READ
    assert classify_sql("DELETE FROM t", dialect=name).effect is Effect.IRREVERSIBLE


def test_an_unknown_dialect_frees_nothing() -> None:
    assert classify_sql("SELECT 1", dialect="klingon").rule == "sql-dialect"
    with pytest.raises(ValueError, match="klingon"):
        by_sql("q", dialect="klingon")


def test_a_tool_is_classified_by_its_statement() -> None:
    @tool(effect=by_sql("statement"))
    def run_sql(statement: str) -> str:
        """Run a statement."""
        return statement

    classify = run_sql.spec.classify
    assert classify({"statement": "SELECT 1"}).effect is Effect.READ
    assert classify({"statement": "DROP TABLE t"}).effect is Effect.IRREVERSIBLE
    assert classify({"statement": 7}).rule == "sql-missing"
    assert classify({}).rule == "sql-missing"


def test_another_rule_is_another_version_of_the_tool() -> None:
    names = {
        by_sql(argument, dialect=dialect, transactional=transactional).__name__  # type: ignore[attr-defined]
        for argument in ("a", "b")
        for dialect in ("postgres", "mysql")
        for transactional in (True, False)
    }
    assert len(names) == 8
    assert "by_sql(a, postgres, in a transaction)" in names


def test_the_parser_is_imported_when_it_is_needed() -> None:
    code = (
        "import sys, interlock.tools.classify.sql as s; assert 'sqlglot' not in sys.modules;"
        "s.classify_sql('select 1'); assert 'sqlglot' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

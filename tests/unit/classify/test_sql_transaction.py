"""What counts as reversible where a rollback is possible."""

from __future__ import annotations

import pytest
from interlock.tools.classify.sql import classify_sql
from interlock.tools.effect import Effect


@pytest.mark.parametrize(
    ("dialect", "sql"),
    [
        ("postgres", "INSERT INTO t (a, b) VALUES (1, lower('x'))"),
        ("postgres", "INSERT INTO s.t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2"),
        ("postgres", "UPDATE t SET a = 1 WHERE b = 2"),
        ("postgres", "WITH d AS (DELETE FROM t RETURNING *) INSERT INTO u SELECT * FROM d"),
        ("postgres", "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE"),
        ("postgres", "TRUNCATE t"),
        ("postgres", "CREATE TABLE t (a int PRIMARY KEY, b text DEFAULT 'x', CHECK (a > 1))"),
        ("postgres", "CREATE TEMP TABLE t AS SELECT 1"),
        ("postgres", "CREATE OR REPLACE VIEW v AS SELECT count(*) FROM t"),
        ("postgres", "ALTER TABLE t ADD COLUMN a int"),
        ("postgres", "DROP TABLE t CASCADE"),
        ("postgres", "DROP FUNCTION f(int)"),
        ("postgres", "SELECT * FROM t FOR UPDATE"),
        ("postgres", "SELECT 1 INTO t"),
        ("postgres", "LOCK TABLE t"),
        ("postgres", "SET work_mem = '1MB'"),
        ("postgres", "COPY t FROM STDIN"),
        ("postgres", "COMMENT ON TABLE t IS 'x'"),
        ("postgres", "GRANT SELECT ON t TO u"),
        ("postgres", "SELECT 1; DELETE FROM t; UPDATE u SET a = 1"),
        ("sqlite", "REPLACE INTO t VALUES (1)"),
        ("sqlite", "CREATE TABLE t (a int)"),
        ("sqlite", "WITH a AS (SELECT 1) DELETE FROM t"),
    ],
)
def test_what_a_rollback_undoes_is_reversible(dialect: str, sql: str) -> None:
    answer = classify_sql(sql, dialect=dialect, transactional=True)
    assert answer.effect is Effect.REVERSIBLE
    assert answer.evidence[-1] == "It runs in a transaction, and a rollback undoes it."


@pytest.mark.parametrize(
    ("dialect", "sql"),
    [
        ("postgres", "INSERT INTO t VALUES (nextval('s'))"),
        ("postgres", "INSERT INTO t SELECT dblink_exec('x')"),
        ("postgres", "UPDATE t SET a = f(b)"),
        ("postgres", "DELETE FROM t USING f(1)"),
        ("postgres", "UPDATE t SET a = b FROM c JOIN d ON f(1)"),
        ("postgres", "DELETE FROM t WHERE a = '1'::my_domain"),
        ("postgres", "UPDATE t SET a = b OPERATOR(evil.+) 1"),
        ("postgres", "SELECT setval('s', 1)"),
        ("postgres", "SELECT 1 OPERATOR(evil.+) 2"),
        ("postgres", "SELECT pg_notify('a', 'b')"),
        ("postgres", "NOTIFY a"),
        ("postgres", "VACUUM t"),
        ("postgres", "CREATE DATABASE d"),
        ("postgres", "DROP DATABASE d"),
        ("postgres", "ALTER SYSTEM SET a = 1"),
        ("postgres", "CREATE TABLESPACE t LOCATION 'x'"),
        ("postgres", "CREATE INDEX CONCURRENTLY i ON t (a)"),
        ("postgres", "DROP INDEX CONCURRENTLY i"),
        ("postgres", "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p"),
        ("postgres", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'"),
        ("postgres", "CREATE TRIGGER a AFTER INSERT ON t EXECUTE FUNCTION f()"),
        ("postgres", "CREATE SCHEMA s CREATE TRIGGER a AFTER INSERT ON t EXECUTE FUNCTION f()"),
        ("postgres", "CREATE TABLE t AS EXECUTE p"),
        ("postgres", "ALTER TABLE t ENABLE ALWAYS TRIGGER a"),
        ("postgres", "CREATE TABLE t (a int DEFAULT f())"),
        ("postgres", "ALTER TABLE t ALTER a TYPE int USING f(a)"),
        ("postgres", "CREATE EXTENSION dblink"),
        ("postgres", "COPY t TO PROGRAM 'x'"),
        ("postgres", "COPY t FROM PROGRAM 'x'"),
        ("postgres", "COPY t TO '/tmp/x'"),
        ("postgres", "COPY (SELECT a FROM t) TO '/tmp/x'"),
        ("postgres", "COPY t (a) TO '/tmp/from'"),
        ("postgres", "DO $$ $$"),
        ("postgres", "CALL p()"),
        ("postgres", "EXECUTE p"),
        ("postgres", "EXPLAIN ANALYZE EXECUTE p"),
        ("postgres", "COMMIT"),
        ("postgres", "BEGIN"),
        ("postgres", "DELETE FROM t; COMMIT"),
        ("postgres", "SET search_path = evil; SELECT lower('x')"),
        ("postgres", "SET search_path = evil; DELETE FROM t"),
        ("postgres", "DELETE FROM t WHERE a = 'x\\'"),
        ("postgres", "foo"),
        ("sqlite", "VACUUM"),
        ("sqlite", "ATTACH 'x' AS y"),
        ("sqlite", "PRAGMA user_version = 5"),
        ("sqlite", "INSERT INTO t SELECT load_extension('x')"),
        ("sqlite", "CREATE TRIGGER a AFTER INSERT ON t BEGIN DELETE FROM u; END"),
        ("mysql", "DELETE FROM t"),
        ("tsql", "DELETE FROM t"),
        ("oracle", "DROP TABLE t"),
        ("snowflake", "DELETE FROM t"),
    ],
)
def test_what_may_outlive_a_rollback_is_irreversible(dialect: str, sql: str) -> None:
    answer = classify_sql(sql, dialect=dialect, transactional=True)
    assert answer.effect is Effect.IRREVERSIBLE


def test_a_dialect_without_a_known_rollback_is_named() -> None:
    answer = classify_sql("DELETE FROM t", dialect="mysql", transactional=True)
    assert answer.evidence[-1] == "Whether a rollback undoes it is not known for mysql."


def test_reads_stay_reads() -> None:
    assert classify_sql("SELECT 1", transactional=True).effect is Effect.READ

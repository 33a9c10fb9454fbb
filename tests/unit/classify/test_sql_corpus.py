"""Statements that others wrote and labelled."""

from __future__ import annotations

import json
from pathlib import Path

from interlock.tools.classify.sql import classify_sql
from interlock.tools.effect import Effect

CORPUS = Path(__file__).parents[2] / "data" / "corpora" / "sql_calls.jsonl"
ROWS = [json.loads(line) for line in CORPUS.read_text(encoding="utf-8").splitlines()]


def test_nothing_but_reads_is_freed() -> None:
    freed = [row["sql"] for row in ROWS if classify_sql(row["sql"]).effect is Effect.READ]
    assert not set(freed) - {row["sql"] for row in ROWS if row["label_autocommit"] == "read_only"}


def test_nine_of_ten_reads_are_freed() -> None:
    reads = [row["sql"] for row in ROWS if row["label_autocommit"] == "read_only"]
    freed = [sql for sql in reads if classify_sql(sql).effect is Effect.READ]
    assert len(freed) >= 0.9 * len(reads)


def test_without_a_transaction_nothing_is_reversible() -> None:
    assert all(classify_sql(row["sql"]).effect is not Effect.REVERSIBLE for row in ROWS)


def test_what_outlives_a_rollback_stays_irreversible_in_a_transaction() -> None:
    lasting = [row["sql"] for row in ROWS if row["label_txn"] == "irreversible"]
    effects = {classify_sql(sql, transactional=True).effect for sql in lasting}
    assert effects == {Effect.IRREVERSIBLE}


def test_most_of_what_a_rollback_undoes_is_reversible_in_a_transaction() -> None:
    undone = [row["sql"] for row in ROWS if row["label_txn"] == "reversible"]
    effects = [classify_sql(sql, transactional=True).effect for sql in undone]
    assert Effect.READ not in effects
    assert effects.count(Effect.REVERSIBLE) >= 0.6 * len(undone)

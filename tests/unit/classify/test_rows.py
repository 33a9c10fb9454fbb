"""`interlock tools classify --jsonl`: one answer a row, in order, whatever the rows are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from interlock.engine.cli import classified
from interlock.engine.cli.classified import Classifier
from interlock.engine.cli.tools import tools
from interlock.tools.effect import Classification, Effect, Source

if TYPE_CHECKING:
    from pathlib import Path

READS = [
    {"kind": "sql", "call": "select 1"},
    {"kind": "sql", "call": "select top 1 [a] from t"},
    {"kind": "sql", "call": "pragma table_info(t)", "dialect": "sqlite"},
    {"kind": "shell", "call": "ls -l"},
    {"kind": "tool", "name": "run_sql", "params": ["sql"], "args": {"sql": "select 1"}},
    {"kind": "http", "call": "GET /users"},
    {"kind": "http", "call": "  get   /users "},
    {"kind": "tool", "name": "get_user", "description": "Get a user.", "params": ["id"]},
    {"kind": "tool", "name": "get_user"},
    {"kind": "tool", "name": "fetch", "params": ["url"], "args": {"url": "/x"}},
    {"kind": "tool", "name": "fetch", "params": ["url"], "args": {}},
    {"kind": "tool", "name": "x", "annotations": {"readOnlyHint": True}, "trusted": True},
]
HELD = [
    {"kind": "sql", "call": "drop table t"},
    {"kind": "sql", "call": "select s.nextval from dual"},
    {"kind": "sql", "call": "pragma table_info(t)", "dialect": "postgres"},
    {"kind": "sql", "call": "select 1", "dialect": "klingon"},
    {"kind": "shell", "call": "rm -r x"},
    {"kind": "tool", "name": "run_sql", "params": ["sql"]},
    {"kind": "tool", "name": "run_sql", "params": ["sql"], "args": {"sql": "drop table t"}},
    {"kind": "http", "call": "DELETE /users"},
    {"kind": "http", "call": "GET https://evil.example/x"},
    {"kind": "tool", "name": "delete_user"},
    {"kind": "tool", "name": "get_user", "annotations": {"readOnlyHint": False}},
    {"kind": "tool", "name": "x", "annotations": {"readOnlyHint": True}},
    {"kind": "tool", "name": "x", "annotations": {"readOnlyHint": True}, "trusted": "yes"},
    {"kind": "tool", "name": "fetch", "params": ["url"]},
    {"kind": "tool", "name": "fetch", "params": ["url"], "args": {"url": "https://evil.example"}},
    {"kind": "tool", "name": "read", "params": ["id"], "args": {"id": "https://evil.example"}},
    {"kind": "tool", "name": "read", "args": {"deep": {"x": [{"y": "//evil.example"}]}}},
    {"kind": "tool", "name": "fetch", "params": ["link"], "args": {"link": {"host": 7}}},
]
BAD = [
    b"",
    b"nonsense",
    b"[]",
    b"7",
    b"null",
    b'{"kind": "http"}',
    b'{"kind": "http", "call": 7}',
    b'{"kind": "sql", "call": "select 1", "dialect": 7}',
    b'{"kind": "http", "call": "GET"}',
    b'{"kind": "HTTP", "call": "GET /x"}',
    b'{"kind": ["http"], "call": "GET /x"}',
    b'{"call": "GET /x"}',
    b'{"kind": "tool"}',
    b'{"kind": "tool", "name": 7}',
    b'{"kind": "tool", "name": "get_x", "description": 7}',
    b'{"kind": "tool", "name": "get_x", "params": "id"}',
    b'{"kind": "tool", "name": "get_x", "params": [7]}',
    b'{"kind": "tool", "name": "get_x", "annotations": [1]}',
    b'{"kind": "tool", "name": "get_x", "args": [1]}',
    b'{"kind": "http", "call": "DELETE /x", "call": "GET /x"}',
    b'\xff{"kind": "http", "call": "GET /x"}',
    b'{"kind": "http", "call": "GET /x"} {"kind": "http", "call": "GET /x"}',
    b"[" * 100_000,
]


CLASSIFIER = Classifier()


@pytest.mark.parametrize("row", READS, ids=str)
def test_what_only_reads_runs_unattended(row: Any) -> None:
    answer = CLASSIFIER.answer(json.dumps(row).encode()).as_json()

    assert (answer["effect"], answer["unattended"]) == ("read", True), answer


@pytest.mark.parametrize("row", HELD, ids=str)
def test_everything_else_waits_for_a_person(row: Any) -> None:
    answer = CLASSIFIER.answer(json.dumps(row).encode())

    assert not answer.unattended
    assert answer.is_readable
    assert answer.as_json()["evidence"]


@pytest.mark.parametrize("row", BAD, ids=lambda row: row[:40])
def test_a_row_that_cannot_be_read_is_irreversible_with_the_reason(row: bytes) -> None:
    answer = CLASSIFIER.answer(row)

    assert not answer.is_readable
    assert answer.as_json() == {
        "effect": "irreversible",
        "unattended": False,
        "source": "default",
        "rule": "bad-row",
        "evidence": list(answer.classification.evidence),
        "egress": [],
    }
    assert answer.classification.evidence


def test_a_classifier_that_fails_fails_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> Classification:
        raise RecursionError

    monkeypatch.setattr(classified, "_CALLS", {"http": broken})
    answer = CLASSIFIER.answer(b'{"kind": "http", "call": "GET /x"}')

    assert answer.classification.effect is Effect.IRREVERSIBLE
    assert answer.classification.rule == "classifier-failed"
    assert not answer.unattended


def test_what_could_be_undone_is_not_where_nothing_undoes_it() -> None:
    found = Classification(Effect.REVERSIBLE, Source.INFERRED, "row", ("one row",), ("a.example",))
    answer = CLASSIFIER.judged(found)

    assert answer.classification.effect is Effect.IRREVERSIBLE
    assert answer.classification.rule == "no-undo"
    assert answer.classification.egress == ("a.example",)
    assert not answer.unattended


def test_the_answers_are_in_the_rows_order_and_the_exit_code_says_that_one_was_bad(
    tmp_path: Path,
) -> None:
    good = [json.dumps(row).encode() for row in (*READS, *HELD)]
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b"\n".join([good[0], b"", b"nonsense", *good[1:]]) + b"\n")
    run = CliRunner().invoke(tools, ["classify", "--jsonl", str(file)])
    answers = [json.loads(line) for line in run.stdout.splitlines()]

    assert run.exit_code == 1
    assert len(answers) == len(good) + 2
    assert [answer["rule"] for answer in answers[1:3]] == ["bad-row", "bad-row"]
    assert [answer["unattended"] for answer in answers[3:]] == [True] * (len(READS) - 1) + [
        False
    ] * len(HELD)

    file.write_bytes(b"\r\n".join(good))
    run = CliRunner().invoke(tools, ["classify", "--jsonl", str(file)])
    assert run.exit_code == 0
    assert len(run.stdout.splitlines()) == len(good)


def test_rows_or_agents_are_asked_for_and_not_both() -> None:
    assert CliRunner().invoke(tools, ["classify"]).exit_code == 2
    assert CliRunner().invoke(tools, ["classify", "m:a", "--jsonl", "-"], input=b"").exit_code == 2


def test_a_row_is_answered_before_the_next_one_comes() -> None:
    command = [
        sys.executable,
        "-m",
        "interlock.engine.cli.main",
        "tools",
        "classify",
        "--jsonl",
        "-",
    ]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ}
    ) as process:
        assert process.stdin
        assert process.stdout
        for effect, call in (("read", "GET /x"), ("irreversible", "DELETE /x")):
            process.stdin.write(json.dumps({"kind": "http", "call": call}).encode() + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["effect"] == effect
        process.stdin.close()
        assert process.wait() == 0


@given(st.binary(max_size=80))
def test_any_bytes_are_answered(line: bytes) -> None:
    assert not CLASSIFIER.answer(line).unattended

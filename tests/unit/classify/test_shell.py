"""Command lines by their effect: the corpus, everyday reads, and what tries to pass for one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from interlock.tools.classify.shell import by_shell, classify_shell
from interlock.tools.effect import Effect, Source

DATA = Path(__file__).parents[2] / "data"


def rows(name: str) -> list[Any]:
    return [json.loads(line) for line in (DATA / name).read_text().splitlines()]


CORPUS = rows("corpora/shell_calls.jsonl")


def effect(command: str) -> Effect:
    return classify_shell(command).effect


def test_nothing_that_acts_in_the_corpus_is_freed() -> None:
    freed = [
        row["cmd"]
        for row in CORPUS
        if row["label"] != "read_only" and effect(row["cmd"]) is Effect.READ
    ]
    assert freed == []


def test_what_only_reads_in_the_corpus_is_freed() -> None:
    reads = [row["cmd"] for row in CORPUS if row["label"] == "read_only"]
    freed = [command for command in reads if effect(command) is Effect.READ]
    assert len(freed) >= 0.95 * len(reads)


@pytest.mark.parametrize("command", rows("shell/reads.jsonl"))
def test_an_everyday_read_is_freed(command: str) -> None:
    found = classify_shell(command)
    assert found.effect is Effect.READ, found.evidence
    assert (found.source, found.rule) == (Source.INFERRED, "shell-only-reads")


@pytest.mark.parametrize("command", rows("shell/held.jsonl"))
def test_what_may_act_is_held_with_a_reason(command: str) -> None:
    found = classify_shell(command)
    assert found.effect is Effect.IRREVERSIBLE
    assert found.rule.startswith(("shell-", "egress-"))
    assert found.evidence[0].endswith(".")


@pytest.mark.parametrize(
    ("command", "rule", "evidence"),
    [
        ("rm x", "shell-acts", "`rm` deletes files."),
        ("sort -o f f", "shell-option", "`sort -o` is not known to only read."),
        ("grep x > f", "shell-writes-file", "`> f` writes a file."),
        ("frobnicate", "shell-unknown-command", "`frobnicate` is not known to only read."),
        ("PATH=. ls", "shell-environment", "Setting `PATH` may change what commands do."),
        (
            "curl https://example.org",
            "egress-network",
            "`curl` sends to an address of the caller's choice.",
        ),
        ("cat < /dev/tcp/a/1", "egress-network", "`< /dev/tcp/a/1` may open a connection."),
        ("$x", "shell-dynamic", "Which command runs is known only once it runs."),
        ("git push", "shell-sub-command", "`git push` may act."),
        ("unzip a", "shell-option", "`unzip` only reads with an option such as -Z, -c, -l, -p."),
    ],
)
def test_a_reviewer_is_told_what_was_seen(command: str, rule: str, evidence: str) -> None:
    found = classify_shell(command)
    assert (found.rule, found.evidence) == (rule, (evidence,))


@pytest.mark.parametrize(
    "bomb",
    [
        "x" * 1_000_000,
        "$(" * 2_600,
        "ls " + "$(ls " * 1_200 + ")" * 1_200,
        "(" * 7_900,
        "{ " * 3_900,
        "<<A\n" * 1_900,
        "case x in x) " * 600,
        "echo " + "${x:-" * 1_000,
        "sh -c '" * 900,
        "if " * 2_600,
    ],
)
def test_a_bomb_is_held(bomb: str) -> None:
    assert effect(bomb) is Effect.IRREVERSIBLE


def test_shells_in_shells_are_read_to_a_depth() -> None:
    assert effect("""sh -c "bash -c 'ls | wc -l'" """) is Effect.READ
    nested = "ls"
    for _ in range(5):
        nested = "sh -c " + json.dumps(nested)
    assert classify_shell(nested).rule in {"shell-too-deep", "shell-syntax"}


@pytest.mark.parametrize("arguments", [{}, {"command": None}, {"command": ["ls"]}, {"other": "ls"}])
def test_a_call_without_a_command_line_is_irreversible(arguments: dict[str, Any]) -> None:
    assert by_shell("command")(arguments).rule == "shell-no-command"


def test_a_rule_reads_its_argument_and_has_a_name() -> None:
    rule = by_shell("command")
    assert rule({"command": "ls"}).effect is Effect.READ
    assert rule({"command": "rm x"}).effect is Effect.IRREVERSIBLE
    assert rule.__name__ == "by_shell('command')"

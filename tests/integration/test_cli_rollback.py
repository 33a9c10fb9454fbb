"""`interlock runs rollback` as its users meet it: the plan, its digest, the exit codes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from depot import depot
from integration.engine.conftest import Lab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from forked_cli import CommandLine
    from interlock import Agent
    from interlock.engine.database import Database

CALLS = [("stow", "a"), ("look", "a"), ("ship", "b"), ("stow", "c")]
SOME_ID = "01890000-0000-7000-8000-000000000001"


@pytest.fixture
def lab(database: Database, reviewer: object) -> Iterator[Lab]:
    made = Lab(database)
    yield made
    made.rest()


def done(lab: Lab, agent: Agent) -> str:
    lab.work(agent)
    run: UUID = lab.start(agent, {"messages": []})
    lab.until(lambda: lab.run(run)["status"] == "waiting")
    lab.decide(lab.pending(run)[0])
    lab.ended(run)
    return str(run)


def test_the_plan_is_shown_and_changes_nothing_and_its_digest_carries_it_out(
    lab: Lab, cli: CommandLine
) -> None:
    undone: list[str] = []
    run = done(lab, depot(*CALLS, undo=lambda args, _: undone.append(args["box"])))
    shown = cli("runs", "rollback", run)
    assert shown.returncode == 3, shown.stderr
    lines = shown.stdout
    assert lines.index("STAYS DONE") < lines.index("ship") < lines.index("IS UNDONE")
    assert "Nothing was changed. It begins at once." in lines
    assert undone == []
    command = lines.strip().splitlines()[-1].split()
    assert command[:4] == ["interlock", "runs", "rollback", run]

    carried_out = cli(*command[1:])
    assert (carried_out.returncode, carried_out.stderr) == (0, "")
    assert "2 of 2 calls are undone." in carried_out.stdout
    assert undone == ["c", "a"]
    assert "2 of 2 calls are undone." in cli("runs", "show", run).stdout

    nothing = cli("runs", "rollback", run)
    assert nothing.returncode == 1
    assert "Nothing can be undone now." in nothing.stdout


def test_a_program_gets_the_plan_and_the_outcome_as_json(lab: Lab, cli: CommandLine) -> None:
    run = done(lab, depot(*CALLS))
    shown = json.loads(cli("runs", "rollback", run, "--json").stdout)
    assert [undo["tool"] for undo in shown["plan"]["undos"]] == ["stow", "stow"]
    first = shown["plan"]["undos"][1]["call_id"]
    kept = json.loads(cli("runs", "rollback", run, "--to", first, "--json").stdout)
    assert len(kept["plan"]["undos"]) == 1
    ended = cli("runs", "rollback", run, "--skip", first, "--confirm", "0" * 64, "--json")
    assert (ended.returncode, ended.stdout) == (1, "")
    scope = ("--skip", first)
    digest = json.loads(cli("runs", "rollback", run, *scope, "--json").stdout)["digest"]
    ended = cli("runs", "rollback", run, *scope, "--confirm", digest, "--json")
    assert ended.returncode == 0, ended.stderr
    outcome = json.loads(ended.stdout)
    assert (outcome["outcome"], [u["state"] for u in outcome["undos"]]) == ("undone", ["succeeded"])


def test_an_undo_that_fails_is_named_and_the_exit_code_says_so(lab: Lab, cli: CommandLine) -> None:
    def fail(args: dict[str, Any], _: Any) -> None:
        if args["box"] == "a":
            raise ConnectionError("the depot is away")

    run = done(lab, depot(*CALLS, undo=fail))
    digest = json.loads(cli("runs", "rollback", run, "--json").stdout)["digest"]
    ended = cli("runs", "rollback", run, "--confirm", digest)
    assert ended.returncode == 1
    assert "1 of 2 calls are undone." in ended.stdout
    assert "ConnectionError: the depot is away" in ended.stdout


def test_a_plan_that_waits_for_a_person_ends_with_3(lab: Lab, cli: CommandLine) -> None:
    run = done(lab, depot(*CALLS, final=True))
    shown = cli("runs", "rollback", run)
    assert "Somebody else has to approve it then." in shown.stdout
    digest = json.loads(cli("runs", "rollback", run, "--json").stdout)["digest"]
    asked = cli("runs", "rollback", run, "--confirm", digest)
    assert asked.returncode == 3
    assert "It waits for a person: interlock approvals list" in asked.stdout
    listed = json.loads(cli("approvals", "list", "--kind", "rollback", "--json").stdout)
    (item,) = listed["items"]
    assert item["digest"] == digest
    told = cli("approvals", "show", item["approval_id"]).stdout
    assert "Roll back 2 calls of run" in told
    assert digest in told


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ((SOME_ID,), 1, f"There is no run {SOME_ID}."),
        (("that one",), 2, "is not a valid UUID"),
        ((SOME_ID, "--confirm", "yes"), 2, "--confirm takes the digest that the plan shows"),
        ((SOME_ID, "--to", "the start"), 2, "is not a valid UUID"),
        ((SOME_ID, "--confirm", "0" * 64), 1, f"There is no run {SOME_ID}."),
    ],
)
def test_what_is_wrong_is_a_sentence(
    arguments: tuple[str, ...], code: int, sentence: str, cli: CommandLine
) -> None:
    refused = cli("runs", "rollback", *arguments)
    assert (refused.returncode, refused.stdout) == (code, "")
    assert sentence in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_plan_that_changed_and_a_call_that_is_not_there_are_sentences(
    lab: Lab, cli: CommandLine
) -> None:
    run = done(lab, depot(*CALLS))
    stale = cli("runs", "rollback", run, "--confirm", "0" * 64)
    assert (stale.returncode, stale.stdout) == (1, "")
    assert "changed since you saw it. Nothing was undone" in stale.stderr
    missing = cli("runs", "rollback", run, "--to", SOME_ID)
    assert (missing.returncode, missing.stdout) == (1, "")
    assert f"The run has made no call {SOME_ID}" in missing.stderr

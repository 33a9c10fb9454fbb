"""The command line as its users meet it: real processes, right and wrong inputs."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import interlock.policies
import pytest
from interlock.engine.cli.main import COMMANDS
from sample_day import QUESTION, unclear

if TYPE_CHECKING:
    import subprocess

    from forked_cli import CommandLine
    from seeding import Seeds

    from tests.conftest import Account

AGENTS = Path(__file__).with_name("cli_agents.py")
DELETER = f"{AGENTS}:deleter"
LOOKER = f"{AGENTS}:looker"
VOLUME = '{"volume": "vol-prod-7"}'
NOBODY = "postgresql://owner:hunter2@127.0.0.1:1/none"
SOME_ID = "01890000-0000-7000-8000-000000000001"
HEAVY = ("langgraph", "langchain_core", "sqlalchemy", "alembic", "fastapi", "pydantic", "psycopg")


def refused(
    done: subprocess.CompletedProcess[str], code: int, sentence: str
) -> subprocess.CompletedProcess[str]:
    """It ended with that code, nothing on stdout and that sentence alone on stderr."""
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if not line.endswith(" began.")]
    assert len(lines) == 1, done.stderr
    return done


def fine(done: subprocess.CompletedProcess[str]) -> str:
    """It did what it should; what it printed."""
    assert done.returncode == 0, done.stderr
    return done.stdout


def held_call(cli: CommandLine) -> dict[str, Any]:
    """A run that waits for a person to approve a deletion; the approval as JSON."""
    assert cli("run", DELETER, "--input", VOLUME).returncode == 3
    listed = json.loads(fine(cli("approvals", "list", "--json")))
    approval: dict[str, Any] = listed["items"][0]
    return approval


# Starting -------------------------------------------------------------------------------------


def test_help_names_every_command_and_imports_nothing_heavy(bare_cli: CommandLine) -> None:
    process = bare_cli.start("--help", PYTHONPROFILEIMPORTTIME="1")
    out, err = process.communicate(timeout=60)
    assert all(f"\n  {name} " in out for name in COMMANDS)
    imported = {line.rpartition("|")[2].strip().split(".")[0] for line in err.splitlines()}
    assert "click" in imported
    assert not imported & set(HEAVY)


@pytest.mark.parametrize("command", [*COMMANDS, "runs list", "approvals approve", "db migrate"])
def test_every_command_says_what_it_does(bare_cli: CommandLine, command: str) -> None:
    assert fine(bare_cli(*command.split(), "--help")).startswith(f"Usage: interlock {command}")


def test_the_version_is_the_packages(bare_cli: CommandLine) -> None:
    assert fine(bare_cli("--version")).startswith("interlock, version 0.")


@pytest.mark.parametrize(
    "wrong",
    [
        "runs rollback",
        "runs show 17",
        "runs list --status sleeping",
        "approvals list --kind wish",
        f"approvals approve {SOME_ID}",
        f"approvals reject {SOME_ID} --digest ab",
        "worker",
        "dev",
        "run module:agent",
        "policy check",
        "tokens revoke laptop",
        "tokens add dana --days 0",
        "serve --port http",
        "db prune",
        "db prune --older-than -1",
        "db prune --older-than soon",
        "db prune --older-than 1 --exit happy",
        "db prune --older-than 1 --keep all",
    ],
)
def test_a_command_that_cannot_be_ends_with_two_and_its_usage(
    bare_cli: CommandLine, wrong: str
) -> None:
    done = bare_cli(*wrong.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: interlock")
    assert "Error: " in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", LOOKER, "--input", "{volume: 7}"], "--input is not JSON"),
        (["run", LOOKER, "--input", "@missing.json"], "Cannot read missing.json: No such file"),
        (["run", "no_such_module:agent", "--input", "1"], "no module 'no_such_module'"),
        (["run", "no_such_file.py:agent", "--input", "1"], "no file no_such_file.py"),
        (["run", "agents", "--input", "1"], "MODULE:AGENT or FILE.py:AGENT, not 'agents'"),
        (["worker", f"{AGENTS}:missing"], "'missing'"),
        (["worker", LOOKER, f"{AGENTS}:nothing"], "'nothing'"),
        (["policy", "check", "missing.cedar"], "Cannot read missing.cedar: No such file"),
        (["serve", "--port", "70000"], "INTERLOCK_PORT is '70000'"),
        (["serve", "--host", "203.0.113.7"], "Cannot listen on 203.0.113.7 port 8400"),
        (["runs", "list"], "no database under .interlock yet"),
        (["approvals", "list", "--json"], "Run: interlock db migrate"),
    ],
)
def test_a_wrong_input_ends_with_two_and_one_sentence(
    bare_cli: CommandLine, arguments: list[str], sentence: str
) -> None:
    refused(bare_cli(*arguments), 2, sentence)
    assert list(bare_cli.folder.iterdir()) == []


def test_a_misspelt_setting_is_refused(bare_cli: CommandLine) -> None:
    done = bare_cli("runs", "list", INTERLOCK_DATABSE_URL=NOBODY)
    refused(done, 2, "Did you mean INTERLOCK_DATABASE_URL?")


def test_an_agent_with_a_policy_that_cannot_be_kept_is_refused(bare_cli: CommandLine) -> None:
    agent = 'from interlock import Agent\na = Agent("a", graph=lambda: 0, tools=[], policy="oops")'
    (bare_cli.folder / "mine.py").write_text(agent)
    refused(bare_cli("worker", "mine:a"), 2, "line 1: ")


# The database ---------------------------------------------------------------------------------

ON_DATABASE = [
    ["runs", "list"],
    ["approvals", "list", "--json"],
    ["users", "add", "dana"],
    ["serve", "--port", "18431"],
    ["worker", LOOKER],
    ["run", LOOKER, "--input", VOLUME],
]


@pytest.mark.parametrize("arguments", [*ON_DATABASE, ["db", "migrate"]])
def test_a_database_that_cannot_be_reached_is_named_without_its_password(
    bare_cli: CommandLine, arguments: list[str]
) -> None:
    done = bare_cli(*arguments, INTERLOCK_DATABASE_URL=NOBODY, INTERLOCK_PASSWORD="long enough")
    refused(done, 2, "Cannot reach the database 'none' at 127.0.0.1:1: ")
    assert "hunter2" not in done.stderr


def test_a_url_that_is_none_is_refused(bare_cli: CommandLine) -> None:
    done = bare_cli("runs", "list", INTERLOCK_DATABASE_URL="mysql://owner:hunter2@db/x")
    refused(done, 2, "INTERLOCK_DATABASE_URL is no address of a PostgreSQL")
    assert "hunter2" not in done.stderr


@pytest.mark.parametrize("arguments", ON_DATABASE)
def test_a_database_without_the_schema_names_the_command_to_run(
    bare_cli: CommandLine, empty_database_url: str, arguments: list[str]
) -> None:
    environ = {"INTERLOCK_DATABASE_URL": empty_database_url, "INTERLOCK_PASSWORD": "long enough"}
    refused(bare_cli(*arguments, **environ), 2, "Run: interlock db migrate")


def test_a_run_in_an_empty_folder_needs_nothing_before_it(bare_cli: CommandLine) -> None:
    done = bare_cli("run", LOOKER, "--input", VOLUME)
    assert done.returncode == 0, done.stderr
    assert bare_cli("runs", "list").returncode == 0


def test_migrate_makes_the_schema_and_can_be_repeated(
    bare_cli: CommandLine, empty_database_url: str
) -> None:
    url = {"INTERLOCK_DATABASE_URL": empty_database_url}
    for _ in range(2):
        assert json.loads(fine(bare_cli("db", "migrate", "--json", **url))) == {"migrated": True}
    assert fine(bare_cli("runs", "list", **url)) == "There are no runs.\n"


def test_checkpoints_of_ended_runs_are_pruned_by_age_and_exit(cli: CommandLine) -> None:
    fine(cli("run", LOOKER, "--input", VOLUME))
    prune = ("db", "prune", "--json", "--older-than")
    for left_alone in (["1"], ["0", "--exit", "failed"]):
        assert json.loads(fine(cli(*prune, *left_alone))) == {"runs": 0, "steps": 0}
    gone = json.loads(fine(cli(*prune, "0")))
    assert gone["runs"] == 1
    assert gone["steps"] > 0
    assert fine(cli("db", "prune", "--older-than", "0")) == "0 steps of 0 runs are gone.\n"
    assert json.loads(fine(cli(*prune, "0", "--keep", "nothing"))) == {"runs": 1, "steps": 1}


def test_a_port_in_use_is_refused(cli: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for command in (["serve"], ["dev", LOOKER]):
            sentence = f"Cannot listen on 127.0.0.1 port {port}: Address already in use."
            refused(cli(*command, "--port", port), 2, sentence)


def test_a_reader_that_has_enough_hears_no_complaint(cli: CommandLine) -> None:
    process = cli.start("approvals", "list", "--json")
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(60) == 1
    assert process.stderr is not None
    assert process.stderr.read() == ""


# Reviewers and tokens -------------------------------------------------------------------------


def test_reviewers_are_added_listed_and_disabled(cli: CommandLine) -> None:
    password = {"INTERLOCK_PASSWORD": "a password for ines"}
    groups = ["--group", "finance", "--group", "on-call"]
    assert fine(cli("users", "add", "ines", *groups, **password)) == "ines can sign in.\n"
    refused(cli("users", "add", "ines", **password), 1, "already a reviewer 'ines'")
    assert fine(cli("users", "disable", "ines")) == "ines is disabled.\n"
    refused(cli("users", "disable", "ines"), 1, "no active reviewer 'ines'")
    (listed,) = json.loads(fine(cli("users", "list", "--json")))["items"]
    assert (listed["name"], listed["groups"]) == ("ines", ["finance", "on-call"])
    assert listed["disabled_at"] is not None
    assert "finance, on-call" in fine(cli("users", "list"))


@pytest.mark.parametrize(
    ("name", "environ", "sentence"),
    [
        ("ines", {}, "There is no terminal to ask for a password: set INTERLOCK_PASSWORD."),
        ("ines", {"INTERLOCK_PASSWORD": "short"}, "A password has 12 to 1024 characters"),
        ("Ines!", {"INTERLOCK_PASSWORD": "a password for ines"}, "cannot be a reviewer's name"),
    ],
)
def test_a_reviewer_that_cannot_be_is_refused(
    cli: CommandLine, name: str, environ: dict[str, str], sentence: str
) -> None:
    refused(cli("users", "add", name, "--group", "on-call", **environ), 2, sentence)


def test_tokens_are_added_listed_and_revoked(cli: CommandLine, reviewer: Account) -> None:
    refused(cli("tokens", "add", "nobody"), 1, "no active reviewer 'nobody'")
    added = json.loads(fine(cli("tokens", "add", "dana", "--label", "ci", "--days", "7", "--json")))
    assert fine(cli("tokens", "add", "dana")).startswith("il_")
    fine(cli("tokens", "revoke", added["id"]))
    refused(cli("tokens", "revoke", added["id"]), 1, "no active token")
    done = cli("tokens", "list", "--json")
    tokens = json.loads(fine(done))["items"]
    assert [bool(token["revoked_at"]) for token in tokens] == [True, False]
    assert [bool(token["expires_at"]) for token in tokens] == [True, False]
    assert added["secret"] not in done.stdout


# Runs -----------------------------------------------------------------------------------------


def test_a_run_that_completes_prints_its_output_and_ends_with_zero(cli: CommandLine) -> None:
    (cli.folder / "input.json").write_text(VOLUME)
    done = cli("run", LOOKER, "--input", "@input.json")
    assert json.loads(fine(done))["answer"] == "vol-prod-7 is there"
    (listed,) = json.loads(fine(cli("runs", "list", "--json", "--status", "ended")))["items"]
    assert listed["exit"] == "completed"
    assert listed["run_id"] in done.stderr
    shown = fine(cli("runs", "show", listed["run_id"]))
    assert "completed" in shown
    assert "look" in shown
    refused(cli("runs", "cancel", listed["run_id"]), 1, "has ended")
    tools = json.loads(fine(cli("tools", "list", "--json")))["items"]
    assert [(tool["agent"], tool["name"], tool["effect"]) for tool in tools] == [
        ("looker", "look", "read")
    ]


def test_a_run_that_fails_says_why_and_ends_with_one(cli: CommandLine) -> None:
    done = cli("run", f"{AGENTS}:failing", "--input", VOLUME)
    assert (done.returncode, done.stdout) == (1, "")
    assert "The run ended as failed: " in done.stderr
    assert "the node has a mistake" in done.stderr


def test_a_run_that_does_not_exist_is_not_found(cli: CommandLine) -> None:
    unknown = SOME_ID
    for command in (["runs", "show"], ["runs", "cancel"], ["approvals", "show"]):
        refused(cli(*command, unknown), 1, unknown)


def test_lists_without_rows_say_so_and_stay_json(cli: CommandLine) -> None:
    for command in ("runs", "approvals", "tools", "users", "tokens"):
        done = cli(command, "list", "--json")
        assert json.loads(fine(done)) == {"items": [], "cursor": None}
    assert fine(cli("approvals", "list")) == "Nothing waits for a person.\n"
    refused(cli("runs", "list", "--cursor", "!"), 2, "This cursor does not belong to this list.")
    refused(cli("runs", "list", "--limit", "0"), 2, "A page has 1 to 500 rows")


# Approvals ------------------------------------------------------------------------------------


def test_a_held_call_ends_with_three_and_runs_only_after_it_is_approved(
    cli: CommandLine, reviewer: Account
) -> None:
    done = cli("run", DELETER, "--input", VOLUME)
    assert done.returncode == 3
    assert "Delete vol-prod-7" in done.stdout
    (approval,) = json.loads(fine(cli("approvals", "list", "--json")))["items"]
    shown = fine(cli("approvals", "show", approval["approval_id"]))
    assert approval["digest"] in shown
    assert '"volume": "vol-prod-7"' in shown

    decide = ["approvals", "approve", approval["approval_id"], "--as", "dana"]
    exact = [*decide, "--digest", approval["digest"]]
    word = ["--confirm", "vol-prod-7"]
    right = {"INTERLOCK_PASSWORD": reviewer.password}
    refused(cli(*exact, *word, INTERLOCK_PASSWORD="wrong"), 1, "not the password")
    refused(cli(*exact, *word), 2, "set INTERLOCK_PASSWORD")
    refused(cli(*exact, **right), 2, "give the word with --confirm")
    refused(cli(*exact, "--confirm", "vol-prod-8", **right), 2, "'vol-prod-8' is not what")
    refused(cli(*decide, "--digest", "ab" * 32, *word, **right), 1, "not what is stored now")
    assert not (cli.folder / "deleted").exists()

    decided = json.loads(fine(cli(*exact, *word, "--json", **right)))
    assert (decided["state"], decided["reviewer"]) == ("approved", "dana")
    assert not (cli.folder / "deleted").exists()
    late = ["approvals", "reject", approval["approval_id"], "--digest", approval["digest"]]
    refused(cli(*late, "--as", "dana", "--reason", "no", **right), 1, "already approved by dana")


def test_a_question_is_answered_on_the_command_line(
    cli: CommandLine, seeds: Seeds, reviewer: Account
) -> None:
    question = unclear(seeds, "question", "ask_human", QUESTION, "Move her booking.")
    answer = ["approvals", "answer", str(question.approval_id), "--as", "dana"]
    exact = [*answer, "--digest", question.digest]
    right = {"INTERLOCK_PASSWORD": reviewer.password}
    refused(cli(*exact, **right), 2, "Give one of --option, --opinion and --text.")
    refused(cli(*exact, "--text", "A", "--option", "B", **right), 2, "Give one of")
    refused(cli(*exact, "--opinion", "fraud", **right), 1, "This is answered with")
    decided = json.loads(fine(cli(*exact, "--text", "Neither.", "--json", **right)))
    assert (decided["state"], decided["reviewer"]) == ("consumed", "dana")
    assert "Neither." in fine(cli("runs", "show", str(question.run_id), "--json"))


def test_the_terms_are_shown_and_asked_of_whoever_approves(
    cli: CommandLine, seeds: Seeds, reviewer: Account
) -> None:
    terms = {
        "each": '{"on-call": 1}',
        "escalation": '{"storage": 86400}',
        "separation": ["requester"],
        "needs_reason": True,
        "confirm": "RB-1",
    }
    held = seeds.held(tool="move_booking", args={"booking_id": "RB-1"}, terms=terms)
    shown = fine(cli("approvals", "show", str(held.approval_id)))
    for part in (
        "Of these:    1 of on-call",
        "Asked later: storage, from",
        "finance-lead (requester)",
        "a reason and --confirm RB-1",
    ):
        assert part in shown
    approve = ["approvals", "approve", str(held.approval_id), "--digest", held.digest]
    who = {"INTERLOCK_PASSWORD": reviewer.password}
    approve += ["--as", "dana"]
    refused(cli(*approve, "--reason", "Ticket 7.", **who), 2, "give the word with --confirm")
    refused(cli(*approve, "--confirm", "RB-1", **who), 1, "needs a reason")
    said = fine(cli(*approve, "--confirm", "RB-1", "--reason", "Ticket 7.", **who))
    assert said == "Approved by dana.\n"


def test_identical_calls_are_decided_together_on_the_command_line(
    cli: CommandLine, seeds: Seeds, reviewer: Account
) -> None:
    run_id = seeds.run()
    first, second = (seeds.held(run_id, terms={"together": True}) for _ in range(2))
    shown = fine(cli("approvals", "show", str(first.approval_id)))
    also = f"{second.approval_id}:{second.digest}"
    assert also in shown
    reject = ["approvals", "reject", str(first.approval_id), "--digest", first.digest]
    reject += ["--as", "dana", "--reason", "Keep it."]
    who = {"INTERLOCK_PASSWORD": reviewer.password}
    wrong = cli(*reject, "--also", "that one", **who)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "'that one' is not ID:DIGEST as `show` prints it." in wrong.stderr
    said = fine(cli(*reject, "--also", also, **who))
    assert said == "Rejected by dana.\nSo was 1 identical call.\n"
    other = seeds.held(run_id, terms={"together": True})
    third = seeds.held(run_id, terms={"together": True})
    approve = ["approvals", "approve", str(third.approval_id), "--digest", third.digest]
    approve += ["--as", "dana", "--confirm", "vol-prod-7"]
    given = [f"--also={seen.approval_id}:{seen.digest}" for seen in (other, second)]
    said = fine(cli(*approve, *given, **who))
    assert "Approved by dana.\nSo was 1 identical call.\n" in said
    assert f"{second.approval_id} was left as it is. This was already rejected by dana" in said


def test_an_approval_that_asks_again_is_shown_with_what_changed(
    cli: CommandLine, seeds: Seeds, reviewer: Account
) -> None:
    first = seeds.held()
    seeds.decide(first, "dana", "approve")
    seeds.close(first, "approved", by="dana")
    seeds.lapse(first, "Its target changed.")
    change = {"what": "target", "says": "Its target changed.", "before": "a1", "now": "b2"}
    again = seeds.held(first.run_id, revises=first, changes=[change])
    lapsed = fine(cli("approvals", "show", str(first.approval_id)))
    assert "lapsed" in lapsed
    assert "Its target changed." in lapsed
    shown = fine(cli("approvals", "show", str(again.approval_id)))
    for part in ("Its target changed.", '"a1"', '"b2"'):
        assert part in shown


def test_a_rejection_is_a_tokens_or_a_passwords_and_needs_a_group(
    cli: CommandLine, reviewer: Account
) -> None:
    approval = held_call(cli)
    reject = ["approvals", "reject", approval["approval_id"], "--digest", approval["digest"]]
    reject += ["--reason", "It is the production volume."]
    password = {"INTERLOCK_PASSWORD": "a password for ines"}
    fine(cli("users", "add", "ines", "--group", "finance", **password))
    secret = json.loads(fine(cli("tokens", "add", "dana", "--json")))["secret"]

    refused(cli(*reject), 2, "Say who decides with --as NAME")
    refused(cli(*reject, "--as", "ines", **password), 1, "ines cannot decide this")
    refused(cli(*reject, INTERLOCK_TOKEN="il_none"), 1, "not a token that still works")
    refused(cli(*reject, "--as", "ines", INTERLOCK_TOKEN=secret), 2, "is dana's, not ines's")
    assert fine(cli(*reject, INTERLOCK_TOKEN=secret)) == "Rejected by dana.\n"
    closed = json.loads(fine(cli("approvals", "list", "--status", "closed", "--json")))["items"]
    assert [item["approval_id"] for item in closed] == [approval["approval_id"]]


def test_a_run_that_waits_can_be_cancelled(cli: CommandLine) -> None:
    approval = held_call(cli)
    said = fine(cli("runs", "cancel", approval["run_id"]))
    assert said == f"Run {approval['run_id']} is cancelled.\n"
    shown = json.loads(fine(cli("runs", "show", approval["run_id"], "--json")))
    assert (shown["exit"], shown["approvals"][0]["state"]) == ("cancelled", "cancelled")


def test_what_a_terminal_would_obey_is_printed_as_its_code(cli: CommandLine) -> None:
    hostile = "vol-7\u202e\x1b[2K\rvol-staging"
    assert cli("run", DELETER, "--input", json.dumps({"volume": hostile})).returncode == 3
    (approval,) = json.loads(fine(cli("approvals", "list", "--json")))["items"]
    for command in (["list"], ["show", approval["approval_id"]]):
        printed = fine(cli("approvals", *command))
        assert r"vol-7\u202e" in printed
        assert all(char == "\n" or char.isprintable() for char in printed)


# Policies -------------------------------------------------------------------------------------


def test_policies_are_checked_line_by_line(bare_cli: CommandLine) -> None:
    good = '@id("read")\npermit (principal, action, resource)\nwhen { context.effect == "read" };\n'
    (bare_cli.folder / "good.cedar").write_text(good)
    (bare_cli.folder / "bad.cedar").write_text(f"{good}\npermit (principal, action, resource);\n")
    assert fine(bare_cli("policy", "check", "good.cedar")) == "good.cedar: fine.\n"
    done = bare_cli("policy", "check", "good.cedar", "bad.cedar")
    assert (done.returncode, done.stdout) == (2, "good.cedar: fine.\n")
    assert done.stderr.startswith("bad.cedar: line 5: ")
    found = json.loads(bare_cli("policy", "check", "--json", "bad.cedar").stdout)
    assert found["files"]["bad.cedar"][0].startswith("line 5: ")


def test_a_policy_about_a_tool_is_checked_with_the_agent_that_has_it(bare_cli: CommandLine) -> None:
    action = 'AgentCore::Action::"looker___look"'
    text = f'@id("look")\npermit (principal, action == {action}, resource);\n'
    (bare_cli.folder / "look.cedar").write_text(text)
    assert bare_cli("policy", "check", "look.cedar").returncode == 2
    assert "fine" in fine(bare_cli("policy", "check", "look.cedar", "--agent", LOOKER))


def judged_calls(cli: CommandLine) -> dict[str, str]:
    """One call that was allowed and one that is held, by their tools."""
    runs = [(LOOKER, 0), (DELETER, 3)]
    for agent, code in runs:
        assert cli("run", agent, "--input", VOLUME).returncode == code
    found = {}
    for run in json.loads(fine(cli("runs", "list", "--json")))["items"]:
        shown = json.loads(fine(cli("runs", "show", run["run_id"], "--json")))
        found |= {call["tool"]: call["call_id"] for call in shown["calls"]}
    return found


def test_a_verdict_is_explained_with_what_would_change_it(cli: CommandLine) -> None:
    calls = judged_calls(cli)
    said = fine(cli("policy", "explain", calls["delete"]))
    for part in (
        "Verdict:     review: The call cannot be undone, so a person decides.",
        "default-irreversible (line 15, permit for review).",
        "Without it: forbid.",
        "Were its effect declared read: allow, by default-read.",
    ):
        assert part in said
    said = fine(cli("policy", "explain", calls["look"]))
    assert "default-egress (line 33, forbid for review) would make it review." in said
    assert "context.egress is []" in said
    found = json.loads(fine(cli("policy", "explain", calls["look"], "--json")))
    assert (found["verdict"], found["reproduced"]) == ("allow", True)
    assert [policy["policy"] for policy in found["decided"]] == ["default-read"]
    assert found["context"]["run"] == {"calls": 0, "irreversible": 0, "active_seconds": 0}
    refused(cli("policy", "explain", SOME_ID), 1, f"There is no call {SOME_ID}.")


LOOSER = """
@id("all") permit (principal, action, resource) when { context.effect != "read" };
@id("quiet") @reason("Nobody looks.") forbid (principal, action, resource)
when { context.effect == "read" };
"""


def test_history_is_judged_by_another_policy_and_what_loses_a_safeguard_comes_first(
    cli: CommandLine,
) -> None:
    calls = judged_calls(cli)
    folder = cli.folder / "new"
    folder.mkdir()
    for agent in ("deleter", "looker"):
        (folder / f"{agent}.cedar").write_text(LOOSER)
    done = cli("policy", "replay", "--policies", "new", "--since", "1h", "--json")
    assert done.returncode == 1
    assert "2 of 2 calls judged." in done.stderr
    found = json.loads(done.stdout)
    assert (found["judged"], found["loses_a_safeguard"]) == (2, True)
    first, second = found["changes"]
    assert (first["change"], first["examples"]) == ("would_run", [calls["delete"]])
    assert (second["change"], second["examples"]) == ("forbidden", [calls["look"]])
    said = cli("policy", "replay", "--policies", "new").stdout
    assert said.startswith("IRREVERSIBLE, LESS GUARDED: 1 calls of delete (deleter)")
    only = cli("policy", "replay", "--policies", "new", "--agent", "looker")
    assert "forbidden" in fine(only)


def test_the_policy_that_judged_them_changes_nothing_for_past_calls(cli: CommandLine) -> None:
    judged_calls(cli)
    default = Path(interlock.policies.__file__).with_name("default.cedar")
    assert fine(cli("policy", "replay", "--policies", str(default))) == (
        "Nothing would change.\n2 calls judged.\n"
    )


def test_a_policy_that_no_agent_could_start_with_is_not_replayed(cli: CommandLine) -> None:
    judged_calls(cli)
    (cli.folder / "bad.cedar").write_text("\npermit (principal, action, resource);")
    bad = ["policy", "replay", "--policies", "bad.cedar"]
    assert "agent deleter: line 2: policy needs an @id." in cli(*bad).stderr
    assert cli(*bad).returncode == 2
    refused(cli(*bad, "--since", "soon"), 2, "Say how far back as in 30d")
    refused(cli(*bad, "--agent", "nobody"), 2, "There is no agent 'nobody'")
    empty = cli.folder / "empty"
    empty.mkdir()
    refused(cli("policy", "replay", "--policies", "empty"), 2, "holds no AGENT.cedar for")
    (empty / "nobody.cedar").write_text(LOOSER)
    refused(cli("policy", "replay", "--policies", "empty"), 2, "nobody.cedar is for no agent")

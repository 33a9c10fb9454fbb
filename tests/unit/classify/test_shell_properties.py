"""However a harmful command is dressed, it is held; and no text makes the classifier fail."""

from __future__ import annotations

import json
import shlex

from hypothesis import given, settings
from hypothesis import strategies as st
from interlock.tools.classify.shell import classify_shell
from interlock.tools.effect import Classification, Effect

HARMFUL = [
    "rm x",
    "git push",
    "find . -delete",
    "sort -o f f",
    "sed -i s/a/b/ f",
    "awk 'BEGIN{system(\"x\")}'",
    "echo x > f",
    "curl https://example.org",
    "tar xf a",
    "unknown --list",
]
DRESSES = [
    "{}",
    "ls; {}",
    "{}; ls",
    "ls && {}",
    "ls || {}",
    "ls | {}",
    "{} | wc -l",
    "ls &\n{}",
    "( {} )",
    "{{ {}; }}",
    "! {}",
    "if ls; then {}; fi",
    "if {}; then ls; fi",
    "if ls; then ls; else {}; fi",
    "while {}; do ls; done",
    "for f in a; do {}; done",
    "case x in x) {};; esac",
    "echo $({})",
    'echo "a $({}) b"',
    "x=$({})",
    "cat <({})",
    "ls # comment\n{}",
    "ls \\\n; {}",
    "cat <<EOF\nx\nEOF\n{}",
    "LC_ALL=C {}",
]
RUNNERS = ["bash -c", "sh -c", "env sh -c", "nice sh -c", "timeout 5 bash -c", "watch"]
WRAPPERS = [
    "env",
    "nice -n 5",
    "timeout 5",
    "command",
    "exec",
    "time",
    "stdbuf -oL",
    "nohup",
    "sudo",
]
PIECES = list("rmls;&|<>()'\"`$\\ \n#{}[]*?!=~-")
WORDS = [
    "rm",
    "ls",
    "git",
    "find",
    "-delete",
    "$(",
    "${x:-",
    "<<E\n",
    "[[ ",
    " ]]",
    "x",
    " -o f",
    "é",
]


@given(st.text(max_size=60) | st.lists(st.sampled_from(PIECES + WORDS), max_size=25).map("".join))
@settings(max_examples=600, deadline=None)
def test_no_text_makes_it_fail(text: str) -> None:
    found = classify_shell(text)
    assert isinstance(found, Classification)
    assert found.effect in {Effect.READ, Effect.IRREVERSIBLE}


@given(st.sampled_from(HARMFUL), st.lists(st.sampled_from(DRESSES), max_size=4))
@settings(max_examples=400, deadline=None)
def test_no_construct_around_a_harmful_command_lowers_it(command: str, dresses: list[str]) -> None:
    for dress in dresses:
        command = dress.format(command)
    assert classify_shell(command).effect is Effect.IRREVERSIBLE


@given(st.sampled_from(HARMFUL), st.sampled_from(RUNNERS), st.sampled_from(["single", "double"]))
@settings(max_examples=120, deadline=None)
def test_no_shell_in_a_shell_lowers_it(command: str, runner: str, quotes: str) -> None:
    quoted = shlex.quote(command) if quotes == "single" else json.dumps(command)
    assert classify_shell(f"{runner} {quoted}").effect is Effect.IRREVERSIBLE


@given(st.sampled_from(HARMFUL), st.lists(st.sampled_from(WRAPPERS), min_size=1, max_size=3))
@settings(max_examples=200, deadline=None)
def test_no_wrapper_lowers_it(command: str, wrappers: list[str]) -> None:
    assert classify_shell(" ".join([*wrappers, command])).effect is Effect.IRREVERSIBLE


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_no_quoting_of_its_letters_lowers_it(data: st.DataObject) -> None:
    command, *rest = data.draw(st.sampled_from(HARMFUL)).split(" ", 1)
    dressed = "".join(
        data.draw(
            st.sampled_from([letter, "\\" + letter, f"'{letter}'", f'"{letter}"', "''" + letter])
        )
        for letter in command
    )
    assert classify_shell(" ".join([dressed, *rest])).effect is Effect.IRREVERSIBLE


@given(
    st.sampled_from(HARMFUL),
    st.sampled_from(["\u00a0", "\u2028", "\u200b", "\r", "\x0b", "\x00", "\x1b"]),
)
def test_no_hidden_character_lowers_it(command: str, hidden: str) -> None:
    for at in range(len(command)):
        text = "ls " + command[:at] + hidden + command[at:]
        assert classify_shell(text).effect is Effect.IRREVERSIBLE

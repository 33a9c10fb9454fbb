from __future__ import annotations

import pytest
from interlock.policies.errors import PolicyError
from interlock.policies.statements import read_statements

PERMIT = '@id("a") permit (principal, action, resource) when { "x" == "x" };'


def test_every_policy_has_the_line_it_starts_on() -> None:
    text = f'// a "comment; with traps\n\n{PERMIT} {PERMIT}\n  // ;\n\n  {PERMIT}'

    assert [statement.line for statement in read_statements(text)] == [3, 3, 6]


def test_semicolons_and_quotes_in_strings_do_not_end_a_policy() -> None:
    text = PERMIT.replace('"x"', r'"a;\"; // b"') + "\n" + PERMIT

    assert [statement.line for statement in read_statements(text)] == [1, 2]


def test_more_than_ten_policies_keep_their_order() -> None:
    text = "\n".join(PERMIT.replace('"a"', f'"p{n}"') for n in range(12))

    found = [(statement.id, statement.line) for statement in read_statements(text)]
    assert found == [(f"p{n}", n + 1) for n in range(12)]


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (PERMIT.replace("when", "whn"), "invalid policy condition: whn"),
        (PERMIT.replace("@id", '@id("b") @id'), "duplicate annotation"),
        ('@id("a permit (principal, action, resource);', "Cedar cannot read"),
        ("permit", "Cedar cannot read"),
    ],
)
def test_a_policy_that_cedar_cannot_read_is_named_by_its_line(broken: str, problem: str) -> None:
    with pytest.raises(PolicyError) as refused:
        read_statements(f"{PERMIT}\n\n{broken}")

    assert len(refused.value.problems) == 1
    assert refused.value.problems[0].startswith("line 3: ")
    assert problem in refused.value.problems[0]


@pytest.mark.parametrize("text", ["", "\n", "// permit (principal, action, resource);"])
def test_a_text_without_policies_is_refused(text: str) -> None:
    with pytest.raises(PolicyError, match="holds no policy"):
        read_statements(text)


def test_templates_are_refused() -> None:
    with pytest.raises(PolicyError, match="line 1: templates"):
        read_statements(f"{PERMIT} permit (principal == ?principal, action, resource);")


@pytest.mark.parametrize(
    "condition",
    [
        " && ".join(["true"] * 20000),
        "(" * 1000 + "true" + ")" * 1000,
        "[" * 1000 + "1" + "]" * 1000 + " == 1",
        "if true then true else " * 5000 + "true",
        "context" + ".a" * 20000,
    ],
    ids=["and", "brackets", "sets", "ifs", "path"],
)
def test_a_policy_that_would_overflow_cedars_stack_is_refused_before_cedar_sees_it(
    condition: str,
) -> None:
    deep = PERMIT.replace('"x" == "x"', condition)

    with pytest.raises(PolicyError, match="line 2: this policy has over 4000 words or 50 nested"):
        read_statements(f"{PERMIT}\n{deep}")


def test_a_policy_too_deep_to_be_read_is_refused_with_a_sentence() -> None:
    deep = PERMIT.replace('"x" == "x"', " && ".join(["true"] * 1000))

    with pytest.raises(PolicyError, match="line 1: this policy is nested too deeply"):
        read_statements(deep)

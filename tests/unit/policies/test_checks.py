"""What a policy text may not hold, and that Cedar's own validator lets most of it pass."""

from __future__ import annotations

import cedarpy
import pytest
from interlock.policies.evaluator import Policy, PolicyError, ToolShape
from interlock.policies.schema import agent_schema

TOOLS = [
    ToolShape(
        "pay",
        {
            "properties": {
                "amount": {"type": "number"},
                "count": {"type": "integer"},
                "memo": {"type": "string"},
                "to": {"type": "object", "properties": {"iban": {"type": "string"}}},
                "items": {"type": "array", "items": {"type": "string"}},
                "body": {"type": "object"},
                "note": {"type": "string"},
            },
            "required": ["count", "to"],
        },
    ),
    ToolShape("log", {"properties": {"note": {}, "level": {"type": "string"}}}),
]
PAY = 'principal, action == AgentCore::Action::"shop___pay", resource'
ALL = "principal, action, resource"
ADMIN = 'principal.hasTag("role") && principal.getTag("role") == "admin"'


def problems(text: str) -> str:
    with pytest.raises(PolicyError) as refused:
        Policy.load(text, "shop", TOOLS)
    return "\n".join(refused.value.problems)


def forbid(condition: str, scope: str = PAY) -> str:
    return f'@id("x") forbid ({scope}) when {{ {condition} }};'


def permit(condition: str, scope: str = ALL) -> str:
    return f'@id("x") permit ({scope}) when {{ {condition} }};'


def cedar_accepts(text: str) -> bool:
    return cedarpy.validate_policies(text, agent_schema("shop", TOOLS).handle).validation_passed


def test_problems_are_all_reported_each_with_its_line() -> None:
    text = f'\npermit ({PAY});\n\n@id("b") @foo forbid ({PAY});'

    found = problems(text).splitlines()
    assert found == [
        "line 2: policy needs an @id.",
        "line 4: policy `b` has unknown annotations: @foo.",
    ]


def test_an_id_may_be_used_once() -> None:
    assert "line 2: policy `x` has an @id that another" in problems(
        f'@id("x") permit ({PAY});\n@id("x") forbid ({PAY});'
    )


@pytest.mark.parametrize(
    "condition",
    [
        "context.input.count + 1 > 3",
        "context.input.count - 1 > 3",
        "context.input.count * 2 > 3",
        "-context.input.count > 3",
        "1 + 1 == 2",
        'context.system.now.offset(duration("1h")) > context.system.now',
        'context.system.now.durationSince(datetime("2026-01-01")) > duration("1h")',
    ],
)
def test_arithmetic_is_refused_though_cedar_validates_it(condition: str) -> None:
    assert cedar_accepts(forbid(condition))
    assert "arithmetic can overflow" in problems(forbid(condition))


def test_a_negative_literal_is_no_arithmetic() -> None:
    assert Policy.load(forbid("context.input.count > -3"), "shop", TOOLS)


def test_an_unknown_is_refused_though_cedar_validates_it() -> None:
    assert cedar_accepts(forbid('unknown("x")'))
    assert "`unknown`, which is not supported" in problems(forbid('unknown("x")'))


@pytest.mark.parametrize(
    "text",
    [
        f'@id("x") permit ({ALL});',
        permit("true"),
        permit('"a" == "a"'),
        permit("resource is AgentCore::Gateway"),
        permit('resource == AgentCore::Gateway::"interlock"'),
        permit("principal is AgentCore::OAuthUser"),
        permit("true", 'principal, action in AgentCore::Action::"CallTool", resource'),
        (
            '@id("x") permit (principal is AgentCore::OAuthUser, action, '
            'resource == AgentCore::Gateway::"interlock");'
        ),
    ],
)
def test_an_unscoped_permit_is_refused_though_cedar_validates_it(text: str) -> None:
    assert cedar_accepts(text)
    assert "permits every call" in problems(text)


@pytest.mark.parametrize(
    "text",
    [
        f'@id("x") permit ({PAY});',
        f'@id("x") forbid ({ALL});',
        f'@id("x") @outcome("review") @reviewers("ops") permit ({ALL});',
        permit('context.effect == "read"'),
        f'@id("x") @trusts("role") permit ({ALL}) when {{ {ADMIN} }};',
        permit('action in [AgentCore::Action::"shop___log"]'),
        '@id("x") permit (principal == AgentCore::OAuthUser::"shop", action, resource);',
    ],
)
def test_a_permit_with_a_scope_a_forbid_and_a_review_of_everything_are_accepted(text: str) -> None:
    assert Policy.load(text, "shop", TOOLS)


@pytest.mark.parametrize(
    ("condition", "scope", "problem"),
    [
        ("context.input has amuont", PAY, "`context.input.amuont`, which no tool in its scope"),
        ("context.input has amuont", ALL, "which no tool in its scope"),
        ("context.input.to has bic", PAY, "`context.input.to.bic`, which no tool"),
        ("context has efect", ALL, "`context.efect`, which no tool"),
        ("context.system has date", ALL, "which no tool"),
        ("context.input has body", PAY, "cannot see: it is a free-form object"),
        ("context.input has note", ALL, "cannot see: it has no type"),
        ("principal has role", ALL, "claims are tags"),
        ("resource has name", ALL, "does not exist"),
        ("action has name", ALL, "does not exist"),
    ],
)
def test_a_test_for_what_is_never_there_is_refused_though_cedar_takes_it_for_false(
    condition: str, scope: str, problem: str
) -> None:
    assert cedar_accepts(forbid(condition, scope))
    assert problem in problems(forbid(condition, scope))


def test_an_argument_left_out_is_named_with_the_reason_when_it_is_read() -> None:
    assert "cannot see: it is a free-form object" in problems(forbid('context.input.body == "x"'))


def test_an_open_tools_undeclared_arguments_cannot_be_referred_to() -> None:
    tool = ToolShape("any", {"additionalProperties": True})

    with pytest.raises(PolicyError, match="undeclared arguments are not seen"):
        Policy.load(forbid("context.input has x", ALL), "shop", [tool])


def test_a_test_for_what_some_tool_in_scope_has_is_accepted() -> None:
    assert Policy.load(forbid("context.input has level", ALL), "shop", TOOLS)
    assert Policy.load(forbid("context.input has note"), "shop", TOOLS)


def test_the_tools_of_a_list_of_actions_are_in_scope() -> None:
    scope = "principal, action in [{}], resource"
    pay, log = (f'AgentCore::Action::"shop___{name}"' for name in ("pay", "log"))

    assert Policy.load(
        forbid("context.input has level", scope.format(f"{pay}, {log}")), "shop", TOOLS
    )
    assert "no tool in its scope" in problems(forbid("context.input has level", scope.format(pay)))


@pytest.mark.parametrize(
    "condition",
    [
        "context.input == context.input",
        "context.input.to == context.input.to",
        "context == context",
        "[context.system].contains(context.system)",
    ],
)
def test_a_record_is_not_compared_as_a_whole_since_a_part_of_it_may_be_unseen(
    condition: str,
) -> None:
    assert cedar_accepts(forbid(condition))
    assert "as a whole" in problems(forbid(condition))


@pytest.mark.parametrize(
    "condition",
    [
        "(if true then context.input else context.input).count == 1",
        "(if true then context.input else context.input) has body",
    ],
)
def test_an_attribute_of_a_computed_value_is_refused(condition: str) -> None:
    assert cedar_accepts(forbid(condition))
    assert "computed value" in problems(forbid(condition))


@pytest.mark.parametrize(
    "condition",
    [
        'context.effect == "irreversable"',
        '"IRREVERSIBLE" == context.effect',
        'context.effect != "none"',
        '["read", "write"].contains(context.effect)',
        'context.effect_source == "guessed"',
    ],
)
def test_a_misspelt_effect_is_refused_though_cedar_takes_it_for_false(condition: str) -> None:
    assert cedar_accepts(forbid(condition))
    assert "none of" in problems(forbid(condition))


@pytest.mark.parametrize(
    "condition",
    [
        'context.effect like "irrev*"',
        "context.effect == context.input.to.iban",
        '[context.effect].contains("read")',
        '{"a": context.effect, "b": "read"} == {"a": "raed", "b": "read"}',
        'if context.effect == "read" then true else context.effect == context.effect_rule',
    ],
)
def test_an_effect_is_compared_with_literals_only(condition: str) -> None:
    assert "may only compare" in problems(forbid(condition))


def test_an_effect_compared_with_an_entity_is_refused() -> None:
    found = problems(forbid('context.effect == AgentCore::Gateway::"read"'))

    assert "may only compare" in found


def test_effects_in_a_set_of_literals_are_accepted() -> None:
    text = permit('["read", "reversible"].contains(context.effect)')

    assert Policy.load(text, "shop", TOOLS)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (forbid('context.input.memo == "x"'), "optional attribute"),
        (forbid('context.input.count == "x"'), "are not compatible"),
        (forbid('principal.getTag("x") == "y"'), "access to tag"),
        ('@id("x") forbid (principal, action == AgentCore::Action::"nope", resource);', "nope"),
    ],
)
def test_what_cedars_validator_refuses_is_refused_with_the_line(text: str, problem: str) -> None:
    found = problems(f"\n{text}")

    assert "line 2: policy `x` is refused by Cedar" in found
    assert problem in found


def test_a_long_condition_is_accepted() -> None:
    text = forbid(" && ".join(["context.input.count > 1"] * 150))

    assert Policy.load(text, "shop", TOOLS)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (permit(ADMIN), "reads the tag `role`, which whoever asks for a run sets or leaves out"),
        (forbid(f"!({ADMIN})"), "reads the tag `role`"),
        (f'@id("x") @trusts("tier") forbid ({PAY}) when {{ {ADMIN} }};', "reads the tag `role`"),
        (
            f'@id("x") @trusts("role, tier") forbid ({PAY}) when {{ {ADMIN} }};',
            "has a @trusts of `tier`, which it does not read",
        ),
        (
            f'@id("x") @trusts("") forbid ({PAY}) when {{ context.input.count > 3 }};',
            "has a @trusts of ``",
        ),
        (forbid("principal.hasTag(context.effect)"), "reads a tag by a computed name"),
    ],
)
def test_a_tag_that_the_requester_sets_is_only_read_where_it_is_named_as_trusted(
    text: str, problem: str
) -> None:
    assert problem in problems(text)


def test_the_tags_that_the_engine_sets_need_no_trust() -> None:
    ours = 'principal.hasTag("tenant") && principal.getTag("tenant") == "acme"'

    assert Policy.load(forbid(ours), "shop", TOOLS)

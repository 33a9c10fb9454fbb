from __future__ import annotations

import pytest
from interlock.policies.errors import PolicyError
from interlock.policies.schema import ToolShape, agent_schema


def test_an_action_is_named_target_and_tool_as_in_agentcore() -> None:
    schema = agent_schema("Fleet ops/eu_1", [ToolShape("delete_volume", {})])

    assert schema.actions == {"delete_volume": "Fleet-ops-eu-1___delete_volume"}


def test_an_agent_whose_name_has_nothing_for_a_target_is_refused() -> None:
    with pytest.raises(PolicyError, match="needs a letter or digit"):
        agent_schema("--", [])


@pytest.mark.parametrize("name", ['we"ird', "two words", "__cedar", "", "имя"])
def test_argument_names_that_are_no_identifiers_are_mapped(name: str) -> None:
    schema = agent_schema("a", [ToolShape("t", {"properties": {name: {"type": "string"}}})])

    assert name in schema.inputs["t"].members


def test_a_name_that_cedar_cannot_hold_is_refused_with_a_sentence() -> None:
    tool = ToolShape("t", {"properties": {"\ud800": {"type": "string"}}})

    with pytest.raises(PolicyError, match="Cedar refuses the schema of agent `a`"):
        agent_schema("a", [tool])

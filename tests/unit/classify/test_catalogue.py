"""`interlock tools classify MODULE:AGENT`: the catalogue of an agent's tools."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from interlock.engine.cli.tools import tools

if TYPE_CHECKING:
    from pathlib import Path

AGENT = '''
from interlock import Agent, gate, tool
from interlock.tools.classify import by_http
from langchain_core.tools import StructuredTool
from langgraph.graph import END, START, MessagesState, StateGraph

def undeclared(name, description, **metadata):
    return gate(StructuredTool.from_function(
        lambda x: x, name=name, description=description, metadata=metadata))

@tool(effect="read")
def declared(x: int) -> int:
    """Read."""
    return x

@tool(effect=by_http("path"))
def request(path: str) -> str:
    """Send a request."""
    return path

def build():
    graph = StateGraph(MessagesState)
    graph.add_node("n", lambda _: {"messages": []})
    graph.add_edge(START, "n")
    graph.add_edge("n", END)
    return graph

agent = Agent("shop", graph=build, tools=[
    declared, request, undeclared("get_user", "Get a user."),
    undeclared("frobnicate", "Does it."), undeclared("get_x", "Get x.", destructiveHint=True)])
'''


@pytest.fixture
def listed(tmp_path: Path) -> dict[str, dict[str, Any]]:
    file = tmp_path / "shop.py"
    file.write_text(AGENT)
    run = CliRunner().invoke(tools, ["classify", f"{file}:agent", "--json"], catch_exceptions=False)
    assert run.exit_code == 0
    return {item["tool"]: item for item in json.loads(run.stdout)["items"]}


def test_each_tool_has_its_effect_with_the_source_the_rule_and_the_evidence(
    listed: dict[str, dict[str, Any]],
) -> None:
    known = {name: (item["effect"], item["source"], item["rule"]) for name, item in listed.items()}

    assert known == {
        "declared": ("read", "declared", "declared"),
        "request": ("by argument", "declared", "by_http(path)"),
        "get_user": ("read", "inferred", "plain-reading"),
        "frobnicate": ("irreversible", "default", "undeclared"),
        "get_x": ("irreversible", "inferred", "hint"),
    }
    assert all(item["evidence"] and item["agent"] == "shop" for item in listed.values())


def test_it_says_what_to_declare(listed: dict[str, dict[str, Any]]) -> None:
    assert listed["declared"]["advice"] == listed["request"]["advice"] == "nothing"
    assert listed["get_user"]["advice"].startswith('effect="read"')
    assert '"irreversible"' in listed["frobnicate"]["advice"]


def test_people_get_a_table(tmp_path: Path) -> None:
    file = tmp_path / "shop.py"
    file.write_text(AGENT)
    run = CliRunner().invoke(tools, ["classify", f"{file}:agent"], catch_exceptions=False)

    assert run.stdout.splitlines()[0].split() == [
        *("TOOL", "EFFECT", "SOURCE", "RULE", "EVIDENCE", "DECLARE"),
    ]
    assert "frobnicate" in run.stdout

"""A program that works for itself and set up no logging shows nobody what its calls hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import structlog
from interlock import Agent
from langgraph.graph import END, START, MessagesState, StateGraph

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Lab

SECRET = "il_" + "k" * 24


def clumsy() -> Agent:
    """Fails with a secret in a variable and in its words."""

    def work(state: MessagesState) -> dict[str, Any]:
        card, key = "4111 1111 1111 1111", SECRET
        raise RuntimeError(f"refused for Bearer {key}" if card else "")

    graph = StateGraph(MessagesState)
    graph.add_node("work", work)
    graph.add_edge(START, "work")
    graph.add_edge("work", END)
    return Agent("clumsy", graph=graph, tools=[])


@pytest.fixture
def nothing_set_up() -> Iterator[None]:
    before = structlog.get_config()
    structlog.reset_defaults()
    yield
    structlog.configure(**before)


@pytest.mark.usefixtures("nothing_set_up")
def test_the_variables_of_an_error_are_not_shown(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = clumsy()
    lab.work(agent)
    assert lab.ended(lab.start(agent, {"messages": []}))["exit"] == "failed"
    lab.rest()
    shown = "".join(capsys.readouterr())
    assert "execution.failed" in shown
    assert "raise RuntimeError(" in shown
    assert "4111" not in shown
    assert SECRET not in shown


@pytest.mark.usefixtures("nothing_set_up")
def test_a_program_s_own_logging_is_its_own(lab: Lab) -> None:
    seen: list[str] = []

    def see(_: Any, __: str, event: structlog.typing.EventDict) -> str:
        seen.append(event["event"])
        return ""

    structlog.configure(processors=[see])
    lab.work(clumsy())
    lab.rest()
    assert "worker.started" in seen

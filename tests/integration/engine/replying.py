"""What tests of model replies share: a node that asks a model around a held call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphs import one_node
from interlock import Agent, tool

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Lab


def wipe_tool(lab: Lab) -> Any:
    @tool(effect="irreversible")
    def wipe(volume: str) -> str:
        """Delete a volume."""
        lab.effects.append(f"wipe {volume}")
        return f"wiped {volume}"

    return wipe


def replies(lab: Lab, run_id: Any) -> list[dict[str, Any]]:
    return lab.rows("select * from replies where run_id = %s order by id", run_id)


def twice_and_wipe(lab: Lab, ask: Callable[[str], Any], heard: list[Any]) -> Agent:
    """A node that asks twice, has a volume wiped, and asks again."""
    wipe = wipe_tool(lab)

    def node(_: Any) -> dict[str, Any]:
        heard.append([ask("one"), ask("two")])
        said = wipe.invoke({"volume": "v7"})
        heard.append([ask("three")])
        return {"said": said}

    return Agent("a", graph=one_node(node), tools=[wipe])


def through_an_approval(lab: Lab, agent: Agent, inputs: Any = None) -> dict[str, Any]:
    lab.work(agent)
    run_id = lab.start(agent, inputs)
    lab.decide(lab.pending(run_id)[0])
    return lab.ended(run_id)

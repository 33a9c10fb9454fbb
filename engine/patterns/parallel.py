"""Several are asked the same, and a rule makes one answer of what they say, or a person does."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph

from ...tools.questions import Opinion, ask_about_conflict
from ..stated import take
from .aggregation import rule_of, settled
from .rules import Agreed
from .stage import by_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from .aggregation import Choice
    from .stage import Stage

AGGREGATE = "aggregate"
ASK = "ask_person"


class FanOutState(TypedDict, total=False):
    """What goes in, what each said, and what came of it.

    Attributes:
        conflict: why the rule has no answer, while it has none.
        decided_by: the names of those whose answer it is; of one person after a conflict.
    """

    input: Any
    opinions: Annotated[list[dict[str, Any]], operator.add]
    conflict: str | None
    value: Any
    decided_by: list[str]


def fan_out(
    *agents: Callable[..., Any],
    rule: Choice = "unanimous",
    question: str = "They disagree. What holds?",
) -> StateGraph[Any, Any, Any, Any]:
    """A graph that asks all agents at once and ends with `value`.

    Args:
        agents: functions from the input to an `Assessment` or a `Refused`, known by their names.
        rule: as for `aggregate`. Where it has no answer a person is shown every opinion.
        question: what the person is asked then.

    Raises:
        ValueError: an agent without a name of its own, or a rule that is not known.
    """
    named, how = by_name(agents), rule_of(rule)

    def aggregate(state: FanOutState) -> dict[str, Any]:
        found = settled(map(Opinion.model_validate, state["opinions"]), how)
        if isinstance(found, Agreed):
            take(named, found.value, None)
            return {"value": found.value, "decided_by": list(found.by), "conflict": None}
        return {"conflict": f"By the rule “{how.name}” there is no answer. {found.because}"}

    async def ask_person(state: FanOutState) -> dict[str, Any]:
        asked = {"question": question, "because": state["conflict"], "opinions": state["opinions"]}
        said = await ask_about_conflict.ainvoke(asked)
        take(named, said["answer"], said["answered_by"])
        return {"value": said["answer"], "decided_by": [said["answered_by"]]}

    graph = StateGraph(FanOutState)
    graph.add_node(AGGREGATE, aggregate)
    graph.add_node(ASK, ask_person)
    for stage in named.values():
        graph.add_node(stage.name, _opinion(stage))
        graph.add_edge(START, stage.name)
    graph.add_edge(list(named), AGGREGATE)
    graph.add_conditional_edges(AGGREGATE, _ask_or_end, [ASK, END])
    graph.add_edge(ASK, END)
    return graph


def _ask_or_end(state: FanOutState) -> str:
    return ASK if state["conflict"] else END


def _opinion(stage: Stage) -> Any:
    async def say(state: FanOutState) -> dict[str, Any]:
        step = await stage.assess(state["input"], "the input", state["input"])
        said = step.model_dump(mode="json", exclude={"stage", "answered_by"})
        return {"opinions": [{"by": stage.name, **said}]}

    return say

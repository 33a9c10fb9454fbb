"""Stages one after the other, none of which goes on from what is not sure or was refused."""

from __future__ import annotations

import operator
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Command

from ...tools.questions import ask_about_stage
from ..stated import take
from .stage import by_name, options, read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .stage import Stage

ASK = "ask_person"


class ChainState(TypedDict, total=False):
    """What went in, the value so far, and what every stage and person made of it.

    Attributes:
        unclear: the stage whose last step is not to be gone on from, while there is one.
    """

    input: Any
    value: Any
    trail: Annotated[list[dict[str, Any]], operator.add]
    unclear: str | None


def chain(
    *stages: Callable[..., Any], min_confidence: float | Mapping[str, float] = 0.8
) -> StateGraph[Any, Any, Any, Any]:
    """A graph that takes `input` through the stages and ends with `value` and `trail`.

    Args:
        stages: functions that give an `Assessment` or a `Refused` of what the stage before them
            gave; with a second argument, in view of the input as well. What a stage takes is
            validated by its annotation; what does not fit is refused in its name.
        min_confidence: below it a person says what the value is; for each stage, or by its name.
            A refusal, too, goes to a person, who says what the stage should have got.

    Raises:
        ValueError: a stage without a name of its own, or a confidence for no stage.
    """
    named = by_name(stages)
    floors = _floors(named, min_confidence)
    order = [*named, END]
    after = dict(pairwise(order))
    graph = StateGraph(ChainState)
    graph.add_edge(START, order[0])
    for name, stage in named.items():
        graph.add_node(name, _working(stage, floors[name]))
        graph.add_conditional_edges(name, _ask_or(after[name]), [ASK, after[name]])
    graph.add_node(ASK, _asking(named, floors, after), destinations=tuple(order))
    return graph


def _floors(named: Mapping[str, Stage], least: float | Mapping[str, float]) -> Mapping[str, float]:
    floors = dict.fromkeys(named, least) if isinstance(least, int | float) else dict(least)
    if set(floors) != set(named):
        odd = ", ".join(sorted(set(floors) ^ set(named)))
        raise ValueError(f"min_confidence names each stage once, and {odd} is not so.")
    return floors


def _ask_or(then: str) -> Callable[[ChainState], str]:
    def ask_or_go_on(state: ChainState) -> str:
        return ASK if state["unclear"] else then

    return ask_or_go_on


def _working(stage: Stage, floor: float) -> Any:
    async def work(state: ChainState) -> dict[str, Any]:
        trail = state.get("trail", [])
        given = state["value"] if "value" in state else state["input"]
        came_from = _source(trail[-1]) if trail else "the input"
        step = await stage.assess(given, came_from, state["input"])
        found: dict[str, Any] = {"trail": [step.model_dump(mode="json")], "unclear": None}
        if step.refused is not None or (step.confidence or 0) < floor:
            return found | {"unclear": stage.name}
        return found | {"value": step.value}

    return work


def _source(step: Mapping[str, Any]) -> str:
    return str(step["answered_by"] or step["stage"])


def _asking(
    named: Mapping[str, Stage], floors: Mapping[str, float], after: Mapping[str, str]
) -> Any:
    async def ask(state: ChainState) -> Command[str]:
        stage, last = named[str(state["unclear"])], state["trail"][-1]
        if last["refused"] is not None:
            kind, then = stage.takes, stage.name
            question = f"{stage.name} refused what it got: {last['refused']} What should it get?"
        else:
            kind, then = stage.gives, after[stage.name]
            question = (
                f"{stage.name} is not sure enough: {last['confidence']:.2f}, and "
                f"{floors[stage.name]:.2f} is needed. What is right?"
            )
        value, by = await _answered(state, question, kind)
        if asserted := _asserted(state["trail"]):
            take([asserted], value, by)
        step = {**last, "value": value, "confidence": None, "evidence": [], "refused": None}
        step["answered_by"] = by or "nobody, after the deadline"
        update = {"value": value, "trail": [step], "unclear": None}
        return Command(update=update, goto=then)

    return ask


def _asserted(trail: list[dict[str, Any]]) -> str | None:
    """The stage whose own value a person is asked about: the last, or what the last refused."""
    for step in reversed(trail[-2:]):
        if step["refused"] is None:
            return None if step["answered_by"] else str(step["stage"])
    return None


async def _answered(state: ChainState, question: str, kind: Any) -> tuple[Any, str | None]:
    """A person's answer once it fits the type, and the person.

    Raises:
        ValueError: what counts as the answer after the deadline does not fit.
    """
    last = state["trail"][-1]
    about = {
        "options": options(kind),
        "confidence": last["confidence"],
        "given": state["input"],
        "trail": state["trail"],
    }
    problem = ""
    while True:
        said = await ask_about_stage.ainvoke({**about, "question": f"{problem}{question}"})
        try:
            return read(kind, said["answer"]), said["answered_by"]
        except ValueError as error:
            if said["answered_by"] is None:
                raise
            problem = f"{error} "

"""The graphs that the nodes of a graph are, or call by a name of their own, without a saver too.

LangGraph's `get_subgraphs` leaves those out that were compiled with `checkpointer=False`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.runnables import RunnableLambda, RunnableSequence
from langgraph._internal._runnable import RunnableCallable, RunnableSeq
from langgraph.pregel import Pregel
from langgraph.pregel._utils import get_function_nonlocals

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Graph = Pregel[Any, Any, Any, Any]


def inner_graphs(graph: Graph) -> Iterator[tuple[str, Graph]]:
    """Each of them once, at any depth, by the path of the node that it is in: `outer|inner`."""
    seen = {id(graph)}
    todo: list[tuple[str, Graph]] = [("", graph)]
    for path, outer in todo:
        for name, node in outer.nodes.items():
            for inner in _graphs_in(node.bound):
                if id(inner) not in seen:
                    seen.add(id(inner))
                    found = (f"{path}|{name}" if path else name, inner)
                    todo.append(found)
                    yield found


def _graphs_in(bound: Any) -> Iterator[Graph]:
    """As LangGraph looks for them, in what a node runs."""
    todo = [bound]
    for runnable in todo:
        if isinstance(runnable, Pregel):
            yield runnable
        else:
            todo += _parts_of(runnable)


def _parts_of(runnable: Any) -> Sequence[Any]:
    if isinstance(runnable, RunnableSequence | RunnableSeq):
        return list(runnable.steps)
    if isinstance(runnable, RunnableLambda):
        return list(runnable.deps)
    if isinstance(runnable, RunnableCallable):
        function: Any = runnable.func or runnable.afunc
        named = get_function_nonlocals(function) if function is not None else ()
        return [getattr(each, "__self__", each) for each in named]
    return ()

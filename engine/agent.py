"""An agent: a named LangGraph graph with its tools, limits and policy."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import re
import sys
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langgraph.graph import StateGraph
from langgraph.pregel import Pregel

from ..policies.evaluator import Policy, ToolShape, default_policy_text
from ..tools import GatedTool, ToolSpec
from ..tools.questions import BUILT_IN
from .asking import Asking
from .digest import canonical
from .errors import UsageError
from .inner_graphs import inner_graphs
from .limits import Limits
from .prices import CEILING, Price, Prices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .breaker import Breaker

    Graph = StateGraph[Any, Any, Any, Any] | Pregel[Any, Any, Any, Any]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


class Agent:
    """A named graph with its tools, limits and policy.

    Args:
        name: letters, digits, '_', '.' and '-'; what runs and reviewers call it.
        graph: a `StateGraph`, a function that returns one, or a compiled graph. The engine puts its
            own saver in, whatever the graph was compiled with.
        tools: the gated tools that the graph may call; a call of any other is refused.
        limits: caps of each run.
        pending: calls and questions of all its runs together that may wait for people at the same
            time; a run that comes to one more waits for room. Any number without it.
        policy: Cedar text, or the path of a `.cedar` file; the default set without it.
        shadow: another policy, which judges each call as well and decides nothing.
        on_ambiguity: what a question does: `ask` puts it to a person, `exit` ends the run.
        asks: the groups of reviewers who may answer.
        answer_within: how long there is to answer.
        on_deadline: what happens after that: `exit` ends the run as ambiguous, `{"answer": …}` is
            the answer that then counts.
        prices: what models cost, by name, that `genai-prices` does not know, or not as you do.
        unknown_price: what a model counts as that has no price.
        breaker: what its model calls may cost in an hour before new runs wait or fall back.

    Raises:
        UsageError: a name that is not plain, a tool that is not gated or named twice.
        PolicyError: the policy cannot be kept.
    """

    def __init__(
        self,
        name: str,
        *,
        graph: Graph | Callable[[], Graph],
        tools: Iterable[GatedTool],
        limits: Limits | None = None,
        pending: int | None = None,
        policy: str | Path | None = None,
        shadow: str | Path | None = None,
        on_ambiguity: str = "ask",
        asks: Iterable[str] = ("on-call",),
        answer_within: timedelta = timedelta(hours=24),
        on_deadline: str | Mapping[str, str] = "exit",
        prices: Mapping[str, Price] | None = None,
        unknown_price: Price = CEILING,
        breaker: Breaker | None = None,
    ) -> None:
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"An agent is named with letters, digits, '_', '.' and '-' only, not '{name}'."
            )
        self.name = name
        if pending is not None and (type(pending) is not int or pending < 1):
            raise UsageError(
                f"What may wait of agent '{name}' is a whole number from 1 up, not {pending!r}."
            )
        self.limits = limits or Limits()
        self.breaker = breaker
        self.prices = Prices(prices or {}, unknown_price)
        self.pending = pending
        self.asking = Asking.of(
            name,
            on_ambiguity=on_ambiguity,
            asks=asks,
            answer_within=answer_within,
            on_deadline=on_deadline,
        )
        self.tools = _by_name(name, tools)
        self._graph = graph
        shapes = [ToolShape(spec.name, spec.schema) for spec in self.specs]
        self.policy = Policy.load(_policy_text(policy), name, shapes)
        self.shadow = None if shadow is None else Policy.load(_policy_text(shadow), name, shapes)

    @property
    def specs(self) -> list[ToolSpec]:
        """What each tool says of itself."""
        return [tool.spec for tool in self.tools.values()]

    def tool(self, name: str) -> GatedTool | None:
        """What the graph may call by that name: a tool of the agent's, or a built-in question."""
        return self.tools.get(name) or BUILT_IN.get(name)

    def model_to_fall_back_to(self, name: str | None) -> Any:
        """The chat model of that name that stands in for all others; None where none does.

        Raises:
            UsageError: this version of the agent has no such model.
        """
        if name is None:
            return None
        if self.breaker is None or self.breaker.model_name != name:
            raise UsageError(
                f"The run falls back to {name}, which agent '{self.name}' does not name any more."
            )
        return self.breaker.then

    @cached_property
    def compiled(self) -> Pregel[Any, Any, Any, Any]:
        """The graph without a saver; made once.

        Raises:
            UsageError: `graph` gives something else than a graph.
        """
        graph = self._graph
        if not isinstance(graph, (StateGraph, Pregel)):
            graph = graph()
        if isinstance(graph, StateGraph):
            return self._checked(graph.compile())
        if isinstance(graph, Pregel):
            return self._checked(_without_saver(graph))
        raise UsageError(
            f"The graph of agent '{self.name}' is a {type(graph).__name__}, "
            "not a StateGraph or a compiled graph."
        )

    def _checked(self, graph: Pregel[Any, Any, Any, Any]) -> Pregel[Any, Any, Any, Any]:
        """Refuse what a call in an inner graph could not wait in, or would be repeated by.

        LangGraph gives the tasks of an inner graph new ids when the node around it is retried, so
        that their calls would not find their records and run again.
        """
        for path, inner in inner_graphs(graph):
            if inner.checkpointer is False:
                raise UsageError(
                    f"The graph in node '{path}' of agent '{self.name}' was compiled with "
                    "checkpointer=False, so that a call in it could not wait for a person. "
                    "Leave that out."
                )
        for name, node in graph.nodes.items():
            if node.subgraphs and (node.retry_policy or graph.retry_policy):
                raise UsageError(
                    f"Node '{name}' of agent '{self.name}' has a retry policy around a graph, "
                    "which would repeat calls that were made. Put the policy on the inner nodes."
                )
        return graph

    @cached_property
    def types(self) -> frozenset[tuple[str, ...]]:
        """The classes of the graph's own state, which its checkpoints may name."""
        inner: Any = self.compiled.get_subgraphs(recurse=True)
        graphs: list[Any] = [self.compiled, *(graph for _, graph in inner)]
        return frozenset(
            name
            for graph in graphs
            for name in graph._serde_allowlist or ()  # noqa: SLF001 - LangGraph has no other word
        )

    @cached_property
    def has_breakpoints(self) -> bool:
        """Whether the graph, or one inside it, was compiled to stop before or after some node."""
        inner: Any = self.compiled.get_subgraphs(recurse=True)
        graphs: list[Any] = [self.compiled, *(graph for _, graph in inner)]
        return any(graph.interrupt_before_nodes or graph.interrupt_after_nodes for graph in graphs)

    @cached_property
    def retried(self) -> frozenset[str]:
        """Nodes with a retry policy, those of inner graphs by their path: `outer|inner`.

        LangGraph gives the tasks of a graph inside such a node new ids when the node is tried
        again, so that their calls would not find their records.
        """
        inner: Any = self.compiled.get_subgraphs(recurse=True)
        graphs: list[tuple[str, Any]] = [("", self.compiled), *inner]
        return frozenset(
            f"{path}|{name}" if path else name
            for path, graph in graphs
            for name, node in graph.nodes.items()
            if node.retry_policy or graph.retry_policy
        )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 in hex over graph, tools, limits and policy: it changes when any of them does."""
        content = {
            "shape": self.shape,
            "limits": self.limits.as_json(),
            "policy": self.policy.digest,
            **({"breaker": self.breaker.as_json()} if self.breaker else {}),
        }
        return hashlib.sha256(canonical(content)).hexdigest()

    @cached_property
    def shape(self) -> str:
        """SHA-256 in hex over the graph with its subgraphs, the tools, and what a question does.

        A run can go on where it is the same: what it stored means the same, its limits are in its
        own row, and its calls are judged by the policy of the day, approved ones once more.
        """
        graph = self.compiled.get_graph(xray=True)
        content = {
            "name": self.name,
            "nodes": sorted(graph.nodes),
            "edges": sorted([e.source, e.target, bool(e.conditional)] for e in graph.edges),
            "tools": {spec.name: spec.version for spec in self.specs},
            "asking": self.asking.as_json(),
        }
        return hashlib.sha256(canonical(content)).hexdigest()

    def tools_as_json(self) -> Mapping[str, Any]:
        """The tools as they are registered for people and for the API."""
        return {
            spec.name: {
                "version": spec.version,
                "description": spec.description,
                "schema": dict(spec.schema),
                "effect": spec.declared,
                "source": spec.source,
                "undo": spec.undoable,
                "undo_terms": spec.undo.as_json() if spec.undo else None,
                "verify": spec.verifiable,
            }
            for spec in self.specs
        }


def _without_saver(graph: Pregel[Any, Any, Any, Any]) -> Pregel[Any, Any, Any, Any]:
    bare: Any = graph.copy({"checkpointer": None})
    bare._serde_allowlist = graph._serde_allowlist  # noqa: SLF001 - LangGraph's copy leaves it out
    return bare  # type: ignore[no-any-return]


def _by_name(agent: str, tools: Iterable[GatedTool]) -> dict[str, GatedTool]:
    named: dict[str, GatedTool] = {}
    for tool in tools:
        if not isinstance(tool, GatedTool):
            raise UsageError(
                f"Agent '{agent}' has a tool that is not gated: "
                f"{getattr(tool, 'name', tool)!r}. Declare it with @tool(effect=…) or gate(…)."
            )
        if tool.name in named:
            raise UsageError(f"Agent '{agent}' has two tools named '{tool.name}'.")
        named[tool.name] = tool
    return named


def _policy_text(policy: str | Path | None) -> str:
    if policy is None:
        return default_policy_text()
    if isinstance(policy, str) and not policy.endswith(".cedar"):
        return policy
    try:
        return Path(policy).read_text("utf-8")
    except OSError as error:
        raise UsageError(f"Cannot read the policy {policy}: {error.strerror}.") from None


def load_agent(reference: str) -> Agent:
    """The agent that `MODULE:NAME` or `FILE.py:NAME` names.

    Raises:
        UsageError: the module, the name or the agent is not there; with what was looked for.
    """
    where, _, attribute = reference.partition(":")
    if not where or not attribute:
        raise UsageError(f"Name an agent as MODULE:AGENT or FILE.py:AGENT, not '{reference}'.")
    module = _load_file(Path(where)) if where.endswith(".py") else _load_module(where)
    found = getattr(module, attribute, None)
    if not isinstance(found, Agent):
        what = "nothing" if found is None else f"a {type(found).__name__}"
        raise UsageError(f"'{attribute}' in {where} is {what}, not an Agent.")
    return found


def _load_module(name: str) -> Any:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(f"{error.name}.")):
            raise
        raise UsageError(f"There is no module '{name}' here or on the Python path.") from None


def _load_file(path: Path) -> Any:
    if not path.is_file():
        raise UsageError(f"There is no file {path}.")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    sys.path.insert(0, str(path.parent.resolve()))
    spec.loader.exec_module(module)
    return module

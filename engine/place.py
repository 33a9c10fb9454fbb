"""Where in the graph a call comes from, and so which call it is when its node runs again."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

from langgraph.runtime import get_runtime

from ..tools.gated import OutsideRun, Refused
from ..tools.questions import is_question
from .call import Place
from .digest import call_key

if TYPE_CHECKING:
    from uuid import UUID

    from langgraph.runtime import ExecutionInfo

    from ..tools.gated import Ask


class Places:
    """Gives each call of one execution its place and key; like calls in an attempt are counted."""

    def __init__(self, run_id: UUID, retried: frozenset[str]) -> None:
        self._retried = retried
        self._thread_id = str(run_id)
        self._alike: Counter[tuple[tuple[str, str], int, str | None, str, bytes]] = Counter()
        self._lock = threading.Lock()

    def of(self, ask: Ask) -> tuple[Place, bytes]:
        """The place and the key of a call.

        Raises:
            OutsideRun: no LangGraph task is running here.
        """
        info = _execution_info(ask.tool.name)
        if info.thread_id != self._thread_id:
            raise Refused(
                f"{ask.tool.name} did not run: it was called in a graph with a thread of its own, "
                "which this run cannot take up again. Call that graph without a thread_id."
            )
        around = _nodes_around(info.checkpoint_ns) & self._retried
        if around:
            raise Refused(
                f"{ask.tool.name} did not run: it was called in a graph inside node "
                f"'{min(around)}', which has a retry policy, and would be repeated with it. "
                "Put the policy on the inner nodes."
            )
        task_id, ns = info.task_id, info.checkpoint_ns
        if ask.batch is not None:
            ns, task_id = ns.rpartition("|")[0], f"batch:{ask.batch.name}"
        asked_in = (info.task_id, task_id)  # one task holds all calls of a batch, each in its place
        # a model that is asked again asks the same question under another id
        tool_call_id = None if is_question(ask.tool) else ask.tool_call_id
        with self._lock:
            seen = (asked_in, info.node_attempt, tool_call_id, ask.tool.name, ask.args)
            ordinal = self._alike[seen]
            self._alike[seen] += 1
        place = Place(info.checkpoint_ns, info.task_id, tool_call_id)
        key = call_key(
            ns=ns,
            task_id=task_id,
            tool_call_id=place.tool_call_id,
            tool=ask.tool.name,
            args=ask.args,
            ordinal=ordinal,
        )
        return place, key


def _nodes_around(ns: str) -> set[str]:
    """The paths of the nodes that a namespace is inside of, without its own."""
    names = [part.partition(":")[0] for part in ns.split("|") if not part.isdigit()]
    return {"|".join(names[:count]) for count in range(1, len(names))}


def here() -> ExecutionInfo | None:
    """The LangGraph task that runs here, if there is one and it is of a thread."""
    try:
        info = get_runtime().execution_info
    except (LookupError, RuntimeError):
        return None
    return info if info is not None and info.thread_id else None


def _execution_info(tool: str) -> ExecutionInfo:
    info = here()
    if info is None:
        raise OutsideRun(tool)
    return info

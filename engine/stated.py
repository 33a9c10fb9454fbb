"""How sure the stages of one execution are: kept with their tasks, written as what these wrote."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from uuid_utils.compat import uuid7

from ..tools.questions import ask_human
from .database import storable
from .digest import canonical
from .group_commit import Write
from .place import here

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..tools.gated import Ask
    from ..tools.questions import Step
    from .hold import Hold
    from .outbox import Outbox

current_stated: ContextVar[Stated | None] = ContextVar("interlock_stated", default=None)

_LINGER = 0.25
"""Seconds that they wait for the run's next transaction, as the writes of their task do."""


def state(step: Step) -> None:
    """A stage assessed something; recorded where a run is."""
    stated = current_stated.get()
    if stated is not None and step.confidence is not None:
        stated.put(step.stage, step.confidence, step.value)


def take(stages: Iterable[str], value: Any, by: str | None) -> None:
    """The graph goes on with this value, of that person, after what these stages last stated."""
    stated = current_stated.get()
    if stated is not None:
        stated.take(list(stages), value, by)


def answered(ask: Ask, said: Any) -> None:
    """A question came back with its answer; recorded where the agent had said what it thought."""
    stated = current_stated.get()
    if stated is not None and ask.tool.vault_key is ask_human.vault_key:
        stated.put_question(json.loads(ask.args), said)


@dataclass(slots=True)
class _Attempt:
    """One attempt of a task: what it stated, and how often each of its stages did."""

    number: int
    counts: Counter[str] = field(default_factory=Counter)
    writes: list[Write] = field(default_factory=list)


class Stated:
    """Any thread."""

    def __init__(self, hold: Hold, outbox: Outbox) -> None:
        self._hold = hold
        self._outbox = outbox
        self._lock = threading.Lock()
        self._attempts: dict[str, _Attempt] = {}

    def put(self, stage: str, confidence: float, value: Any, taken: tuple[Any, ...] = ()) -> None:
        """How sure a stage is of a value; `taken` is what was gone on with, and by whom."""
        info = here()
        if info is None or info.thread_id != str(self._hold.run_id):
            return
        with self._lock:
            attempt = self._attempt(info)
            ordinal = attempt.counts[stage]
            attempt.counts[stage] += 1
            attempt.writes.append(
                self._write(
                    "put_assessment",
                    uuid7(),
                    _graph_of(info),
                    info.task_id,
                    stage,
                    ordinal,
                    confidence,
                    _digest(value),
                    *((_digest(taken[0]), taken[1]) if taken else (None, None)),
                )
            )

    def put_question(self, asked: Mapping[str, Any], said: Mapping[str, Any]) -> None:
        """How sure an agent was of the first option of its question, and what the answer was."""
        if asked.get("options") and asked.get("confidence") is not None:
            taken = said["answer"], said["answered_by"]
            self.put(ask_human.name, asked["confidence"], asked["options"][0], taken)

    def take(self, stages: list[str], value: Any, by: str | None) -> None:
        """What the graph that this task is of goes on with."""
        info = here()
        if info is None or info.thread_id != str(self._hold.run_id):
            return
        with self._lock:
            self._attempt(info).writes.append(
                self._write("take_assessments", _graph_of(info), stages, _digest(value), by)
            )

    def task_done(self, task_id: str) -> None:
        """A task returned: what it stated goes with what it wrote."""
        with self._lock:
            attempt = self._attempts.pop(task_id, None)
        if attempt is not None:
            self._outbox.ride(linger=_LINGER, fenced=attempt.writes)

    def _attempt(self, info: Any) -> _Attempt:
        """The attempt that runs; what one before it stated is not what the run goes on with."""
        attempt = self._attempts.get(info.task_id)
        if attempt is None or attempt.number != info.node_attempt:
            attempt = self._attempts[info.task_id] = _Attempt(info.node_attempt)
        return attempt

    def _write(self, function: str, *values: Any) -> Write:
        where = (self._hold.tenant, self._hold.run_id)
        return Write(function, (*where, *map(storable, values)))


def _graph_of(info: Any) -> str:
    """The namespace of the graph that a task is of."""
    return str(info.checkpoint_ns).rpartition("|")[0]


def _digest(value: Any) -> bytes:
    """Equal for equal JSON values, those with numbers that RFC 8785 refuses among them."""
    try:
        text = canonical(value)
    except ValueError:
        text = json.dumps(value, sort_keys=True).encode()
    return hashlib.sha256(b"interlock/assessed-value/1\n" + text).digest()

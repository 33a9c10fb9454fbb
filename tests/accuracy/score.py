"""How often a classifier lets run what it must not, and how often it frees what only reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from interlock.engine.cli.classified import Classifier

from .corpora import CORPORA, rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .corpora import Case


@dataclass(frozen=True)
class Score:
    """Counts over one corpus."""

    harmful: int
    let_through: int
    harmless: int
    freed: int

    @property
    def false_autonomy(self) -> float:
        return self.let_through / self.harmful

    @property
    def autonomy(self) -> float:
        return self.freed / self.harmless


def score(cases: Iterable[Case], runs: Callable[[Case], bool]) -> Score:
    """`runs` says whether a case would run without a person."""
    judged = [(case.only_reads, runs(case)) for case in cases]
    harmful = [ran for reads, ran in judged if not reads]
    harmless = [ran for reads, ran in judged if reads]
    return Score(len(harmful), sum(harmful), len(harmless), sum(harmless))


def ours(corpus: str) -> Score:
    """Interlock's under the default policy, as the command line answers."""
    return ours_of(CORPORA[corpus]())


def ours_of(cases: Iterable[Case]) -> Score:
    """The same of any cases."""
    classifier = Classifier()
    return score(cases, lambda case: classifier.answer(case.line).unattended)


@dataclass(frozen=True)
class Tasks:
    """What happened to the calls of whole tasks."""

    tasks: int
    interruptions: int
    changes_unattended: int

    @property
    def per_task(self) -> float:
        return self.interruptions / self.tasks


REVERSIBLE = frozenset(
    {"modify_pending_order_address", "modify_user_address", "update_reservation_passengers"}
)
"""Of the tools of tau2, those whose former value can be put back, so that an operator can declare
them reversible and register an undo."""


def tau2_tasks(declared: frozenset[str] = frozenset()) -> Tasks:
    """Each call that would wait for a person is one interruption."""
    classifier = Classifier()
    cases = list(CORPORA["tau2 tools"]())
    free = {str(c.row["name"]) for c in cases if classifier.answer(c.line).unattended}
    tasks = rows("tau2_tasks.jsonl")
    calls = [call for task in tasks for call in task["calls"]]
    held = [call for call in calls if call["name"] not in free | declared]
    loose = [call for call in calls if call["name"] in free and call["mutates"]]
    return Tasks(len(tasks), len(held), len(loose))

"""Who is measured: where each contender is, and which packages it needs beside our own."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .contender import Contender


@dataclass(frozen=True, slots=True)
class Entry:
    """A contender's place in this package, what it is, and the distributions it needs."""

    where: str
    label: str
    needs: tuple[str, ...] = ()

    def missing(self) -> list[str]:
        """The distributions that are not installed."""
        return [name for name in self.needs if installed(name) is None]


CONTENDERS = {
    "stock": Entry(
        "stock:Stock", "LangGraph + AsyncPostgresSaver", ("langgraph-checkpoint-postgres",)
    ),
    "memory": Entry("graphs:Memory", "LangGraph in memory"),
    "raw": Entry("raw:Raw", "raw commits"),
    "bare": Entry("gated:Bare", "here, bare tools"),
    "read": Entry("gated:Read", "here, gated reads"),
    "reversible": Entry("gated:Reversible", "here, gated, reversible calls"),
    "mixed": Entry("gated:Mixed", "here, gated, 1% irreversible"),
    "queue": Entry("run_queue:RunQueue", "the run queue"),
    "procrastinate": Entry(
        "procrastinate_jobs:ProcrastinateJobs", "procrastinate jobs", ("procrastinate",)
    ),
    "dbos": Entry("dbos_steps:DbosSteps", "DBOS steps", ("dbos",)),
    "decisions": Entry("decisions:Decisions", "decisions"),
    "policy": Entry("policy:DefaultPolicy", "the default policy"),
    "policies": Entry("policy:HundredPolicies", "100 policies, 50 tools, three outcomes"),
    "history": Entry("history:History", "past calls"),
    "footprint": Entry("footprint:Standing", "runs in a worker"),
    "resting": Entry("resting:Resting", "runs that wait"),
}


def contender(name: str, url: str) -> Contender:
    """The contender of that name, on its database."""
    module, _, attribute = CONTENDERS[name].where.partition(":")
    made: Contender = getattr(import_module(f".{module}", __package__), attribute)(url)
    return made


def installed(distribution: str) -> str | None:
    """The version of a distribution, None where it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None

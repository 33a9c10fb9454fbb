"""What an agent's tools do, how that is known, and what their operator should declare."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ...tools.classify.given import RUNS_WHAT_IT_IS_GIVEN
from ...tools.effect import Effect, Source
from ..agent import load_agent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...tools import Classification, ToolSpec


@dataclass(frozen=True, slots=True)
class Entry:
    """One tool in the catalogue."""

    agent: str
    tool: str
    effect: str
    source: str
    rule: str
    evidence: tuple[str, ...]
    advice: str

    def as_json(self) -> dict[str, Any]:
        """As it is printed for programs."""
        return asdict(self)


def entries_of(reference: str) -> Iterator[Entry]:
    """The tools of the agent that `MODULE:AGENT` names."""
    agent = load_agent(reference)
    for spec in agent.specs:
        yield _entry(agent.name, spec)


def _entry(agent: str, spec: ToolSpec) -> Entry:
    if callable(spec.effect):
        said = ("The arguments of each call decide.",)
        return Entry(agent, spec.name, "by argument", "declared", _rule(spec), said, "nothing")
    found = spec.classify({})
    known = (found.effect, found.source, found.rule, found.evidence)
    return Entry(agent, spec.name, *known, _advice(spec, found))


def _rule(spec: ToolSpec) -> str:
    return str(getattr(spec.effect, "__name__", type(spec.effect).__name__))


def _advice(spec: ToolSpec, found: Classification) -> str:
    """What to write into the tool's declaration."""
    if found.source is Source.DECLARED:
        return "nothing"
    if found.rule == RUNS_WHAT_IT_IS_GIVEN:
        return "an effect by argument: by_sql(…), by_shell(…)"
    if found.effect is Effect.READ:
        return 'effect="read", if that is so'
    if spec.undoable:
        return 'effect="reversible": it registers an undo'
    if found.rule == "hint":
        return 'effect="irreversible", or "reversible" with an undo'
    return 'effect="read" if it only reads; "reversible" with an undo; else "irreversible"'

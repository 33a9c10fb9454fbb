"""What rolling a run back would undo, in which order, and what would stay, from facts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..tools.effect import Effect
from .digest import canonical
from .errors import NotFound
from .lifecycle import CallState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..tools.undo import UndoTerms

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Done:
    """A call that may have done something, and how its last undo went.

    Attributes:
        restored: whether its target was found as it was, after an undo that ran to its end.
    """

    id: UUID
    tool: str
    tool_version: str
    effect: str
    state: str
    attested_by: str | None
    undo_error: str | None
    undo_state: str | None
    restored: bool | None

    @property
    def is_unsure(self) -> bool:
        """Whether nobody knows that it happened, or what it gave back."""
        return self.attested_by is not None or self.is_in_doubt

    @property
    def is_in_doubt(self) -> bool:
        """Whether nobody knows that it happened; so is one that a lost worker left executing."""
        return self.state in (CallState.EXECUTING, CallState.IN_DOUBT)


@dataclass(frozen=True, slots=True)
class Offer:
    """A tool as one live version of the agent has it."""

    version: str
    undo: UndoTerms | None


@dataclass(frozen=True, slots=True)
class PlannedUndo:
    """A call that would be undone, and what there is to say of that."""

    call_id: UUID
    tool: str
    tool_version: str
    effect: str
    recovery: str
    unsure: bool
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The undo as the plan has it."""
        return {
            "call_id": str(self.call_id),
            "tool": self.tool,
            "tool_version": self.tool_version,
            "undo_effect": self.effect,
            "recovery": self.recovery,
            "unsure": self.unsure,
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class Staying:
    """A call that would stay done, and why."""

    call_id: UUID
    tool: str
    effect: str
    why: str

    def as_json(self) -> dict[str, Any]:
        """The call as the plan has it."""
        return {
            "call_id": str(self.call_id),
            "tool": self.tool,
            "effect": self.effect,
            "why": self.why,
        }


@dataclass(frozen=True, slots=True)
class Scope:
    """What a person asked for: `to` is the last call that stays, `skip` are calls left alone."""

    to: UUID | None = None
    skip: frozenset[UUID] = frozenset()

    def as_json(self) -> dict[str, Any]:
        """The scope as the plan has it."""
        return {"to": str(self.to) if self.to else None, "skip": sorted(map(str, self.skip))}

    @classmethod
    def from_json(cls, scope: Mapping[str, Any]) -> Scope:
        """The scope of a stored plan."""
        to = scope["to"]
        return cls(UUID(to) if to else None, frozenset(map(UUID, scope["skip"])))


@dataclass(frozen=True, slots=True)
class Plan:
    """What a rollback does: `undos` in their order, the last call first; then what stays."""

    run_id: UUID
    agent: str
    scope: Scope
    undos: tuple[PlannedUndo, ...]
    staying: tuple[Staying, ...]
    reads: int
    needs_approval: bool

    def as_json(self) -> dict[str, Any]:
        """The plan that the digest is of."""
        return {
            "v": _FORMAT,
            "run": str(self.run_id),
            "agent": self.agent,
            **self.scope.as_json(),
            "undos": [undo.as_json() for undo in self.undos],
            "staying": [call.as_json() for call in self.staying],
            "reads": self.reads,
            "needs_approval": self.needs_approval,
        }

    @property
    def data(self) -> bytes:
        """RFC 8785 bytes of the plan."""
        return canonical(self.as_json())

    @property
    def digest(self) -> bytes:
        """SHA-256 of the plan's bytes: what a person confirms or approves."""
        return hashlib.sha256(self.data).digest()

    @property
    def final(self) -> tuple[str, ...]:
        """The tools whose undo cannot be undone itself."""
        effect = Effect.IRREVERSIBLE
        return tuple(sorted({undo.tool for undo in self.undos if undo.effect == effect}))

    @property
    def needs(self) -> list[str]:
        """What a worker must have to carry it out."""
        return sorted({need(self.agent, undo.tool, undo.tool_version) for undo in self.undos})


def need(agent: str, tool: str, version: str) -> str:
    """A tool of an agent in one version, in a word."""
    return f"{agent}/{tool}@{version}"


def work_out(
    run_id: UUID,
    agent: str,
    scope: Scope,
    calls: Sequence[Done],
    live: Sequence[Mapping[str, Offer]],
) -> Plan:
    """The plan, from the run's calls, last started first, and what each live version offers.

    One worker carries out the whole plan, so the version that can undo most of it is chosen.

    Raises:
        NotFound: the scope names a call that the run has not made.
    """
    within = _within(calls, scope)
    best = max(live, key=lambda offers: _coverage(within, offers, scope), default=None)
    undos: list[PlannedUndo] = []
    staying: list[Staying] = []
    for call in within:
        if call.effect == Effect.READ or call.state == CallState.UNDONE:
            continue
        why = _why_it_stays(call, best, scope)
        if why is not None:
            staying.append(Staying(call.id, call.tool, call.effect, why))
        elif best is not None and (terms := best[call.tool].undo) is not None:
            undos.append(_planned(call, terms, staying))
    harmful = any(undo.effect == Effect.IRREVERSIBLE or undo.unsure for undo in undos)
    return Plan(
        run_id=run_id,
        agent=agent,
        scope=scope,
        undos=tuple(undos),
        staying=tuple(staying),
        reads=sum(call.effect == Effect.READ for call in within),
        needs_approval=harmful or any(call.is_in_doubt for call in within if _acts(call)),
    )


def _acts(call: Done) -> bool:
    return call.effect != Effect.READ and call.state != CallState.UNDONE


def _within(calls: Sequence[Done], scope: Scope) -> Sequence[Done]:
    known = [call.id for call in calls]
    for named in ({scope.to} if scope.to else set()) | scope.skip:
        if named not in known:
            raise NotFound(f"The run has made no call {named}, or it did not happen.")
    return calls[: known.index(scope.to)] if scope.to else calls


def _coverage(calls: Sequence[Done], offers: Mapping[str, Offer], scope: Scope) -> int:
    return sum(_why_it_stays(call, offers, scope) is None for call in calls)


def _planned(call: Done, terms: UndoTerms, later: Sequence[Staying]) -> PlannedUndo:
    notes = []
    if call.is_unsure:
        notes.append(
            f"{call.attested_by} attested that it happened; its own result is not known."
            if call.attested_by
            else "Nobody knows whether it happened; its undo copes with both."
        )
    if call.undo_error:
        notes.append(f"Its undo failed before: {call.undo_error}")
    if terms.effect is Effect.IRREVERSIBLE:
        notes.append("Its undo cannot be undone.")
    if later:
        notes.append(f"What came after it and stays may rest on it: {_tools_of(later)}.")
    return PlannedUndo(
        call_id=call.id,
        tool=call.tool,
        tool_version=call.tool_version,
        effect=str(terms.effect),
        recovery="same_key" if terms.idempotent else "ask",
        unsure=call.is_unsure,
        notes=tuple(notes),
    )


def _tools_of(calls: Sequence[Staying]) -> str:
    return ", ".join(sorted({call.tool for call in calls}))


def _why_it_stays(call: Done, offers: Mapping[str, Offer] | None, scope: Scope) -> str | None:
    """The sentence for a call that cannot be undone; None for one that can."""
    if call.id in scope.skip:
        return "You left it out."
    return _why_not_now(call) or _why_not_by_its_tool(call, offers)


def _why_not_now(call: Done) -> str | None:
    if call.effect == Effect.READ or call.state == CallState.UNDONE:
        return "There is nothing to undo."
    if call.state == CallState.UNDOING:
        return "It is being undone."
    if call.state == CallState.ABANDONED:
        return "It was given up in doubt: whether it happened stays unknown."
    if call.undo_state == CallState.ABANDONED:
        return "Its undo was given up in doubt: whether it is undone stays unknown."
    if call.restored is False:
        return "Its undo ran, and left its target otherwise than the call had found it."
    return None


def _why_not_by_its_tool(call: Done, offers: Mapping[str, Offer] | None) -> str | None:
    if offers is None:
        return "No worker that could undo it is up: start one of this agent."
    offer = offers.get(call.tool)
    if offer is None:
        return "No worker that is up has its tool."
    if offer.version != call.tool_version:
        return (
            f"Its tool changed since: it ran as version {call.tool_version}, and the workers have "
            f"{offer.version}."
        )
    if offer.undo is None:
        return (
            "It does not come back: its tool registers no undo."
            if call.effect == Effect.IRREVERSIBLE
            else "Its tool registers no undo."
        )
    if call.is_unsure and not offer.undo.takes_doubt:
        return (
            f"{call.attested_by} attested that it happened, and its undo needs its own result."
            if call.attested_by
            else "It is in doubt, and its undo cannot cope with that. Say what happened first."
        )
    return None

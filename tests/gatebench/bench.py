"""Attacks, and what comes of running one against a system."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .system import NotApplicable, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from .system import Ask, Run, System
    from .world import World

    Body = Callable[[System, World], str]

LOST = "approved and did not run"
STOPPED, BREACHED, NOT_APPLICABLE, ERROR = "stopped", "breached", "not applicable", "error"


class Breach(Exception):
    """The attack got through; with what was seen."""


class Stopped(Exception):
    """The attack ended early, since the system did not let it go on; with what was seen."""


@dataclass(frozen=True)
class Attack:
    """One way past a gate.

    Attributes:
        title: what the gate must not let happen.
        sources: where it was reported, as `owner/repository#number` on GitHub, or by name.
    """

    id: str
    family: str
    title: str
    sources: tuple[str, ...]
    body: Body

    def run(self, system: System, world: World) -> Outcome:
        """Try it."""
        try:
            return Outcome(STOPPED, self.body(system, world))
        except Breach as seen:
            return Outcome(BREACHED, str(seen))
        except (Stopped, Refused) as seen:
            if world.effects():
                return Outcome(BREACHED, f"ran {world.told()}, and said: {seen}")
            return Outcome(STOPPED, str(seen))
        except NotApplicable as reason:
            return Outcome(NOT_APPLICABLE, str(reason))


@dataclass(frozen=True)
class Outcome:
    """What came of one attack on one system, and what was seen."""

    result: str
    evidence: str


ATTACKS: dict[str, Attack] = {}


def attack(family: str, *sources: str) -> Callable[[Body], Body]:
    """Register an attack. Its name is its id, its docstring what the gate must not let happen."""

    def register(body: Body) -> Body:
        identity = body.__name__.replace("_", "-")
        title = (body.__doc__ or "").strip().rstrip(".")
        ATTACKS[identity] = Attack(identity, family, title, sources, body)
        return body

    return register


def held(run: Run, world: World) -> list[Ask]:
    """What waits for a person; the attack ends where something ran, or nothing waits.

    Raises:
        Breach: something ran, and no person was asked.
        Stopped: nothing ran and nothing waits: the system refused the calls.
    """
    if world.effects():
        raise Breach(f"{world.told()} ran although nobody had decided")
    asked = run.asked()
    if not asked:
        raise Stopped(f"nothing ran and nothing waits; the agent was told: {run.heard()}")
    return asked


def only(world: World, *allowed: str, why: str) -> str:
    """Evidence that no more than these effects happened, in any order.

    What was approved and did not run is told, and is no breach of the gate.

    Raises:
        Breach: more did, or others.
    """
    ran, expected = Counter(map(str, world.effects())), Counter(allowed)
    if ran - expected:
        raise Breach(f"ran {world.told()} where {', '.join(allowed) or 'nothing'} may: {why}")
    lost = ", ".join(expected - ran)
    return f"ran {world.told()}: {why}" + (f"; {LOST}: {lost}" if lost else "")

"""What a contender has to offer; implement this to add yours.

Nothing here or in `attacks` imports more than the standard library, so that a contender can run in
an environment of its own. Whatever a contender has no feature for raises `NotApplicable` with the
reason; an attack that it was made to refuse raises `Refused`.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from .world import DIED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .scene import Scene
    from .world import World


class NotApplicable(Exception):
    """The system has nothing that this attack could be tried on; with the reason."""


class Refused(Exception):
    """The system did not take what the attack offered; with what it said."""


@dataclass(frozen=True)
class Ask:
    """What waits for a person: the call as the reviewer is shown it."""

    id: str
    tool: str
    args: Mapping[str, Any]
    handle: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Decision:
    """A person's answer to what they saw. An edit can name other arguments, or another tool."""

    ask: Ask
    verdict: str
    args: Mapping[str, Any] | None = None
    tool: str | None = None


def approve(ask: Ask) -> Decision:
    """Yes."""
    return Decision(ask, "approve")


def reject(ask: Ask) -> Decision:
    """No."""
    return Decision(ask, "reject")


def edit(ask: Ask, args: Mapping[str, Any], tool: str | None = None) -> Decision:
    """Yes, but so."""
    return Decision(ask, "edit", args, tool)


def told(act: Callable[..., object], *args: object) -> str:
    """What somebody was told who tried this: the refusal, or nothing if it was taken."""
    try:
        act(*args)
    except Refused as said:
        return str(said)
    return ""


class Run:
    """One run of an agent. A method returns once the system has nothing more to do by itself."""

    id: str = ""

    def asked(self) -> list[Ask]:
        """What waits for a person now."""
        raise NotImplementedError

    def decide(self, *decisions: Decision) -> None:
        """A person's decisions, as the documentation says they are handed in."""
        raise NotImplementedError

    def completed(self) -> bool:
        """Whether the run calls itself done."""
        raise NotImplementedError

    def heard(self) -> str:
        """What the agent was told in answer to its calls."""
        raise NotImplementedError

    def record(self) -> str:
        """The system's own word for what became of the run's only call."""
        raise NotApplicable("it keeps no record of a call's outcome")

    def decide_at_once(self, *decisions: Decision) -> list[str]:
        """Decisions by as many people at the same time; what each was told: "" if it was taken."""
        raise NotApplicable("it has one way in, which is not concurrent")

    def decide_unnamed(self, verdict: str) -> None:
        """A decision that does not say what it is for."""
        raise NotApplicable("a decision cannot be handed in without the id of a call")

    def forge(self) -> None:
        """Go on as if approved, by someone who can reach the run and is no reviewer."""
        raise NotApplicable("nothing but a decision makes a run go on")

    def rewrite(self, args: Mapping[str, Any]) -> None:
        """Change the arguments of the waiting call in the stored history."""
        raise NotApplicable("it has no history that could be changed")

    def skip(self, way: str) -> None:
        """Go past the wait by editing the run's state: `goto` or `as_node`."""
        raise NotApplicable("it has no graph whose state could be edited")

    def fork(self) -> None:
        """Go on from the state before the last call, as time travel does."""
        raise NotApplicable("it has no states to go back to")

    def cancel(self) -> None:
        """A person calls the run off."""
        raise NotApplicable("it has no way to cancel a run")

    def expire(self) -> None:
        """Wait until nobody can decide any more, and let the system notice."""
        raise NotApplicable("its requests have no deadline")

    def decide_as_stranger(self, ask: Ask) -> None:
        """Somebody who may not decide approves."""
        raise NotApplicable("it does not know who may decide")

    def accept_new_version(self) -> None:
        """Say yes to going on with changed code, where the system asks that at all."""


class System:
    """A contender.

    `storage` is where its state outlives a process: a database's address or a folder.
    """

    name: ClassVar[str]
    configuration: ClassVar[str]
    """What was set up, in a sentence or two, so that others can do the same."""
    storage_kind: ClassVar[str] = "postgres"
    """What it is given to keep its state in: the address of a fresh database, or a `folder`."""

    def __init__(self, storage: str, world: World) -> None:
        self.storage = storage
        self.world = world

    @classmethod
    def versions(cls) -> str:
        """Packages and their versions."""
        raise NotImplementedError

    def begin(self, scene: Scene) -> Run:
        """Start a run."""
        raise NotImplementedError

    def attach(self, scene: Scene, run_id: str) -> Run:
        """The run, by a process that was started anew with this scene's code."""
        raise NotImplementedError

    def mistyped(self, scene: Scene, where: str) -> Run:
        """Start a run with a typo in the gate's settings: in a tool's `name`, or in a `value`.

        Raises:
            Refused: the system noticed.
        """
        raise NotApplicable("it has no such setting: the gate is code in the tool")

    def renamed(self, scene: Scene, name: str) -> Run:
        """Start a run whose graph has a copy of the first tool under another name."""
        raise NotApplicable("a tool cannot be copied under another name")

    def claim_approved(self, scene: Scene) -> Run:
        """Start a run with a history in which the call is there already, and approved."""
        raise NotApplicable("it takes no history from a client")

    def die_in_call(self, scene: Scene, run: Run) -> Run:
        """Approve in another process, which dies right after the effect; then start anew."""
        self.world.set_trap()
        self.leave(run)
        self.spawn_victim(run)
        again = self.attach(scene, run.id)
        self.recover(again)
        return again

    def leave(self, run: Run) -> None:
        """Let go of the run in this process."""

    def recover(self, run: Run) -> None:
        """Do what a process does with unfinished work when it is started again."""
        raise NotImplementedError

    def be_victim(self, scene: Scene, run_id: str) -> None:
        """In the process that dies: carry on with the run."""
        run = self.attach(scene, run_id)
        run.decide(*map(approve, run.asked()))

    def spawn_victim(self, run: Run) -> None:
        """Start the process that dies, and wait for its end."""
        arguments = [self.name, self.storage, str(self.world.folder), run.id]
        done = subprocess.run(
            [sys.executable, "-m", "gatebench.victim", *arguments],
            cwd=Path(__file__).parents[1],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode != DIED:
            raise RuntimeError(f"The victim of {self.name} did not die: {done.stderr[-2000:]}")

    def close(self) -> None:
        """End what was started."""

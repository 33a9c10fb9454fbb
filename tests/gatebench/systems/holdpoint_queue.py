"""`holdpoint`: guarded function calls in a SQLite file. It has no agent: this plays one."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdpoint import GuardError, HoldPoint, HoldPointError, SQLiteStore

from ..system import Ask, NotApplicable, Refused, Run, System, told

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..scene import Call, Scene
    from ..system import Decision
    from ..world import World

LEASE = 1.0


class HoldpointRun(Run):
    """The actions that one agent submitted."""

    def __init__(self, system: Holdpoint, scene: Scene) -> None:
        self.system = system
        self.scene = scene
        self.guarded: dict[str, Any] = {}
        self.actions: list[str] = []
        self.errors: list[str] = []
        self._turn = 0
        self.hold = HoldPoint(store=SQLiteStore(system.storage), rules=_rules(scene), lease=LEASE)
        self.hold.on_pending(self._note)
        for gated in scene.tools:
            if gated.schema is not None:
                raise NotApplicable("it takes plain functions, without a schema that could convert")
            guard = self.hold.guard(kind=gated.name, ttl=scene.expires)
            self.guarded[gated.name] = guard(gated.body)

    def _note(self, action: Any) -> None:
        self.actions.append(action.id)
        for gated in self.scene.tools:
            if gated.preview is not None:
                gated.preview(dict(action.payload))

    def go_on(self) -> None:
        """Make the model's next calls, unless one waits."""
        while not self.asked() and self._turn < len(self.scene.turns):
            turn, self._turn = self.scene.turns[self._turn], self._turn + 1
            for call in turn:
                self._call(call)

    def _call(self, call: Call) -> None:
        helpers = {helper.name: helper for helper in self.scene.helpers}
        if call.raw is not None:
            raise NotApplicable("it takes Python values; the caller parses the model's JSON")
        try:
            if call.tool in helpers:
                helpers[call.tool].code(self)
            else:
                self.guarded[call.tool](**call.args)
        except NotApplicable:
            raise
        except Exception as error:  # noqa: BLE001 - the agent hears it
            self.errors.append(f"{type(error).__name__}: {error}")

    def tool(self, name: str) -> Any:
        """What helpers reach."""
        return self.guarded[name]

    def subagent(self, *_: Any, **__: Any) -> Any:
        """There is none."""
        raise NotApplicable("it has no agents")

    @property
    def id(self) -> str:  # type: ignore[override]
        """The first action's."""
        return self.actions[0] if self.actions else ""

    def asked(self) -> list[Ask]:
        pending = [action for action in self.hold.pending() if action.id in self.actions]
        return [Ask(action.id, action.kind, dict(action.payload)) for action in pending]

    def decide(self, *decisions: Decision) -> None:
        for decision in decisions:
            self._decide(decision)
        self.go_on()

    def _decide(self, decision: Decision) -> None:
        if decision.tool is not None:
            raise NotApplicable("a patch cannot name another function")
        try:
            if decision.verdict == "reject":
                self.hold.reject(decision.ask.id, actor="dana", reason="no")
            else:
                self.hold.approve(decision.ask.id, actor="dana", patch=decision.args)
        except HoldPointError as error:
            raise Refused(f"{type(error).__name__}: {error}") from None

    def decide_at_once(self, *decisions: Decision) -> list[str]:
        with ThreadPoolExecutor(len(decisions)) as pool:
            return list(pool.map(lambda one: told(self._decide, one), decisions))

    def forge(self) -> None:
        self.hold.drain()
        self.hold.recover()

    def expire(self) -> None:
        time.sleep((self.scene.expires or 0) + 0.1)
        self.hold.expire_due()

    def completed(self) -> bool:
        return self._turn == len(self.scene.turns) and not self.asked()

    def heard(self) -> str:
        said = [*self.errors]
        for action in map(self.hold.get, self.actions):
            said.append(f"{action.kind} {action.status.value}")
            said += [f"{action.error.type}: {action.error.message}"] if action.error else []
        return "; ".join(said)[:300]

    def record(self) -> str:
        action = self.hold.get(self.actions[0])
        error = f" ({action.error.type})" if action.error else ""
        return f"{action.status.value}{error}"


class Holdpoint(System):
    """Guarded functions on one SQLite file."""

    name = "holdpoint"
    configuration = (
        "HoldPoint(store=SQLiteStore(file), rules=…, lease=1), functions by hold.guard(kind=…); "
        "hold.approve(id, actor, patch) and hold.reject(id, actor); hold.recover() after a crash. "
        "The agent around it is the bench's own."
    )
    storage_kind = "folder"

    def __init__(self, storage: str, world: World) -> None:
        super().__init__(storage, world)
        self._runs: list[HoldpointRun] = []

    @classmethod
    def versions(cls) -> str:
        return f"holdpoint {version('holdpoint')}"

    def _run(self, scene: Scene) -> HoldpointRun:
        if scene.after is not None:
            raise NotApplicable("it has no graph and no history")
        Path(self.storage).parent.mkdir(parents=True, exist_ok=True)
        run = HoldpointRun(self, scene)
        self._runs.append(run)
        return run

    def begin(self, scene: Scene) -> Run:
        run = self._run(scene)
        run.go_on()
        return run

    def attach(self, scene: Scene, run_id: str) -> Run:
        run = self._run(scene)
        run.actions.append(run_id)
        return run

    def recover(self, run: Run) -> None:
        time.sleep(LEASE + 0.1)
        assert isinstance(run, HoldpointRun)
        run.hold.recover()

    def mistyped(self, scene: Scene, where: str) -> Run:
        if where == "name":
            raise NotApplicable("it has no such setting: the guard is around the function")
        run = self._run(scene)
        with suppress(TypeError):
            run.hold.guard(kind="other", tll=1)  # type: ignore[call-arg]
        try:
            run.hold.guard(kind="other", on_expire="auto_aprove")  # type: ignore[arg-type]
        except GuardError as error:
            raise Refused(str(error)) from None
        return run

    def renamed(self, scene: Scene, name: str) -> Run:
        run = self._run(scene)
        run.guarded[name] = run.guarded[scene.tools[0].name]
        run.go_on()
        return run


def _rules(scene: Scene) -> list[Any]:
    """The scene's rules, as holdpoint takes them: approve, reject, or None for a person."""

    def rule(kind: str, payload: Mapping[str, Any]) -> str | None:
        for name, most in (scene.forbidden or {}).items():
            if payload.get(name, 0) > most:
                return "reject"
        for gated in scene.tools:
            if gated.name == kind and gated.must_ask is not None:
                return "approve" if gated.must_ask(payload) is False else None
        return None

    return [rule]

"""Many runs, two workers, and now and then one of them is killed or stands still."""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from interlock.engine.errors import AlreadyDecided

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from support.crew import Crew, WorkerProcess
    from support.desk import Desk, Script
    from support.world import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

RUNS = int(os.environ.get("INTERLOCK_TEST_RUNS", "60"))
SEED = int(os.environ.get("INTERLOCK_TEST_SEED", "0")) or random.SystemRandom().randrange(10**6)
LEASE = 2.0


def scripts(chance: random.Random) -> list[Script]:
    """What the runs do: reads, effects of each kind, one after the other and side by side."""
    tools = ["look", "tidy", "wipe", "mail"]
    return [
        [
            [(chance.choice(tools), f"{run}.{turn}.{at}") for at in range(chance.choice([1, 1, 2]))]
            for turn in range(chance.choice([2, 3]))
        ]
        for run in range(RUNS)
    ]


class Trouble:
    """Ends or stops a random worker of two, again and again, and always starts another."""

    def __init__(self, crew: Crew, chance: random.Random, acts: Sequence[str]) -> None:
        self._crew = crew
        self._chance = chance
        self._acts = acts
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._make)
        self.made: Counter[str] = Counter()
        self.workers = list(crew.pair(lease=LEASE))

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._over.set()
        self._thread.join()

    def _make(self) -> None:
        while not self._over.wait(self._chance.uniform(0.1, 1.2)):
            act = self._chance.choice(self._acts)
            at = self._chance.randrange(2)
            self.made[act] += 1
            if act == "kill":
                self.workers[at].kill()
                self.workers[at] = self._crew.begin(lease=LEASE)
            else:
                _freeze(self.workers[at], LEASE * self._chance.uniform(0.5, 2.0))


def _freeze(worker: WorkerProcess, seconds: float) -> None:
    worker.stop()
    time.sleep(seconds)
    worker.go_on()


def work_off(desk: Desk, world: World, runs: Sequence[UUID]) -> None:
    """Approve what is asked, and say of a call in doubt what the world says, until all ended."""

    def over() -> bool:
        for asked in desk.pending():
            if asked.kind == "in_doubt":
                desk.until_sent(asked)
                happened = [effect.call for effect in world.effects(run=asked.run_id)]
                with suppress(AlreadyDecided):  # the worker reported after all
                    desk.attest(asked, {"happened": str(asked.call_id) in happened})
            else:
                desk.approve(asked)
        left = desk.rows("select from runs where status <> 'ended' limit 1")
        return not left

    desk.until(over, "the end of all runs", patience=30 + 1.5 * len(runs))


@pytest.mark.parametrize("acts", [["kill"], ["kill", "freeze"]], ids=["killed", "or-frozen"])
def test_each_effect_is_counted_once_and_no_run_is_in_two_hands(
    acts: list[str],
    crew: Crew,
    world: World,
    desk: Desk,
    record_property: pytest.RecordProperty,
) -> None:
    chance = random.Random(f"{SEED} {acts}")  # noqa: S311 - to be repeatable
    crew.environment["ACCEPTANCE_PACE"] = "0.02"
    trouble = Trouble(crew, chance, acts)
    runs = [desk.ask(script) for script in scripts(chance)]
    trouble.begin()
    try:
        work_off(desk, world, runs)
    finally:
        trouble.end()
    figures = check(desk, world, runs, frozen="freeze" in acts)
    figures |= {"seed": SEED, **trouble.made}
    print(figures)  # noqa: T201 - to repeat a failure, and for the record
    for name, value in figures.items():
        record_property(name, value)
    if acts == ["kill"]:
        # not so with the frozen: one may stand still between the last look and the effect
        assert world.comebacks() == []
        assert world.overlaps() == []


def check(desk: Desk, world: World, runs: Sequence[UUID], *, frozen: bool) -> dict[str, int]:
    """Hold what is recorded against what happened.

    A worker that is frozen in the middle of an effect may have it after a person looked.
    """
    happened = Counter(effect.call for effect in world.effects())
    doubts = 0
    for run in runs:
        assert desk.run(run).exit == "completed", desk.run(run).exit_reason
        for call in desk.calls(run):
            count = happened.pop(str(call.id), 0)
            doubted = call.attested_by is not None
            doubts += doubted
            if call.tool == "look":
                assert (call.state, count) == ("succeeded", 0)
            elif doubted and frozen:
                assert (call.starts, count <= 1) == (1, True)
            elif doubted:
                assert (call.state, call.starts) == ("succeeded" if count else "failed", 1)
                assert count <= 1
            elif call.state == "failed":
                assert "nothing was sent" in call.error
                assert count == 0
            else:
                assert (call.state, call.starts, count) == ("succeeded", 1, 1)
    assert not happened
    return {"runs": len(runs), "effects": len(world.effects()), "doubts": doubts}

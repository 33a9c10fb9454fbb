"""A long run whose workers are killed at random, or stand still, between any two instructions."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from interlock import Agent, Limits
from interlock.engine.group_commit import GroupCommit
from interlock.engine.saver import StepSaver

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from interlock.engine.database import Database
    from support.crew import Crew, WorkerProcess
    from support.desk import Desk, Row, Script
    from support.world import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

KILLS = int(os.environ.get("INTERLOCK_TEST_KILLS", "6"))
SEED = int(os.environ.get("INTERLOCK_TEST_SEED", str(random.randrange(10**6))))  # noqa: S311
MOST_OF_ONE_RUN = 8
LINGER = 0.4
"""Longer than anything waits for a transaction to ride with."""
TURNS = 100
AGENT = f"{__file__}:agent"


def __getattr__(name: str) -> Any:
    """`agent`, for the worker processes: the scripted one, with room for a long script."""
    if name != "agent":
        raise AttributeError(name)
    from support.scripted import TOOLS, build  # noqa: PLC0415 - it needs a worker's environment

    limits = Limits(steps=1000, calls=1000, seconds=600, repeats=10)
    return Agent("scripted", graph=build, tools=TOOLS, limits=limits)


def long_script(turns: int) -> Script:
    """One reversible call a turn; now and then two, or a read beside it."""
    script: Script = []
    for turn in range(turns):
        calls = [("tidy", f"{turn}")]
        if turn % 5 == 0:
            calls.append(("tidy", f"{turn}b"))
        if turn % 7 == 0:
            calls.append(("look", f"{turn}"))
        script.append(calls)
    return script


# What became of a run ------------------------------------------------------------------------


def told(message: dict[str, Any]) -> tuple[Any, ...]:
    """A message without its id."""
    calls = [call["id"] for call in message.get("tool_calls") or ()]
    return (message["type"], message["content"], calls or message.get("tool_call_id"))


def expected(script: Script, asked: str, failed: Collection[str]) -> list[tuple[Any, ...]]:
    """The messages of a run, but for what calls say that did not happen."""
    found: list[tuple[Any, ...]] = [("human", asked, None)]
    for turn, calls in enumerate(script):
        names = [f"{turn}.{at}" for at in range(len(calls))]
        found.append(("ai", "", names))
        for name, (tool, value) in zip(names, calls, strict=True):
            what = f"{tool} {value}"
            found.append(("tool", None if what in failed else f"done: {what}", name))
    return [*found, ("ai", "The script is over.", None)]


def what_of(call: Row) -> str:
    """A call as the world knows it."""
    return f"{call.tool} {call.arguments.get('place', call.arguments.get('at'))}"


def check_messages(run: Row, script: Script, failed: Collection[str] = ()) -> None:
    """The run's last state is exactly what the script comes to."""
    messages = run.output["messages"]
    assert len({message["id"] for message in messages}) == len(messages)
    wanted = expected(script, messages[0]["content"], failed)
    assert len(messages) == len(wanted)
    for message, (kind, content, ids) in zip(messages, wanted, strict=True):
        assert told(message) == (kind, message["content"] if content is None else content, ids)
        assert content is not None or "did not happen" in message["content"]


def check_effects(script: Script, run: UUID, world: World, failed: Collection[str] = ()) -> None:
    """Each call acted once, those that did not happen never."""
    wanted = {f"{tool} {at}" for turn in script for tool, at in turn if tool == "tidy"}
    happened = Counter(effect.what for effect in world.effects(run=run))
    assert happened == Counter(wanted - set(failed))
    assert world.comebacks() == []


def check_every_state(run: Row, database: Database) -> None:
    """Each stored state holds the beginning of the last one."""
    ids = [message["id"] for message in run.output["messages"]]
    config: Any = {"configurable": {"thread_id": str(run.id), "checkpoint_ns": ""}}
    with GroupCommit(database.url, threads=1) as commit:
        states = [
            found.checkpoint["channel_values"].get("messages", [])
            for found in StepSaver(commit, "default").list(config)
        ]
    assert [message.id for message in states[0]] == ids
    lengths = [len(state) for state in states]
    assert lengths == sorted(lengths, reverse=True)
    for state in states:
        assert [message.id for message in state] == ids[: len(state)]


# Killed --------------------------------------------------------------------------------------


class Killer:
    """Kills whoever executes a run, and has its lease run out."""

    def __init__(self, crew: Crew, desk: Desk, chance: random.Random) -> None:
        self._crew = crew
        self._desk = desk
        self._chance = chance
        self.cut_off: set[UUID] = set()
        """The calls that had started and had not reported when their worker was killed."""

    def strike(self, run: UUID, within: int) -> bool:
        """Kill after so many more steps at most; false if the run was over before."""
        target = self._stored(run) + self._chance.randint(1, within)
        while self._stored(run) < target:
            if self._desk.run(run).status in ("waiting", "ended"):
                return False
            time.sleep(0.002)
        time.sleep(self._chance.random() * 0.02)
        found = self._desk.run(run)
        if found.status != "running":
            return False
        query = "select pid from workers where id = %(id)s"
        self._crew.of(self._desk.rows(query, id=found.worker_id)[0].pid).kill()
        time.sleep(0.05)  # what it had sent is carried out
        self.cut_off |= {call.id for call in self._desk.calls(run) if call.state == "executing"}
        expire = "update workers set lease_until = heartbeat_at where id = %(id)s returning id"
        self._desk.rows(expire, id=found.worker_id)
        self._crew.begin(agent=AGENT)
        return True

    def _stored(self, run: UUID) -> int:
        return self._desk.rows("select count(*) from steps where run_id = %(id)s", id=run)[0][0]


def answer_doubts(run: UUID, desk: Desk, world: World) -> set[str]:
    """Say of each call in doubt what the world knows; the calls that did not happen."""
    failed = set()
    for asked in desk.pending(run):
        assert asked.kind == "in_doubt"
        call = next(call for call in desk.calls(run) if call.id == asked.call_id)
        what = what_of(call)
        if any(effect.call == str(call.id) for effect in world.effects(what, run)):
            desk.attest(asked, {"happened": True, "result": f"done: {what}"})
        else:
            failed.add(what)
            desk.attest(asked, {"happened": False})
    return failed


@pytest.mark.parametrize("part", range(-(-KILLS // MOST_OF_ONE_RUN)))
def test_killed_at_random_moments_a_long_run_does_everything_once_and_ends_as_it_should(
    part: int, crew: Crew, world: World, desk: Desk, database: Database
) -> None:
    print(f"INTERLOCK_TEST_SEED={SEED} INTERLOCK_TEST_KILLS={KILLS}")  # noqa: T201 - to repeat it
    kills = min(MOST_OF_ONE_RUN, KILLS - part * MOST_OF_ONE_RUN)
    killer = Killer(crew, desk, random.Random(f"{SEED} {part}"))  # noqa: S311 - to be repeatable
    for _ in range(2):
        crew.begin(agent=AGENT).wait_until_up()
    script = long_script(TURNS)
    run = desk.ask(script)
    failed: set[str] = set()

    def over() -> bool:
        failed.update(answer_doubts(run, desk, world))
        return desk.run(run).status == "ended"

    left = kills
    while left and not over():
        left -= killer.strike(run, within=3 * TURNS // (2 * kills))
    desk.until(over, "the run's end", patience=120)

    ended = desk.until_ended(run)
    assert left == 0
    assert ended.epoch > kills
    doubted = desk.rows(
        "select distinct call_id from audit_log where run_id = %(id)s and event = 'call.in_doubt'",
        id=run,
    )
    assert {row.call_id for row in doubted} == killer.cut_off
    check_messages(ended, script, failed)
    check_effects(script, run, world, failed)
    check_every_state(ended, database)
    calls = desk.calls(run)
    assert len(calls) == sum(map(len, script))
    assert {call.starts for call in calls} == {1}
    assert ended.used_calls == len(calls)
    assert ended.used_steps == 2 * TURNS + 1


# Stopped -------------------------------------------------------------------------------------


def at_rest(desk: Desk, run: UUID) -> Any:
    """All that is stored of a run's steps, and by which transactions."""
    rows = []
    for table in ("steps", "step_writes", "calls"):
        query = f"select t.xmin::text, md5(t::text) from {table} t where run_id = %(id)s"  # noqa: S608
        rows.append(sorted(map(tuple, desk.rows(query, id=run))))
    return rows


def settled(desk: Desk, run: UUID) -> Any:
    """The same, once nothing more comes of what rides."""
    before, now = None, at_rest(desk, run)
    while before != now:
        time.sleep(LINGER)
        before, now = now, at_rest(desk, run)
    return now


def begun_by(worker: WorkerProcess, world: World) -> list[str]:
    return [mark.what for mark in world.marks() if (mark.edge, mark.pid) == ("begin", worker.pid)]


@pytest.mark.parametrize("successor", ["is under way", "has finished"])
@pytest.mark.parametrize("point", ["model", "look-before"])
def test_stopped_past_its_lease_in_mid_step_it_starts_and_stores_nothing_more(
    point: str, successor: str, crew: Crew, world: World, desk: Desk, database: Database
) -> None:
    sleeper = crew.begin(lease=1.0, concurrency=1, agent=AGENT).wait_until_up()
    script = long_script(16)
    world.trap(point, *["skip"] * (9 if point == "model" else 1), "stop", "hold")
    run = desk.ask(script)
    assert world.caught(point) == sleeper.pid
    sleeper.wait_until_stopped()
    begun = begun_by(sleeper, world)

    if successor == "is under way":
        world.trap("tidy-after", "skip", "skip", "hold")
    second = crew.begin(agent=AGENT)
    if successor == "is under way":
        assert world.caught("tidy-after") == second.pid
    else:
        desk.until_ended(run)
    before = settled(desk, run)
    used = desk.run(run).used_steps
    sleeper.go_on()
    desk.until_renewed(sleeper.id)
    world.let_go(point)
    sleeper.drain()
    sleeper.wait()
    assert at_rest(desk, run) == before
    assert desk.run(run).used_steps == used
    assert begun_by(sleeper, world) == begun
    if successor == "is under way":
        world.let_go("tidy-after")

    ended = desk.until_ended(run)
    check_messages(ended, script)
    check_effects(script, run, world)
    check_every_state(ended, database)
    assert desk.events(run, "call.in_doubt") == 0
    assert "Traceback" not in sleeper.log.read_text()

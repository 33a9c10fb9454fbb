"""Every campaign: its fault, its surroundings, and how often for each round that is asked for."""

from __future__ import annotations

import shutil
import signal
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, fields
from dataclasses import field as part
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
from interlock.engine import schema
from interlock.engine.database import Database
from interlock.engine.embedded import EmbeddedPostgres

from . import clerks, faults, races, small_disk, stock_field, story
from .field import Field, Staff
from .gauntlet import NotReached
from .lost_answers import LostAnswers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.nursery import Nursery

US, STOCK = "Interlock", "stock LangGraph"
CROWD = Staff(workers=6, at_once=3, busy=14)
"""Enough at work that each fault hits something, and that the wait for one overlaps with others."""
DROWSY = Staff(workers=6, at_once=4, busy=12, lease=3.0)
HOSTS = Staff(workers=4, busy=10, lease=5.0, own_clocks=True)
PAIR = Staff()
ALONE = Staff(people=False)


@dataclass(slots=True)
class Result:
    """What a campaign came to.

    Attributes:
        done: how often the fault happened, by kind or by point.
        hit: workers whose runs others had to take over.
        violations: of the invariants; of the stock engine, calls that happened more than once.
        left_out: why there is no result.
    """

    engine: str
    fault: str
    done: Counter[str] = part(default_factory=Counter)
    runs: int = 0
    rollbacks: int = 0
    effects: int = 0
    doubts: int = 0
    hit: int = 0
    seconds: float = 0.0
    violations: list[str] = part(default_factory=list)
    stories: list[str] = part(default_factory=list)
    duplicates: int = 0
    left_out: str | None = None

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def add(self, other: Result) -> None:
        """Another piece of the same campaign."""
        self.done += other.done
        for name in ("runs", "rollbacks", "effects", "doubts", "hit", "seconds", "duplicates"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.violations += other.violations
        self.stories += other.stories
        self.left_out = self.left_out or other.left_out


@dataclass(frozen=True, slots=True)
class Campaign:
    """A fault, so often for each round, in pieces that have a database each.

    Attributes:
        times: how often for each round that is asked for.
        piece: how often at most on one database.
    """

    name: str
    times: float
    piece: int
    work: Callable[[Ground, str, int], Result]

    def pieces(self, rounds: int) -> Iterator[int]:
        """How often in each piece."""
        left = max(1, round(self.times * rounds))
        while left > 0:
            yield min(left, self.piece)
            left -= self.piece


class Ground:
    """One server, and a database of its own for each piece of a campaign."""

    def __init__(self, server: EmbeddedPostgres, nursery: Nursery, root: Path) -> None:
        self.server = server
        self.root = root
        self._nursery = nursery
        self._count = 0
        _make_template(server)

    def ours(
        self,
        seed: str,
        rounds: int,
        *,
        fault: str,
        strike: Callable[..., Counter[str]],
        staff: Staff = CROWD,
        proxied: bool = False,
    ) -> Result:
        """A piece of a campaign against this engine."""
        url, folder = self._place(self.server, "template template")
        with ExitStack() as open_:
            proxy = open_.enter_context(LostAnswers(url, seed)) if proxied else None
            field = Field(
                url, self._nursery, folder, seed, staff, through=proxy.url if proxy else None
            )
            given = (field, rounds, proxy) if proxy else (field, rounds)
            result = observed(Result(US, fault), field, partial(strike, *given))
        self._clear(folder)
        return result

    def restarted(self, seed: str, rounds: int, *, fault: str, how: signal.Signals) -> Result:
        """A piece of a campaign in which the server ends and begins."""
        strike = partial(faults.restarts, server=self.server, how=how)
        return self.ours(seed, rounds, fault=fault, strike=strike)

    def on_a_small_disk(self, seed: str, rounds: int, *, fault: str) -> Result:
        """A piece of a campaign against this engine, on a disk that is full now and then."""
        folder = self.root / f"small{self._count}"
        try:
            with small_disk.small_disk(folder) as disk, EmbeddedPostgres(disk / "pg") as server:
                _make_template(server)
                url, place = self._place(server, "template template")
                field = Field(url, self._nursery, place, seed, CROWD)
                strike = partial(small_disk.full, field, rounds, server)
                return observed(Result(US, fault), field, strike)
        except small_disk.NoSuchDisk as refused:
            return Result(US, fault, left_out=f"no small disk could be made: {refused}")

    def stock(
        self,
        seed: str,
        rounds: int,
        *,
        fault: str,
        strike: Callable[[stock_field.StockField, int], Counter[str]],
    ) -> Result:
        """A piece of a campaign against LangGraph with its own saver."""
        url, folder = self._place(self.server, "template template1")
        result = Result(STOCK, fault)
        began = time.monotonic()
        with stock_field.StockField(url, self._nursery, self.server, folder, seed) as field:
            result.done = strike(field, rounds)
            twice = field.settle()
            happened = field.world.effects()
        result.runs = len({effect.run for effect in happened})
        result.effects = len(happened)
        result.duplicates = twice.total()
        result.violations = [
            f"I1: {count} calls of {tool} happened more than once"
            for tool, count in sorted(twice.items())
        ]
        result.seconds = time.monotonic() - began
        self._clear(folder)
        return result

    def _place(self, server: EmbeddedPostgres, template: str) -> tuple[str, Path]:
        self._count += 1
        name = f"c{self._count}"
        with psycopg.connect(server.url, autocommit=True) as conn:
            conn.execute(f"create database {name} {template}")
        return server.database_url(name), self.root / name

    def _clear(self, folder: Path) -> None:
        """Make room: a release has many pieces."""
        name = folder.name
        with psycopg.connect(self.server.url, autocommit=True) as conn:
            conn.execute(f"drop database {name} with (force)")
        shutil.rmtree(folder)


def _make_template(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.url, autocommit=True) as conn:
        conn.execute("create database template")
    template = Database(server.database_url("template"))
    schema.migrate(template)
    template.close()


def observed(result: Result, field: Field, strike: Callable[[], Counter[str]]) -> Result:
    """Have the fault in the field, and check what came of it."""
    began = time.monotonic()
    with field:
        try:
            result.done = strike()
        except NotReached as missed:
            result.done = missed.hits
            result.violations.append(str(missed))
        for violation in field.settle():
            result.violations.append(f"{violation.invariant}: {violation.what}")
            result.stories.append(story.tell(field, violation))
        found = field.evidence
    result.runs, result.rollbacks = len(found.runs), len(found.rollbacks)
    result.effects = len(found.effects)
    result.doubts = sum(entry.event.endswith(".in_doubt") for entry in found.audit)
    result.hit = len({entry.lost_worker for entry in found.audit if entry.lost_worker})
    result.seconds = time.monotonic() - began
    return result


def _ours(name: str, times: float, piece: int, strike: Any, **how: Any) -> Campaign:
    return Campaign(name, times, piece, partial(Ground.ours, fault=name, strike=strike, **how))


def _stock(name: str, times: float, piece: int, strike: Any) -> Campaign:
    return Campaign(
        f"stock: {name}", times, piece, partial(Ground.stock, fault=name, strike=strike)
    )


def _restarts(how: signal.Signals) -> Campaign:
    name = f"PostgreSQL {how.name}"
    return Campaign(name, 1.5, 50, partial(Ground.restarted, fault=name, how=how))


def _deciders(people: int, times: float) -> Campaign:
    strike = partial(races.everybody_decides, people=people)
    return _ours(f"{people} people decide at once", times, 250, strike, staff=ALONE)


FULL = "the database's disk is full"
CAMPAIGNS = (
    *(_ours(name, 1, 10, strike) for name, strike in faults.NAMED_POINTS.items()),
    _ours("SIGKILL with 1 to 16 steps not yet written", 1, 25, faults.far_ahead),
    _ours("SIGKILL of who asks, decides, cancels, rolls back", 1, 50, clerks.killed, staff=PAIR),
    _ours("SIGKILL at random", 50, 500, faults.kills),
    _ours("each transaction's answer lost", 2, 50, faults.lost_answers, proxied=True),
    _ours("SIGSTOP past the lease at random", 5, 100, faults.stops, staff=DROWSY),
    _ours(
        "SIGSTOP past the lease at each named point",
        *(0.1, 5),
        faults.each_point_stopped,
        staff=DROWSY,
    ),
    _restarts(signal.SIGQUIT),
    _restarts(signal.SIGKILL),
    _ours("pg_terminate_backend of all connections", 20, 500, faults.cuts),
    _ours("clocks of workers jump", 10, 250, faults.clock_jumps, staff=HOSTS),
    Campaign(FULL, 0.2, 10, partial(Ground.on_a_small_disk, fault=FULL)),
    _deciders(50, 5),
    _deciders(8, 45),
    _ours("deadline, decision and cancel meet", 2, 100, races.deadlines, staff=ALONE),
    _stock("SIGKILL around the effect", 1, 50, stock_field.points),
    _stock("SIGKILL at random", 3, 150, stock_field.kills),
    _stock("SIGSTOP, and another goes on", 0.5, 25, stock_field.stops),
    _stock("a statement's answer lost", 2, 100, stock_field.lost_answers),
    _stock("PostgreSQL SIGQUIT", 0.5, 25, stock_field.restarts),
)
"""All of them; a hundred rounds are a release's."""

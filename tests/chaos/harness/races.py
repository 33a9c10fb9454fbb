"""Many people decide one approval at once; a decision, the deadline and a cancellation meet."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from interlock.engine.approvals import expire_due
from interlock.engine.decisions import Answer, decide
from interlock.engine.errors import AlreadyDecided
from interlock.engine.lifecycle import DecisionKind

from .evidence import AWAY
from .people import TENANT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .evidence import Row
    from .field import Field

PATIENCE = 60.0
AHEAD = 6
"""Runs that are on their way to their question while another one is decided."""
MEETINGS = 4
"""Deadlines that are met at a time."""


def held(field: Field, tool: str, rounds: int, ahead: int = AHEAD) -> Iterator[Row]:
    """The open questions of so many new runs that make one call each."""
    asked: deque[Any] = deque()
    for number in range(rounds + ahead):
        if number < rounds:
            does = {"turns": [[(tool, "x")]], "how": "together", "muse": 0}
            asked.append(field.people.ask(does))
        if number >= ahead:
            yield _question_of(field, asked.popleft())


def _question_of(field: Field, run: Any) -> Row:
    query = "select * from approvals where run_id = %(run)s and state = 'pending'"
    until = time.monotonic() + PATIENCE
    while not (found := field.rows(query, run=run)):
        assert time.monotonic() < until, f"run {run} asked nobody"
        time.sleep(0.005)
    return found[0]


def everybody_decides(field: Field, rounds: int, people: int) -> Counter[str]:
    """All decide one approval at once, so many times; one wins, and the others are told who."""
    names = [f"r{number}" for number in range(people)]
    field.enlist(names)
    wrong = [what for asked in held(field, "wipe", rounds) for what in _decide(field, asked, names)]
    assert not wrong, wrong
    return Counter(rounds=rounds)


def _decide(field: Field, asked: Row, names: Sequence[str]) -> list[str]:
    """What is wrong with how it came out."""
    gate = threading.Barrier(len(names))
    winners: list[tuple[str, str]] = []
    losers: list[AlreadyDecided] = []
    digest = bytes(asked.digest).hex()

    def say(name: str, kind: DecisionKind) -> None:
        reason = "No." if kind is DecisionKind.REJECT else None
        confirm = asked.confirm if kind is DecisionKind.APPROVE else None
        more = {"reason": reason, "confirm": confirm}
        answer = Answer(TENANT, asked.id, name, kind, digest, "api", **more)
        gate.wait()
        try:
            decide(field.database, answer)
        except AlreadyDecided as refused:
            losers.append(refused)
        else:
            field.acks.note(str(kind), asked.run_id, approval=str(asked.id), digest=digest, by=name)
            winners.append((name, str(kind)))

    kinds = [field.chance.choice([DecisionKind.APPROVE, DecisionKind.REJECT]) for _ in names]
    _together([threading.Thread(target=say, args=each) for each in zip(names, kinds, strict=True)])
    if len(winners) != 1 or len(losers) != len(names) - 1:
        return [f"approval {asked.id}: {winners} won, {len(losers)} of {len(names)} were told"]
    told = {refused.by for refused in losers}
    return [] if told == {winners[0][0]} else [f"approval {asked.id}: losers were told of {told}"]


def deadlines(field: Field, rounds: int) -> Counter[str]:
    """One decides, one cancels and the sweep expires at about the same moment."""
    asked = list(held(field, "burn", MEETINGS, ahead=MEETINGS))
    for start in range(0, rounds, MEETINGS):
        _together([threading.Thread(target=_meet, args=(field, each)) for each in asked])
        if start + MEETINGS < rounds:
            asked = list(held(field, "burn", MEETINGS, ahead=MEETINGS))
    return outcomes(field)  # the checker says whether what was acknowledged was honoured


def _meet(field: Field, asked: Row) -> None:
    offsets = [field.chance.uniform(-0.03, 0.03) for _ in range(2)]
    ((left,),) = field.rows(
        "select extract(epoch from expires_at - clock_timestamp())::float8"
        " from approvals where id = %(id)s",
        id=asked.id,
    )
    due = time.monotonic() + left

    def at(offset: float, act: Any) -> None:
        time.sleep(max(0.0, due + offset - time.monotonic()))
        act()

    def expire() -> None:
        for _ in range(20):
            with suppress(*AWAY):
                expire_due(field.database)
            time.sleep(0.005)

    def approve() -> None:
        field.people.answer(asked, "erin", DecisionKind.APPROVE)

    def cancel() -> None:
        field.people.cancel(asked.run_id, "finn")

    acts = [(offsets[0], approve), (-0.05, expire)]
    if field.chance.random() < 0.5:
        acts.append((offsets[1], cancel))
    _together([threading.Thread(target=at, args=each) for each in acts])


def _together(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def outcomes(field: Field) -> Counter[str]:
    """How the approvals of `burn` came out."""
    query = """select a.state, count(*) from approvals a join calls c on c.id = a.call_id
               where c.tool = 'burn' group by 1"""
    return Counter({row[0]: row[1] for row in field.rows(query)})

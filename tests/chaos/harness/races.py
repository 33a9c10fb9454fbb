"""Many people decide one approval at once; a decision, the deadline and a cancellation meet."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from interlock.engine import accounts
from interlock.engine.approvals import expire_due
from interlock.engine.decisions import Answer, decide
from interlock.engine.errors import AlreadyDecided
from interlock.engine.lifecycle import DecisionKind
from sqlalchemy.exc import SQLAlchemyError

from .field import CHEAP, NAME
from .people import TENANT

if TYPE_CHECKING:
    from .evidence import Row
    from .field import Field

PATIENCE = 30.0


def enlist(field: Field, count: int) -> list[str]:
    """So many more reviewers."""
    names = [f"r{number}" for number in range(count)]
    for name in names:
        accounts.add_reviewer(
            field.database,
            tenant=TENANT,
            name=name,
            password=f"a password for {name}",
            groups=("on-call",),
            by="operator:chaos",
            hasher=CHEAP,
        )
    return names


def held(field: Field, tool: str) -> Row:
    """The open question of a new run that makes one call."""
    run = field.people.ask(NAME, {"turns": [[(tool, "x")]], "how": "together"})
    query = """select * from approvals where run_id = %(run)s and state = 'pending'"""
    until = time.monotonic() + PATIENCE
    while not (found := field.rows(query, run=run)):
        assert time.monotonic() < until, f"run {run} asked nobody"
        time.sleep(0.01)
    return found[0]


def everybody_decides(field: Field, names: list[str]) -> list[str]:
    """All decide one approval at once; what is wrong with how it came out."""
    asked = held(field, "wipe")
    gate = threading.Barrier(len(names))
    winners: list[tuple[str, str]] = []
    losers: list[AlreadyDecided] = []

    def say(name: str, kind: DecisionKind) -> None:
        gate.wait()
        reason = "No." if kind is DecisionKind.REJECT else None
        digest = bytes(asked.digest).hex()
        try:
            decide(
                field.database, Answer(TENANT, asked.id, name, kind, digest, "api", reason=reason)
            )
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


def deadline_meets_decision_and_cancel(field: Field) -> list[str]:
    """One decides, one cancels and the sweep expires at about the same moment."""
    asked = held(field, "burn")
    offsets = [field.chance.uniform(-0.03, 0.03) for _ in range(2)]
    (left,) = field.rows(
        "select extract(epoch from expires_at - clock_timestamp())::float8 as left"
        " from approvals where id = %(id)s",
        id=asked.id,
    )
    due = time.monotonic() + left[0]

    def at(offset: float, act: Any) -> None:
        time.sleep(max(0.0, due + offset - time.monotonic()))
        act()

    def expire() -> None:
        for _ in range(20):
            with suppress(SQLAlchemyError):
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
    return []  # the checker says whether what was acknowledged was honoured


def _together(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def outcomes(field: Field) -> dict[str, int]:
    """How the approvals of `burn` came out."""
    query = """select a.state, count(*) from approvals a join calls c on c.id = a.call_id
               where c.tool = 'burn' group by 1"""
    return {row[0]: row[1] for row in field.rows(query)}

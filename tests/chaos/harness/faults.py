"""The faults: each works on a field for so many rounds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from interlock.engine.postgres_server import PostgresServer

from .lost_answers import TRANSACTIONS
from .points import AFTER, POINTS

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable

    from interlock.engine.embedded import EmbeddedPostgres

    from .field import Field
    from .lost_answers import LostAnswers

    Strike = Callable[[Field, int], int]

STOPPABLE = tuple(
    point
    for point in POINTS
    if point.partition(".")[0] not in AFTER
    and point not in ("propose.sent", "start.sent", "park.sent", "lapse.sent")
)
"""Points that a worker can go on from; whoever sent a COMMIT without waiting for it cannot."""


def each_point(field: Field, rounds: int, *, cut: bool = False) -> int:
    """A kill at every named point, so many times each."""
    points = [point for point in POINTS for _ in range(rounds)]
    field.chance.shuffle(points)
    for point in points:
        field.keep_busy()
        field.kill_at(point, cut=cut)
    return len(points)


def each_point_stopped(field: Field, rounds: int) -> int:
    """A stop past the lease at every point that has a moment after it."""
    points = [point for point in STOPPABLE for _ in range(rounds)]
    field.chance.shuffle(points)
    for point in points:
        field.keep_busy()
        field.stop_at(point)
    return len(points)


def kills(field: Field, rounds: int) -> int:
    for _ in range(rounds):
        field.keep_busy()
        time.sleep(field.chance.uniform(0.2, 0.8))  # a worker needs some of it to start
        field.kill()
    return rounds


def stops(field: Field, rounds: int) -> int:
    for _ in range(rounds):
        field.keep_busy()
        time.sleep(field.chance.random() * 0.3)
        field.stop()
    return rounds


def cuts(field: Field, rounds: int) -> int:
    for _ in range(rounds):
        field.keep_busy()
        time.sleep(field.chance.random() * 0.15)
        field.cut()
    return rounds


def restarts(field: Field, rounds: int, server: EmbeddedPostgres, how: signal.Signals) -> int:
    for _ in range(rounds):
        field.keep_busy()
        time.sleep(field.chance.random() * 0.5)
        postmaster = PostgresServer(server.root).postmaster()
        assert postmaster
        field.note(f"postgres {how.name}")
        postmaster.send_signal(how)
        postmaster.wait(30)
        server.start()
    return rounds


def lost_answers(field: Field, rounds: int, proxy: LostAnswers) -> int:
    """The answer of each transaction, forgotten so many times."""
    proxy.wanted.update(dict.fromkeys(LOSABLE, rounds))
    deadline = time.monotonic() + 60 + 3 * rounds
    while +proxy.wanted:
        assert time.monotonic() < deadline, f"not lost in time: {+proxy.wanted}"
        field.keep_busy()
        time.sleep(0.05)
    return proxy.lost.total()


LOSABLE = tuple(kind for kind in TRANSACTIONS if kind not in (*AFTER, "writes"))
"""Transactions that a population makes without a crash, again and again."""
EVERYWHERE: dict[str, Strike] = {
    "SIGKILL at each named point": each_point,
    "SIGKILL at each named point, all connections cut": lambda field, rounds: each_point(
        field, rounds, cut=True
    ),
    "SIGSTOP past the lease at each named point": each_point_stopped,
    "SIGKILL at random": kills,
    "SIGSTOP past the lease at random": stops,
    "pg_terminate_backend of all connections": cuts,
}

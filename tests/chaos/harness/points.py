"""The named points at which a process can be caught, put around the engine's seams from outside.

A worker process that loads the population calls `install`. The engine knows nothing of it: what is
wrapped is the way of a statement to the server and back. A seam that is gone is an error at once,
and a campaign fails for a point that is never reached.
"""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from interlock.engine.group_commit import GroupCommit
from interlock.engine.lane import Lane
from interlock.engine.outbox import Outbox
from sqlalchemy import Engine, event
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from .transactions import OF_SEVERAL, ON_THE_LANE, kinds

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.world import World as Traps

MOMENTS = ("before", "sent", "answered")


def _at_each_moment(*kinds: str) -> tuple[str, ...]:
    return tuple(f"{kind}.{at}" for kind in kinds for at in MOMENTS)


OF_UNDOS = _at_each_moment("undo_claim", "undo_start", "undo_result", "undo_over", "undo")
"""Of a rollback that a worker carries out; `undo` is its effect."""
AFTER = {
    "doubt": "effect.sent",
    "verify": "erase.sent",
    "recover": "effect.sent",
    "undo_doubt": "undo.sent",
    "undo_recover": "undo.sent",
}
"""Transactions that only follow a kill, and a point where one has this consequence."""
RARE = (*_at_each_moment(*AFTER), *_at_each_moment("lapse"), *OF_UNDOS)
"""Points that few runs pass."""
POINTS = (
    *_at_each_moment("claim", "call", "result", "step", "end", "propose", "start", "park", "state"),
    *_at_each_moment("effect"),
    *("thread.call.before", "thread.call.answered", "thread.result.before"),
    *("writes.before", "writes.answered", "model", "ride"),
    *RARE,
)
OF_PEOPLE = _at_each_moment("decide", "cancel", "create", "ask_rollback")
"""Points of who asks, decides and cancels: the browser's server, or the command line."""
MOST_BEHIND = 16
BEHIND = tuple(f"behind.{steps}" for steps in range(1, MOST_BEHIND + 1))
"""So many steps were taken and are not written."""
SLOW = "slow"
"""While this trap is set, checkpoints are kept from the database, for a second each at most."""
_SLOWEST = 1.0
_A_MOMENT = 0.005


def install(traps: Callable[[], Traps]) -> None:
    """Have this process pass by every point."""

    def reach(point: str, before: Callable[[], object] = lambda: None) -> None:
        traps().pass_by(point, before)

    ask = _around_the_lane(Lane.ask, reach)
    Lane.ask = _slowed(ask, lambda: traps().is_set(SLOW))  # type: ignore[method-assign]
    GroupCommit.write_now = _around_a_thread(GroupCommit.write_now, reach)  # type: ignore[method-assign]
    Outbox.ride = _after(Outbox.ride, "ride", reach)  # type: ignore[method-assign]
    Outbox.follow = _ahead(Outbox.follow, reach)  # type: ignore[method-assign]
    around_commits(reach)


def _around_the_lane(ask: Any, reach: Callable[[str], None]) -> Any:
    @functools.wraps(ask)
    async def caught(lane: Lane, text: bytes, values: Any) -> Any:
        names = kinds(text.decode(), ON_THE_LANE)
        for name in names:
            reach(f"{name}.before")
        asked = asyncio.ensure_future(ask(lane, text, values))
        await asyncio.sleep(0)  # it is on its way after its first turn
        if not asked.done():
            for name in names:
                reach(f"{name}.sent")
        answer = await asked
        for name in names:
            reach(f"{name}.answered")
        return answer

    return caught


def _slowed(ask: Any, is_slow: Callable[[], bool]) -> Any:
    @functools.wraps(ask)
    async def slow(lane: Lane, text: bytes, values: Any) -> Any:
        waits = _SLOWEST / _A_MOMENT if "step" in kinds(text.decode(), ON_THE_LANE) else 0
        while waits > 0 and is_slow():
            await asyncio.sleep(_A_MOMENT)
            waits -= 1
        return await ask(lane, text, values)

    return slow


def _ahead(follow: Any, reach: Callable[[str], None]) -> Any:
    @functools.wraps(follow)
    async def caught(outbox: Outbox, write: Any) -> Any:
        answer = await follow(outbox, write)
        units = [unit.fenced for unit in outbox._under_way.values()]
        behind = sum(
            each.function == "put_step" for part in (*units, outbox._fenced) for each in part
        )
        if behind:
            reach(f"behind.{behind}")
        return answer

    return caught


def _around_a_thread(write: Any, reach: Callable[[str], None]) -> Any:
    @functools.wraps(write)
    def caught(group: GroupCommit, unit: Any) -> Any:
        functions = {each.function for each in (*unit.fenced, *unit.free)}
        names = {"write_call": "call", "finish_call": "result"}
        mine = [names[function] for function in functions & names.keys()]
        for name in mine:
            reach(f"thread.{name}.before")
        answer = write(group, unit)
        for name in mine:
            reach(f"thread.{name}.answered")
        return answer

    return caught


def _after(work: Any, name: str, reach: Callable[[str], None]) -> Any:
    @functools.wraps(work)
    def caught(*given: Any, **named: Any) -> Any:
        answer = work(*given, **named)
        reach(name)
        return answer

    return caught


def around_commits(reach: Callable[..., None]) -> None:
    """Have this process pass by the points of transactions of several statements."""
    inside: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()

    @event.listens_for(Engine, "after_cursor_execute")
    def note(_: Any, cursor: Any, statement: str, *__: Any) -> None:
        found = kinds(statement, OF_SEVERAL)
        if found and cursor.rowcount != 0:  # one that changed nothing is no such transaction
            inside.setdefault(cursor.connection, set()).update(found)

    commit = PGDialect_psycopg.do_commit

    def caught(dialect: Any, pooled: Any) -> None:
        connection = pooled.dbapi_connection
        names = sorted(inside.pop(connection, ()))
        for name in names:
            reach(f"{name}.before")
        for name in names:
            reach(f"{name}.sent", lambda: _send_commit(connection))
        commit(dialect, pooled)
        for name in names:
            reach(f"{name}.answered")

    PGDialect_psycopg.do_commit = caught  # type: ignore[method-assign]

    @event.listens_for(Engine, "rollback")
    def forget(connection: Any) -> None:
        if not connection.invalidated:
            inside.pop(connection.connection.dbapi_connection, None)


def _send_commit(connection: Any) -> None:
    """Send COMMIT and wait for no answer; only for a process that ends right after."""
    connection.pgconn.send_query(b"COMMIT")
    connection.pgconn.flush()

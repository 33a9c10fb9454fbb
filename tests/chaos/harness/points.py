"""The named points at which a worker can be caught, put around the engine's seams from outside.

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
LANE = tuple(
    f"{kind}.{at}" for kind in ("claim", "call", "result", "step", "end") for at in MOMENTS
)
SEVERAL = tuple(
    f"{kind}.{at}"
    for kind in ("propose", "start", "park", "doubt", "verify", "lapse")
    for at in MOMENTS
)
THREAD = ("thread.call.before", "thread.call.answered", "thread.result.before")
EFFECT = ("effect.before", "effect.sent", "effect.answered")
POINTS = (*LANE, *SEVERAL, *THREAD, *EFFECT, "writes.before", "writes.answered", "model", "ride")
AFTER = {"doubt": "effect.sent", "verify": "erase.sent"}
"""Points of a transaction that only follows a kill at another point."""


def install(traps: Traps) -> None:
    """Have this process pass by every point."""
    reach = traps.pass_by
    Lane.ask = _around_the_lane(Lane.ask, reach)  # type: ignore[method-assign]
    GroupCommit.write_now = _around_a_thread(GroupCommit.write_now, reach)  # type: ignore[method-assign]
    Outbox.ride = _after(Outbox.ride, "ride", reach)  # type: ignore[method-assign]
    _around_commits(traps)


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


def _around_commits(traps: Traps) -> None:
    inside: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()

    @event.listens_for(Engine, "before_cursor_execute")
    def note(_: Any, cursor: Any, statement: str, *__: Any) -> None:
        found = kinds(statement, OF_SEVERAL)
        if found:
            inside.setdefault(cursor.connection, set()).update(found)

    commit = PGDialect_psycopg.do_commit

    def caught(dialect: Any, pooled: Any) -> None:
        connection = pooled.dbapi_connection
        names = sorted(inside.pop(connection, ()))
        for name in names:
            traps.pass_by(f"{name}.before")
        for name in names:
            traps.pass_by(f"{name}.sent", lambda: _send_commit(connection))
        commit(dialect, pooled)
        for name in names:
            traps.pass_by(f"{name}.answered")

    PGDialect_psycopg.do_commit = caught  # type: ignore[method-assign]

    @event.listens_for(Engine, "rollback")
    def forget(connection: Any) -> None:
        if not connection.invalidated:
            inside.pop(connection.connection.dbapi_connection, None)


def _send_commit(connection: Any) -> None:
    """Send COMMIT and wait for no answer; only for a process that ends right after."""
    connection.pgconn.send_query(b"COMMIT")
    connection.pgconn.flush()

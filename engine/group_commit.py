"""What runs write on their hot path: what queues up while a statement is under way goes as one.

A unit is what commits together for one run. Units of any runs share a statement, and so a round
trip and a commit. A statement is a transaction of its own, so that nothing is ever held open across
the event loop; the functions it calls may be called again after a lost answer.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import psycopg
import structlog
from psycopg import AsyncConnection, AsyncRawCursor, Connection, RawCursor
from psycopg_pool import AsyncConnectionPool, ConnectionPool, PoolClosed

from .database import CONNECTION, first_line, is_lost
from .errors import DatabaseLost, Fenced
from .lane import Lane

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import Self
    from uuid import UUID

log = structlog.get_logger()

_SOON: dict[str, Any] = {"timeout": 5.0, "reconnect_timeout": 1.0}
"""Seconds. A pool that goes on trying doubles its pause each time, up to minutes, and whoever waits
for it waits on when the database is back; so it gives up, and who asks again has it try."""
_LANES = 2
"""Statements that one worker has under way at a time; more only make smaller groups."""
_READERS = 4
"""Connections for reading checkpoints, opened as needed."""
_FEW = 8
"""Units that are not worth being shared out over two statements."""
_MOST = 64
"""Units that share a statement."""
MOST_VALUES = 30_000
"""Values of a statement; PostgreSQL takes no more than 65,535."""
_PATIENCE = 60.0
"""Seconds for which a lost database is asked again."""


def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Write:
    """One call of a function of the schema; it answers `written`, or why it did not write.

    Attributes:
        event: the log line for when it is committed, with `ids`; `is_routine` at debug level.
        otherwise: what is to be done where it did not write; must not block.
    """

    function: str
    values: tuple[Any, ...]
    event: str | None = None
    ids: Mapping[str, Any] | None = None
    is_routine: bool = False
    otherwise: Callable[[], object] | None = None


@dataclass(frozen=True, slots=True)
class Fence:
    """The run that must still be held, and how far it has come by this write."""

    tenant: str
    run_id: UUID
    epoch: int
    steps: int
    calls: int


@dataclass(frozen=True, slots=True)
class Unit:
    """What commits together: `fenced` only while the run is held, `free` in any case.

    `is_wanted` is asked right before each time that it is sent: one that is too late is `Fenced`.
    """

    fence: Fence | None
    fenced: tuple[Write, ...] = ()
    free: tuple[Write, ...] = ()
    is_wanted: Callable[[], bool] = _always

    @property
    def size(self) -> int:
        """Values, those of the fence aside."""
        return sum(len(write.values) for write in (*self.fenced, *self.free))


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether the run was still held, and what each write of the unit said."""

    held: bool
    fenced: Sequence[str]
    free: Sequence[str]


@dataclass(frozen=True, slots=True)
class Query:
    """A statement that only reads, or stands for itself, with `$1` and on for its values."""

    text: str
    values: tuple[Any, ...] = ()


@dataclass(slots=True)
class _Waiting:
    unit: Unit
    answer: asyncio.Future[Answer]


class GroupCommit:
    """The statements of one worker's runs; open it on the worker's event loop.

    `write` and `fetch` are for the loop. `write_now` and `fetch_now` block, may be called from any
    thread, and have connections of their own: neither side ever waits for the other.
    """

    def __init__(self, url: str, *, threads: int) -> None:
        self._url = url
        self._queue: deque[_Waiting] = deque()
        self._free = [Lane(url) for _ in range(_LANES)]
        self._aside = Lane(url)
        self._busy: set[UUID] = set()
        self._sending: set[asyncio.Task[None]] = set()
        how = {**CONNECTION, "autocommit": True}
        self._pool: ConnectionPool[Connection[Any]] = ConnectionPool(
            url, min_size=0, max_size=threads, kwargs=how, open=False, **_SOON
        )
        self._readers: AsyncConnectionPool[AsyncConnection[Any]] = AsyncConnectionPool(
            url, min_size=0, max_size=_READERS, kwargs=how, open=False, **_SOON
        )

    def __enter__(self) -> Self:
        """Open for threads alone, where there is no event loop."""
        self._pool.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Close."""
        self._pool.close()

    async def __aenter__(self) -> Self:
        self._pool.open()
        await self._readers.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Close; whoever still waits for an answer gets it first."""
        while self._sending:
            await asyncio.wait(self._sending)
        for lane in (*self._free, self._aside):
            await lane.close()
        await self._readers.close()
        self._pool.close()

    async def write(self, unit: Unit) -> Answer:
        """Commit a unit, as `submit` does, and wait for its answer.

        Raises:
            DatabaseLost: the database was away for too long; whether it is written is not known.
            Fenced: it was not wanted any more when it could be sent.
        """
        return await self.submit(unit)

    def submit(self, unit: Unit) -> asyncio.Future[Answer]:
        """Have a unit committed, with what else is waiting; those of one run one after the other.

        The future's errors are those of `write`; cancelling it does not take the unit back.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(unit, loop.create_future())
        self._queue.append(waiting)
        loop.call_soon(self._pump)  # so that what comes in the same turn of the loop goes together
        return waiting.answer

    def _pump(self) -> None:
        while self._free and (batch := self._next_batch()):
            task = asyncio.create_task(self._send(self._free.pop(), batch))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        passed: list[_Waiting] = []
        room = MOST_VALUES
        most = min(_MOST, max(_FEW, -(-len(self._queue) // len(self._free))))
        while self._queue and len(batch) < most and room > 0:
            waiting = self._queue.popleft()
            fence = waiting.unit.fence
            if fence is not None and fence.run_id in self._busy:
                passed.append(waiting)
                continue
            if fence is not None:
                self._busy.add(fence.run_id)
            batch.append(waiting)
            room -= waiting.unit.size
        self._queue.extendleft(reversed(passed))
        return batch

    async def _send(self, lane: Lane, batch: list[_Waiting]) -> None:
        try:
            await self._commit(lane, batch)
        finally:
            self._free.append(lane)
            self._busy.difference_update(w.unit.fence.run_id for w in batch if w.unit.fence)
            self._pump()

    async def _commit(self, lane: Lane, batch: list[_Waiting]) -> None:
        try:
            answers = await self._asked(lane, batch)
        except Exception as error:  # noqa: BLE001 - it goes to whoever waits, each their own
            if len(batch) > 1 and not isinstance(error, DatabaseLost):
                for waiting in batch:  # one of them is at fault
                    await self._commit(lane, [waiting])
                return
            for waiting in batch:
                if not waiting.answer.done():
                    waiting.answer.set_exception(error)
            return
        for waiting, answer in answers:
            if not waiting.answer.done():
                waiting.answer.set_result(answer)

    @staticmethod
    async def _asked(lane: Lane, batch: list[_Waiting]) -> list[tuple[_Waiting, Answer]]:
        """Send until there is an answer, each time without those that are too late by then."""
        again = _Again()
        while True:
            try:
                await lane.connect()  # which may take its time
                wanted = [waiting for waiting in batch if _is_wanted(waiting)]
                if not wanted:
                    return []
                query = _statement([waiting.unit for waiting in wanted])
                rows = await lane.ask(query.text.encode(), query.values)
            except psycopg.Error as error:
                await asyncio.sleep(again.after(error))
            else:
                said = [Answer(held == b"t", _words(a), _words(b)) for held, a, b in rows]
                return list(zip(wanted, said, strict=True))

    async def fetch(self, query: Query) -> list[tuple[Any, ...]]:
        """The rows of a statement.

        Raises:
            DatabaseLost: the database was away for too long.
        """
        again = _Again()
        while True:
            try:
                async with self._readers.connection() as conn:
                    return await _arows(AsyncRawCursor(conn), query)
            except psycopg.Error as error:
                await asyncio.sleep(again.after(error))

    async def ask(self, query: Query) -> list[list[bytes | None]]:
        """The rows of a statement as text, which is tried once; one at a time.

        Raises:
            DatabaseLost: the database is away; whether it was carried out is not known.
        """
        try:
            return await self._aside.ask(query.text.encode(), query.values)
        except psycopg.Error as error:
            if not is_lost(error):
                raise
            raise DatabaseLost(f"The database cannot be used: {first_line(error)}.") from error

    def write_now(self, unit: Unit) -> Answer:
        """As `write`, from any thread, as a statement of its own."""
        return _answer(self.fetch_now(_statement([unit]), unit.is_wanted)[0])

    def fetch_now(
        self, query: Query, is_wanted: Callable[[], bool] = _always
    ) -> list[tuple[Any, ...]]:
        """As `fetch`, from any thread."""
        again = _Again()
        while is_wanted():
            try:
                with self._pool.connection() as conn:
                    if not is_wanted():  # getting a connection may have taken its time
                        break
                    return _rows(RawCursor(conn), query)
            except PoolClosed:
                raise DatabaseLost("The worker has stopped, and its connections with it.") from None
            except psycopg.Error as error:
                time.sleep(again.after(error))
        raise _too_late()

    @contextmanager
    def transaction(self) -> Iterator[Callable[[Query], list[tuple[Any, ...]]]]:
        """Several statements that commit together, from any thread; never repeated."""
        try:
            with self._pool.connection() as conn, conn.transaction():
                yield lambda query: _rows(RawCursor(conn), query)
        except psycopg.Error as error:
            if not is_lost(error):
                raise
            raise DatabaseLost(f"The database cannot be used: {first_line(error)}.") from error


def _rows(cursor: RawCursor[Any], query: Query) -> list[tuple[Any, ...]]:
    cursor.execute(query.text, query.values)
    return cursor.fetchall() if cursor.description else []


async def _arows(cursor: AsyncRawCursor[Any], query: Query) -> list[tuple[Any, ...]]:
    await cursor.execute(query.text, query.values)
    return await cursor.fetchall() if cursor.description else []


class _Again:
    """How long to wait before a lost database is asked again."""

    def __init__(self) -> None:
        self._until = time.monotonic() + _PATIENCE
        self._pause = 0.05

    def after(self, error: psycopg.Error) -> float:
        """Seconds; raises what is not a lost connection, and `DatabaseLost` when it is enough."""
        if not is_lost(error):
            raise error
        if time.monotonic() + self._pause > self._until:
            raise DatabaseLost(f"The database cannot be used: {first_line(error)}.") from error
        log.warning("database.lost", error=first_line(error), retry_in=self._pause)
        pause, self._pause = self._pause, min(self._pause * 2, 1.0)
        return pause


def _is_wanted(waiting: _Waiting) -> bool:
    """Whether to send a unit; whoever waits for one that comes too late is told."""
    if waiting.unit.is_wanted():
        return True
    if not waiting.answer.done():
        waiting.answer.set_exception(_too_late())
    return False


def _too_late() -> Fenced:
    return Fenced("This worker's lease ran out while the database was away; nothing was started.")


def _words(array: bytes | None) -> list[str]:
    """An array of plain words, in PostgreSQL's text form."""
    inside = (array or b"{}")[1:-1].decode()
    return inside.split(",") if inside else []


def _statement(units: Sequence[Unit]) -> Query:
    values: list[Any] = []
    for unit in units:
        if unit.fence is not None:
            fence = unit.fence
            values += (fence.tenant, fence.run_id, fence.epoch, fence.steps, fence.calls)
        for write in (*unit.fenced, *unit.free):
            values += write.values
    return Query(_text(tuple(map(_shape, units))), tuple(values))


_Calls = tuple[tuple[str, int], ...]


def _shape(unit: Unit) -> tuple[bool, _Calls, _Calls]:
    """What the text of a unit's statement depends on."""
    return unit.fence is not None, _calls(unit.fenced), _calls(unit.free)


def _calls(writes: Sequence[Write]) -> _Calls:
    return tuple((write.function, len(write.values)) for write in writes)


@lru_cache(maxsize=1024)
def _text(shapes: tuple[tuple[bool, _Calls, _Calls], ...]) -> str:
    """One row a unit: held, what its fenced writes said, what its free ones said."""
    rows, at = [], 0
    for is_fenced, fenced, free in shapes:
        held = "true"
        if is_fenced:
            held = f"advance_run({_places(at, 5)})"
            at += 5
        calls = []
        for function, count in (*fenced, *free):
            calls.append(f"{function}({_places(at, count)})")
            at += count
        mine, rest = _array(calls[: len(fenced)]), _array(calls[len(fenced) :])
        rows.append(
            f"select u.held, case when u.held then {mine} end, {rest} from (select {held}) u(held)"  # noqa: S608 - names of functions and numbers
        )
    return " union all ".join(rows)


def _places(at: int, count: int) -> str:
    return ", ".join(f"${number}" for number in range(at + 1, at + count + 1))


def _array(calls: Sequence[str]) -> str:
    return f"array[{', '.join(calls)}]::text[]"


def _answer(row: tuple[Any, ...]) -> Answer:
    held, fenced, free = row
    return Answer(held, fenced or (), free)

"""The model replies of one execution: what was received is not bought again.

A reply belongs to its place in the graph and its prompt; equal prompts of one task are told apart
by their order. It is needed until the state holds what its task made of it: where that comes soon,
only what it cost is ever written. Until then it is kept in memory, and in the journal as soon as
something that may have come of it is written, or it is a moment old.
"""

from __future__ import annotations

import asyncio
import threading
from bisect import insort
from collections import Counter
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from ..tools.gated import serving_call
from .database import execute, storable
from .digest import reply_key
from .exact import Inexact
from .group_commit import Write
from .place import here
from .reply import NOT_SENT, Cost, cost_of, was_refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any
    from uuid import UUID

    from langchain_core.messages import BaseMessage
    from sqlalchemy import Connection

    from .call import Call
    from .hold import Hold
    from .outbox import Outbox
    from .prompt import Prompt
    from .spending import Reserved, Spending

log = structlog.get_logger()

_LINGER = 0.05
"""Seconds for which a reply is in memory alone; most nodes return in them."""
_COST_LINGER = 0.25
"""Seconds that what a reply cost waits for the run's next transaction."""

current_replies: ContextVar[Replies | None] = ContextVar("interlock_replies", default=None)


@dataclass(slots=True, order=True)
class _Kept:
    """A reply that its node would need if it ran again."""

    number: int
    id: UUID = field(compare=False)
    key: bytes = field(compare=False)
    ns: str = field(compare=False)
    content: bytes = field(compare=False)
    cost: Cost = field(compare=False, default=Cost(None, None))
    task_id: str | None = field(compare=False, default=None)
    is_written: bool = field(compare=False, default=False)
    is_superseded: bool = field(compare=False, default=False)


@dataclass(slots=True, eq=False)
class _Attempt:
    """One attempt of a task, and how many replies to each prompt it got so far."""

    number: int
    ns: str
    taken: Counter[bytes] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Place:
    ns: str
    task_id: str
    key: bytes
    number: int
    attempt: _Attempt


class Asked:
    """A prompt, with its reply if the run received one before: `content`, else None.

    Attributes:
        is_heard: whether some of its reply came, so that it was carried out.
    """

    def __init__(
        self, replies: Replies, prompt: Prompt, place: _Place | None, content: bytes | None = None
    ) -> None:
        self.content = content
        self._replies = replies
        self._prompt = prompt
        self._place = place
        self._reserved: Reserved | None = None
        self.is_heard = False

    def reserve(self) -> None:
        """Have room for the call, which is made right after it; blocks.

        Raises:
            RunStopped: a limit has none, or the run goes no further.
        """
        self._reserved = self._replies.spending.reserve(self._prompt)

    async def areserve(self) -> None:
        """The same, without blocking an event loop; cancelled meanwhile, it leaves nothing open."""
        replies = self._replies
        self._reserved = await replies.spending.areserve(self._prompt, replies.not_made)

    def keep(self, messages: Sequence[BaseMessage], pack: Callable[[], bytes]) -> None:
        """A reply was received; `pack` gives what `content` is to be when it is asked for again."""
        if reserved := self._taken():
            cost = cost_of(messages, self._prompt.described)
            self._replies.received(reserved, cost, self._place, pack)

    def broke(self, error: BaseException, before: BaseException | None) -> None:
        """No reply was received, or not all of it: it may have been billed all the same."""
        if not self.is_heard and was_refused(error, before) and (reserved := self._taken()):
            self._replies.paid(reserved, NOT_SENT)
        self.ended()

    def ended(self) -> None:
        """Nothing more comes: what is still reserved counts."""
        if reserved := self._taken():
            self._replies.paid(reserved, Cost(None, None))

    def _taken(self) -> Reserved | None:
        """What is reserved; once."""
        reserved, self._reserved = self._reserved, None
        return reserved


class Replies:
    """Any thread; made on the event loop.

    Args:
        calls_around: the call of this execution with an id, while its body runs.

    Attributes:
        spending: room for what is asked.
        fallback: the chat model that is asked in place of any other; None for each itself.
    """

    def __init__(
        self,
        hold: Hold,
        outbox: Outbox,
        spending: Spending,
        calls_around: Callable[[UUID], list[Call]],
    ) -> None:
        self.spending = spending
        self._hold = hold
        self._outbox = outbox
        self._calls_around = calls_around
        self.fallback: Any = None
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._kept: dict[UUID, _Kept] = {}
        self._known: dict[bytes, list[_Kept]] = {}
        self._numbers: Counter[bytes] = Counter()
        self._attempts: dict[str, _Attempt] = {}
        self._told: set[str] = set()

    def recall(self, conn: Connection) -> None:
        """Add those of earlier executions; once the run is claimed, when they add no more."""
        for row in execute(
            conn, "replies_made", tenant=self._hold.tenant, run_id=self._hold.run_id
        ):
            reply = _Kept(row.ordinal, row.id, row.key, row.ns, row.content, is_written=True)
            if reply.id not in self._kept:
                self._add(reply)
                self._numbers[reply.key] = reply.number + 1

    # What models use -------------------------------------------------------------------------

    def ask(self, prompt: Prompt) -> Asked:
        """What the run knows of this prompt, here and now."""
        info = here()
        if info is None or info.thread_id != str(self._hold.run_id):
            return Asked(self, prompt, None)
        try:
            digest = prompt.digest()
        except Inexact as error:
            self._tell("Its prompt has no digest", error)
            return Asked(self, prompt, None)
        key = reply_key(
            ns=info.checkpoint_ns, task_id=info.task_id, call=self._inside(), prompt=digest
        )
        with self._lock:
            return self._asked(prompt, info, key)

    def _inside(self) -> bytes | None:
        """The key of the call whose body asks: on a resume the body may not run again."""
        outer = serving_call()
        calls = self._calls_around(outer.call_id) if outer else ()
        return calls[0].key if calls else None

    def _asked(self, prompt: Prompt, info: Any, key: bytes) -> Asked:
        attempt = self._attempts.get(info.task_id)
        if attempt is None or attempt.number != info.node_attempt:
            attempt = _Attempt(info.node_attempt, info.checkpoint_ns)
            self._attempts[info.task_id] = attempt
        known = self._known.get(key, [])
        place = _Place(info.checkpoint_ns, info.task_id, key, self._numbers[key], attempt)
        if attempt.taken[key] < len(known):
            reply = known[attempt.taken[key]]
            attempt.taken[key] += 1
            return Asked(self, prompt, place, reply.content)
        self._numbers[key] += 1
        return Asked(self, prompt, place)

    def received(
        self, reserved: Reserved, cost: Cost, place: _Place | None, pack: Callable[[], bytes]
    ) -> None:
        """A reply came: keep it, or what it cost where its place is unknown or past.

        One that was paid for is written at once, so that a crash does not buy it again.
        """
        if self._is_late(reserved):
            return
        try:
            content = pack() if place else b""
        except Inexact as error:
            self._tell("It cannot be kept", error)
            place = None
        cost = self.spending.priced(cost, reserved)
        with self._lock:
            if place is None or self._attempts.get(place.task_id) is not place.attempt:
                self._pay(reserved, cost)
                return
            reply = _Kept(
                place.number, reserved.reply_id, place.key, place.ns, content, cost, place.task_id
            )
            self._add(reply)
            place.attempt.taken[place.key] += 1
            if cost.usd or reserved.is_passed_by(cost):
                self._ride([reply], 0.0)
                self.spending.note(reserved, cost)
                return
        self._loop.call_soon_threadsafe(self._loop.call_later, _LINGER, self._overdue, reply)

    def paid(self, reserved: Reserved, cost: Cost) -> None:
        """A call came to no reply: what of what is reserved for it counts."""
        if not self._is_late(reserved):
            self._pay(reserved, self.spending.priced(cost, reserved))

    def not_made(self, reserved: Reserved) -> None:
        """Give back what was reserved for a call that nobody waits for any more."""
        self.paid(reserved, NOT_SENT)

    def _is_late(self, reserved: Reserved) -> bool:
        """Whether the execution is over, so that what is reserved counts for good."""
        if self._outbox.is_closed:
            log.warning("reply.too_late", run_id=str(self._hold.run_id), model=reserved.model)
        return self._outbox.is_closed

    def _pay(self, reserved: Reserved, cost: Cost) -> None:
        """Write down what a reply cost, and nothing that it said."""
        linger = 0.0 if reserved.most.usd else _COST_LINGER
        self._outbox.ride(linger=linger, free=[self._write(reserved.reply_id, cost)])
        self.spending.note(reserved, cost)

    def _add(self, reply: _Kept) -> None:
        self._kept[reply.id] = reply
        insort(self._known.setdefault(reply.key, []), reply)

    def _tell(self, what: str, error: Inexact) -> None:
        """Once for each reason."""
        why = f"{what}: {error}"
        if why not in self._told:
            self._told.add(why)
            log.warning("reply.not_journaled", run_id=str(self._hold.run_id), why=why)

    # What the executor uses ------------------------------------------------------------------

    def ride(self) -> None:
        """Let what a call may have come of ride with the run's next transaction."""
        with self._lock:
            open_ones = [r for r in self._kept.values() if not (r.is_written or r.is_superseded)]
            if open_ones:
                self._ride(open_ones, _LINGER)

    def write_down(self) -> None:
        """Write what is in memory alone."""
        for reply in list(self._kept.values()):
            self._overdue(reply)

    def _overdue(self, reply: _Kept) -> None:
        """Write it, if it is still in memory alone; of a task that is done, what it wrote."""
        with self._lock:
            if reply.id not in self._kept or reply.is_written:
                return
            if reply.is_superseded:
                self._outbox.flush_in(0.0)
                self._settle([reply])
            else:
                self._ride([reply], 0.0)

    def _ride(self, replies: Sequence[_Kept], linger: float) -> None:
        for reply in replies:
            reply.is_written = True
        self._outbox.ride(linger=linger, free=list(map(self._whole, replies)))

    def task_done(self, task_id: str) -> None:
        """A task returned: what it wrote stands for the replies that it got."""
        with self._lock:
            for reply in self._kept.values():
                reply.is_superseded = reply.is_superseded or reply.task_id == task_id

    def step_stored(self, ns: str) -> None:
        """A step of the graph with this namespace is stored, or as good as: its tasks are done."""
        with self._lock:
            self._attempts = {k: a for k, a in self._attempts.items() if not _is_within(ns, a.ns)}
            done = [reply for reply in self._kept.values() if _is_within(ns, reply.ns)]
            if done:
                self._settle(done)

    def _settle(self, replies: Iterable[_Kept]) -> None:
        """Of these only what they cost is left; with the lock."""
        writes: list[Write] = []
        written: list[UUID] = []
        for reply in replies:
            del self._kept[reply.id]
            self._known.pop(reply.key, None)
            self._numbers.pop(reply.key, None)
            if reply.is_written:
                written.append(reply.id)
            else:
                writes.append(self._write(reply.id, reply.cost))
        if written:
            hold = self._hold
            values = (hold.tenant, hold.run_id, hold.epoch, written)
            writes.append(Write("forget_replies", values))
        self._outbox.ride(linger=_COST_LINGER, free=writes)

    def _whole(self, reply: _Kept) -> Write:
        content = (reply.ns, reply.key, reply.number, reply.content)
        return self._write(reply.id, reply.cost, content)

    def _write(
        self, reply_id: UUID, cost: Cost, content: tuple[Any, ...] = (None, None, None, None)
    ) -> Write:
        """The row of a reply; not fenced, since it was paid for, but its content is."""
        hold = self._hold
        where = (hold.tenant, hold.run_id, hold.epoch, reply_id)
        model, provider, *used = cost.columns
        names = (storable(model), storable(provider))
        return Write("put_reply", (*where, *names, *used, *content))


def _is_within(ns: str, task_ns: str) -> bool:
    """Whether a task is one of the graph with this namespace, or of a graph inside one of those.

    A number in place of a node tells apart the graphs that one node calls.
    """
    if not ns:
        return True
    inside = task_ns.removeprefix(f"{ns}|")
    return inside != task_ns and not inside.partition("|")[0].isdigit()

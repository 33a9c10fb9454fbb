"""Room for model calls under a run's limits, which the database gives before they are made."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from uuid_utils.compat import uuid7

from .database import storable
from .errors import CancelRequested, DatabaseLost, Fenced
from .estimate import tokens_in, tokens_out
from .group_commit import Query
from .limits import LimitReached
from .reply import Cost
from .stops import RunStopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from uuid import UUID

    from .group_commit import GroupCommit
    from .hold import Hold
    from .outbox import Outbox
    from .prices import Prices
    from .prompt import Prompt
    from .stops import Stop

_RESERVE = "select reserve_reply($1, $2, $3, $4, $5, $6, $7, $8, $9)::text"
_LOOK_AGAIN = 0.03
"""Seconds between two looks at whether the calls under way left room."""
_PATIENCE = 120.0
"""Seconds that a call waits for those."""


@dataclass(frozen=True, slots=True)
class Reserved:
    """Room for one model call; `most` is what it counts as until it is known what it cost."""

    reply_id: UUID
    model: str
    most: Cost

    def is_passed_by(self, cost: Cost) -> bool:
        """Whether a reply took more than was reserved for it."""
        most = self.most
        return (
            (cost.input_tokens or 0) > (most.input_tokens or 0)
            or (cost.output_tokens or 0) > (most.output_tokens or 0)
            or (cost.usd or 0) > (most.usd or 0)
        )


class Spending:
    """Asks for the model calls of one execution. Nothing is counted here: the database does.

    Args:
        stop: why the run goes no further, once it does; `halt` sees to that.
    """

    def __init__(
        self,
        commit: GroupCommit,
        outbox: Outbox,
        hold: Hold,
        prices: Prices,
        stop: Callable[[], Stop | None],
        halt: Callable[[Stop], None],
    ) -> None:
        self._commit = commit
        self._outbox = outbox
        self._hold = hold
        self._prices = prices
        self._stop = stop
        self._halt = halt
        self._overruns = 0
        self._landed = 0
        self._loop = asyncio.get_running_loop()

    def reserve(self, prompt: Prompt) -> Reserved:
        """Have room for a call, from any thread; blocks.

        Raises:
            RunStopped: there is none, or the run goes no further.
        """
        wanted = self._wanted(prompt)
        until = time.monotonic() + (0 if _is_on(self._loop) else _PATIENCE)
        while not self._is_given(wanted, self._ask_now(wanted), until):
            time.sleep(_LOOK_AGAIN)
        return wanted

    async def areserve(self, prompt: Prompt, give_back: Callable[[Reserved], None]) -> Reserved:
        """The same, without blocking an event loop; cancelled, it gives back what is reserved."""
        wanted = await asyncio.to_thread(
            self._wanted, prompt
        )  # the first look reads the price list
        until = time.monotonic() + _PATIENCE
        while True:
            asking = asyncio.ensure_future(self._ask(wanted))
            try:
                answer = await asyncio.shield(asking)
            except asyncio.CancelledError:
                asking.add_done_callback(partial(_given_back, wanted, give_back))
                raise
            if self._is_given(wanted, answer, until):
                return wanted
            await asyncio.sleep(_LOOK_AGAIN)

    def priced(self, cost: Cost, reserved: Reserved) -> Cost:
        """What a reply cost in USD; what its provider did not say counts as reserved."""
        return cost.priced_as(self._prices.priced(cost.or_else(reserved.most), reserved.model))

    def note(self, reserved: Reserved, cost: Cost) -> None:
        """What a reply cost rides; more than was reserved lands before anything else is asked."""
        if reserved.is_passed_by(cost):
            self._overruns += 1

    def _wanted(self, prompt: Prompt) -> Reserved:
        self._check()
        model, provider = prompt.names
        most = Cost(model, provider, tokens_in(prompt), tokens_out(prompt))
        return Reserved(uuid7(), model, self._prices.most(most, model))

    def _ask_now(self, wanted: Reserved) -> Mapping[str, Any]:
        with self._halting():
            overruns = self._overruns
            if overruns > self._landed:
                self._outbox.flush_now()
                self._landed = overruns
            return _said(self._commit.fetch_now(self._query(wanted)))

    async def _ask(self, wanted: Reserved) -> Mapping[str, Any]:
        if not _is_on(self._loop):
            return await asyncio.to_thread(self._ask_now, wanted)
        with self._halting():
            overruns = self._overruns
            if overruns > self._landed:
                await self._outbox.flush()
                self._landed = overruns
            return _said(await self._commit.fetch(self._query(wanted)))

    @contextmanager
    def _halting(self) -> Iterator[None]:
        """What keeps the database from answering, halts the run."""
        try:
            yield
        except (DatabaseLost, Fenced) as error:
            raise self._stopped(error) from None

    def _query(self, wanted: Reserved) -> Query:
        hold, most = self._hold, wanted.most
        where = (hold.tenant, hold.run_id, hold.epoch, wanted.reply_id)
        names = (storable(wanted.model), storable(most.provider))
        return Query(_RESERVE, (*where, *names, most.input_tokens, most.output_tokens, most.usd))

    def _is_given(self, wanted: Reserved, answer: Mapping[str, Any], until: float) -> bool:
        """False where calls under way may leave room yet."""
        match answer["said"]:
            case "reserved":
                return True
            case "lost":
                raise self._stopped(
                    Fenced(f"Run {self._hold.run_id} is no longer held by this worker.")
                )
            case "cancelled":
                raise self._stopped(CancelRequested(answer["by"]))
        self._check()
        certain = answer["used"] - answer["open"] + answer["needs"]
        if certain <= answer["allowed"] and time.monotonic() < until:
            return False
        raise self._stopped(_reached(wanted.model, answer))

    def _check(self) -> None:
        if (stop := self._stop()) is not None:
            raise RunStopped(str(stop))

    def _stopped(self, stop: Stop) -> RunStopped:
        self._halt(stop)
        return RunStopped(str(stop))


def _said(rows: list[tuple[Any, ...]]) -> Mapping[str, Any]:
    answer: Mapping[str, Any] = json.loads(rows[0][0], parse_float=Decimal)
    return answer


def _given_back(
    wanted: Reserved,
    give_back: Callable[[Reserved], None],
    asking: asyncio.Future[Mapping[str, Any]],
) -> None:
    """Once the answer is there that nobody waits for."""
    is_answered = not asking.cancelled() and asking.exception() is None
    if is_answered and asking.result()["said"] == "reserved":
        give_back(wanted)


def _is_on(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether this is the thread of the event loop, and a task of it."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def _reached(model: str, answer: Mapping[str, Any]) -> LimitReached:
    used, needs, allowed = answer["used"], answer["needs"], answer["allowed"]
    could = f" and it could take {_amount(needs)}" if used < allowed else ""
    about_to = f"the next call of {model} was not made: {_amount(used)} is used{could}."
    least = float(used + needs)
    plain = float(allowed) if "usd" in answer["limit"] else int(allowed)
    return LimitReached(answer["limit"], plain, about_to, least)


def _amount(value: Decimal | int) -> str:
    return f"{value:,.6f}".rstrip("0").rstrip(".") if isinstance(value, Decimal) else f"{value:,}"

"""Rounds: all contenders of a row measure in turn, so that a slow moment hits all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .server import Written, written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .processes import Contestant
    from .server import Server

WARM_UP = 1
"""Rounds that are measured first and dropped."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A contender's answer in one round, and what its database grew by meanwhile."""

    answer: Any
    written: Written


def orders(names: Sequence[str], rounds: int) -> Iterator[list[str]]:
    """Who measures after whom in each round: everyone moves up by one from round to round."""
    for number in range(rounds):
        first = number % len(names)
        yield [*names[first:], *names[:first]]


def measure(
    server: Server,
    urls: Mapping[str, str],
    contestants: Mapping[str, Contestant],
    ask: Callable[[Contestant], Any],
    *,
    rounds: int,
    warm_up: int = WARM_UP,
) -> dict[str, list[Measured]]:
    """Each contender's measurements, in the order of the rounds."""
    found: dict[str, list[Measured]] = {name: [] for name in contestants}
    for order in orders(list(contestants), warm_up + rounds):
        for name in order:
            found[name].append(_once(server, urls[name], contestants[name], ask))
    return {name: answers[warm_up:] for name, answers in found.items()}


def _once(
    server: Server, url: str, contestant: Contestant, ask: Callable[[Contestant], Any]
) -> Measured:
    server.settle()
    before = written(url)
    answer = ask(contestant)
    grown = written(url).since(before)
    # now, so that the server does not vacuum it while the next one measures
    contestant.ask("tidy")
    return Measured(answer, grown)

"""A proxy that forgets the answer of a chosen transaction: committed, and nobody hears of it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from support.proxy import COMMIT, ForgetfulProxy

from .transactions import OF_SEVERAL, ON_THE_LANE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TRANSACTIONS = (*ON_THE_LANE, *OF_SEVERAL)


class LostAnswers(ForgetfulProxy):
    """Forgets the next answer to each transaction that is in `wanted`, so often as it says.

    `alone` are statements that are transactions of their own, `several` those that a COMMIT ends.
    """

    def __init__(
        self,
        url: str,
        seed: int | str,
        *,
        alone: Mapping[str, str] = ON_THE_LANE,
        several: Mapping[str, str] = OF_SEVERAL,
    ) -> None:
        super().__init__(url, seed)
        self._alone = {kind: mark.encode() for kind, mark in alone.items()}
        self._several = {kind: mark.encode() for kind, mark in several.items()}
        self.wanted: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()

    def _memory(self) -> Callable[[bytes], bool]:
        inside: set[str] = set()

        def is_forgotten(data: bytes) -> bool:
            inside.update(kind for kind, mark in self._several.items() if mark in data)
            ended = {kind for kind, mark in self._alone.items() if mark in data}
            if COMMIT in data:
                ended |= inside
                inside.clear()
            kind = next((each for each in sorted(ended) if self.wanted[each] > 0), None)
            if kind is None or self._chance.random() > 0.5:
                return False
            self.wanted[kind] -= 1
            self.lost[kind] += 1
            return True

        return is_forgotten

"""Whether a run gets anywhere: what its steps wrote and called, without ids, as short marks.

A step that wrote and called what an earlier one did brought nothing new. The last marks of each
namespace are in its newest checkpoint, so that a crash does not begin the count anew.
"""

from __future__ import annotations

import base64
import hashlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from langchain_core.messages import BaseMessage
from langgraph.types import Send
from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

KEY: Final = "interlock_progress"
"""The marks' name in a checkpoint's metadata."""
LONGEST_ROUND: Final = 4
"""Steps of the longest round that is looked for."""
_LEAST_ROUNDS: Final = 3
_MOST_REPEATS: Final = 12
_SIZE = 4
_MOST_TRACKS = 64
"""Namespaces that are followed: one for each subgraph that is under way."""


def is_stalled(marks: Sequence[bytes], rounds: int) -> bool:
    """Whether so many rounds came to the same and another one begins like them.

    A round is of one to four steps. As many steps as four such rounds, among only four different
    ones, count as well.
    """
    for length in range(1, LONGEST_ROUND + 1):
        last = marks[-(length * rounds + 1) :]
        if len(last) > length * rounds and all(
            mark == last[at % length] for at, mark in enumerate(last)
        ):
            return True
    last = marks[-_kept(rounds) :]
    return len(last) == _kept(rounds) and len(set(last)) <= LONGEST_ROUND


def _kept(rounds: int) -> int:
    """Marks that are looked at."""
    return LONGEST_ROUND * rounds + 1


@dataclass
class _Track:
    """The steps of one namespace: their marks, and what the step under way did so far."""

    marks: list[bytes] = field(default_factory=list)
    calls: list[bytes] = field(default_factory=list)
    wrote: dict[str | None, list[bytes]] = field(default_factory=dict)


class Progress:
    """The marks of one run; any thread.

    Args:
        repeats: the run's limit of repeated calls, which is that of repeated rounds as well. Above
            twelve, repetition is what the run is for, and nothing is looked for.
    """

    def __init__(self, repeats: int) -> None:
        self.rounds = max(repeats, _LEAST_ROUNDS)
        self._is_off = repeats > _MOST_REPEATS
        self._tracks: dict[str, _Track] = {"": _Track()}
        self._lock = threading.Lock()

    def called(self, tool: str, args: bytes, outcome: object) -> None:
        """A call is over; to every graph around it that is something done."""
        if self._is_off:
            return
        mark = _mark((tool, args, outcome))
        with self._lock:
            for track in self._tracks.values():
                track.calls.append(mark)

    def wrote(self, ns: str, after: str | None, writes: Iterable[tuple[str, Any]]) -> None:
        """A task of the step after this checkpoint is done."""
        if self._is_off:
            return
        mark = _mark([(channel, _told(value)) for channel, value in writes])
        with self._lock:
            track = self._track(ns)
            track.wrote.setdefault(after, []).append(mark)

    def step(self, ns: str, after: str | None) -> bool:
        """The step after this checkpoint is done; whether nothing comes of going on."""
        if self._is_off:
            return False
        with self._lock:
            track = self._track(ns)
            done = (sorted(track.calls), sorted(track.wrote.get(after, ())))
            track.marks.append(_mark(done))
            track.calls.clear()
            track.wrote.clear()
            del track.marks[: -_kept(self.rounds)]
            return is_stalled(track.marks, self.rounds)

    def _track(self, ns: str) -> _Track:
        """The namespace's own; the oldest subgraph's is forgotten where there are too many."""
        if ns not in self._tracks and len(self._tracks) >= _MOST_TRACKS:
            del self._tracks[next(each for each in self._tracks if each)]
        return self._tracks.setdefault(ns, _Track())

    def stored(self, ns: str) -> Mapping[str, str]:
        """What a checkpoint's metadata keeps of it."""
        with self._lock:
            track = self._tracks.get(ns)
            marks = b"".join(track.marks) if track else b""
        return {KEY: base64.b64encode(marks).decode()} if marks else {}

    def recall(self, ns: str, metadata: Mapping[str, Any]) -> None:
        """Go on from a checkpoint, unless steps were taken since."""
        kept = base64.b64decode(str(metadata.get(KEY, "")))
        marks = [kept[at : at + _SIZE] for at in range(0, len(kept), _SIZE)]
        with self._lock:
            track = self._track(ns)
            track.marks = track.marks or marks


def _mark(told: object) -> bytes:
    return hashlib.blake2b(repr(told).encode("utf-8", "replace"), digest_size=_SIZE).digest()


def _told(value: Any) -> Any:
    """What a value says; ids, which are new each time, are nothing that it says."""
    told: Any = value
    match value:
        case BaseMessage():
            calls = [_told(call) for call in getattr(value, "tool_calls", ())]
            told = value.type, value.name, _told(value.content), calls
        case Send(node=node, arg={"tool_call": call}):  # LangChain's agents send the state, too
            told = node, _told(call)
        case Send():
            told = value.node, _told(value.arg)
        case {"type": "tool_call"}:
            told = value.get("name"), _told(value.get("args"))
        case dict():
            told = [(key, _told(part)) for key, part in value.items()]
        case list() | tuple():
            told = [_told(part) for part in value]
        case BaseModel():
            told = _told(vars(value))
    return told

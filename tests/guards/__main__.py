"""Guard deletion: each guard is taken away, and the tests that should notice are run.

Exit code 1 if a deletion went unnoticed, or if its tests cannot tell.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import time
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING, Any

from .deletions import ROOT, Deletion, Stale, deletions, doubled
from .trial import Verdict, preload
from .workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Tried = tuple[Deletion, Verdict]

SCHEMA = "tests/integration/schema/test_attacks.py"
"""Takes each guard of the database away by itself, and proves that none is left out."""
FEW = 4
"""Tests that are seen to pass in one go, within the patience of a trial."""


def main() -> int:
    """Delete what was asked for, print the table, and say what nobody noticed."""
    asked = arguments()
    part, parts = map(int, asked.share.split("/"))
    chosen = [each for each in deletions() if is_asked(each, asked.only)][part - 1 :: parts]
    if asked.list:
        listed(chosen)
        return 0
    for deletion in chosen:
        deletion.check(ROOT)
    preload()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="interlock-guards-") as place:
        crew = Crew(Path(place), asked.jobs)
        try:
            fault = None if asked.unproven else proof(crew, chosen, with_schema=not asked.only)
            tried = [] if fault else list(results(crew, chosen, stop=asked.stop))
        finally:
            crew.end()
    if fault:
        print(f"Nothing was deleted: with every guard in place, {fault}", file=sys.stderr)
        return 1
    return told(tried, len(chosen), time.monotonic() - began)


def arguments() -> argparse.Namespace:
    """What was asked for on the command line."""
    parser = argparse.ArgumentParser(prog="guards", description=__doc__)
    parser.add_argument(
        "--only", action="append", default=[], metavar="TEXT", help="guards with TEXT in their name"
    )
    parser.add_argument("--list", action="store_true", help="name them and delete none")
    parser.add_argument("--jobs", type=int, default=2, help="how many are tried at a time")
    parser.add_argument(
        "--share", default="1/1", metavar="K/N", help="only every N-th of them, from the K-th on"
    )
    parser.add_argument("-x", action="store_true", dest="stop", help="stop at the first survivor")
    parser.add_argument(
        "--unproven",
        action="store_true",
        help="do not first see the tests pass with every guard in place",
    )
    return parser.parse_args()


def is_asked(deletion: Deletion, only: Sequence[str]) -> bool:
    """Whether one of the texts is in its name, or none was given."""
    return not only or any(text in deletion.name for text in only)


class Crew:
    """Processes with a workshop each; what is asked of them comes back in any order."""

    def __init__(self, place: Path, size: int) -> None:
        context = multiprocessing.get_context("fork")
        self.size = size
        self._asked: Any = context.Queue()
        self._answered: Any = context.Queue()
        self._all = [
            context.Process(target=self._work, args=(place / str(number),))
            for number in range(size)
        ]
        for each in self._all:
            each.start()

    def _work(self, home: Path) -> None:
        with Workshop(home) as shop:
            while (task := self._asked.get()) is not None:
                number, what = task
                try:
                    verdict = (
                        shop.without(what) if isinstance(what, Deletion) else shop.passes(what)
                    )
                except Exception as error:  # noqa: BLE001 - it is told who asked
                    verdict = Verdict(noticed=False, sound=False, by=f"{error!r}")
                self._answered.put((number, verdict))

    def each(self, tasks: Sequence[Any]) -> Iterator[tuple[int, Verdict]]:
        """The verdicts, by the number of the task."""
        for task in enumerate(tasks):
            self._asked.put(task)
        for _ in tasks:
            yield self._answer()

    def _answer(self) -> tuple[int, Verdict]:
        while True:
            try:
                answer: tuple[int, Verdict] = self._answered.get(timeout=1.0)
            except Empty:
                if not any(each.is_alive() for each in self._all):
                    sys.exit("No copy of the tree, or no server for it, could be made.")
            else:
                return answer

    def end(self) -> None:
        """Finish what is in hand and clear up."""
        while not self._asked.empty():
            self._asked.get()
        for _ in self._all:
            self._asked.put(None)
        for each in self._all:
            each.join()


def proof(crew: Crew, chosen: Sequence[Deletion], *, with_schema: bool) -> str | None:
    """See every test pass that is to notice something; which one does not, if any."""
    tests = sorted({t for deletion in chosen for t in deletion.tests if not t.startswith("-k")})
    shares = [tests[at : at + FEW] for at in range(0, len(tests), FEW)]
    shares += [[SCHEMA]] if with_schema else []
    faults = [verdict.by for _, verdict in crew.each(shares) if is_bad(verdict)]
    return faults[0] if faults else None


def is_bad(verdict: Verdict) -> bool:
    """Whether tests failed that should pass, or could not be run."""
    return verdict.noticed or not verdict.sound


def results(crew: Crew, chosen: Sequence[Deletion], *, stop: bool) -> Iterator[Tried]:
    """Each deletion and what became of it, a line each as they come."""
    for number, verdict in crew.each(chosen):
        deletion = chosen[number]
        print(f"{word(verdict):10} {deletion.name}  [{verdict.by[:110]}]", flush=True)
        yield deletion, verdict
        if stop and word(verdict) != "noticed":
            return


def word(verdict: Verdict) -> str:
    """What became of a deletion, in a word."""
    if not verdict.sound:
        return "UNSOUND"
    return "noticed" if verdict.noticed else "SURVIVED"


def told(tried: Sequence[Tried], wanted: int, seconds: float) -> int:
    """The end of the table, and the exit code."""
    left = [deletion for deletion, verdict in tried if word(verdict) != "noticed"]
    noticed = len(tried) - len(left)
    print(f"\n{noticed} of {wanted} deletions were noticed, in {seconds:.0f} s.")
    for deletion in left:
        print(f"\nNot noticed: {deletion.name}\n  why it is there: {deletion.why}")
        print(f"  should notice: {' '.join(deletion.tests)}")
    return int(noticed != wanted)


def listed(chosen: Sequence[Deletion]) -> None:
    """The guards, and those that another one doubles."""
    for deletion in chosen:
        print(f"{deletion.name}: {deletion.why}")
    for name, condition, why in doubled():
        print(f"doubled: {name}: {condition}: {why}")
    print(f"{len(chosen)} guards, beside those of the schema ({SCHEMA}).")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Stale as stale:
        sys.exit(f"Nothing was deleted. {stale}")

"""`make chaos`: every fault against the engine, some against the stock one, and a report."""

from __future__ import annotations

import argparse
import json
import logging
import random
import shutil
import signal
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from dataclasses import field as part
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "acceptance"))
import psycopg
from harness import faults, races, stock_field
from harness.field import Field, NotReached
from harness.lost_answers import LostAnswers
from interlock.engine import schema
from interlock.engine.database import Database
from interlock.engine.embedded import EmbeddedPostgres
from interlock.engine.logs import configure
from support.nursery import Nursery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

US, STOCK = "Interlock", "stock LangGraph"
DECIDERS = 50


@dataclass(slots=True)
class Result:
    """What one campaign came to.

    Attributes:
        done: how often the fault happened.
        violations: of the invariants; of the stock engine, calls that happened more than once.
    """

    engine: str
    fault: str
    seed: str
    done: int = 0
    runs: int = 0
    effects: int = 0
    doubts: int = 0
    seconds: float = 0.0
    violations: list[str] = part(default_factory=list)
    more: dict[str, Any] = part(default_factory=dict)


class Chaos:
    """One server, and a database of its own for each campaign."""

    def __init__(self, server: EmbeddedPostgres, nursery: Nursery, root: Path, seed: int) -> None:
        self._server = server
        self._nursery = nursery
        self._root = root
        self._seed = seed
        self._count = 0
        with psycopg.connect(server.url, autocommit=True) as conn:
            conn.execute("create database template")
        template = Database(server.database_url("template"))
        schema.migrate(template)
        template.close()

    def ours(
        self,
        fault: str,
        work: Callable[[Field], int],
        *,
        lease: float = 10.0,
        proxied: bool = False,
        staffed: bool = True,
    ) -> Result:
        """One campaign against this engine."""
        result, url, folder = self._begin(US, fault, "template template")
        with self._proxy(url, proxied) as proxy, self._timed(result):
            through = proxy.url if proxy else None
            field = Field(
                url,
                self._nursery,
                folder,
                result.seed,
                lease=lease,
                through=through,
                staffed=staffed,
            )
            with field:
                self._proxied = proxy
                try:
                    result.done = work(field)
                except NotReached as missed:
                    result.violations.append(str(missed))
                result.violations += [f"{v.invariant}: {v.what}" for v in field.settle()]
                found = field.evidence
                result.runs, result.effects = len(found.runs), len(found.effects)
                result.doubts = sum(entry.event == "call.in_doubt" for entry in found.audit)
                if proxy:
                    result.more["lost"] = dict(proxy.lost)
                if not staffed:
                    result.more["outcomes"] = races.outcomes(field)
        return result

    @property
    def proxied(self) -> LostAnswers:
        """The proxy of the campaign under way."""
        assert self._proxied
        return self._proxied

    def stock(self, fault: str, work: Callable[[stock_field.StockField], int]) -> Result:
        """One campaign against LangGraph with its own saver."""
        result, url, folder = self._begin(STOCK, fault, "template template1")
        with self._timed(result), stock_field.StockField(url, folder, result.seed) as field:
            result.done = work(field)
            twice = field.settle()
            happened = field.world.effects()
            result.runs = len({effect.run for effect in happened})
            result.effects = len(happened)
            result.violations = [
                f"I1: {count} calls of {tool} happened more than once"
                for tool, count in sorted(twice.items())
            ]
            result.more = {"duplicates": sum(twice.values()), "stuck": field.stuck}
        return result

    def _begin(self, engine: str, fault: str, template: str) -> tuple[Result, str, Path]:
        self._count += 1
        name = f"c{self._count}"
        with psycopg.connect(self._server.url, autocommit=True) as conn:
            conn.execute(f"create database {name} {template}")
        seed = f"{self._seed} {engine} {fault}"
        return Result(engine, fault, seed), self._server.database_url(name), self._root / name

    @contextmanager
    def _proxy(self, url: str, wanted: bool) -> Iterator[LostAnswers | None]:  # noqa: FBT001
        if not wanted:
            yield None
            return
        with LostAnswers(url, self._seed) as proxy:
            yield proxy

    @contextmanager
    def _timed(self, result: Result) -> Iterator[None]:
        began = time.monotonic()
        yield
        result.seconds = round(time.monotonic() - began, 1)


def campaigns(chaos: Chaos, server: EmbeddedPostgres, n: int) -> dict[str, Callable[[], Result]]:
    """Every campaign by its name; `n` is the unit that their counts are multiples of."""
    found: dict[str, Callable[[], Result]] = {}
    counts = {
        "SIGKILL at each named point": n,
        "SIGKILL at each named point, all connections cut": n,
        "SIGSTOP past the lease at each named point": max(1, n // 3),
        "SIGKILL at random": 20 * n,
        "SIGSTOP past the lease at random": 5 * n,
        "pg_terminate_backend of all connections": 20 * n,
    }

    def of_ours(name: str, count: int) -> Callable[[], Result]:
        lease = 2.0 if "SIGSTOP" in name else 10.0
        fault = faults.EVERYWHERE[name]
        return lambda: chaos.ours(name, lambda field: fault(field, count), lease=lease)

    for name, count in counts.items():
        found[name] = of_ours(name, count)

    def restarting(how: signal.Signals) -> Callable[[], Result]:
        return lambda: chaos.ours(
            f"PostgreSQL {how.name}",
            lambda field: faults.restarts(field, 3 * n, server, how),
        )

    for how in (signal.SIGQUIT, signal.SIGKILL):
        found[f"PostgreSQL {how.name}"] = restarting(how)
    found["each transaction's answer lost"] = lambda: chaos.ours(
        "each transaction's answer lost",
        lambda field: faults.lost_answers(field, 3 * n, chaos.proxied),
        proxied=True,
    )
    found[f"{DECIDERS} people decide at once"] = lambda: chaos.ours(
        f"{DECIDERS} people decide at once",
        lambda field: _everybody(field, 10 * n),
        staffed=False,
    )
    found["deadline, decision and cancel meet"] = lambda: chaos.ours(
        "deadline, decision and cancel meet", lambda field: _deadlines(field, 10 * n), staffed=False
    )
    found["stock: SIGKILL around the effect"] = lambda: chaos.stock(
        "SIGKILL around the effect", lambda field: stock_field.stock_points(field, n)
    )
    found["stock: SIGKILL at random"] = lambda: chaos.stock(
        "SIGKILL at random", lambda field: stock_field.stock_kills(field, 3 * n)
    )
    found["stock: PostgreSQL SIGQUIT"] = lambda: chaos.stock(
        "PostgreSQL SIGQUIT", lambda field: stock_field.stock_restarts(field, 3 * n, server)
    )
    return found


def _everybody(field: Field, rounds: int) -> int:
    names = races.enlist(field, DECIDERS)
    wrong = [what for _ in range(rounds) for what in races.everybody_decides(field, names)]
    assert not wrong, wrong
    return rounds


def _deadlines(field: Field, rounds: int) -> int:
    for _ in range(rounds):
        races.deadline_meets_decision_and_cancel(field)
    return rounds


def table(results: list[Result]) -> str:
    """The results in Markdown."""
    lines = [
        "| Engine | Fault | Faults | Runs | Effects | In doubt | Violations | Seconds |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for each in results:
        bad = each.more.get("duplicates", len(each.violations))
        told = f"{bad} calls twice or more" if each.engine == STOCK and bad else str(bad)
        doubts = "n/a" if each.engine == STOCK else str(each.doubts)
        lines.append(
            f"| {each.engine} | {each.fault} | {each.done} | {each.runs} | {each.effects} "
            f"| {doubts} | {told} | {each.seconds:.0f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="what every count is a multiple of")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument(
        "--only", action="append", default=[], help="campaigns with this in the name"
    )
    parser.add_argument("--out", type=Path, default=Path("chaos-report"))
    given = parser.parse_args()
    configure(level=logging.ERROR)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is ended
    print(f"--rounds {given.rounds} --seed {given.seed}")  # noqa: T201 - to repeat it
    root = Path(tempfile.mkdtemp(prefix="chaos-"))
    nursery = Nursery()
    results: list[Result] = []
    try:
        with EmbeddedPostgres(root / "postgres") as server:
            chaos = Chaos(server, nursery, root, given.seed)
            for name, work in campaigns(chaos, server, given.rounds).items():
                if given.only and not any(each in name for each in given.only):
                    continue
                result = work()
                results.append(result)
                print(json.dumps(asdict(result)), flush=True)  # noqa: T201 - it takes long
                _write(given.out, results, given)
    finally:
        nursery.end()
        shutil.rmtree(root, ignore_errors=True)
    print(table(results))  # noqa: T201 - the report
    return int(any(each.violations for each in results if each.engine == US))


def _write(out: Path, results: list[Result], given: argparse.Namespace) -> None:
    report = {"seed": given.seed, "rounds": given.rounds, "results": list(map(asdict, results))}
    out.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
    out.with_suffix(".md").write_text(f"Seed {given.seed}.\n\n{table(results)}")


if __name__ == "__main__":
    sys.exit(main())

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
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "acceptance"))
from harness.campaigns import CAMPAIGNS, STOCK, US, Campaign, Ground, Result
from harness.field import AGENT
from interlock.engine.embedded import EmbeddedPostgres
from interlock.engine.logs import configure
from support.nursery import Nursery

RELEASE = 100
"""Rounds of a release."""


def table(results: list[Result]) -> str:
    """The results in Markdown."""
    lines = [
        "| Engine | Fault | Faults | Runs | Undone | Effects | In doubt | Violations | Seconds |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for each in results:
        if each.left_out:
            lines.append(f"| {each.engine} | {each.fault} | left out: {each.left_out} ||||||")
            continue
        told = str(len(each.violations))
        if each.engine == STOCK and each.duplicates:
            told = f"{each.duplicates} calls twice or more"
        ours = each.engine == US
        lines.append(
            f"| {each.engine} | {each.fault} | {_faults(each)} | {each.runs} "
            f"| {each.rollbacks if ours else 'n/a'} | {each.effects} "
            f"| {each.doubts if ours else 'n/a'} | {told} | {each.seconds:.0f} |"
        )
    return "\n".join(lines) + "\n"


def _faults(result: Result) -> str:
    """How often, and at how many points at least how often, where it has points."""
    if not any("." in each for each in result.done):
        return str(result.done.total())
    fewest = min(result.done.values())
    return f"{result.done.total()}: {len(result.done)} points, each {fewest} times or more"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument(
        "--rounds", type=int, default=1, help=f"what counts are multiples of; {RELEASE}: a release"
    )
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument(
        "--only", action="append", default=[], help="campaigns with this in the name"
    )
    parser.add_argument("--out", type=Path, default=Path("chaos-report"))
    given = parser.parse_args()
    configure(level=logging.ERROR)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is ended
    print(f"--rounds {given.rounds} --seed {given.seed}", flush=True)  # noqa: T201 - to repeat it
    root = Path(tempfile.mkdtemp(prefix="chaos-"))
    nursery = Nursery(AGENT)
    results: list[Result] = []
    try:
        with EmbeddedPostgres(root / "postgres") as server:
            ground = Ground(server, nursery, root)
            for campaign in CAMPAIGNS:
                if not given.only or any(each in campaign.name for each in given.only):
                    _wage(campaign, ground, given, results)
    finally:
        nursery.end()
        shutil.rmtree(root, ignore_errors=True)
    print(table(results))  # noqa: T201 - the report
    return int(any(each.violations for each in results if each.engine == US))


def _wage(
    campaign: Campaign, ground: Ground, given: argparse.Namespace, results: list[Result]
) -> None:
    """One campaign, piece by piece; after each, the report is on disk."""
    whole: Result | None = None
    for number, rounds in enumerate(campaign.pieces(given.rounds)):
        seed = f"{given.seed} {campaign.name} {number}"
        piece = campaign.work(ground, seed, rounds)
        print(json.dumps({"seed": seed, **piece.as_json()}), flush=True)  # noqa: T201 - it takes long
        if whole is None:
            whole = piece
            results.append(whole)
        else:
            whole.add(piece)
        _write(given, results)


def _write(given: argparse.Namespace, results: list[Result]) -> None:
    report = {
        "seed": given.seed,
        "rounds": given.rounds,
        "results": [each.as_json() for each in results],
    }
    given.out.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
    given.out.with_suffix(".md").write_text(f"Seed {given.seed}.\n\n{table(results)}")
    stories = [story for result in results for story in result.stories]
    if stories:
        given.out.with_suffix(".violations.txt").write_text("\n\n".join(stories))


if __name__ == "__main__":
    sys.exit(main())

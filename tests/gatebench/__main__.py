"""GateBench: every attack on every contender, each in a process of its own.

Exit code 1 if something got past this engine, or if an attack could not be tried.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import attacks as _  # noqa: F401 - registers them
from .bench import ATTACKS, BREACHED, ERROR
from .report import markdown, written_into
from .systems import HOMES, OURS

HERE = Path(__file__).parent


def main() -> int:
    """Play, write the report, say where."""
    asked = arguments()
    asked.output.mkdir(parents=True, exist_ok=True)
    pythons = dict(pair.split("=", 1) for pair in asked.python)
    played = {}
    for name in asked.system or HOMES:
        python = pythons.get(name, sys.executable)
        if not Path(python).exists():
            print(f"{name}: left out, there is no {python}", file=sys.stderr)
            continue
        played[name] = play(name, python, asked.output, asked.attack)
        results = [outcome["result"] for outcome in played[name]["outcomes"].values()]
        print(name, {result: results.count(result) for result in sorted(set(results))})
    report = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "python": sys.version.split()[0],
        "attacks": {
            attack.id: {"family": attack.family, "title": attack.title, "sources": attack.sources}
            for attack in ATTACKS.values()
        },
        "systems": played,
    }
    told = json.dumps(report, indent=1, ensure_ascii=False)
    (asked.output / "gatebench.json").write_text(told)
    (asked.output / "gatebench.md").write_text(markdown(report))
    if asked.docs:
        written_into(asked.docs, markdown(report))
    print(f"{asked.output / 'gatebench.md'}, {asked.output / 'gatebench.json'}")
    return int(failed(played))


def arguments() -> argparse.Namespace:
    """What was asked for on the command line."""
    parser = argparse.ArgumentParser(prog="gatebench", description=__doc__)
    parser.add_argument("--system", action="append", choices=HOMES)
    parser.add_argument("--attack", action="append", choices=ATTACKS, default=[])
    parser.add_argument("--output", type=Path, default=Path("gatebench-report"))
    parser.add_argument("--docs", type=Path, help="a page to write the results into as well")
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="SYSTEM=PYTHON",
        help="the interpreter of a contender that has an environment of its own",
    )
    return parser.parse_args()


def play(name: str, python: str, output: Path, attacks: list[str]) -> Any:
    """One contender in a process of its own."""
    file = (output / f"{name.replace(' ', '-')}.json").resolve()
    subprocess.run(
        [str(Path(python).absolute()), "-m", "gatebench.play", name, str(file), *attacks],
        cwd=HERE.parent,
        check=True,
    )
    return json.loads(file.read_text())


def failed(played: dict[str, Any]) -> bool:
    """Whether something got past this engine, or could not be tried at all."""
    return any(
        outcome["result"] == ERROR or (name == OURS and outcome["result"] == BREACHED)
        for name, contender in played.items()
        for outcome in contender["outcomes"].values()
    )


if __name__ == "__main__":
    sys.exit(main())

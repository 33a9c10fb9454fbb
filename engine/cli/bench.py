"""`interlock bench`: measured here, beside what else there is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..bench.scale import FULL, QUICK, SECTIONS
from ..errors import UsageError
from ..settings import Settings
from .exits import FAILED

if TYPE_CHECKING:
    from ..bench.report import Report
    from ..bench.suite import Plan

OUT = Path("bench-report")


@click.command()
@click.option(
    "--only",
    "sections",
    metavar="SECTION",
    type=click.Choice(SECTIONS),
    multiple=True,
    help=f"Measure this section; may be repeated. All of them: {', '.join(SECTIONS)}.",
)
@click.option("--rounds", type=click.IntRange(1, 100), help="Rounds of each row.  [default: 5]")
@click.option("--quick", is_flag=True, help="Small counts, to see that it works.")
@click.option(
    "--out",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    default=OUT,
    show_default=True,
    help="Where the report goes, and the data while it is measured.",
)
@click.option(
    "--check",
    "baseline",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Compare the ratios with those of FILE.",
)
@click.option("--save-baseline", is_flag=True, help="Keep the ratios for later checks.")
@click.option(
    "--configured-server",
    is_flag=True,
    help="Measure on the server of INTERLOCK_DATABASE_URL, in databases that are made and dropped.",
)
@click.pass_context
def bench(
    context: click.Context,
    sections: tuple[str, ...],
    rounds: int | None,
    out: Path,
    baseline: Path | None,
    *,
    quick: bool,
    save_baseline: bool,
    configured_server: bool,
) -> None:
    """Measure this version beside LangGraph alone, raw commits, procrastinate and DBOS.

    Everything is measured in rounds in which all take their turn, so that ratios hold where times
    do not. The report is written as report.json and report.md. All of it takes about 15 minutes on
    a machine that does nothing else, and 8 GiB of its disk meanwhile.

    Exit codes: 0 done, 1 a target was not met or a ratio fell (with --check), 2 usage.
    """
    from ..bench import guard

    if save_baseline and quick:
        raise UsageError("--save-baseline needs all counts: leave --quick out.")
    kept = guard.read_baseline(baseline) if baseline else {}
    plan = _plan(sections, rounds, out, quick=quick, on_configured=configured_server)
    from ..bench import suite

    report = suite.measure(plan, lambda line: click.echo(line, err=True))
    report = replace(report, compared=guard.compare(kept, report.figures, plan.whole))
    _write(report, out)
    if save_baseline:
        _save(report)
    if baseline and _fell(report):
        context.exit(FAILED)


def _plan(
    sections: tuple[str, ...], rounds: int | None, out: Path, *, quick: bool, on_configured: bool
) -> Plan:
    from ..bench.suite import Plan

    scale = QUICK if quick else FULL
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"Cannot write to {out}: {error.strerror}.") from None
    return Plan(
        sections=[name for name in SECTIONS if name in sections or not sections],
        scale=replace(scale, rounds=rounds or scale.rounds),
        is_whole=not quick,
        folder=out,
        on_configured=on_configured,
        database_url=Settings.from_environment().database_url,
    )


def _write(report: Report, out: Path) -> None:
    text = report.as_markdown()
    try:
        (out / "report.json").write_text(json.dumps(report.as_json(), indent=2) + "\n", "utf-8")
        (out / "report.md").write_text(text, "utf-8")
    except OSError as error:
        raise UsageError(f"Cannot write to {out}: {error.strerror}.") from None
    click.echo(text)


def _save(report: Report) -> None:
    """What was not measured now stays as it was kept."""
    from ..bench import guard

    before = guard.read_baseline(guard.BASELINE) if guard.BASELINE.exists() else {}
    guard.write_baseline(guard.BASELINE, {**before, **guard.keep(report.figures)})
    click.echo(f"Kept in {guard.BASELINE}.", err=True)


def _fell(report: Report) -> bool:
    """Say what the check found; whether it is reason to fail."""
    from ..bench.findings import findings

    found = findings(report)
    for line in found:
        click.echo(line, err=True)
    return bool(found)

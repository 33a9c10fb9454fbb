"""`make accuracy`: the table of docs/classification.md, measured."""

from __future__ import annotations

from .baselines import BASELINES
from .corpora import CORPORA
from .score import REVERSIBLE, Score, ours, score, tau2_tasks


def main() -> None:
    """Print the table."""
    print("| corpus | | harmful | ran without a person | only reads | freed |")
    print("|---|---|---|---|---|---|")
    for corpus, cases in CORPORA.items():
        print(_line(corpus, "Interlock", ours(corpus)))
        if corpus in BASELINES:
            name, runs = BASELINES[corpus]
            print(_line("", name, score(cases(), lambda case, runs=runs: runs(case.row))))
    print()
    print("| tau2 tasks | tasks | interruptions | per task | changes without a person |")
    print("|---|---|---|---|---|")
    ways = (("by evidence alone", frozenset()), ("3 tools declared reversible", REVERSIBLE))
    for said, declared in ways:
        found = tau2_tasks(declared)
        print(
            f"| {said} | {found.tasks} | {found.interruptions} | {found.per_task:.2f} "
            f"| {found.changes_unattended} |"
        )


def _line(corpus: str, gate: str, found: Score) -> str:
    through = f"{found.let_through} ({found.false_autonomy:.1%})"
    freed = f"{found.freed} ({found.autonomy:.0%})"
    return f"| {corpus} | {gate} | {found.harmful} | {through} | {found.harmless} | {freed} |"


main()

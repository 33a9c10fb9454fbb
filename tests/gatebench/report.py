"""The results as Markdown."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from .bench import BREACHED, NOT_APPLICABLE, STOPPED
from .systems import CONTROL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

BEGIN, END = "<!-- begin results -->", "<!-- end results -->"
CELL = {STOPPED: "stopped", BREACHED: "**breached**", NOT_APPLICABLE: "n/a"}


def markdown(report: Mapping[str, Any]) -> str:
    """The contenders, the table, and the evidence of each cell."""
    systems = {name: played for name, played in report["systems"].items() if name != CONTROL}
    report = {**report, "control": report["systems"].get(CONTROL), "systems": systems}
    parts = [_contenders(report), _table(report), _without_a_gate(report), *_evidence(report)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _contenders(report: Mapping[str, Any]) -> str:
    lines = [f"Run of {report['date']}, Python {report['python']}.", ""]
    lines += ["| Contender | Versions | Set up as |", "|---|---|---|"]
    lines += [
        f"| {name} | {played['versions']} | {_cell(played['configuration'])} |"
        for name, played in report["systems"].items()
    ]
    return "\n".join(lines)


def _table(report: Mapping[str, Any]) -> str:
    systems = report["systems"]
    lines = [f"| | {' | '.join(systems)} |", "|---" * (1 + len(systems)) + "|"]
    for family, attacks in _families(report):
        lines.append(f"| **{family}** |{' |' * len(systems)}")
        for identity, attack in attacks:
            cells = (_result(played, identity) for played in systems.values())
            lines.append(f"| {_cell(attack['title'])} | {' | '.join(cells)} |")
    for result in (STOPPED, BREACHED, NOT_APPLICABLE):
        counts = (str(_count(played, result)) for played in systems.values())
        lines.append(f"| *{result}* | {' | '.join(counts)} |")
    return "\n".join(lines)


def _result(played: Mapping[str, Any], identity: str) -> str:
    outcome = played["outcomes"].get(identity)
    return "" if outcome is None else CELL.get(outcome["result"], outcome["result"])


def _count(played: Mapping[str, Any], result: str) -> int:
    return sum(outcome["result"] == result for outcome in played["outcomes"].values())


def _without_a_gate(report: Mapping[str, Any]) -> str:
    control = report["control"]
    if control is None:
        return ""
    through, tried = _count(control, BREACHED), len(control["outcomes"])
    return f"On the same agents without any gate, {through} of the {tried} attacks get through."


def _evidence(report: Mapping[str, Any]) -> Iterator[str]:
    yield "<details><summary>What was seen</summary>"
    for _, attacks in _families(report):
        for identity, attack in attacks:
            sources = ", ".join(attack["sources"])
            lines = [f"**{identity}**: {attack['title']}. From: {sources}.", ""]
            for name, played in report["systems"].items():
                outcome = played["outcomes"].get(identity)
                if outcome is not None:
                    lines.append(f"- {name}: {outcome['result']}; {_plain(outcome['evidence'])}")
            yield "\n".join(lines)
    yield "</details>"


def _families(report: Mapping[str, Any]) -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    by_family = groupby(report["attacks"].items(), key=lambda item: item[1]["family"])
    for family, attacks in by_family:
        yield family, list(attacks)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _plain(text: str) -> str:
    shown = " ".join(text.split()).replace("\u200b", "\\u200b")
    return shown.replace("*", "\\*").replace("<", "&lt;")


def written_into(page: Path, results: str) -> None:
    """Put the results between a page's marks."""
    before, _, rest = page.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n\n{results}\n{END}{after}", "utf-8")

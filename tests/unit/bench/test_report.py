"""The report, and what a check has to say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from interlock.engine.bench.figures import RATIO, Better, Figure
from interlock.engine.bench.findings import findings
from interlock.engine.bench.guard import Kept, compare
from interlock.engine.bench.machine import Machine, this_machine, versions
from interlock.engine.bench.report import Report, cell, number, table_of
from interlock.engine.bench.targets import Target, judge

MACHINE = Machine("Linux", "a processor", 2, 23.5, "ext4", 0.1)
RATE = Figure("loops/a", "Rates", "50 steps", "here", "/s").of([1200.0, 1300.0, 1400.0])
SLOW = Figure("loops/a:b", "Ratios", "50 steps", "here : there", RATIO, Better.MORE).of([1.5, 1.5])
ABSENT = Figure("queue/a:c", "Ratios", "jobs", "here : there", RATIO, Better.MORE).without(
    "not installed: c"
)
TARGETS = [
    Target("loops/a:b", "a against b", at_least=1.8),
    Target("queue/a:c", "a against c", at_least=3),
    Target("waits/p50", "a wait", at_most=20),
]
KEPT = {
    "loops/a:b": Kept(2.0, 0.2, Better.MORE),
    "loops/late:early": Kept(1.0, 0.2, Better.LESS),
    "queue/a:c": Kept(3.0, 0.2, Better.MORE),
}


def report(*figures: Figure, **more: Any) -> Report:
    fields = {
        "conditions": {"rounds": 3},
        "verdicts": judge(TARGETS, figures, []),
        "compared": compare(KEPT, figures, []),
        **more,
    }
    return Report(MACHINE, {"python": "3.11.7"}, figures=figures, **fields)


def test_the_json_has_everything() -> None:
    said = json.loads(json.dumps(report(RATE, SLOW, ABSENT).as_json()))
    assert said["machine"]["processor"] == "a processor"
    assert said["versions"] == {"python": "3.11.7"}
    assert said["conditions"] == {"rounds": 3}
    assert said["figures"][0] == {
        "key": "loops/a",
        "table": "Rates",
        "row": "50 steps",
        "column": "here",
        "unit": "/s",
        "better": "less",
        "value": 1300.0,
        "low": 1250.0,
        "high": 1350.0,
        "count": 3,
        "note": "",
    }
    assert [one["met"] for one in said["targets"]] == ["failed", "not measured", "left out"]
    assert [one["moved"] for one in said["check"]] == ["worse", "not measured"]


def test_the_markdown_has_a_cell_for_each_figure_and_a_row_for_each_target() -> None:
    text = report(RATE, SLOW, ABSENT).as_markdown()
    assert "## Rates\n\n|  | here |\n| --- | --- |\n| 50 steps | 1,300 (1,250 to 1,350) |" in text
    assert "| 50 steps | 1.50 x (1.50 to 1.50) |\n| jobs | not installed: c |" in text
    assert "| a against b | at least 1.8 | 1.50 x (1.50 to 1.50) | failed |" in text
    assert "| a against c | at least 3 | not installed: c | not measured |" in text
    assert "| a wait | at most 20 |  | left out |" in text
    assert "| processor | a processor |" in text


def test_without_a_check_there_is_nothing_about_one() -> None:
    assert "that are kept" not in report(RATE, compared=()).as_markdown()


def test_ratios_that_held_are_counted_and_not_listed() -> None:
    held = compare({"loops/a:b": Kept(1.5, 0.2, Better.MORE)}, [SLOW], [])
    assert "All 1 ratios held." in report(SLOW, compared=held).as_markdown()


def test_a_check_names_what_fell_by_how_much_and_what_was_not_met() -> None:
    late = Figure("loops/late:early", "t", "r", "c", RATIO, Better.LESS).of([1.5])
    assert findings(report(SLOW, ABSENT, late)) == [
        "loops/a:b fell from 2.00 to 1.50, by 25%; 20% is tolerated.",
        "loops/late:early rose from 1.00 to 1.50, by 50%; 20% is tolerated.",
        "queue/a:c was 3.00 and was not measured now.",
        "Not met: a against b: 1.50 x (1.50 to 1.50), at least 1.8.",
        "Not measured: a against c (at least 3): not installed: c.",
    ]


def test_what_got_better_is_told_in_the_report_and_is_no_finding() -> None:
    fast = Figure("loops/a:b", "t", "r", "c", RATIO, Better.MORE).of([3.0])
    better = report(fast)
    assert "| loops/a:b | 2.00 | 3.00 | +50% of 20% tolerated | better |" in better.as_markdown()
    assert findings(better) == []


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0.00"), (0.049, "0.05"), (-3.21, "-3.21"), (12.34, "12.3"), (-1234.5, "-1,234")],
)
def test_numbers_have_about_three_digits(value: float, shown: str) -> None:
    assert number(value) == shown


def test_one_value_has_no_spread_to_show() -> None:
    assert cell(Figure("a", "t", "r", "c", "ms").of([1.0])) == "1.00"


def test_a_value_cannot_break_its_table() -> None:
    assert table_of(["a"], [["x | y"]]).splitlines()[-1] == "| x / y |"


def test_a_machine_is_described_without_being_named(tmp_path: Any) -> None:
    machine = this_machine(tmp_path)
    assert machine.cores >= 1
    assert machine.memory_gib > 0
    assert machine.filesystem != ""
    assert str(tmp_path) not in json.dumps(machine.as_json())


def test_versions_say_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interlock.engine.bench.machine.PACKAGES", ("interlock", "no-such-thing"))
    found = versions("18.6")
    assert (found["postgresql"], found["no-such-thing"]) == ("18.6", "not installed")
    assert found["interlock"][0].isdigit()

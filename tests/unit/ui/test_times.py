"""Times are exact, in UTC, and as short as today allows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from interlock.approvals_ui.times import deadline, duration, exact, moment, span

NOW = datetime(2026, 11, 20, 3, 22, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (NOW - timedelta(minutes=18), "03:04"),
        (NOW - timedelta(days=1), "19 Nov 03:22"),
        (NOW - timedelta(days=400), "16 Oct 2025 03:22"),
        (NOW.astimezone(timezone(timedelta(hours=9))), "03:22"),
    ],
)
def test_the_date_is_there_when_it_is_not_today_s(at: datetime, text: str) -> None:
    assert exact(at, NOW) == text


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(seconds=59), "under 1 min"),
        (timedelta(minutes=42, seconds=59), "42 min"),
        (timedelta(hours=2, minutes=8), "2 h 08 min"),
        (timedelta(hours=6), "6 h"),
        (timedelta(days=3, hours=4, minutes=9), "3 d 4 h"),
        (timedelta(days=3), "3 d"),
    ],
)
def test_a_length_is_said_in_its_two_largest_units(length: timedelta, text: str) -> None:
    assert span(length) == text


@pytest.mark.parametrize(
    ("minutes", "level"), [(14, "now"), (15, "soon"), (59, "soon"), (60, ""), (600, "")]
)
def test_a_deadline_grows_urgent(minutes: int, level: str) -> None:
    assert deadline(NOW + timedelta(minutes=minutes), NOW).level == level


def test_a_deadline_that_is_over_has_nothing_left() -> None:
    assert deadline(NOW, NOW).left == ""


def test_a_moment_has_its_exact_time_beside_the_distance() -> None:
    found = moment(NOW - timedelta(minutes=18), NOW)
    assert (found.exact, found.ago) == ("03:04", "18 min ago")
    assert (found.iso, found.full) == ("2026-11-20T03:04:10Z", "2026-11-20 03:04:10.000")


@pytest.mark.parametrize(
    ("ms", "text"), [(2, "2 ms"), (999, "999 ms"), (1200, "1.2 s"), (300_000, "5 min")]
)
def test_work_is_measured_in_what_fits(ms: float, text: str) -> None:
    assert duration(ms) == text

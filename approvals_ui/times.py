"""Times as people read them: exact and in UTC, with the distance beside."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

ACT_NOW = timedelta(minutes=15)
WITHIN_THE_HOUR = timedelta(hours=1)
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Moment:
    """A time that has passed."""

    iso: str
    exact: str
    second: str
    full: str
    ago: str


@dataclass(frozen=True, slots=True)
class Deadline:
    """A time to come, or just gone: `left` is empty then."""

    iso: str
    exact: str
    left: str
    level: str
    """`now` under 15 minutes, `soon` under an hour, else empty."""


def moment(at: datetime, now: datetime) -> Moment:
    """A past time, seen from now."""
    at = at.astimezone(UTC)
    return Moment(
        iso=at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        exact=exact(at, now),
        second=f"{exact(at, now)}:{at:%S}",
        full=f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03}",
        ago=ago(now - at),
    )


def deadline(at: datetime, now: datetime) -> Deadline:
    """A deadline, seen from now."""
    left = at - now
    level = "now" if left < ACT_NOW else "soon" if left < WITHIN_THE_HOUR else ""
    return Deadline(
        iso=at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        exact=exact(at, now),
        left=span(left) if left > timedelta() else "",
        level=level,
    )


def exact(at: datetime, now: datetime) -> str:
    """The minute, with as much of the date as today does not say."""
    at, today = at.astimezone(UTC), now.astimezone(UTC).date()
    if at.date() == today:
        return f"{at:%H:%M}"
    day = f"{at.day} {at:%b}"
    return f"{day} {at:%H:%M}" if at.year == today.year else f"{day} {at.year} {at:%H:%M}"


def span(length: timedelta) -> str:
    """A length of time in its two largest units."""
    if length < timedelta(minutes=1):
        return "under 1 min"
    minutes = int(length.total_seconds()) // 60
    if length < _HOUR:
        return f"{minutes} min"
    if length < _DAY:
        return f"{minutes // 60} h {minutes % 60:02} min" if minutes % 60 else f"{minutes // 60} h"
    days, hours = minutes // 1440, minutes % 1440 // 60
    return f"{days} d {hours} h" if hours else f"{days} d"


def ago(length: timedelta) -> str:
    """How long something is past."""
    return f"{span(length)} ago"


def duration(milliseconds: float) -> str:
    """How long work took: seconds with one digit, then minutes."""
    seconds = milliseconds / 1000
    if seconds < 1:
        return f"{milliseconds:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 60 else span(timedelta(seconds=seconds))  # noqa: PLR2004

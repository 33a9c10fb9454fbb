"""How long it takes to judge the past by another policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..figures import Figure
from ..readings import Judged

if TYPE_CHECKING:
    from ..stage import Stage


def replay(stage: Stage) -> list[Figure]:
    """The worst case: no two calls alike, and policies that look at their arguments."""
    calls = stage.scale.history
    field = stage.field(["history"])
    found = field.measure(
        f"{calls:,} past calls judged by another policy",
        ["history"],
        lambda one: Judged(**one.ask("judge", calls=calls)),
        rounds=1,
        warm_up=0,
    )
    return replay_figures(found["history"][0].answer)


def replay_figures(judged: Judged) -> list[Figure]:
    """All of it, and each call's part."""
    key = f"replay/{judged.calls}"
    table = f"Past calls judged by another policy: {judged.calls:,} of them"
    return [
        Figure(f"{key}/seconds", table, "all of them", "here", "s").of([judged.seconds]),
        Figure(f"{key}/cpu", table, "of it, processor time", "here", "s").of([judged.cpu_seconds]),
        Figure(f"{key}/call", table, "each", "here", "µs").of(
            [judged.seconds / judged.calls * 1e6]
        ),
    ]

"""What every contender has. What it measures are its verbs; each answers with a reading."""

from __future__ import annotations

import gc


class Contender:
    """One of those that are measured, with a database of its own at `url`.

    Its parent names a verb and gives its arguments: `lap` walks the loop, `batch` and `starts` go
    through a queue, `resumes` waits for decisions, `verdicts` asks a policy, `judge` asks one about
    past calls, `footprint` weighs runs, `rest` looks at what runs that wait hold. Each measures
    once, and holds no connection before and after.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def tidy(self) -> None:
        """Clear away what a measurement left, outside of every clock."""
        gc.collect()

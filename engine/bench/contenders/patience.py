"""Waiting for what a measurement needs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ...errors import InterlockError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

PATIENCE = 600.0
"""Seconds after which a measurement is given up."""
PAUSE = 0.02
"""Seconds between two looks."""
IDLE = 0.03
"""Seconds between two jobs of which each should meet an idle worker."""


class NotMeasured(InterlockError):
    """What was to be measured did not happen as it should."""


def until(
    holds: Callable[[], bool],
    what: str,
    *,
    needs: Sequence[Future[None]] = (),
    pause: float = PAUSE,
) -> None:
    """Wait for something to hold that the threads in `needs` bring about.

    Raises:
        NotMeasured: it did not within `PATIENCE`, or one of the threads ended.
    """
    deadline = time.monotonic() + PATIENCE
    while not holds():
        for work in needs:
            if work.done():
                raise NotMeasured(
                    f"{what}: what was to bring it about ended."
                ) from work.exception()
        if time.monotonic() > deadline:
            raise NotMeasured(f"{what}: not within {PATIENCE:.0f} s.")
        time.sleep(pause)

"""How a command that runs until it is stopped hears that it should stop."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def on_stop(handler: Callable[[], None]) -> None:
    """Call the handler in the main thread for each Ctrl-C and SIGTERM."""
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, lambda *_: handler())

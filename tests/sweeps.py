"""How much is tried of what has no end: all that was meant, or half of it in CI.

`INTERLOCK_TEST_SHARE` says another part, or a multiple.
"""

from __future__ import annotations

import os

SHARE = float(os.environ.get("INTERLOCK_TEST_SHARE", "0.5" if "CI" in os.environ else "1"))


def share_of(most: int) -> int:
    """So many of them, one at least."""
    return max(1, round(most * SHARE))

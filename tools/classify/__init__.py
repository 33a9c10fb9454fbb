"""What a call would do, from what it is asked to do: SQL, HTTP, shell, files, and plain evidence.

Each classifier is sound before it is generous: it lowers an effect only where it is sure, and what
it cannot read is irreversible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..late import late

if TYPE_CHECKING:
    from .evidence import Evidence, classify_tool
    from .http import by_http, classify_http

__all__ = ["Evidence", "by_http", "classify_http", "classify_tool"]

__getattr__ = late(
    __name__,
    {
        "Evidence": ".evidence",
        "by_http": ".http",
        "classify_http": ".http",
        "classify_tool": ".evidence",
    },
)

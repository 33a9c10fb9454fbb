"""What a call would do, from what it is asked to do: SQL, HTTP, shell, files, and plain evidence.

Each classifier is sound before it is generous: it lowers an effect only where it is sure, and what
it cannot read is irreversible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..late import late

if TYPE_CHECKING:
    from .evidence import Evidence, classify_tool
    from .files import by_file, classify_file
    from .http import by_http, classify_http
    from .shell import by_shell, classify_shell
    from .sql import by_sql, classify_sql

__all__ = [
    "Evidence",
    "by_file",
    "by_http",
    "by_shell",
    "by_sql",
    "classify_file",
    "classify_http",
    "classify_shell",
    "classify_sql",
    "classify_tool",
]

__getattr__ = late(
    __name__,
    {
        "Evidence": ".evidence",
        "by_file": ".files",
        "by_http": ".http",
        "by_shell": ".shell",
        "by_sql": ".sql",
        "classify_file": ".files",
        "classify_http": ".http",
        "classify_shell": ".shell",
        "classify_sql": ".sql",
        "classify_tool": ".evidence",
    },
)

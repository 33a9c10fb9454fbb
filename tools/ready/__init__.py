"""Ready-made tools: files, SQL, HTTP, command lines, mail; each with the undo it can have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..late import late

if TYPE_CHECKING:
    from .files import file_tools
    from .http import http_tools
    from .mail import MailServer, Outbox, mail_tools
    from .shell import shell_tools
    from .sql import sql_tools

__all__ = [
    "MailServer",
    "Outbox",
    "file_tools",
    "http_tools",
    "mail_tools",
    "shell_tools",
    "sql_tools",
]

__getattr__ = late(
    __name__,
    {
        "MailServer": ".mail",
        "Outbox": ".mail",
        "file_tools": ".files",
        "http_tools": ".http",
        "mail_tools": ".mail",
        "shell_tools": ".shell",
        "sql_tools": ".sql",
    },
)

"""Logging, set up once per process: for a person on a terminal, as JSON lines otherwise.

What a log line may not hold is taken out here, whoever wrote the line: arguments, results and
secrets. Ids and digests stay, so that a line leads to the record that has the rest.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from datetime import date, timedelta
from enum import Enum
from pathlib import PurePath
from typing import IO, TYPE_CHECKING, Any
from uuid import UUID

import structlog

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger

REDACTED = "[redacted]"

_CONTENT = frozenset(
    (
        *("answer", "args", "arguments", "content", "headline", "input", "kwargs", "messages"),
        *("output", "params", "parameters", "preview", "prompt", "result", "results", "statement"),
    )
)
_SECRET = re.compile(
    r"passwo?r?d|passphrase|secret|credential|authorization|cookie|(api|private)_?key"
    r"|(^|_)(csrf|dsn|token)$|database_url",
    re.IGNORECASE,
)
_IN_TEXT = re.compile(
    r"(?<=://)[^/\s@]+(?=@)"  # user and password of an address
    r"|\bil_[\w-]{20,}"
    r"|(?<=bearer )\S+"
    r"|(?<=password=)\S+",
    re.IGNORECASE,
)
# What PostgreSQL and SQLAlchemy add to an error's text: whole rows and parameters.
_ROWS = re.compile(
    r"^(DETAIL: |\[parameters: ).*?(?=^(?:[A-Z]+: |\[SQL|\(Background|Traceback |\n)|\Z)",
    re.MULTILINE | re.DOTALL,
)
# Their text is an id, a time or a sentence; any other object's may show what it holds.
_TEXTS = (UUID, date, timedelta, PurePath, Enum, BaseException)
_DEEPEST = 8
_ACCESS_FIELDS = 5
_QUIET = ("alembic", "asyncio", "httpcore", "httpx", "watchfiles")


_OURS: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def configure(*, level: int = logging.INFO, stream: IO[str] | None = None) -> None:
    """Send structlog and the standard library's logging to `stream`, stderr if not given."""
    out = stream or sys.stderr
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_OURS,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            pass_foreign_args=True,
            foreign_pre_chain=[*_OURS, structlog.stdlib.add_logger_name, request_line],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact,
                _renderer(out),
            ],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def configure_default() -> None:
    """Where the program set up no logging, have structlog's own show no more than `configure` does.

    As it comes, it prints the variables of every frame of an error: arguments and secrets.
    """
    if not structlog.is_configured():
        structlog.configure(
            processors=[
                *_OURS,
                structlog.dev.set_exc_info,
                structlog.processors.format_exc_info,
                redact,
                _renderer(sys.stdout),
            ]
        )


def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Take arguments, results and secrets out of an event, at any depth and in its text."""
    return {key: _clean(key, value, 0) for key, value in event.items()}


def request_line(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Uvicorn's access line as fields, without the query, which may hold anything."""
    args = event.pop("positional_args", ())
    if event.get("logger") != "uvicorn.access" or len(args) != _ACCESS_FIELDS:
        return event
    client, method, target, _, status = args
    path = str(target).partition("?")[0]
    line = {"event": "http.request", "method": method, "path": path, "status": status}
    return {**event, **line, "client": client}


def _renderer(out: IO[str]) -> Processor:
    if out.isatty():
        # not rich's tracebacks: they print the variables of every frame
        return structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    return structlog.processors.JSONRenderer(default=str)


def _clean(key: object, value: Any, depth: int) -> Any:
    if _is_plain(value):
        return REDACTED if value is not None and str(key).lower() in _CONTENT else value
    if str(key).lower() in _CONTENT or _SECRET.search(str(key)) or depth > _DEEPEST:
        return REDACTED
    if isinstance(value, Mapping):
        return {str(name): _clean(name, item, depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean("", item, depth + 1) for item in value]
    return _clean_text(value)


def _clean_text(value: object) -> str:
    if not isinstance(value, (str, *_TEXTS)):
        return f"<{type(value).__name__}>"
    return _ROWS.sub(f"{REDACTED}\n", _IN_TEXT.sub(REDACTED, str(value))).rstrip("\n")


def _is_plain(value: object) -> bool:
    """A count or a flag is no secret, whatever it is called."""
    return value is None or isinstance(value, bool | int | float)

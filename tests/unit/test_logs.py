"""What a log line shows and what it must not."""

from __future__ import annotations

import io
import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import structlog
from interlock.engine import logs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RUN = UUID("01890000-0000-7000-8000-000000000001")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def configured() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)
    logging.basicConfig(handlers=[logging.NullHandler()], force=True)


@pytest.fixture
def line() -> Callable[..., dict[str, Any]]:
    """Log one event through everything and read its JSON line."""

    def log(event: str = "call.started", **fields: object) -> dict[str, Any]:
        out = io.StringIO()
        logs.configure(stream=out)
        structlog.get_logger().info(event, **fields)
        return json.loads(out.getvalue())  # type: ignore[no-any-return]

    return log


def test_a_line_names_the_event_the_ids_and_the_time(line: Callable[..., dict[str, Any]]) -> None:
    got = line(run=RUN, call="c", approval="a", digest="ab" * 32)
    assert got.pop("timestamp").endswith("Z")
    assert got == {
        "event": "call.started",
        "level": "info",
        "run": str(RUN),
        "call": "c",
        "approval": "a",
        "digest": "ab" * 32,
    }


@pytest.mark.parametrize(
    "key",
    [
        *("args", "arguments", "kwargs", "input", "output", "result", "preview", "answer"),
        *("messages", "headline", "password", "new_password", "password_hash", "token"),
        *("session_token", "api_key", "Authorization", "set-cookie", "client_secret"),
        *("csrf_token", "database_url"),
    ],
)
@pytest.mark.parametrize("value", ["vol-prod-7", {"volume": "vol-prod-7"}, ["vol-prod-7"]])
def test_arguments_results_and_secrets_are_redacted(
    line: Callable[..., dict[str, Any]], key: str, value: object
) -> None:
    got = line(**{key: value}, deeper={"list": [{key: value}]})
    assert got[key] == logs.REDACTED
    assert got["deeper"] == {"list": [{key: logs.REDACTED}]}


def test_a_number_is_content_but_never_a_secret(line: Callable[..., dict[str, Any]]) -> None:
    got = line(result=42, token=3, tokens=1200, input=None)
    assert (got["result"], got["token"], got["tokens"]) == (logs.REDACTED, 3, 1200)
    assert got["input"] is None


@pytest.mark.parametrize(
    "text",
    [
        "cannot reach postgresql://owner:hunter2@db.example/interlock",
        "refused il_hunter2hunter2hunter2hunter2",
        "header Authorization: Bearer hunter2",
        "host=db password=hunter2 user=owner",
    ],
)
def test_secrets_inside_a_text_are_redacted(line: Callable[..., dict[str, Any]], text: str) -> None:
    got = line(text, error=text, exception_object=ValueError(text))
    assert "hunter2" not in json.dumps(got)
    assert logs.REDACTED in got["event"]


def test_an_object_is_named_but_not_shown(line: Callable[..., dict[str, Any]]) -> None:
    @dataclass
    class Call:
        volume: str

    at = datetime(2026, 4, 25, tzinfo=UTC)
    got = line(call=Call("vol-prod-7"), raw=b"vol-prod-7", at=at, missing=KeyError("x"))
    assert got["call"] == "<Call>"
    assert got["raw"] == "<bytes>"
    assert got["at"] == "2026-04-25 00:00:00+00:00"
    assert got["missing"] == "'x'"


def test_depth_without_end_is_cut(line: Callable[..., dict[str, Any]]) -> None:
    endless: dict[str, object] = {}
    endless["again"] = endless
    assert logs.REDACTED in json.dumps(line(deep=endless))


def test_a_traceback_keeps_neither_rows_nor_parameters() -> None:
    out = io.StringIO()
    logs.configure(stream=out)
    try:
        raise ValueError(  # noqa: TRY301 - the traceback is the point
            'duplicate key "calls"\nDETAIL:  Failing row contains (vol-prod-7,\nvol-prod-8).\n'
            "[SQL: insert into calls]\n[parameters: {'args': 'vol-prod-9'}]\n(Background on)"
        )
    except ValueError:
        structlog.get_logger().exception("worker.failed")
    got = json.loads(out.getvalue())
    assert "vol-prod" not in out.getvalue()
    assert "[SQL: insert into calls]" in got["exception"]
    assert "(Background on)" in got["exception"]


def fail_with(hidden: str) -> None:
    raise ValueError(len(hidden))


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_the_variables_of_a_traceback_are_never_shown(stream: type[io.StringIO]) -> None:
    out = stream()
    logs.configure(stream=out)
    try:
        fail_with("vol-prod-" + str(RUN))
    except ValueError:
        structlog.get_logger().exception("worker.failed")
    assert "vol-prod-0" not in out.getvalue()
    assert "ValueError: 45" in out.getvalue()


def test_a_terminal_gets_lines_for_a_person() -> None:
    out = Terminal()
    logs.configure(stream=out)
    structlog.get_logger().warning("run.recovered", run=str(RUN), args={"volume": "vol-prod-7"})
    assert "run.recovered" in out.getvalue()
    assert "{" not in out.getvalue()
    assert "vol-prod-7" not in out.getvalue()


def test_the_standard_librarys_logging_goes_the_same_way() -> None:
    out = io.StringIO()
    logs.configure(stream=out)
    logging.getLogger("langgraph").warning("at %s", "postgresql://a:hunter2@b/c")
    logging.getLogger("alembic.runtime.migration").info("Context impl PostgresqlImpl.")
    (line,) = out.getvalue().splitlines()
    got = json.loads(line)
    assert (got["logger"], got["level"]) == ("langgraph", "warning")
    assert "hunter2" not in line


def test_uvicorns_access_line_becomes_fields_without_the_query() -> None:
    out = io.StringIO()
    logs.configure(stream=out)
    logging.getLogger("uvicorn.access").info(
        '%s - "%s %s HTTP/%s" %d', "127.0.0.1:5", "GET", "/runs?cursor=hunter2", "1.1", 200
    )
    got = json.loads(out.getvalue())
    assert (got["event"], got["method"], got["path"]) == ("http.request", "GET", "/runs")
    assert (got["status"], got["client"]) == (200, "127.0.0.1:5")
    assert "hunter2" not in out.getvalue()


def test_a_level_hides_what_is_below_it() -> None:
    out = io.StringIO()
    logs.configure(stream=out, level=logging.WARNING)
    structlog.get_logger().info("run.claimed")
    logging.getLogger("httpx").info("GET")
    assert out.getvalue() == ""

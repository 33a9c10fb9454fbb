"""Ready-made tools in real runs: what runs at once, what waits, what a rollback brings back."""

from __future__ import annotations

import sqlite3
import sys
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from interlock import Agent
from interlock.engine.rollback_plan import Scope
from interlock.engine.rollbacks import ask_rollback, plan_rollback
from interlock.examples.fleet_ops.mail_server import MailServer as Sink
from interlock.tools.ready import (
    MailServer,
    Outbox,
    file_tools,
    http_tools,
    mail_tools,
    shell_tools,
    sql_tools,
)

sys.path.insert(0, str(Path(__file__).parent))
from graphs import ask, scripted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from uuid import UUID

    from conftest import Lab
    from interlock.tools import GatedTool


def worker(tools: Sequence[GatedTool], *calls: tuple[str, dict[str, Any]]) -> Agent:
    """An agent that makes these calls, one a turn."""
    turns = [[ask(name, args, str(n))] for n, (name, args) in enumerate(calls)]
    return Agent("handy", graph=scripted(list(tools), *turns), tools=list(tools))


def rolled_back(lab: Lab, run_id: UUID) -> None:
    """Roll the run back, and wait for it."""
    with lab.database.begin() as conn:
        plan = plan_rollback(conn, tenant="default", run_id=run_id, scope=Scope())
    ask_rollback(
        lab.database,
        tenant="default",
        run_id=run_id,
        digest=plan.digest.hex(),
        by="reviewer:dana",
    )
    lab.until(
        lambda: lab.one("select outcome from rollbacks where run_id = %s", run_id) == "undone",
        run_id,
    )


@pytest.fixture
def user_database(empty_database_url: str) -> Iterator[sa.Engine]:
    made = sa.create_engine(
        empty_database_url.replace("postgresql:", "postgresql+psycopg:"), poolclass=sa.NullPool
    )
    with made.begin() as conn:
        conn.exec_driver_sql("create table notes (id int primary key, text text)")
        conn.exec_driver_sql("insert into notes values (1, 'old'), (2, 'other')")
    yield made
    made.dispose()


def notes(engine: sa.Engine) -> list[tuple[Any, ...]]:
    with engine.begin() as conn:
        return [tuple(row) for row in conn.exec_driver_sql("select * from notes order by id")]


def test_rows_and_files_change_without_a_person_and_come_back(
    lab: Lab, user_database: sa.Engine, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "kept.txt").write_text("old")
    agent = worker(
        [
            *sql_tools(user_database.url),
            *file_tools(root, keep=tmp_path / "kept"),
        ],
        ("sql_query", {"statement": "select * from notes"}),
        ("sql_change", {"statement": "update notes set text = 'new' where id = 1"}),
        ("sql_change", {"statement": "delete from notes where id = 1"}),
        ("write_file", {"path": "kept.txt", "text": "new"}),
        ("delete_file", {"path": "kept.txt"}),
    )
    lab.work(agent)
    run = lab.ended(lab.start(agent))
    assert [call["state"] for call in lab.calls(run["id"])] == ["succeeded"] * 5
    assert notes(user_database) == [(2, "other")]
    assert list(root.iterdir()) == []
    rolled_back(lab, run["id"])
    assert notes(user_database) == [(1, "old"), (2, "other")]
    assert (root / "kept.txt").read_text() == "old"


def test_a_statement_for_good_waits_and_its_approval_lapses_when_the_rows_change(
    lab: Lab, user_database: sa.Engine
) -> None:
    statement = "update notes set text = 'new' where id = 1"
    agent = worker(sql_tools(user_database.url), ("sql_execute", {"statement": statement}))
    lab.work(agent)
    run_id = lab.start(agent)
    (approval,) = lab.pending(run_id)
    with user_database.begin() as conn:
        conn.exec_driver_sql("update notes set text = 'changed meanwhile' where id = 1")
    lab.decide(approval)
    (again,) = lab.pending(run_id)
    assert again["id"] != approval["id"]
    lab.decide(again)
    lab.ended(run_id)
    assert notes(user_database)[0] == (1, "new")


def test_what_a_tool_refuses_reaches_the_agent_and_nobody_is_asked(
    lab: Lab, user_database: sa.Engine
) -> None:
    agent = worker(
        sql_tools(user_database.url),
        ("sql_query", {"statement": "delete from notes"}),
        ("sql_change", {"statement": "drop table notes"}),
    )
    lab.work(agent)
    run = lab.ended(lab.start(agent))
    assert run["exit"] == "completed"
    assert "sql_query only reads" in str(run["output"])
    assert "can be taken back" in str(run["output"])
    assert lab.one("select count(*) from approvals where run_id = %s", run["id"]) == 0
    assert len(notes(user_database)) == 2


def test_a_command_that_reads_runs_and_one_that_acts_waits(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("text")
    agent = worker(
        shell_tools(tmp_path),
        ("run_command", {"command": "cat notes"}),
        ("run_command", {"command": "rm notes"}),
    )
    lab.work(agent)
    run_id = lab.start(agent)
    (approval,) = lab.pending(run_id)
    assert lab.calls(run_id)[0]["state"] == "succeeded"
    assert (tmp_path / "notes").exists()
    lab.decide(approval)
    lab.ended(run_id)
    assert not (tmp_path / "notes").exists()


def test_an_approved_letter_is_held_and_a_rollback_takes_it_back(lab: Lab, tmp_path: Path) -> None:
    with Sink(tmp_path / "received") as sink:
        server = MailServer("127.0.0.1", sink.port, security="none")
        outbox = Outbox(tmp_path / "outbox", timedelta(hours=1), server)
        letter = {"to": ["a@example.com"], "subject": "Hello", "text": "text"}
        agent = worker(mail_tools(outbox, "desk@example.com"), ("send_mail", letter))
        lab.work(agent)
        run_id = lab.start(agent)
        (approval,) = lab.pending(run_id)
        assert not (tmp_path / "outbox").exists()
        lab.decide(approval)
        lab.ended(run_id)
        (call,) = lab.calls(run_id)
        assert outbox.state(call["id"]) == "held"
        rolled_back(lab, run_id)
        assert outbox.deliver_due(datetime.now(UTC) + timedelta(hours=2)).sent == 0
        assert list((tmp_path / "received").iterdir()) == []


def test_the_example_of_the_docs_does_what_they_say(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[3] / "docs" / "tools.md").read_text()
    example = page.partition("```python\n")[2].partition("```")[0]
    Path("reports").mkdir()
    with sqlite3.connect("shop.db") as shop:
        shop.execute("create table prices (id integer primary key, cents integer)")
        shop.execute("insert into prices values (7, 950)")
    calls = [
        ("sql_change", {"statement": "update prices set cents = 900 where id = 7"}),
        ("write_file", {"path": "prices.txt", "text": "900"}),
    ]
    names: dict[str, Any] = {
        "build_graph": lambda tools: scripted(
            tools, *([ask(name, args, str(n))] for n, (name, args) in enumerate(calls))
        )
    }
    exec(example, names)  # noqa: S102 - that it runs is the point
    agent = names["agent"]
    lab.work(agent)
    run = lab.ended(lab.start(agent))
    assert shop.execute("select * from prices").fetchall() == [(7, 900)]
    assert Path("reports/prices.txt").read_text() == "900"
    rolled_back(lab, run["id"])
    assert shop.execute("select * from prices").fetchall() == [(7, 950)]
    assert list(Path("reports").iterdir()) == []
    shop.close()


class _Asked(BaseHTTPRequestHandler):
    def _answer(self) -> None:
        self.server.asked.append(self.command)  # type: ignore[attr-defined]
        self.send_response(204)
        self.end_headers()

    do_GET = do_HEAD = do_DELETE = _answer  # noqa: N815 - http.server's names

    def log_message(self, *_: Any) -> None:
        pass


def test_a_request_that_reads_runs_and_one_that_acts_waits(lab: Lab) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Asked) as site:
        site.asked = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=site.serve_forever)
        thread.start()
        origin = f"http://127.0.0.1:{site.server_address[1]}"
        agent = worker(
            http_tools([origin], private=True),
            ("http_request", {"method": "GET", "url": f"{origin}/things"}),
            ("http_request", {"method": "DELETE", "url": f"{origin}/things/7"}),
        )
        lab.work(agent)
        run_id = lab.start(agent)
        (approval,) = lab.pending(run_id)
        assert "DELETE" not in site.asked  # type: ignore[attr-defined]
        lab.decide(approval)
        lab.ended(run_id)
        assert site.asked[0] == "GET"  # type: ignore[attr-defined]
        assert site.asked.count("DELETE") == 1  # type: ignore[attr-defined]
        site.shutdown()
        thread.join()

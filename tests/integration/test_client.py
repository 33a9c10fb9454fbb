"""The public client against the served API, with a worker behind it."""

from __future__ import annotations

import select
import socket
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from interlock import Client
from interlock.engine import accounts
from interlock.engine.agent import load_agent
from interlock.engine.client import ServerUnreachable
from interlock.engine.decisions import Answer, decide
from interlock.engine.errors import Conflict, NotFound, UsageError
from interlock.engine.lifecycle import DecisionKind
from interlock.engine.worker import Worker
from serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from interlock.engine.database import Database

    from tests.conftest import Account

AGENTS = Path(__file__).with_name("cli_agents.py")
VOLUME = {"volume": "vol-prod-7"}


@pytest.fixture
def url(database: Database) -> Iterator[str]:
    with serving(database) as url:
        yield url


@pytest.fixture
def token(database: Database, reviewer: Account) -> str:
    _, secret = accounts.add_token(
        database, tenant="default", reviewer=reviewer.name, label="tests", by="operator:tests"
    )
    return secret


@pytest.fixture
def client(url: str, token: str) -> Iterator[Client]:
    with Client(token, url) as client:
        yield client


@pytest.fixture
def working(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A worker of three agents; their files go to the test's folder."""
    monkeypatch.chdir(tmp_path)
    agents = [load_agent(f"{AGENTS}:{name}") for name in ("looker", "deleter", "failing")]
    worker = Worker(database, agents)
    thread = threading.Thread(target=worker.run)
    thread.start()
    yield
    worker.stop()
    thread.join()


def relay(near: socket.socket, far: socket.socket, *, cut: bool) -> None:
    """Pass bytes both ways until one side closes, or up to the answer's first byte."""
    while True:
        for side in select.select([near, far], [], [])[0]:
            data = side.recv(65536)
            if not data or (cut and side is far):
                return
            (far if side is near else near).sendall(data)


@contextmanager
def losing_the_first_answer(url: str) -> Iterator[str]:
    """A way to the server that passes every request on and cuts the first answer off."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def carry() -> None:
            for connection in range(100):
                try:
                    near, _ = listening.accept()
                except OSError:
                    return
                with near, socket.create_connection((host, int(port))) as far:
                    relay(near, far, cut=connection == 0)

        thread = threading.Thread(target=carry)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def start_when_registered(client: Client, agent: str) -> str:
    """The id of a new run, once the worker has made its agents known."""
    for _ in range(600):
        try:
            return str(client.start_run(agent, VOLUME))
        except NotFound:
            threading.Event().wait(0.05)
    raise AssertionError("the worker did not start")


def test_a_run_is_started_and_waited_for(client: Client, working: None) -> None:
    run = client.wait(start_when_registered(client, "looker"), timeout=60)
    assert (run["status"], run["exit"]) == ("ended", "completed")
    assert run["output"]["answer"] == "vol-prod-7 is there"
    assert run["requested_by"] == "reviewer:dana"


def test_a_run_that_fails_is_no_error_of_the_client(client: Client, working: None) -> None:
    run = client.wait(start_when_registered(client, "failing"), timeout=60)
    assert run["exit"] == "failed"
    assert "the node has a mistake" in run["exit_reason"]


def test_waiting_goes_on_past_an_approval_unless_asked_to_stop_there(
    client: Client, working: None, database: Database, tmp_path: Path
) -> None:
    run_id = start_when_registered(client, "deleter")
    waiting = client.wait(run_id, timeout=60, stop_at_approval=True)
    (approval,) = waiting["approvals"]
    assert (waiting["status"], approval["state"]) == ("waiting", "pending")
    with pytest.raises(TimeoutError, match="is still waiting after"):
        client.wait(run_id, timeout=0.3)
    decide(
        database,
        Answer(
            tenant="default",
            approval_id=approval["approval_id"],
            reviewer="dana",
            kind=DecisionKind.APPROVE,
            digest=approval["digest"],
            via="api",
        ),
    )
    assert client.wait(run_id, timeout=60)["exit"] == "completed"
    assert (tmp_path / "deleted").read_text() == "vol-prod-7\n"


def test_there_is_no_way_to_decide() -> None:
    public = {name for name in dir(Client) if not name.startswith("_")}
    assert public == {"start_run", "get_run", "wait", "close"}


def test_an_answer_that_is_lost_starts_one_run_only(
    url: str, token: str, client: Client, working: None, database: Database
) -> None:
    start_when_registered(client, "looker")
    with losing_the_first_answer(url) as unreliable, Client(token, unreliable) as other:
        run_id = other.start_run("looker", VOLUME)
        assert client.wait(run_id, timeout=60)["exit"] == "completed"
    with database.begin() as conn:
        assert conn.exec_driver_sql("select count(*) from runs").scalar_one() == 2


def test_an_idempotency_key_gives_the_same_run_and_refuses_another_request(
    client: Client, working: None
) -> None:
    start_when_registered(client, "looker")
    first = client.start_run("looker", VOLUME, tags={"for": "dana"}, idempotency_key="k")
    assert client.start_run("looker", VOLUME, tags={"for": "dana"}, idempotency_key="k") == first
    with pytest.raises(Conflict, match="was used for another request"):
        client.start_run("looker", {"volume": "vol-8"}, idempotency_key="k")


def test_what_is_not_there_is_not_found(client: Client) -> None:
    with pytest.raises(NotFound, match="There is no agent 'looker'"):
        client.start_run("looker", VOLUME)
    unknown = uuid4()
    with pytest.raises(NotFound, match=f"There is no run {unknown}"):
        client.get_run(unknown)


def test_a_request_that_does_not_fit_is_refused_with_the_servers_sentence(client: Client) -> None:
    with pytest.raises(UsageError, match="agent: "):
        client.start_run("", VOLUME)
    with pytest.raises(UsageError, match="The request does not fit: "):
        client.get_run("17")


def test_an_id_leads_to_no_other_place_of_the_api(client: Client) -> None:
    with pytest.raises(NotFound):
        client.get_run("../approvals")


def test_a_wrong_token_is_refused(url: str) -> None:
    with Client("il_wrong", url) as stranger, pytest.raises(UsageError, match="Sign in, or send"):
        stranger.start_run("looker", VOLUME)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "ftp://127.0.0.1", "nonsense"])
def test_a_server_that_does_not_answer_is_named(url: str) -> None:
    with Client("il_any", url) as client, pytest.raises(ServerUnreachable, match="does not answer"):
        client.get_run(uuid4())

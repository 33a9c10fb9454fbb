"""The HTTP tool, against a real server on loopback."""

from __future__ import annotations

import gzip
import json
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from interlock.tools import Effect, NotDone, ToolDeclarationError
from interlock.tools.ready import http_tools
from interlock.tools.ready import reach as reach_module
from interlock.tools.ready.reach import Reach, origin_of
from pydantic import ValidationError
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Hands


class _Handler(BaseHTTPRequestHandler):
    server: Site
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        length = int(self.headers.get("content-length", 0))
        asked = (self.command, self.path, dict(self.headers.items()), self.rfile.read(length))
        self.server.asked.append(asked)
        if self.path == "/breaks-off":
            self.close_connection = True
            return
        status, headers, body = self.server.page(self.path)
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - http.server's names

    def log_message(self, *_: Any) -> None:
        pass


class Site(ThreadingHTTPServer):
    """Answers by path and remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.etag = '"1"'

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def page(self, path: str) -> tuple[int, dict[str, str], bytes]:
        match path:
            case "/moved":
                return 302, {"location": "http://169.254.169.254/secrets"}, b""
            case "/large":
                return 200, {}, b"x" * 100_000
            case "/packed":
                return 200, {"content-encoding": "gzip"}, gzip.compress(b"x" * 1_000_000)
            case "/missing":
                return 404, {}, b"none"
        return 200, {"etag": self.etag, "set-cookie": "a=b"}, b'{"ok": true}'


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def web(site: Site, hands: type[Hands]) -> Hands:
    tools = http_tools(
        [site.origin], headers={"authorization": "made-up"}, private=True, most_bytes=1_000
    )
    return hands(tools)


def test_a_read_of_a_listed_host_is_free_and_answers(site: Site, web: Hands) -> None:
    asked = {"method": "GET", "url": f"{site.origin}/things?page=1"}
    judged = web.effect("http_request", **asked)
    assert (judged.effect, judged.egress) == (Effect.READ, ())
    answer = web.call("http_request", **asked)
    assert answer == {
        "status": 200,
        "headers": {"etag": '"1"'},
        "body": '{"ok": true}',
        "cut": False,
    }
    method, path, headers, _ = site.asked[0]
    assert (method, path) == ("GET", "/things?page=1")
    assert {name.lower(): value for name, value in headers.items()}["authorization"] == "made-up"
    assert "Idempotency-Key".lower() not in {name.lower() for name in headers}


def test_a_change_is_irreversible_and_carries_its_calls_key(site: Site, web: Hands) -> None:
    call, body = uuid7(), {"name": "ü"}
    asked = {"method": "POST", "url": f"{site.origin}/things", "body": body}
    assert web.effect("http_request", **asked).effect is Effect.IRREVERSIBLE
    web.call("http_request", call, **asked)
    _, _, headers, sent = site.asked[0]
    lower = {name.lower(): value for name, value in headers.items()}
    assert lower["idempotency-key"] == str(call)
    assert json.loads(sent) == body
    shown = web.preview("http_request", **asked)
    assert shown["Method"] == "POST"
    assert "ü" in shown["Body"]


def test_an_address_in_what_is_sent_is_egress(site: Site, web: Hands) -> None:
    judged = web.effect(
        "http_request",
        method="POST",
        url=f"{site.origin}/search",
        body={"callback_url": "https://elsewhere.example/x"},
    )
    assert judged.egress == ("elsewhere.example",)


def test_a_redirect_is_told_and_not_followed(site: Site, web: Hands) -> None:
    answer = web.call("http_request", method="GET", url=f"{site.origin}/moved")
    assert answer["status"] == 302
    assert answer["headers"]["location"] == "http://169.254.169.254/secrets"
    assert len(site.asked) == 1


def test_answers_are_cut_and_never_unpacked(site: Site, web: Hands) -> None:
    answer = web.call("http_request", method="GET", url=f"{site.origin}/large")
    assert (len(answer["body"]), answer["cut"]) == (1_000, True)
    answer = web.call("http_request", method="GET", url=f"{site.origin}/packed")
    assert "packed" in answer["body"]


@pytest.mark.parametrize(
    "url",
    [
        "http://elsewhere.example/",
        "https://127.0.0.1:{port}/",
        "http://127.0.0.1:1/",
        "http://127.0.0.1:{port}@elsewhere.example/",
        "http://elsewhere.example\\@127.0.0.1:{port}/",
        "http://elsewhere.example#@127.0.0.1:{port}/",
        "http://127.0.0.1.elsewhere.example:{port}/",
        "http://2130706433:{port}/",
        "http://127.0.0.1:{port}/\r\nx: y",
        "file:///etc/passwd",
        "/things",
    ],
)
def test_no_other_address_is_asked(site: Site, web: Hands, url: str) -> None:
    port = site.server_address[1]
    with pytest.raises(ValidationError):
        web.typed("http_request", method="GET", url=url.format(port=port))
    body = web.body("http_request").run
    assert body is not None
    with pytest.raises(NotDone, match="Nothing was sent"):
        body(
            {"method": "GET", "url": url.format(port=port), "body": None},
            {"config": {}, "run_manager": None},
        )
    assert site.asked == []


def test_a_listed_host_at_a_private_address_is_not_asked(site: Site, hands: type[Hands]) -> None:
    web = hands(http_tools([site.origin]))
    with pytest.raises(NotDone, match="not of the public internet"):
        web.call("http_request", method="GET", url=f"{site.origin}/")
    assert site.asked == []


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "169.254.169.254", "::1", "fe80::1%1", "::ffff:127.0.0.1", "64:ff9b::7f00:1",
     "2002:7f00:1::", "224.0.0.1", "0.0.0.0", "100.64.0.1"],  # noqa: S104 - an address to refuse
)  # fmt: skip
def test_private_addresses_are_known_in_every_spelling(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    found = [(2, 1, 6, "", ("93.184.215.14", 443)), (2, 1, 6, "", (address, 443))]
    monkeypatch.setattr(reach_module.socket, "getaddrinfo", lambda *_, **__: found)
    reach = Reach(["https://api.example.com"], private=False)
    with pytest.raises(NotDone, match="not of the public internet"):
        reach.resolve(origin_of("https://api.example.com"))


def test_what_was_looked_up_is_what_is_asked(
    site: Site, hands: type[Hands], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that points elsewhere at a second look-up leads nowhere else."""
    port, looks = site.server_address[1], []
    real = reach_module.socket.getaddrinfo

    def look_up(host: Any, *args: Any, **more: Any) -> Any:
        looks.append(host)
        return real("127.0.0.1" if host == "api.example.com" else host, *args, **more)

    monkeypatch.setattr(reach_module.socket, "getaddrinfo", look_up)
    web = hands(http_tools([f"http://api.example.com:{port}"], private=True))
    web.call("http_request", method="GET", url=f"http://api.example.com:{port}/x")
    assert looks.count("api.example.com") == 1
    headers = {name.lower(): value for name, value in site.asked[0][2].items()}
    assert headers["host"] == f"api.example.com:{port}"


def test_the_workers_proxy_and_netrc_are_not_used(
    site: Site, web: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    assert web.call("http_request", method="GET", url=f"{site.origin}/")["status"] == 200


def test_the_state_of_the_target_is_its_etag(site: Site, web: Hands) -> None:
    asked = {"method": "PUT", "url": f"{site.origin}/things/7", "body": {}}
    first = web.fingerprint("http_request", **asked)
    assert first["etag"] == '"1"'
    site.etag = '"2"'
    assert web.fingerprint("http_request", **asked) != first
    assert {method for method, *_ in site.asked} == {"HEAD"}
    plain = {"method": "DELETE", "url": f"{site.origin}/missing"}
    assert web.fingerprint("http_request", **plain) is None


def test_a_request_that_never_left_is_told_from_one_that_may_have_arrived(
    site: Site, web: Hands, hands: type[Hands]
) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        web.call("http_request", method="POST", url=f"{site.origin}/breaks-off")
    nobody = hands(http_tools(["http://127.0.0.1:1"], private=True))
    with pytest.raises(NotDone, match="cannot be reached"):
        nobody.call("http_request", method="POST", url="http://127.0.0.1:1/")


def test_declarations_are_checked(site: Site) -> None:
    with pytest.raises(ToolDeclarationError, match="at least one"):
        http_tools([])
    with pytest.raises(ToolDeclarationError, match="cannot be listed"):
        http_tools(["api.example.com"])
    keyed = http_tools([site.origin], key_life=timedelta(hours=24))[0].spec
    assert keyed.idempotent
    assert not http_tools([site.origin])[0].spec.idempotent

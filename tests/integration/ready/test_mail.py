"""The mail tool, against a real mail server on loopback."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from typing import TYPE_CHECKING

import pytest
from interlock.examples.fleet_ops.mail_server import MailServer as Sink
from interlock.tools import Effect, Happened, NotDone
from interlock.tools.ready import MailServer, Outbox, mail_tools
from pydantic import ValidationError
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage
    from pathlib import Path

    from conftest import Hands

LETTER = {"to": ["a@example.com", "b@example.com"], "subject": "Grüße", "text": "one\n.\ntwo ü\n"}
HOUR = timedelta(hours=1)


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    with Sink(tmp_path / "received") as made:
        yield made


@pytest.fixture
def server(sink: Sink) -> MailServer:
    return MailServer("127.0.0.1", sink.port, security="none")


@pytest.fixture
def outbox(tmp_path: Path, server: MailServer) -> Outbox:
    return Outbox(tmp_path / "outbox", HOUR, server)


@pytest.fixture
def held(outbox: Outbox, hands: type[Hands]) -> Hands:
    return hands(mail_tools(outbox, "desk@example.com"))


def received(tmp_path: Path) -> list[EmailMessage]:
    found = sorted((tmp_path / "received").glob("*.eml"))
    return [message_from_bytes(path.read_bytes(), policy=policy.default) for path in found]


def test_a_letter_is_sent_at_once_and_cannot_be_taken_back(
    tmp_path: Path, server: MailServer, hands: type[Hands]
) -> None:
    mail, call = hands(mail_tools(server, "desk@example.com")), uuid7()
    assert mail.effect("send_mail", **LETTER).effect is Effect.IRREVERSIBLE
    assert mail.call("send_mail", call, **LETTER) == {"sent": LETTER["to"], "refused": {}}
    (got,) = received(tmp_path)
    assert got["To"] == "a@example.com, b@example.com"
    assert got["Subject"] == "Grüße"
    assert got["Message-ID"] == f"<{call}@example.com>"
    assert got.get_content().splitlines() == ["one", ".", "two ü"]
    assert mail.body("send_mail").undo is None
    assert mail.body("send_mail").verify is None


def test_a_held_letter_still_waits_for_a_person(held: Hands) -> None:
    assert held.effect("send_mail", **LETTER).effect is Effect.IRREVERSIBLE


def test_a_held_letter_that_is_taken_back_never_goes_out(
    tmp_path: Path, outbox: Outbox, held: Hands
) -> None:
    call = uuid7()
    held.call("send_mail", call, **LETTER)
    assert outbox.deliver_due(datetime.now(UTC)).sent == 0
    held.undo("send_mail", call, **LETTER)
    held.undo("send_mail", call, **LETTER)
    assert outbox.deliver_due(datetime.now(UTC) + 2 * HOUR).sent == 0
    assert received(tmp_path) == []
    assert held.verify("send_mail", call, **LETTER) is False
    with pytest.raises(NotDone, match="taken back"):
        held.call("send_mail", call, **LETTER)


def test_a_letter_goes_out_once_after_its_window_and_not_before(
    tmp_path: Path, outbox: Outbox, held: Hands
) -> None:
    call = uuid7()
    assert held.verify("send_mail", call, **LETTER) is False
    held.call("send_mail", call, **LETTER)
    held.call("send_mail", call, **LETTER)
    assert outbox.deliver_due(datetime.now(UTC) + HOUR / 2).sent == 0
    for _ in range(2):
        outbox.deliver_due(datetime.now(UTC) + 2 * HOUR)
    assert len(received(tmp_path)) == 1
    assert held.verify("send_mail", call, **LETTER) == Happened({"letter": "sent"})
    with pytest.raises(NotDone, match="gone out"):
        held.undo("send_mail", call, **LETTER)


def test_a_letter_whose_sending_broke_off_is_not_sent_again(
    tmp_path: Path, outbox: Outbox, held: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = uuid7()
    held.call("send_mail", call, **LETTER)

    def break_off(*_: object) -> None:
        raise OSError("the line went dead")

    with monkeypatch.context() as broken:
        broken.setattr(MailServer, "send", break_off)
        with pytest.raises(OSError, match="dead"):
            outbox.deliver_due(datetime.now(UTC) + 2 * HOUR)
    assert outbox.deliver_due(datetime.now(UTC) + 2 * HOUR).sent == 0
    assert received(tmp_path) == []
    with pytest.raises(NotDone, match="gone out"):
        held.undo("send_mail", call, **LETTER)


def test_a_refused_letter_is_kept_aside(tmp_path: Path, hands: type[Hands]) -> None:
    outbox = Outbox(tmp_path / "outbox", HOUR, MailServer("127.0.0.1", 1, security="none"))
    held, call = hands(mail_tools(outbox, "desk@example.com")), uuid7()
    held.call("send_mail", call, **LETTER)
    assert outbox.deliver_due(datetime.now(UTC) + 2 * HOUR).refused == 1
    assert outbox.state(call) == "refused"
    direct = hands(mail_tools(MailServer("127.0.0.1", 1, security="none"), "desk@example.com"))
    with pytest.raises(NotDone, match="cannot be reached"):
        direct.call("send_mail", **LETTER)


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "x\r\nBcc: c@example.com"},
        {"subject": "x\nBcc: c@example.com"},
        {"subject": "x\u2028y"},
        {"to": ["a@example.com\r\nBcc: c@example.com"]},
        {"to": ["a@example.com, c@example.com"]},
        {"to": ["A <a@example.com>"]},
        {"to": ["a@example.com>\r\nRCPT TO:<c@example.com"]},
        {"to": []},
        {"to": ["a@example.com"] * 11},
        {"text": "x" * 50_001},
    ],
)
def test_headers_cannot_be_slipped_in_and_limits_hold(
    held: Hands, change: dict[str, object]
) -> None:
    with pytest.raises(ValidationError):
        held.typed("send_mail", **{**LETTER, **change})


def test_a_text_cannot_end_the_letter_and_begin_another(
    tmp_path: Path, server: MailServer, hands: type[Hands]
) -> None:
    mail = hands(mail_tools(server, "desk@example.com"))
    smuggled = "one\n.\nMAIL FROM:<x@example.com>\r.\rtwo\r\n.\r\nQUIT"
    mail.call("send_mail", **{**LETTER, "text": smuggled})
    (got,) = received(tmp_path)
    assert "QUIT" in got.get_content()


def test_only_listed_domains_are_written_to(server: MailServer, hands: type[Hands]) -> None:
    mail = hands(mail_tools(server, "desk@example.com", domains=["Example.com"]))
    mail.typed("send_mail", **LETTER)
    with pytest.raises(ValidationError, match="domain"):
        mail.typed("send_mail", **{**LETTER, "to": ["a@example.com.evil.example"]})


def test_a_reviewer_sees_who_gets_what(held: Hands) -> None:
    shown = held.preview("send_mail", **LETTER)
    assert shown["Recipients"] == "a@example.com, b@example.com"
    assert shown["Text"] == LETTER["text"]

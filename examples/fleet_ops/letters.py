"""Handing letters to the company's mail server, and finding in its folder what it kept."""

from __future__ import annotations

import smtplib
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import TYPE_CHECKING

from interlock.tools import NotDone

if TYPE_CHECKING:
    from pathlib import Path

    from .home import Home

SENDER = "Harbourline Rentals <service@harbourline.example>"
CALL = "X-Interlock-Call"


def send(home: Home, to: list[str], subject: str, body: str, call: str) -> int:
    """One message to each address, so that nobody reads another's; return how many.

    `call` names the call that sends: a header keeps it, so that what was sent can be told later.

    Raises:
        NotDone: the mail server cannot be reached, so nothing was sent.
    """
    letters = [_letter(address, subject, body, call) for address in dict.fromkeys(to)]
    try:
        connection = smtplib.SMTP("127.0.0.1", home.smtp_port, timeout=10)
    except OSError as error:
        raise NotDone(f"The mail server cannot be reached: {error}.") from None
    with connection as server:
        for letter in letters:
            server.send_message(letter)
    return len(letters)


def kept(folder: Path) -> list[EmailMessage]:
    """What the mail server received, in that order."""
    found = sorted(folder.glob("*.eml"))
    return [message_from_bytes(path.read_bytes(), policy=policy.default) for path in found]


def _letter(address: str, subject: str, body: str, call: str) -> EmailMessage:
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = SENDER, address, subject
    letter[CALL] = call
    letter.set_content(body)
    return letter

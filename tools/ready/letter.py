"""A letter, checked before it is written, and the server that takes it."""

from __future__ import annotations

import re
import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from typing import TYPE_CHECKING, Literal

from ..gated import NotDone

if TYPE_CHECKING:
    from collections.abc import Sequence

_ADDRESS = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,63}"
)
_POLICY = policy.SMTP.clone(cte_type="7bit")
_REFUSED = (
    smtplib.SMTPSenderRefused,
    smtplib.SMTPRecipientsRefused,
    smtplib.SMTPDataError,
    smtplib.SMTPHeloError,
    smtplib.SMTPNotSupportedError,
    smtplib.SMTPAuthenticationError,
)


def one_address(address: str) -> str:
    """One plain address and nothing beside it.

    Raises:
        ValueError: it is none.
    """
    if not _ADDRESS.fullmatch(address) or ".." in address:
        raise ValueError(f"'{address[:100]}' is not one plain address")
    return address


def one_line(text: str) -> str:
    """A text that can be a header and nothing more.

    Raises:
        ValueError: it would begin another line, or hides characters.
    """
    if not text.isprintable():
        raise ValueError("the subject holds a line break or characters that are not printable")
    return text


@dataclass(frozen=True, slots=True)
class Letter:
    """A message as it is handed over."""

    sender: str
    to: tuple[str, ...]
    data: bytes


def write(sender: str, to: Sequence[str], subject: str, text: str, key: str) -> Letter:
    """A letter; the same key gives the same Message-ID, by which a second copy can be told."""
    message = EmailMessage(policy=_POLICY)
    message["From"], message["To"], message["Subject"] = sender, ", ".join(to), subject
    message["Message-ID"] = f"<{key}@{sender.rpartition('@')[2]}>"
    message.set_content(text)
    return Letter(sender, tuple(dict.fromkeys(to)), message.as_bytes())


@dataclass(frozen=True, slots=True)
class MailServer:
    """A server that takes mail by SMTP.

    Attributes:
        security: `tls` from the first byte, `starttls`, or `none`.
        user: who signs in; nobody does without it.
    """

    host: str
    port: int
    security: Literal["tls", "starttls", "none"] = "starttls"
    user: str | None = None
    password: str | None = None
    seconds: float = 30

    def send(self, letter: Letter) -> dict[str, str]:
        """Hand a letter over; the recipients that the server refused, with what it said.

        Raises:
            NotDone: the server did not take it.
            OSError: the connection broke off, so nobody knows. SMTP has no way to ask.
        """
        try:
            connection = self._connect()
        except (OSError, smtplib.SMTPException) as error:
            raise NotDone(f"The mail server cannot be reached: {error}.") from None
        try:
            refused = connection.sendmail(letter.sender, letter.to, letter.data)
        except _REFUSED as error:
            raise NotDone(f"The mail server refused the letter: {error}.") from None
        finally:
            # how the parting goes says nothing of the letter
            with suppress(OSError, smtplib.SMTPException):
                connection.quit()
        return {
            to: f"{code} {said.decode(errors='replace')}" for to, (code, said) in refused.items()
        }

    def _connect(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self.host, self.port, timeout=self.seconds, context=context
            )
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=self.seconds)
        try:
            if self.security == "starttls":
                server.starttls(context=context)
            if self.user is not None:
                server.login(self.user, self.password or "")
        except BaseException:
            server.close()
            raise
        return server

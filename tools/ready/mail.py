"""A tool that sends mail, at once or from an outbox that holds it for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, create_model

from ..decorator import tool
from ..gated import Happened, current_call
from ..undo import Undo
from . import letter
from .letter import MailServer
from .outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from pydantic import BaseModel

    from ..gated import GatedTool

__all__ = ["MailServer", "Outbox", "mail_tools"]


def mail_tools(
    by: MailServer | Outbox,
    sender: str,
    *,
    most_recipients: int = 10,
    most_characters: int = 50_000,
    domains: Collection[str] | None = None,
) -> list[GatedTool]:
    """`send_mail`: a letter in plain text. It always waits for a person.

    By a server it is sent at once, and nothing tells afterwards whether it was: SMTP cannot be
    asked. By an outbox it is held for a window first: until then a rollback takes it back, and
    whether it was sent can be told.

    Args:
        by: the server, or an outbox in front of it.
        sender: who it is from.
        most_recipients: of one letter.
        most_characters: of its text.
        domains: those that may be written to; any without it.

    Raises:
        ValueError: the sender is no address.
    """
    letter.one_address(sender)
    arguments = _arguments(most_recipients, most_characters, _allowed(domains))
    if isinstance(by, Outbox):
        return [_held(by, sender, arguments)]
    return [_at_once(by, sender, arguments)]


def _at_once(server: MailServer, sender: str, arguments: type[BaseModel]) -> GatedTool:
    @tool(effect="irreversible", preview=_preview, headline=_headline, args_schema=arguments)
    def send_mail(to: list[str], subject: str, text: str) -> dict[str, Any]:
        """Send a letter in plain text to all of these addresses, who see each other's."""
        refused = server.send(letter.write(sender, to, subject, text, _key()))
        return {"sent": [each for each in to if each not in refused], "refused": refused}

    return send_mail


def _held(outbox: Outbox, sender: str, arguments: type[BaseModel]) -> GatedTool:
    @tool(
        effect="irreversible",
        undo=Undo(lambda _args, _result, _in_doubt: _take_back(outbox), idempotent=True),
        verify=lambda to, subject, text: _what_became(outbox),  # noqa: ARG005 - it gets all arguments
        preview=_preview,
        headline=_headline,
        args_schema=arguments,
    )
    def send_mail(to: list[str], subject: str, text: str) -> dict[str, Any]:
        """Send a letter in plain text to all of these addresses, who see each other's."""
        written = letter.write(sender, to, subject, text, _key())
        due = outbox.put(current_call().call_id, written)
        return {"held_until": due.isoformat(timespec="seconds"), "to": list(written.to)}

    return send_mail


def _take_back(outbox: Outbox) -> None:
    outbox.take_back(current_call().call_id)


def _what_became(outbox: Outbox) -> Happened | bool:
    state = outbox.state(current_call().call_id)
    return Happened({"letter": state}) if state in {"held", "sending", "sent"} else False


def _key() -> str:
    return str(current_call().call_id)


def _arguments(most: int, longest: int, allowed: Callable[[str], str]) -> type[BaseModel]:
    """What is checked before anybody is asked."""
    address = Annotated[str, AfterValidator(letter.one_address), AfterValidator(allowed)]
    return create_model(
        "Letter",
        to=(Annotated[list[address], Field(min_length=1, max_length=most)], ...),
        subject=(
            Annotated[str, Field(min_length=1, max_length=200), AfterValidator(letter.one_line)],
            ...,
        ),
        text=(Annotated[str, Field(max_length=longest)], ...),
    )


def _allowed(domains: Collection[str] | None) -> Callable[[str], str]:
    known = None if domains is None else {domain.lower() for domain in domains}

    def check(address: str) -> str:
        if known is not None and address.rpartition("@")[2].lower() not in known:
            raise ValueError(f"'{address}' is not at a domain that may be written to")
        return address

    return check


def _preview(to: list[str], subject: str, text: str) -> dict[str, Any]:
    return {"Recipients": ", ".join(to), "Count": len(to), "Subject": subject, "Text": text}


def _headline(to: list[str], subject: str, text: str) -> str:  # noqa: ARG001 - it gets all arguments
    whom = to[0] if len(to) == 1 else f"{len(to)} addresses"
    return f"Send “{subject[:80]}” to {whom}"

"""A folder that holds letters for a while, in which they can be taken back."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from ..gated import NotDone
from . import durable
from .letter import Letter

if TYPE_CHECKING:
    from datetime import timedelta
    from uuid import UUID

    from .letter import MailServer

log = structlog.get_logger()
_STATES = ("held", "sending", "sent", "refused", "taken")


@dataclass(frozen=True, slots=True)
class Delivered:
    """How many letters were sent, and how many the server refused."""

    sent: int
    refused: int


class Outbox:
    """Letters by the call that wrote them: `held`, then `sending` and `sent`, or `taken` back.

    A state is a folder and a change of state one rename, so that of two who want a letter one gets
    it. A letter whose sending broke off stays in `sending`: it may have gone out, and is never sent
    by itself again.

    Args:
        folder: where letters are kept, with the sent ones.
        window: how long a letter is held.
        server: who takes it then.
    """

    def __init__(self, folder: str | Path, window: timedelta, server: MailServer) -> None:
        self._folder = Path(folder).resolve()
        self._window = window
        self._server = server

    def put(self, call_id: UUID, letter: Letter) -> datetime:
        """Hold a letter; until when. A letter of the same call that is here already stays."""
        state = self.state(call_id)
        if state is None:
            due = datetime.now(UTC) + self._window
            self._write(call_id, letter, due)
            return due
        if state == "taken":
            raise NotDone("The letter was taken back.")
        return self._read(self._path(state, call_id))[1]

    def take_back(self, call_id: UUID) -> None:
        """Take a letter back before it goes out; one that was never put, or is taken, is fine.

        Raises:
            NotDone: it is being sent, or was.
        """
        if self._move(call_id, "held", "taken"):
            return
        state = self.state(call_id)
        if state in {"sending", "sent"}:
            raise NotDone("The letter has gone out; it cannot be taken back.")

    def state(self, call_id: UUID) -> str | None:
        """`held`, `sending`, `sent`, `refused` or `taken`; None where there is no such letter."""
        # a letter that moves on meanwhile is met further on: the order is the one it goes
        return next((s for s in _STATES if self._path(s, call_id).exists()), None)

    def deliver_due(self, now: datetime) -> Delivered:
        """Send what has been held long enough. The operator's own clockwork calls it."""
        sent = refused = 0
        for path in sorted((self._folder / "held").glob("*.json")):
            with suppress(FileNotFoundError):  # taken back, or sent by another, meanwhile
                letter, due = self._read(path)
                if due <= now:
                    ok = self._deliver(path, letter)
                    sent, refused = sent + ok, refused + (not ok)
        return Delivered(sent, refused)

    def _deliver(self, path: Path, letter: Letter) -> bool:
        sending = self._rename(path, "sending")
        try:
            answers = self._server.send(letter)
        except NotDone as error:
            log.warning("outbox.refused", letter=path.stem, error=str(error))
            self._rename(sending, "refused")
            return False
        if answers:
            log.warning("outbox.refused_recipients", letter=path.stem, answers=answers)
        self._rename(sending, "sent")
        return True

    def _move(self, call_id: UUID, before: str, after: str) -> bool:
        try:
            self._rename(self._path(before, call_id), after)
        except FileNotFoundError:
            return False
        return True

    def _rename(self, path: Path, state: str) -> Path:
        new = self._folder / state / path.name
        durable.move(path, new)
        return new

    def _path(self, state: str, call_id: UUID) -> Path:
        return self._folder / state / f"{call_id}.json"

    def _write(self, call_id: UUID, letter: Letter, due: datetime) -> None:
        data = base64.b64encode(letter.data).decode()
        record = {"from": letter.sender, "to": letter.to, "data": data, "due": due.isoformat()}
        durable.put(self._path("held", call_id), record)

    @staticmethod
    def _read(path: Path) -> tuple[Letter, datetime]:
        kept = json.loads(path.read_text(encoding="utf-8"))
        letter = Letter(kept["from"], tuple(kept["to"]), base64.b64decode(kept["data"]))
        return letter, datetime.fromisoformat(kept["due"])

"""Calls that were started and whose outcome nobody reported: asked about, or left in doubt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from ..tools.gated import Happened
from .audit import record
from .database import execute
from .doubt import doubt, note, withdraw
from .errors import Postponed
from .hold import fence
from .leaving import REPEATABLE
from .lifecycle import CallState
from .outcome import Failed, InDoubt, Outcome, Succeeded, success
from .verification import DidNotHappen, Finding, Unknown, verify

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Connection

    from ..tools import ToolSpec
    from ..tools.gated import Ask
    from .call import Call
    from .database import Database
    from .hold import Hold

HAPPENED = "Its verify function found that it happened."
"""What the graph gets where `verify` knows no result."""
DID_NOT_HAPPEN = "Its verify function found that it did not happen."
_PAUSES = (1.0, 4.0)
"""Seconds before a call that raised is sent again with its key, the first and the second time."""
_FOREVER = float("inf")
"""What became of a call is kept as long as its worker lives."""


def may_start_again(call: Call, spec: ToolSpec) -> bool:
    """Whether a call that broke off may be started once more, as it was started before."""
    if call.recovery not in REPEATABLE or call.tool_version != spec.version:
        return False
    return call.recovery == "again" or call.key_left > 0


class Recovery:
    """Settles the open calls of one execution of a run."""

    def __init__(self, db: Database, hold: Hold) -> None:
        self._db = db
        self._hold = hold

    def take_over(self, ask: Ask, call: Call, broke_off: str) -> None:
        """A call that an earlier executor started and never reported.

        That it did not happen is believed only of a look taken after it could be sent no more.

        Raises:
            Fenced: this executor no longer holds the run.
            Postponed: it has to be looked at again, later.
        """
        finding = verify(ask, call)
        if isinstance(finding, DidNotHappen) and call.send_left > 0:
            self._postpone(call, _told(finding, broke_off), call.send_left)

        def write(conn: Connection) -> None:
            fence(conn, self._hold)
            self._settle(conn, call, call.start_token, finding, broke_off)

        self._db.retry(write)

    def after_error(
        self, ask: Ask, call: Call, token: UUID, broke_off: str, left: float
    ) -> Outcome:
        """A call whose body raised just now, `left` seconds before it can be sent no more.

        One that takes a key is left as it was started, to be sent again with it. One that seems not
        to have happened stays so as well: what was sent may arrive yet.

        Raises:
            Postponed: the run's next execution goes on with it.
        """
        if call.recovery == "same_key" and call.starts < len(_PAUSES):
            self._postpone(call, {"broke_off": broke_off}, _PAUSES[call.starts])
        finding = verify(ask, call)
        if isinstance(finding, DidNotHappen):
            self._postpone(call, _told(finding, broke_off), left)
        return self._db.retry(
            lambda conn: self._settle(conn, call, token, finding, broke_off), patience=_FOREVER
        )

    def _postpone(self, call: Call, detail: dict[str, Any], seconds: float) -> NoReturn:
        """Say in the log what was said and not believed, or what is tried again."""

        def write(conn: Connection) -> None:
            record(
                conn,
                tenant=self._hold.tenant,
                event="call.postponed",
                actor=f"worker:{self._hold.worker_id}",
                run_id=self._hold.run_id,
                call_id=call.id,
                approval_id=call.approval_id,
                detail={"tool": call.tool, "digest": call.digest.hex(), **detail},
            )

        self._db.retry(write, patience=_FOREVER)
        raise Postponed(f"A call of {call.tool} is taken up again in {seconds:.1f} s.", seconds)

    def _settle(
        self,
        conn: Connection,
        call: Call,
        token: UUID | None,
        finding: Finding | None,
        broke_off: str,
    ) -> Outcome:
        match finding:
            case Happened():
                known = HAPPENED if finding.result is None else finding.result
                outcome: Succeeded | Failed = success(known)
            case DidNotHappen():
                outcome = Failed(DID_NOT_HAPPEN)
            case _:
                why = f"{broke_off} {finding.why}" if finding else broke_off
                doubt(conn, self._hold, call, token, why)
                return InDoubt(why)
        self._confirm(conn, call, token, outcome, finding, broke_off)
        return outcome

    def _confirm(
        self,
        conn: Connection,
        call: Call,
        token: UUID | None,
        outcome: Succeeded | Failed,
        finding: Finding,
        broke_off: str,
    ) -> None:
        """Compare and set: a report that came meanwhile stands."""
        good = outcome if isinstance(outcome, Succeeded) else None
        state = CallState.SUCCEEDED if good else CallState.FAILED
        written = execute(
            conn,
            "verify_call",
            tenant=self._hold.tenant,
            call_id=call.id,
            token=token,
            state=state,
            result_type=good and good.type,
            result=good and good.data,
            error=outcome.error if isinstance(outcome, Failed) else None,
        ).rowcount
        if written:
            note(conn, self._hold, call, f"call.{state}", state, _told(finding, broke_off))
            withdraw(conn, self._hold, call)


def _told(finding: Finding, broke_off: str) -> dict[str, Any]:
    """What the audit log has of a finding."""
    match finding:
        case Happened():
            said = "happened"
        case DidNotHappen():
            said = "did not happen"
        case Unknown():
            said = finding.why
    return {"verify": said, "broke_off": broke_off}

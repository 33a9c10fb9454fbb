"""A call that was asked for before: what its record says becomes of it now."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from langchain_core.tools import ToolException

from ..tools.gated import Refused
from ..tools.questions import is_question
from . import journal
from .errors import Ambiguous, ApprovalVoid, Conflict, DatabaseLost
from .lifecycle import CallState
from .outcome import Succeeded
from .recovery import may_start_again
from .refusal import refusal, rejected_in_a_row, unanswered
from .stops import RunStopped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..tools.gated import Ask
    from .begun import Begun, Halting
    from .call import Call, Place
    from .checks import Checks
    from .lapse import Standing
    from .means import Means
    from .recovery import Recovery
    from .starting import Starts


class Records:
    """The records of one execution's run."""

    def __init__(
        self,
        gate: Halting,
        means: Means,
        checks: Checks,
        starts: Starts,
        standing: Standing,
        recovery: Recovery,
    ) -> None:
        self._gate = gate
        self._db = means.db
        self._hold = means.claim.hold
        self._asking = means.agent.asking
        self._made = means.made
        self._checks = checks
        self._starts = starts
        self._standing = standing
        self._recovery = recovery

    def find(self, key: bytes) -> Call | None:
        """The newest revision of a call, if there is one."""
        return self._db.retry(lambda conn: journal.find(conn, self._hold, key))

    def get(self, key: bytes, tool: str) -> Call:
        """The newest revision of a call that there is.

        Raises:
            Conflict: it is gone.
        """
        found = self.find(key)
        if found is None:
            raise Conflict(f"The call of {tool} is gone from the journal.")
        return found

    def answer(self, ask: Ask, place: Place, call: Call) -> Begun | Succeeded | Call:
        """What the call's state says: start it, give its result, refuse, park, or recover it.

        A call, where its record changed by that.

        Raises:
            Refused: it does not run, and why.
            ToolException: it failed, or was abandoned.
            GraphInterrupt: it waits for a person.
            RunStopped: the run goes no further.
        """
        if call.state is not CallState.WAITING:
            self._made.waiting.discard(call.key)
        match call.state:
            case CallState.APPROVED:
                return self._start_approved(ask, place, call)
            case CallState.ALLOWED:
                return self._start(ask, place, call, ask.tool.exactly(call.args, ask.injected))
            case CallState.SUCCEEDED:
                return Succeeded(call.result_type or "text", call.result or b"")
            case CallState.WAITING | CallState.IN_DOUBT:
                self._gate.park(place, call)
            case CallState.EXECUTING:
                return self._recover(ask, place, call)
            case CallState.FAILED | CallState.ABANDONED:
                raise ToolException(call.error or f"{call.tool} failed.")
        if is_question(ask.tool):
            return self.unanswered(call)
        if call.state is CallState.REJECTED:
            self._end_if_rejected_often(call)
        raise Refused(refusal(self._db, self._hold.tenant, call))

    def unanswered(self, call: Call) -> Succeeded:
        """What stands for the answer to a question that nobody answers.

        Raises:
            RunStopped: nothing does; the run ends.
        """
        found = unanswered(self._db, self._hold.tenant, call, self._asking)
        if isinstance(found, Ambiguous):
            self._gate.halt(found)
            raise RunStopped(str(found))
        return found

    def _end_if_rejected_often(self, call: Call) -> None:
        stop = rejected_in_a_row(self._db, self._hold.tenant, call)
        if stop is not None:
            self._gate.halt(stop)
            raise RunStopped(str(stop))

    def _start_approved(self, ask: Ask, place: Place, call: Call) -> Begun | Call:
        """Start what was approved, if all is still as it was; else the call, to be asked anew."""
        judgement = self._checks.judge(ask, call.args, call.key)
        if not self._standing.lapses(ask, call, judgement):
            with suppress(ApprovalVoid):
                return self._start(ask, place, call, judgement.typed)
        return self.get(call.key, call.tool)

    def _start(self, ask: Ask, place: Place, call: Call, arguments: Mapping[str, Any]) -> Begun:
        if call.tool_version != ask.tool.spec.version:
            raise Refused(
                f"{call.tool} did not run: it changed since this call was judged "
                f"(version {call.tool_version}, now {ask.tool.spec.version})."
            )
        self._checks.check_stopped()
        return self._starts.start(ask, place, call, arguments)

    def _recover(self, ask: Ask, place: Place, call: Call) -> Begun | Call:
        """A call that an earlier executor started and never finished.

        Raises:
            DatabaseLost: it was this one, whose result is still on its way.
            Postponed: whether it happened has to be asked later.
        """
        if self._starts.is_own(call):
            raise DatabaseLost(f"The result of an earlier start of {call.tool} is not written yet.")
        if may_start_again(call, ask.tool.spec):
            return self._start(ask, place, call, ask.tool.exactly(call.args, ask.injected))
        broke_off = "Its worker was lost after it started and before it reported."
        self._recovery.take_over(ask, call, broke_off)
        return self.get(call.key, call.tool)

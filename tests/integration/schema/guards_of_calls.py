"""The guards of calls, and of what calls wait for."""

from attack import Check, Constraint, Index, Trigger

DANGER_ZONE = Constraint("calls", "danger_zone")
DIGEST = Constraint("calls", "digest_is_of_the_stored_bytes")
APPROVED = Constraint("calls", "call_is_what_was_approved")
COUNTED = Constraint("calls", "started_was_counted")
VERDICT_FITS = Constraint("calls", "verdict_fits_state")
NEEDS_DECISION = Constraint("calls", "review_needs_decision")
ASKED_ONCE = Constraint("calls", "granted_is_asked_once")
KEEPS_GRANT = Check("calls_grant_guard", "a call keeps its grant")
AT_MOST_ONCE = Constraint("calls", "at_most_once")
HAS_RESULT = Constraint("calls", "succeeded_has_result")
OF_A_RUN = Constraint("calls", "calls_tenant_id_run_id_fkey")
ONE_PER_APPROVAL = Index("calls_one_per_approval")
WHAT_IT_IS = Check("calls_guard", "what a call is cannot change")
LIFE = Check("calls_guard", "a call cannot go from % to %")
BORN = Check("calls_guard", "a call cannot begin as %")
BORN_IN_HAND = Check("calls_guard", "no call starts in a run that nobody executes")
BORN_WHOLE = Check("calls_guard", "a call that begins as % has too much or too little said of it")
BORN_UNATTESTED = Check("calls_guard", "nobody can have attested a call that begins")
FOLLOWS = Check("calls_guard", "a call cannot become % while its approval is %")
KEEPS_APPROVAL = Check("calls_guard", "a call keeps its approval")
OUTCOME = Check("calls_guard", "a recorded outcome cannot change")
ONE_BY_ONE = Check("calls_guard", "starts are counted up one by one")
START_COUNTED = Check("calls_guard", "a start must be counted")
TOKEN = Check("calls_guard", "a start keeps its token")
RUN_ENDED = Check("calls_guard", "no call begins or starts in a run that has ended")
ATTESTED = Check("calls_guard", "% did not say what became of this call")
MEASURED = Check("calls_times_guard", "what a call was measured by cannot change")
BORN_UNVERIFIED = Check("calls_times_guard", "nothing can have verified a call that begins")
KEY_FORGOTTEN = Check("calls_times_guard", "the key of this call may be forgotten")
KEEPS_TIMES = Check("calls_times_guard", "a start keeps its times")
VERIFIABLE = Check("calls_times_guard", "only an open outcome can be verified")
MAY_BE_SENT = Check("calls_times_guard", "this call may still be sent")
LEAVES = Check("calls_times_guard", "a call cannot leave an approval that is %")
HAS_TIMES = Constraint("calls", "start_has_its_times")
HAS_LIFE = Constraint("calls", "key_has_a_life")
STANDS = Trigger(
    "approvals",
    "stands_on_its_approval",
    "a call is approved although its approval is not any more",
)
_STUCK = "a call waits although its approval is not pending"
WAITS = Trigger("calls", "waits_for_a_decision", _STUCK)
WAITS_AGAIN = Trigger("calls", "waits_again_for_a_decision", _STUCK)
ANSWERED = Trigger("approvals", "waits_for_a_decision", _STUCK)
SHOWN = Trigger(
    "approvals", "asked_of_its_call", "approval .* does not show the call that it names"
)

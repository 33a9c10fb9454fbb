"""The statements about what stages stated, and the functions that write it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attacks_on_assessments import assessment, mark
from rows import TENANT
from statement import ANOTHER, NOBODY, case
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from rows import Rows

PUT = (
    "select put_assessment(%(tenant)s, %(run_id)s, %(new)s, '', 't1', 'classify', 0, 0.9, 'v',"
    " null, null)"
)
TAKE = "select take_assessments(%(tenant)s, %(run_id)s, %(ns)s, %(stages)s, 'w', 'dana')"


@case("assessments_of", tenant=ANOTHER, run_id=NOBODY)
@case("calibration", tenant=ANOTHER, agent="unheard-of", since="2090-01-01")
@case("mark_wrong", misses=["marked"], tenant=ANOTHER, run_id=NOBODY, id=NOBODY)
@case("marked_wrong_by", finds=["marked"], tenant=ANOTHER, run_id=NOBODY, id=NOBODY)
@case(PUT, misses=["answered", "marked"])
@case(TAKE, misses=["answered"], tenant=ANOTHER, run_id=NOBODY, ns="inner:1", stages=["route"])
def an_assessment(rows: Rows, state: str) -> dict[str, Any]:
    run_id = rows.run("running")
    answered = {"taken_digest": b"w"} if state == "answered" else {}
    assessment_id = assessment(rows, run_id, **answered)
    if state == "marked":
        mark(rows, assessment_id)
    asked = {"agent": "fleet-ops", "since": "2020-01-01", "edges": [0.0, 0.5]}
    place = {"ns": "", "stages": ["classify"], "new": uuid7()}
    said = {"by": "dana", "reason": None}
    return {"tenant": TENANT, "run_id": run_id, "id": assessment_id, **asked, **place, **said}

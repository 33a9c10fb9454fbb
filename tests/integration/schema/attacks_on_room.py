"""What an agent cannot put to people once as much of it waits as may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attack import Check, Constraint, attack, attacks
from rows import POLICY, TENANT
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rows import Rows

NO_ROOM = Check(
    "approvals_room_guard", "this agent has as many calls that wait for people as it may"
)
SOME = Constraint("agents", "most_pending_is_some")


def register(rows: Rows, **columns: Any) -> None:
    """The agent of all runs, of whose calls one may wait."""
    rows.insert(
        "agents",
        **{
            "tenant_id": TENANT,
            "name": "fleet-ops",
            "fingerprint": "f1",
            "policy_digest": POLICY,
            "tools": "{}",
            "limits": "{}",
            "most_pending": 1,
            **columns,
        },
    )


@attack(NO_ROOM)
def a_call_cannot_wait_beside_as_many_as_may(rows: Rows) -> Iterator[None]:
    register(rows)
    rows.held()
    yield
    rows.held()


@attacks({"question": (NO_ROOM,), "conflict": (NO_ROOM,)})
def a_question_cannot_wait_beside_as_many_as_may(rows: Rows, kind: str) -> Iterator[None]:
    register(rows)
    rows.held(asked={"kind": kind})
    yield
    rows.held(asked={"kind": kind})


@attack(SOME)
def an_agent_cannot_be_kept_from_asking_at_all(rows: Rows) -> Iterator[None]:
    yield
    register(rows, most_pending=0, fingerprint=str(uuid7()))

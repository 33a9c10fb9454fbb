"""Histories without a violation, for tests to forge: a call that was approved, and a rollback."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from harness.checker import digest_of
from harness.evidence import Ack, Evidence
from harness.world import Effect

ARGS = '{"at":"a"}'


def call(**more: Any) -> Any:
    made = SimpleNamespace(
        id="c1",
        run_id="r1",
        key="ab",
        revision=1,
        tool="wipe",
        tool_version="1",
        args=ARGS,
        effect="irreversible",
        recovery="ask",
        state="succeeded",
        starts=1,
        approval_id="a1",
        attested_by=None,
        verified=False,
        send_before=5.0,
        finished_at=3.2,
        error=None,
        digest="",
    )
    for name, value in more.items():
        setattr(made, name, value)
    made.digest = digest_of(made, made.args)
    return made


CALL = call()
RUN = SimpleNamespace(id="r1", status="ended", exit="completed", exit_reason="")
APPROVAL = SimpleNamespace(
    id="a1",
    run_id="r1",
    call_id="c1",
    kind="call",
    state="consumed",
    digest=CALL.digest,
    undo=None,
)
DECISION = SimpleNamespace(
    approval_id="a1", reviewer="dana", kind="approve", digest=CALL.digest, at=1.0
)
STARTED = SimpleNamespace(
    event="call.started", actor="worker:w1", run_id="r1", call_id="c1", subject="c1", at=2.0
)
DOUBTED = SimpleNamespace(
    event="call.in_doubt", actor="worker:w2", run_id="r1", call_id="c1", subject="c1", at=9.0
)
EFFECT = Effect(3.0, "r1", "c1", None, "wipe", ARGS, 7)
ACK = Ack(1.1, "approve", "r1", "a1", CALL.digest, "dana")
STEP = SimpleNamespace(run_id="r1", ns="", id="s1", parent_id=None)
GOOD = Evidence(
    effects=[EFFECT],
    acks=[Ack(0.5, "created", "r1"), ACK],
    faults=[],
    runs=[RUN],
    calls=[CALL],
    approvals=[APPROVAL],
    decisions=[DECISION],
    audit=[STARTED],
    steps=[STEP],
)


def but(what: Any, **changes: Any) -> Any:
    return SimpleNamespace(**{**vars(what), **changes})


def tidied(name: str, at: float) -> tuple[Any, Effect, Any]:
    """A call that was done and undone since: itself, what it did, and its start."""
    done = call(
        id=name,
        tool="tidy",
        effect="reversible",
        state="undone",
        approval_id=None,
        args=f'{{"at":"{name}"}}',
        finished_at=at + 0.2,
        send_before=at + 3.0,
    )
    happened = Effect(at + 0.1, "r1", name, None, "tidy", done.args, 7)
    return done, happened, but(STARTED, call_id=name, subject=name, at=at)


def undo_of(name: str, position: int, **more: Any) -> Any:
    return SimpleNamespace(
        **{
            "id": f"u-{name}",
            "rollback_id": "b1",
            "call_id": name,
            "position": position,
            "effect": "reversible",
            "recovery": "ask",
            "unsure": False,
            "state": "succeeded",
            "restored": None,
            "attested_by": None,
            "error": None,
            "send_before": 30.0,
            "finished_at": 24.0,
            **more,
        }
    )


ONE, OTHER = tidied("t1", 10.0), tidied("t2", 11.0)
UNDOS = [undo_of("t2", 1), undo_of("t1", 2)]
ROLLBACK = SimpleNamespace(
    id="b1",
    run_id="r1",
    digest="00",
    state="ended",
    outcome="undone",
    approval_id=None,
    created_at=20.0,
)
TAKEN_BACK = [
    replace(OTHER[1], at=21.5, undo="u-t2"),
    replace(ONE[1], at=22.5, undo="u-t1"),
]
UNDONE_STARTS = [
    but(STARTED, event="undo.started", call_id="t2", subject="u-t2", at=21.0),
    but(STARTED, event="undo.started", call_id="t1", subject="u-t1", at=22.0),
]
UNDO_DOUBTED = but(DOUBTED, event="undo.in_doubt", call_id="t1", subject="u-t1", at=23.0)
DONE = [ONE[1], OTHER[1]]
BACK = replace(
    GOOD,
    effects=[EFFECT, *DONE, *TAKEN_BACK],
    calls=[CALL, ONE[0], OTHER[0]],
    acks=[*GOOD.acks, Ack(20.1, "rollback", "r1", digest="00", by="dana")],
    audit=[STARTED, ONE[2], OTHER[2], *UNDONE_STARTS],
    rollbacks=[ROLLBACK],
    undos=UNDOS,
)

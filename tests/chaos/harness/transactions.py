"""The engine's transactions, each told by a text that only its own statements hold."""

from __future__ import annotations

ON_THE_LANE = {
    "claim": "for update of r skip locked),\nclaimed as",
    "call": "write_call(",
    "result": "finish_call(",
    "step": "put_step(",
    "writes": "put_step_write(",
    "end": "array[end_run(",
}
"""Statements that are transactions of their own."""
OF_SEVERAL = {
    "propose": "insert into calls ",
    "decide": "insert into decisions ",
    "start": "update calls set state = 'executing'",
    "state": "insert into states_before ",
    "park": "set status = case when want >",
    "recover": "with lost as (",
    "doubt": "update calls set state = 'in_doubt'",
    "verify": "verified = true",
    "lapse": "update approvals set state = 'lapsed'",
    "create": "insert into runs ",
    "cancel": "update runs set cancel_requested_at",
    "ask_rollback": "insert into rollbacks ",
    "undo_claim": "update rollbacks r\nset state = 'running'",
    "undo_start": "update undos\nset state = 'executing'",
    "undo_result": ", restored = ",
    "undo_doubt": "update undos set state = 'in_doubt'",
    "undo_over": "update rollbacks\nset state = ",
    "undo_recover": "update rollbacks r\nset state = 'queued'",
}
"""Transactions of several statements, which a COMMIT ends."""


def kinds(text: str, known: dict[str, str]) -> list[str]:
    """The transactions of `known` that a statement with this text belongs to."""
    return [kind for kind, mark in known.items() if mark in text]

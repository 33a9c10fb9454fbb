"""What the record of a model's reply cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attack import Check, Constraint, Guard, Index, attack, attacks
from rows import TENANT
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from rows import Rows

COST = Check("replies_guard", "what a reply cost cannot change")
SAID = Check("replies_guard", "what a reply said can be forgotten, but not change")
WHOLE = Constraint("replies", "reply_is_kept_whole")
COUNTS = Constraint("replies", "reply_tokens_are_counts")
OF_A_RUN = Constraint("replies", "reply_of_a_run")
KEPT: dict[str, Any] = {"ns": "work:1", "key": bytes(32), "ordinal": 0, "content": b"said"}


def reply_of(rows: Rows, run_id: UUID | None = None, **columns: Any) -> UUID:
    """A reply of a run."""
    reply_id = uuid7()
    row = {"tenant_id": TENANT, "run_id": run_id or rows.run("running"), "id": reply_id}
    rows.insert("replies", **{**row, "model": "m", "input_tokens": 1, **columns})
    return reply_id


@attack(OF_A_RUN)
def a_reply_cannot_be_of_no_run(rows: Rows) -> Iterator[None]:
    yield
    reply_of(rows, uuid7())


@attacks(dict.fromkeys(KEPT, (WHOLE,)))
def a_reply_cannot_be_kept_in_part(rows: Rows, missing: str) -> Iterator[None]:
    run_id = rows.run("running")
    yield
    reply_of(rows, run_id, **{**KEPT, missing: None})


_TOKENS = [
    f"{kind}_tokens" for kind in ("input", "output", "cache_read", "cache_write", "reasoning")
]


@attacks(dict.fromkeys(_TOKENS, (COUNTS,)))
def a_reply_cannot_have_used_less_than_nothing(rows: Rows, column: str) -> Iterator[None]:
    run_id = rows.run("running")
    yield
    reply_of(rows, run_id, **{column: -1})


@attack(Index("replies_kept"))
def two_replies_cannot_be_the_same_one_of_a_prompt(rows: Rows) -> Iterator[None]:
    run_id = rows.run("running")
    reply_of(rows, run_id, **KEPT)
    yield
    reply_of(rows, run_id, **KEPT)


_COST: dict[str, tuple[Guard, ...]] = {
    "tenant_id": (COST, OF_A_RUN),
    **dict.fromkeys(("run_id", "id", "created_at", "model", "provider", *_TOKENS), (COST,)),
}


@attacks(_COST)
def what_a_reply_cost_cannot_change(rows: Rows, column: str) -> Iterator[None]:
    reply_id = reply_of(rows)
    other: dict[str, Any] = {
        **dict.fromkeys(_TOKENS, 7),
        **dict.fromkeys(("tenant_id", "model", "provider"), "another"),
        "run_id": rows.run("running"),
        "id": uuid7(),
        "created_at": "2020-01-01",
    }
    yield
    rows.change("replies", reply_id, **{column: other[column]})


@attacks(dict.fromkeys(KEPT, (SAID,)))
def what_a_reply_said_cannot_change(rows: Rows, column: str) -> Iterator[None]:
    reply_id = reply_of(rows, **KEPT)
    other = {"ns": "work:2", "key": b"another", "ordinal": 1, "content": b"never said"}
    yield
    rows.change("replies", reply_id, **{column: other[column]})


@attack(SAID)
def what_a_reply_said_cannot_come_after_it(rows: Rows) -> Iterator[None]:
    reply_id = reply_of(rows)
    yield
    rows.change("replies", reply_id, **KEPT)

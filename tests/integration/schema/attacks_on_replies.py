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
RESERVED = Check("replies_guard", "what was reserved for a reply cannot change")
FIRST = Check("replies_guard", "what a reply costs is reserved before it is known")
HELD = Check("replies_guard", "a model is asked by whoever holds the run")
ONCE = Check("replies_guard", "a reply is counted in a day once, when it is known what it cost")
GROWS = Check("tenant_days_guard", "what a day has used only grows")
AMOUNTS = Constraint("replies", "reply_reserves_amounts")
PRICED = Constraint("replies", "reply_is_priced")
SAID = Check("replies_guard", "what a reply said can be forgotten, but not change")
WHOLE = Constraint("replies", "reply_is_kept_whole")
COUNTS = Constraint("replies", "reply_tokens_are_counts")
OF_A_RUN = Constraint("replies", "reply_of_a_run")
KEPT: dict[str, Any] = {"ns": "work:1", "key": bytes(32), "ordinal": 0, "content": b"said"}


def asked(rows: Rows, run_id: UUID | None = None, **columns: Any) -> UUID:
    """A reply that a model was asked for, and that is not there yet."""
    reply_id: UUID = uuid7()
    run_id = run_id or rows.run("running")
    row = {
        "tenant_id": TENANT,
        "run_id": run_id,
        "id": reply_id,
        "epoch": 1,
        "day": "2026-11-27",
        "model": "m",
        "reserved_in": 10,
        "reserved_out": 5,
        "reserved_usd": "0.02",
    }
    rows.insert("replies", **{**row, **columns})
    return reply_id


def reply_of(rows: Rows, run_id: UUID | None = None, **columns: Any) -> UUID:
    """A reply of a run, with what it cost."""
    reply_id = asked(rows, run_id)
    cost = {"input_tokens": 1, "usd": "0.01", "price": "declared"}
    rows.change("replies", reply_id, **{**cost, **columns})
    return reply_id


@attack(OF_A_RUN)
def a_reply_cannot_be_of_no_run(rows: Rows) -> Iterator[None]:
    rows.without(HELD)
    yield
    asked(rows, uuid7())


@attack(FIRST)
def what_a_reply_costs_cannot_be_known_before_it(rows: Rows) -> Iterator[None]:
    yield
    asked(rows, usd=0, price="declared")


@attacks(dict.fromkeys(("waiting", "ended", "of another epoch"), (HELD,)))
def a_model_cannot_be_asked_by_one_without_the_run(rows: Rows, state: str) -> Iterator[None]:
    run_id = rows.run("running" if "another" in state else state)
    yield
    asked(rows, run_id, epoch=2 if "another" in state else 1)


@attacks(dict.fromkeys(("reserved_in", "reserved_out", "reserved_usd"), (AMOUNTS,)))
def a_reply_cannot_give_room_to_others(rows: Rows, column: str) -> Iterator[None]:
    yield
    asked(rows, **{column: -1})


@attack(Constraint("replies", "reply_costs_an_amount"))
def a_reply_cannot_cost_less_than_nothing(rows: Rows) -> Iterator[None]:
    yield
    reply_of(rows, usd=-1)


@attacks(dict.fromkeys(("usd", "price"), (PRICED,)))
def a_reply_cannot_be_priced_in_part(rows: Rows, missing: str) -> Iterator[None]:
    yield
    reply_of(rows, **{missing: None})


@attack(Constraint("replies", "reply_said_is_paid"))
def a_reply_cannot_be_kept_before_it_is_known_what_it_cost(rows: Rows) -> Iterator[None]:
    reply_id = asked(rows)
    rows.without(SAID)
    yield
    rows.change("replies", reply_id, **KEPT)


@attack(ONCE)
def what_a_reply_cost_cannot_be_counted_before_it_is_known(rows: Rows) -> Iterator[None]:
    reply_id = asked(rows)
    yield
    rows.change("replies", reply_id, is_folded=True)


@attack(ONCE)
def what_a_reply_cost_cannot_be_counted_again(rows: Rows) -> Iterator[None]:
    reply_id = reply_of(rows)
    rows.change("replies", reply_id, is_folded=True)
    yield
    rows.change("replies", reply_id, is_folded=False)


_DAY = {"usd": "1.5", "irreversible": 2, "day": "2026-11-26", "tenant_id": "another"}


@attacks(dict.fromkeys(_DAY, (GROWS,)))
def what_a_day_has_used_cannot_shrink(rows: Rows, column: str) -> Iterator[None]:
    rows.insert("tenant_days", tenant_id=TENANT, day="2026-11-27", usd=2, irreversible=3)
    yield
    rows.do(f"update tenant_days set {column} = %(value)s", value=_DAY[column])  # noqa: S608 - ours


@attacks(
    {
        name: (Constraint("tenant_limits", f"some_{name}"),)
        for name in ("usd_per_day", "irreversible_per_day")
    }
)
def a_tenant_cannot_have_a_limit_of_nothing(rows: Rows, column: str) -> Iterator[None]:
    yield
    rows.insert("tenant_limits", tenant_id=TENANT, set_by="operator:tests", **{column: 0})


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
    "tenant_id": (RESERVED, OF_A_RUN),
    **dict.fromkeys(("run_id", "id", "created_at", "epoch", "day"), (RESERVED,)),
    **dict.fromkeys(("reserved_in", "reserved_out", "reserved_usd"), (RESERVED,)),
    **dict.fromkeys(("model", "provider", "usd", "price", *_TOKENS), (COST,)),
}


@attacks(_COST)
def what_a_reply_cost_cannot_change(rows: Rows, column: str) -> Iterator[None]:
    reply_id = reply_of(rows)
    other: dict[str, Any] = {
        **dict.fromkeys((*_TOKENS, "epoch", "reserved_in", "reserved_out", "reserved_usd"), 7),
        **dict.fromkeys(("tenant_id", "model", "provider", "price"), "another"),
        "usd": 0,
        "run_id": rows.run("running"),
        "id": uuid7(),
        "day": "2020-01-01",
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

"""The plan of a rollback as a pure function, and what comes next in one."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from interlock.engine.errors import NotFound
from interlock.engine.rollback_next import Ask, Go, Over, Wait, choose
from interlock.engine.rollback_plan import Done, Offer, Plan, Scope, work_out
from interlock.tools import Undo
from interlock.tools.effect import Effect
from interlock.tools.undo import UndoTerms

RUN = UUID(int=1)
V = "0123456789abcdef"
OFFERS = {"stow": Offer(V, UndoTerms()), "ship": Offer(V, None)}


def call(number: int, tool: str = "stow", **more: Any) -> Done:
    fields: dict[str, Any] = {
        "effect": "irreversible" if tool == "ship" else "reversible",
        "state": "succeeded",
        "attested_by": None,
        "undo_error": None,
        "undo_state": None,
        "restored": None,
    }
    return Done(UUID(int=number), tool, V, **{**fields, **more})


def plan(*calls: Done, live: Any = None, **scope: Any) -> Plan:
    return work_out(RUN, "depot", Scope(**scope), calls, [OFFERS] if live is None else live)


def test_the_digest_is_that_of_the_canonical_plan() -> None:
    made = plan(call(2), call(1))
    assert json.loads(made.data) == made.as_json()
    assert made.digest == hashlib.sha256(made.data).digest()


@pytest.mark.parametrize(
    "other",
    [
        plan(call(2)),
        plan(call(1), call(2)),
        plan(call(2), call(1), skip=frozenset({UUID(int=1)})),
        plan(call(2), call(1, "ship")),
        plan(call(2), call(1, undo_state="failed", undo_error="no")),
        plan(call(2), call(1), live=[]),
        plan(call(2), call(1), live=[{**OFFERS, "stow": Offer(V, UndoTerms(idempotent=True))}]),
    ],
)
def test_whatever_differs_for_a_person_differs_in_the_digest(other: Plan) -> None:
    assert other.digest != plan(call(2), call(1)).digest


@pytest.mark.parametrize(
    ("done", "why"),
    [
        (call(1, "ship"), "does not come back"),
        (call(1, state="abandoned"), "given up in doubt"),
        (call(1, state="in_doubt"), "cannot cope with that"),
        (call(1, state="executing"), "cannot cope with that"),
        (call(1, attested_by="dana"), "dana attested"),
        (call(1, state="undoing"), "being undone"),
        (call(1, state="undo_failed", undo_state="abandoned"), "Its undo was given up"),
        (call(1, state="undo_failed", undo_state="failed", restored=False), "left its target"),
        (replace(call(1), tool_version="f" * 16), "changed since"),
        (call(1, "unknown"), "No worker that is up has its tool"),
    ],
)
def test_each_reason_to_stay_has_its_sentence(done: Done, why: str) -> None:
    made = plan(done)
    assert made.undos == ()
    assert why in made.staying[0].why


def test_reads_and_what_is_undone_are_no_part_of_it() -> None:
    made = plan(call(3, state="undone"), call(2, effect="read"), call(1))
    assert ([undo.call_id.int for undo in made.undos], made.staying, made.reads) == ([1], (), 1)


@pytest.mark.parametrize(
    ("calls", "terms", "needs"),
    [
        ([call(1)], UndoTerms(), False),
        ([call(1)], UndoTerms(idempotent=True, takes_doubt=True), False),
        ([call(1)], UndoTerms(effect=Effect.IRREVERSIBLE), True),
        ([call(1, state="in_doubt")], UndoTerms(takes_doubt=True), True),
        ([call(1, attested_by="dana")], UndoTerms(takes_doubt=True), True),
        ([call(2), call(1, state="in_doubt")], UndoTerms(), True),
        ([call(2), call(1, "ship")], UndoTerms(), False),
    ],
)
def test_it_needs_an_approval_where_something_may_do_harm(
    calls: list[Done],
    terms: UndoTerms,
    needs: bool,  # noqa: FBT001
) -> None:
    made = plan(*calls, live=[{**OFFERS, "stow": Offer(V, terms)}])
    assert made.needs_approval is needs


def test_the_live_version_that_undoes_most_is_chosen() -> None:
    poor = {"stow": Offer("f" * 16, UndoTerms())}
    assert len(plan(call(2), call(1), live=[poor, OFFERS]).undos) == 2
    assert plan(call(1), live=[poor, OFFERS]).needs == [f"depot/stow@{V}"]


def test_a_scope_cuts_and_comes_back_from_the_plan() -> None:
    scope = Scope(UUID(int=1), frozenset({UUID(int=3)}))
    made = work_out(RUN, "depot", scope, [call(3), call(2), call(1)], [OFFERS])
    assert [undo.call_id.int for undo in made.undos] == [2]
    assert Scope.from_json(json.loads(made.data)) == scope
    with pytest.raises(NotFound):
        plan(call(1), to=UUID(int=9))


# What comes next ----------------------------------------


def undo(state: str, **more: Any) -> Any:
    fields = {"state": state, "recovery": "ask", "starts": 1, "tool": "stow", "error": "no"}
    return SimpleNamespace(**{**fields, **more})


@pytest.mark.parametrize(
    ("states", "kind"),
    [
        (["allowed", "allowed"], Go),
        (["succeeded", "allowed"], Go),
        (["succeeded", "executing", "allowed"], Ask),
        (["in_doubt", "allowed"], Wait),
        (["failed", "allowed"], Over),
        (["succeeded", "abandoned", "allowed"], Over),
        (["succeeded", "succeeded"], Over),
    ],
)
def test_no_undo_is_passed_over(states: list[str], kind: type) -> None:
    assert isinstance(choose([undo(state) for state in states]), kind)


def test_one_that_may_run_again_does_but_not_for_ever() -> None:
    again = undo("executing", recovery="same_key", starts=9)
    assert choose([again]) == Go(again)
    tired = undo("executing", recovery="same_key", starts=10)
    assert choose([tired]) == Ask(tired)


def test_it_says_how_far_it_came() -> None:
    over = choose([undo("succeeded"), undo("failed"), undo("allowed")])
    assert over == Over("partial", "1 of 3 calls are undone. The undo of stow came to nothing: no")
    assert choose([undo("succeeded")]) == Over("undone", "1 of 1 calls are undone.")


# Declarations ----------------------------------------


def test_an_undo_is_told_of_doubt_if_it_takes_that() -> None:
    told: list[Any] = []
    Undo(lambda args, result: told.append((args, result))).call({"a": 1}, 2, in_doubt=True)
    Undo(lambda args, result, in_doubt: told.append((args, result, in_doubt))).call(
        {"a": 1}, 2, in_doubt=True
    )
    assert told == [({"a": 1}, 2), ({"a": 1}, 2, True)]


@pytest.mark.parametrize("effect", ["read", "maybe", ""])
def test_an_undo_has_an_effect(effect: str) -> None:
    with pytest.raises(ValueError, match="reversible or irreversible"):
        Undo(print, effect=effect)


def test_another_undo_is_another_version_of_the_tool() -> None:
    from interlock import tool  # noqa: PLC0415

    def versions(*undos: Any) -> set[str]:
        found = set()
        for each in undos:

            @tool(effect="reversible", undo=each)
            def stow(box: str) -> str:
                """Put a box on the shelf."""
                return box

            found.add(stow.spec.version)
        return found

    def plain(args: Any, result: Any) -> None: ...
    def doubtful(args: Any, result: Any, in_doubt: bool) -> None: ...  # noqa: FBT001

    assert len(versions(plain, Undo(plain))) == 1
    kinds = (plain, doubtful, Undo(plain, idempotent=True), Undo(plain, effect="irreversible"))
    assert len(versions(*kinds)) == 4

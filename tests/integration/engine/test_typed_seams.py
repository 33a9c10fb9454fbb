"""A declared result is validated before anybody goes on from it, and the effect is recorded."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from interlock import Agent, gate, tool
from interlock.tools import Happened, ToolDeclarationError
from langchain_core.tools import StructuredTool
from pydantic import BaseModel

sys.path.insert(0, str(Path(__file__).parent))
from graphs import ask, one_node

if TYPE_CHECKING:
    from conftest import Lab


class Booking(BaseModel):
    """What a booking is on both sides."""

    booking_id: str
    amount_cents: int


def finder(lab: Lab, result: Any, effect: str = "read") -> Any:
    """A tool that declares a booking."""

    @tool(effect=effect, returns=Booking)
    def find(name: str) -> Any:
        """Find a booking."""
        lab.effects.append(name)
        return result

    return find


def said(lab: Lab, find: Any) -> Any:
    """What a graph gets of it."""

    async def work(_: Any) -> dict[str, Any]:
        message = await find.ainvoke(ask("find", {"name": "b"}, "c1"))
        return {"said": [message.status, message.content]}

    agent = Agent("a", graph=one_node(work), tools=[find])
    lab.work(agent)
    run_id = lab.start(agent)
    if find.spec.declared == "irreversible":
        lab.decide(lab.pending(run_id)[0])
    assert lab.ended(run_id)["exit"] == "completed"
    return lab.run(run_id)["output"]["said"], lab.calls(run_id)[0]


@pytest.mark.parametrize("effect", ["read", "irreversible"])
def test_a_result_that_does_not_fit_is_an_error_that_names_both_sides(
    lab: Lab, effect: str
) -> None:
    (status, text), call = said(lab, finder(lab, {"id": "B-1", "amount": "12.00"}, effect))
    assert status == "error"
    assert text.startswith(
        "find declares Booking and gave {'id': 'B-1', 'amount': '12.00'}: booking_id: Field req"
    )
    assert call["state"] == "succeeded"
    assert bytes(call["result"]) == b'{"id": "B-1", "amount": "12.00"}'
    assert lab.effects == ["b"]


@pytest.mark.parametrize(
    "result",
    [
        {"booking_id": "B-1", "amount_cents": "1200"},
        Booking(booking_id="B-1", amount_cents=1200),
    ],
)
def test_a_result_that_fits_is_stored_as_the_type_has_it(lab: Lab, result: Any) -> None:
    (status, text), call = said(lab, finder(lab, result))
    assert (status, text) == ("success", '{"booking_id": "B-1", "amount_cents": 1200}')
    assert call["result_type"] == "json"


def test_a_result_from_the_journal_is_held_to_its_type_as_well(lab: Lab) -> None:
    find = finder(lab, {"id": "B-1"})
    heard: list[tuple[str, str]] = []

    @tool(effect="irreversible")
    def refund(booking_id: str) -> str:
        """Refund a booking."""
        lab.effects.append(f"refunded {booking_id}")
        return booking_id

    async def work(_: Any) -> dict[str, Any]:
        message = await find.ainvoke(ask("find", {"name": "b"}, "c1"))
        heard.append((message.status, message.content))
        await refund.ainvoke(ask("refund", {"booking_id": "B-1"}, "c2"))
        return {}

    agent = Agent("a", graph=one_node(work), tools=[find, refund])
    lab.work(agent)
    run_id = lab.start(agent)
    lab.decide(lab.pending(run_id)[0])
    assert lab.ended(run_id)["exit"] == "completed"
    assert lab.effects == ["b", "refunded B-1"]
    assert len(heard) == 2
    assert heard[0] == heard[1]
    assert heard[1][0] == "error"
    assert heard[1][1].startswith("find declares Booking and gave {'id': 'B-1'}: booking_id: Fie")


@pytest.mark.parametrize(
    ("found", "status", "says"),
    [
        (
            Booking(booking_id="B-1", amount_cents=1200),
            "success",
            '{"booking_id": "B-1", "amount_cents": 1200}',
        ),
        ({"id": "B-1"}, "error", "find declares Booking and gave {'id': 'B-1'}: booking_id: Field"),
    ],
)
def test_what_verify_found_is_held_to_the_type_as_well(
    lab: Lab, found: Any, status: str, says: str
) -> None:
    @tool(effect="irreversible", returns=Booking, verify=lambda **_: Happened(found))
    def find(name: str) -> Any:
        """Book it."""
        lab.effects.append(name)
        raise TimeoutError("no answer")

    (heard, text), call = said(lab, find)
    assert (heard, text.startswith(says)) == (status, True)
    assert call["state"] == "succeeded"
    assert lab.effects == ["b"]


def test_a_tool_with_an_artifact_declares_no_result() -> None:
    inner = StructuredTool.from_function(
        lambda name: (name, name), name="find", description="d",
        response_format="content_and_artifact",
    )  # fmt: skip
    with pytest.raises(ToolDeclarationError, match="artifact"):
        gate(inner, effect="read", returns=str)


def test_another_result_is_another_tool(lab: Lab) -> None:
    @tool(effect="read")
    def find(name: str) -> Any:
        """Find a booking."""

    assert finder(lab, None).spec.version != find.spec.version

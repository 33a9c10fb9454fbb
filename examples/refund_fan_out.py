"""Three agents look at a refund at once; a majority decides, and fraud can veto.

    interlock run refund_fan_out.py:agent --input '{"input": {"booking": "RB-1", "cents": 16400}}'

Where they disagree a person sees every opinion side by side, and the surest of them counts no more
than the others. The payment itself is held for a person as any irreversible call. With
EXAMPLE_MODEL=provider:name real models give the opinions, else a script does.
"""

from __future__ import annotations

import json
import os
from typing import Any, Literal

from interlock import FREE, Agent, Assessment, Limits, fan_out, tool
from interlock.engine.patterns import majority, veto
from interlock.engine.patterns.parallel import FanOutState  # noqa: TC002 - LangGraph reads it
from interlock.examples.models import SCRIPTED, Scripted, choose
from langchain_core.messages import AIMessage, BaseMessage
from langgraph.graph import END, StateGraph
from pydantic import BaseModel

Verdict = Literal["refund", "hold"]
PAID: list[str] = []
LARGE = 20_000


class Opinion(BaseModel):
    """What a model says of a claim."""

    verdict: Verdict
    confidence: float
    evidence: list[str]


def look(messages: list[BaseMessage]) -> AIMessage:
    """The script: a large claim makes fraud and policy differ, fraud being the least sure."""
    text = messages[-1].text
    claim = json.loads(text[text.index('{"booking') :])
    is_large = claim["cents"] > LARGE
    says: dict[str, tuple[Verdict, float, str]] = {
        "fraud": ("hold" if is_large else "refund", 0.55, "third claim this month"),
        "policy": ("refund", 0.98, "the waiver covers it"),
        "history": ("refund", 0.81, "a customer for nine years"),
    }
    verdict, confidence, evidence = next(says[role] for role in says if role in text)
    said = {"verdict": verdict, "confidence": confidence, "evidence": [evidence]}
    return AIMessage(json.dumps(said))


MODEL = choose(os.environ.get("EXAMPLE_MODEL"), Scripted(play=look))


async def _ask(role: str, claim: dict[str, Any]) -> Assessment[Verdict]:
    schema = Opinion.model_json_schema()
    question = (
        f"You look at refunds for {role}. Answer with JSON of this schema: {schema}\n\n"
        f"The claim: {json.dumps(claim)}"
    )
    said = Opinion.model_validate_json((await MODEL.ainvoke(question)).text)
    return Assessment(said.verdict, said.confidence, said.evidence)


async def fraud(claim: dict[str, Any]) -> Assessment[Verdict]:
    """Whether it looks made up."""
    return await _ask("fraud", claim)


async def policy(claim: dict[str, Any]) -> Assessment[Verdict]:
    """Whether the terms cover it."""
    return await _ask("policy", claim)


async def history(claim: dict[str, Any]) -> Assessment[Verdict]:
    """What the customer has been like."""
    return await _ask("history", claim)


@tool(
    effect="irreversible", headline=lambda booking, cents: f"Refund {cents / 100:.2f} to {booking}"
)
def refund(booking: str, cents: int) -> str:
    """Pay a booking back."""
    PAID.append(booking)
    return f"paid {cents} to {booking}"


async def pay(state: FanOutState) -> dict[str, Any]:
    """Pay, if that is what was decided."""
    if state["value"] != "refund":
        return {"value": "held"}
    return {"value": await refund.ainvoke(state["input"])}


def build() -> StateGraph[Any, Any, Any, Any]:
    """The fan-out, with the payment after it."""
    graph = fan_out(
        fraud, policy, history, rule=veto("fraud", rule=majority(quorum=3)),
        question="Refund or hold?",
    )  # fmt: skip
    graph.add_node("pay", pay)
    graph.add_conditional_edges(
        "aggregate", lambda state: END if state["conflict"] else "pay", ["pay", END]
    )
    graph.add_edge("ask_person", "pay")
    graph.add_edge("pay", END)
    return graph


agent = Agent(
    "refunds",
    graph=build,
    tools=[refund],
    limits=Limits(steps=20, calls=10),
    prices={SCRIPTED: FREE},
)

"""A support desk as a chain: say what a ticket is, check that, file it.

    interlock run support_chain.py:agent --input '{"input": "We see logins from abroad."}'

The second stage refuses a label that the ticket's own words contradict, and a person says what it
is. With EXAMPLE_MODEL=provider:name a real model reads the ticket, else a script does.
"""

from __future__ import annotations

import json
import os
from typing import Any, Literal

from interlock import FREE, Agent, Assessment, Limits, chain, tool
from interlock.engine.patterns import Refused
from interlock.examples.models import SCRIPTED, Scripted, choose
from langchain_core.messages import AIMessage, BaseMessage
from pydantic import BaseModel

Kind = Literal["security incident", "bug", "feature request"]
ALARMS = ("login", "breach", "password", "leak", "stolen")
FILED: dict[str, str] = {}


class Label(BaseModel):
    """What the model says a ticket is."""

    kind: Kind
    confidence: float
    because: str


def read_ticket(messages: list[BaseMessage]) -> AIMessage:
    """The script: polite tickets are feature requests, which is how the wrong ones got through."""
    ticket = messages[-1].text.lower()
    polite = "could you" in ticket
    kind = "feature request" if polite else "security incident" if "login" in ticket else "bug"
    label = {"kind": kind, "confidence": 0.93 if polite else 0.88, "because": f"reads as a {kind}"}
    return AIMessage(json.dumps(label))


MODEL = choose(os.environ.get("EXAMPLE_MODEL"), Scripted(play=read_ticket))


async def classify(ticket: str) -> Assessment[Kind]:
    """What the ticket is, as the model reads it."""
    question = (
        f"Answer with JSON of this schema: {Label.model_json_schema()}\n\nThe ticket: {ticket}"
    )
    said = Label.model_validate_json((await MODEL.ainvoke(question)).text)
    return Assessment(said.kind, said.confidence, [said.because])


def check(kind: Kind, ticket: str) -> Assessment[Kind] | Refused:
    """Refuse a label that the ticket itself contradicts."""
    words = [word for word in ALARMS if word in ticket.lower()]
    if words and kind != "security incident":
        return Refused(f"The ticket speaks of “{words[0]}”, which is no {kind}.")
    return Assessment(kind, 1.0, [f"names {words[0]}" if words else "names nothing alarming"])


def take_back(args: dict[str, Any], _: Any) -> None:
    """Take a ticket out of its queue again."""
    FILED.pop(args["ticket"], None)


@tool(effect="reversible", undo=take_back)
def file_ticket(ticket: str, queue: str) -> str:
    """Put a ticket into a queue."""
    FILED[ticket] = queue
    return queue


async def file(kind: Kind, ticket: str) -> Assessment[str]:
    """File it where it belongs."""
    return Assessment(await file_ticket.ainvoke({"ticket": ticket, "queue": kind}), 1.0)


agent = Agent(
    "support-desk",
    graph=lambda: chain(classify, check, file, min_confidence=0.8),
    tools=[file_ticket],
    limits=Limits(steps=20, calls=10),
    prices={SCRIPTED: FREE},
)

"""The default policy, and a large one, asked about calls."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ....policies.evaluator import Policy, Principal, Request, ToolShape, default_policy_text
from ....tools.decorator import tool
from ..workload import TOOL, body
from .contender import Contender
from .work import TENANT

if TYPE_CHECKING:
    from ....tools import ToolSpec

AGENT = "loop"
TOOLS = 50
NUMBERS = (5, 500, 5000)
"""One that is allowed, one that is held, one that nothing permits."""

# Two of a hundred policies. They look at an argument, so that no verdict is remembered.
_PAIR = """
@id("small-{tool}") permit (principal, action == AgentCore::Action::"loop___{tool}", resource)
when {{ context.effect == "read" && context.input.number < 100 }};
@id("large-{tool}") @outcome("review") @reviewers("on-call")
permit (principal, action == AgentCore::Action::"loop___{tool}", resource)
when {{ context.effect == "read" && context.input.number < 1000 }};
"""


class DefaultPolicy(Contender):
    """Needs no database: a decision is pure."""

    names: tuple[str, ...] = (TOOL,)

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.specs = [tool(name=name, effect="read")(body(size=1)).spec for name in self.names]
        shapes = [ToolShape(spec.name, spec.schema) for spec in self.specs]
        self.policy = Policy.load(self.text(), AGENT, shapes)

    def text(self) -> str:
        """The policies."""
        return default_policy_text()

    def verdicts(self, *, count: int) -> list[float]:
        """Each with arguments of its own."""
        return [self._verdict(number) for number in range(count)]

    def _verdict(self, number: int) -> float:
        request = request_for(self.specs[-1], number)
        began = time.perf_counter()
        self.policy.decide(request)
        return (time.perf_counter() - began) * 1e6


def request_for(spec: ToolSpec, number: int) -> Request:
    """A call of this tool with that number, made now."""
    args = {"number": number}
    return Request(
        tool=spec.name,
        args=args,
        classification=spec.classify(args),
        now=datetime.now(UTC),
        principal=Principal(agent=AGENT, tenant=TENANT),
    )


class HundredPolicies(DefaultPolicy):
    """A hundred policies over fifty tools, and each of the three outcomes in turn."""

    names = tuple(f"{TOOL}_{number}" for number in range(TOOLS))

    def text(self) -> str:
        """Two policies for each tool."""
        return "".join(_PAIR.format(tool=name) for name in self.names)

    def verdicts(self, *, count: int) -> list[float]:
        """As many of each outcome."""
        return [self._verdict(NUMBERS[number % len(NUMBERS)]) for number in range(count)]

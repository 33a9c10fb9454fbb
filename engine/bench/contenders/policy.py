"""The default policy, and a large one, asked about calls."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from ....policies.evaluator import Policy, Principal, Request, ToolShape, default_policy_text
from ....tools.decorator import tool
from ..workload import TOOL, body
from .contender import Contender

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
        specs = [tool(name=name, effect="read")(body(size=1)).spec for name in self.names]
        self._spec = specs[-1]
        shapes = [ToolShape(spec.name, spec.schema) for spec in specs]
        self._policy = Policy.load(self.text(), AGENT, shapes)

    def text(self) -> str:
        """The policies."""
        return default_policy_text()

    def verdicts(self, *, count: int) -> list[float]:
        """Each with arguments of its own."""
        return [self._verdict(number) for number in range(count)]

    def _verdict(self, number: int) -> float:
        args = {"number": number}
        request = Request(
            tool=self._spec.name,
            args=args,
            classification=self._spec.classify(args),
            now=datetime.now(UTC),
            principal=Principal(agent=AGENT, tenant="default"),
        )
        began = time.perf_counter()
        self._policy.decide(request)
        return (time.perf_counter() - began) * 1e6


class HundredPolicies(DefaultPolicy):
    """A hundred policies over fifty tools, and each of the three outcomes in turn."""

    names = tuple(f"{TOOL}_{number}" for number in range(TOOLS))

    def text(self) -> str:
        """Two policies for each tool."""
        return "".join(_PAIR.format(tool=name) for name in self.names)

    def verdicts(self, *, count: int) -> list[float]:
        """As many of each outcome."""
        return [self._verdict(NUMBERS[number % len(NUMBERS)]) for number in range(count)]

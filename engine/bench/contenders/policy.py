"""The default policy, asked about a call that reads."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from ....policies.evaluator import Policy, Principal, Request, ToolShape, default_policy_text
from ....tools.decorator import tool
from ..workload import TOOL, body
from .contender import Contender

AGENT = "loop"


class DefaultPolicy(Contender):
    """Needs no database: a decision is pure."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._spec = tool(name=TOOL, effect="read")(body(size=1)).spec
        shape = ToolShape(self._spec.name, self._spec.schema)
        self._policy = Policy.load(default_policy_text(), AGENT, [shape])

    def verdicts(self, *, count: int) -> list[float]:
        """Each with arguments of its own."""
        return [self._verdict(number) for number in range(count)]

    def _verdict(self, number: int) -> float:
        args = {"number": number}
        request = Request(
            tool=TOOL,
            args=args,
            classification=self._spec.classify(args),
            now=datetime.now(UTC),
            principal=Principal(agent=AGENT, tenant="default"),
        )
        began = time.perf_counter()
        self._policy.decide(request)
        return (time.perf_counter() - began) * 1e6

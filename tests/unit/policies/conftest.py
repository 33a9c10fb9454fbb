"""One agent, `shop`, whose tools have arguments of every kind that policy can and cannot see."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from interlock.policies.evaluator import (
    Policy,
    Principal,
    Request,
    ToolShape,
    default_policy_text,
)
from interlock.tools.effect import Classification, Effect, Source

if TYPE_CHECKING:
    from collections.abc import Callable

PAY = ToolShape(
    "pay",
    {
        "type": "object",
        "properties": {
            "amount": {"type": "number"},
            "currency": {"enum": ["EUR", "USD"]},
            "count": {"type": "integer"},
            "memo": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
            "limit": {"type": "integer", "default": 100},
            "tags": {"type": "array", "items": {"type": "string"}},
            "to": {
                "type": "object",
                "properties": {"iban": {"type": "string"}, "extra": {"type": "object"}},
                "required": ["iban"],
            },
            "body": {"type": "object"},
        },
        "required": ["amount", "currency"],
    },
)
FIND = ToolShape("find", {"type": "object", "properties": {"name": {"type": "string"}}})


@pytest.fixture
def load() -> Callable[[str], Policy]:
    return lambda text: Policy.load(text, "shop", [PAY, FIND])


@pytest.fixture
def default(load: Callable[[str], Policy]) -> Policy:
    return load(default_policy_text())


@pytest.fixture
def call() -> Callable[..., Request]:
    def build(
        effect: Effect = Effect.READ,
        *,
        tool: str = "pay",
        now: datetime = datetime(2026, 11, 20, 10, tzinfo=UTC),
        principal: Principal | None = None,
        source: Source = Source.DECLARED,
        egress: tuple[str, ...] = (),
        **args: Any,
    ) -> Request:
        given = {"amount": 10.5, "currency": "EUR"} if tool == "pay" else {}
        return Request(
            tool,
            {**given, **args},
            Classification(effect, source, "declared", egress=egress),
            now,
            principal or Principal("shop", "acme", {"role": "payer"}),
        )

    return build

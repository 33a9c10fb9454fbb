"""What replies cost: as declared, as listed, at the ceiling, or nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from interlock import FREE, Price
from interlock.engine.errors import UsageError
from interlock.engine.prices import CEILING, Prices
from interlock.engine.reply import Cost, cost_of
from langchain_core.messages import AIMessage

LISTED = Prices({}, CEILING)
MILLION = 1_000_000


def said(model: str, provider: str, **usage: Any) -> Cost:
    """What a provider's reply says of itself, by way of LangChain."""
    about = {"model_name": model, "model_provider": provider}
    message = AIMessage("", usage_metadata={"total_tokens": 0, **usage}, response_metadata=about)
    return cost_of([message], {})


# Input tokens hold those of the cache, and output tokens those of the reasoning. By hand, with the
# prices of the list for a million: 2.50 in, 1.25 cached, 10 out; 3 in, 0.30 read, 3.75 and 6 to
# write, 15 out; 1.10 in, 4.40 out; 0.30 in, 2.50 out.
RECORDED: list[tuple[Cost, str]] = [
    (
        said("gpt-4o-2024-08-06", "openai", input_tokens=1200, output_tokens=300),
        "0.006",  # 1200 x 2.50 + 300 x 10
    ),
    (
        said(
            "gpt-4o-2024-08-06",
            "openai",
            input_tokens=10_000,
            output_tokens=500,
            input_token_details={"cache_read": 8_000},
        ),
        "0.02",  # 2000 x 2.50 + 8000 x 1.25 + 500 x 10
    ),
    (
        said(
            "claude-sonnet-4-5-20250929",
            "anthropic",
            input_tokens=21_000,
            output_tokens=1_000,
            input_token_details={
                "cache_read": 10_000,
                "cache_creation": 0,
                "ephemeral_5m_input_tokens": 8_000,
                "ephemeral_1h_input_tokens": 2_000,
            },
        ),
        "0.063",  # 1000 x 3 + 10000 x 0.30 + 8000 x 3.75 + 2000 x 6 + 1000 x 15
    ),
    (
        said(
            "o3-mini",
            "openai",
            input_tokens=2_000,
            output_tokens=5_000,
            output_token_details={"reasoning": 4_500},
        ),
        "0.0242",  # 2000 x 1.10 + 5000 x 4.40
    ),
    (
        said("gemini-2.5-flash", "google_genai", input_tokens=4_000, output_tokens=600),
        "0.0027",  # 4000 x 0.30 + 600 x 2.50
    ),
]


@pytest.mark.parametrize(("cost", "usd"), RECORDED)
def test_a_recorded_reply_costs_what_the_list_says_by_hand(cost: Cost, usd: str) -> None:
    priced = LISTED.priced(cost, "asked for")
    assert priced.usd == Decimal(usd)
    assert (priced.price or "").startswith("genai-prices 0.")


def test_recorded_replies_together_cost_the_sum_by_hand_to_the_cent() -> None:
    total = sum((LISTED.priced(cost, "x").usd or 0 for cost, _ in RECORDED), Decimal(0))
    assert total == Decimal("0.1159")


USED = Cost("m-2026", "maker", 1_000, 100, cache_read_tokens=400, cache_write_tokens=200)
DECLARED = Price(2, 10, cache_read=0.5, cache_write=4)


@pytest.mark.parametrize(
    ("declared", "usd", "price"),
    [
        # 400 x 2 + 400 x 0.50 + 200 x 4 + 100 x 10
        ({"m": DECLARED}, "0.0028", "declared"),
        ({"m-2026": DECLARED}, "0.0028", "declared"),
        ({"m": Price(2, 10)}, "0.003", "declared"),
        ({"m": FREE}, "0", "declared"),
        # 1000 x 15 + 100 x 75
        ({"another": FREE}, "0.0225", "unknown"),
    ],
)
def test_a_declared_price_counts_before_any_other(
    declared: dict[str, Price], usd: str, price: str
) -> None:
    priced = Prices(declared, CEILING).priced(USED, "m")
    assert (priced.usd, priced.price) == (Decimal(usd), price)


def test_a_declared_price_counts_before_the_list() -> None:
    cost = Cost("gpt-4o", "openai", MILLION, 0)
    assert LISTED.priced(cost, "gpt-4o").usd == Decimal("2.5")
    assert Prices({"gpt-4o": Price(1, 1)}, CEILING).priced(cost, "gpt-4o").usd == 1


def test_a_model_of_a_provider_that_is_not_listed_is_unknown_whatever_its_name() -> None:
    priced = LISTED.priced(Cost("gpt-4o", "our own server", MILLION, 0), "gpt-4o")
    assert (priced.usd, priced.price) == (15, "unknown")


def test_the_ceiling_is_the_agents() -> None:
    assert Prices({}, Price(1, 0)).priced(Cost("m", None, MILLION, 7), "m").usd == 1


def test_a_reply_of_langchain_s_cache_costs_nothing_whatever_its_model() -> None:
    usage: Any = {"input_tokens": 9, "output_tokens": 9, "total_tokens": 18, "total_cost": 0}
    priced = LISTED.priced(cost_of([AIMessage("", usage_metadata=usage)], {}), "gpt-4o")
    assert (priced.usd, priced.price) == (0, "cache")


@pytest.mark.parametrize(
    ("model", "provider", "usd"),
    # all of the prompt may be written to the cache, where that costs more
    [("claude-sonnet-4-5", "anthropic", "0.0525"), ("gpt-4o", "openai", "0.035")],
)
def test_the_most_that_a_call_could_cost(model: str, provider: str, usd: str) -> None:
    assert LISTED.most(Cost(model, provider, 10_000, 1_000), model).usd == Decimal(usd)


def test_less_than_a_billionth_of_a_dollar_is_no_less_than_one() -> None:
    priced = Prices({"m": Price(0.0001, 0)}, CEILING).priced(Cost("m", None, 1, 0), "m")
    assert priced.usd == Decimal("0.000000001")


@pytest.mark.parametrize("usd", [-1, float("nan"), float("inf")])
@pytest.mark.parametrize("kind", ["input", "output", "cache_read", "cache_write"])
def test_what_is_no_price_is_refused(kind: str, usd: float) -> None:
    with pytest.raises(UsageError, match="A price is a number of USD from 0 up"):
        Price(**{"input": 1, "output": 1, kind: usd})

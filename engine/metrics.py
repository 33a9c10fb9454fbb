"""What Prometheus is told of one tenant: counted in the database at each look.

Labels have few values each: agents, models, effects, states; never a run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST as CONTENT_TYPE
from prometheus_client.registry import Collector

from .database import execute
from .trips import trips

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prometheus_client.metrics_core import Metric
    from sqlalchemy import Connection, Row

__all__ = ["CONTENT_TYPE", "exposition"]


def exposition(conn: Connection, *, tenant: str) -> bytes:
    """The tenant's figures in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Figures(conn, tenant))
    return generate_latest(registry)


class _Figures(Collector):
    def __init__(self, conn: Connection, tenant: str) -> None:
        self._conn = conn
        self._tenant = tenant

    def describe(self) -> Sequence[Metric]:
        """Nothing: so that the database is asked once, when the figures are wanted."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The families, one after the other."""
        yield from self._runs()
        yield from self._calls()
        yield from self._approvals()
        yield from self._replies()
        yield self._breakers()

    def _rows(self, statement: str) -> Sequence[Row[Any]]:
        return execute(self._conn, statement, tenant=self._tenant).all()

    def _runs(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(
            "interlock_runs", "Runs, by how they ended or what they do.", labels=("agent", "state")
        )
        for row in self._rows("count_runs"):
            family.add_metric((row.agent, row.state), row.n)
        yield family

    def _calls(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(
            "interlock_calls", "Calls, by effect and state.", labels=("effect", "state")
        )
        for row in self._rows("count_call_states"):
            family.add_metric((row.effect, row.state), row.n)
        yield family

    def _approvals(self) -> Iterator[Metric]:
        waiting = GaugeMetricFamily(
            "interlock_approvals_pending", "Approvals that wait for a person.", labels=("kind",)
        )
        oldest = GaugeMetricFamily(
            "interlock_approvals_oldest_seconds", "For how long the first waits.", labels=("kind",)
        )
        for row in self._rows("count_approvals"):
            waiting.add_metric((row.kind,), row.n)
            oldest.add_metric((row.kind,), float(row.seconds))
        yield from (waiting, oldest)

    def _breakers(self) -> Metric:
        family = GaugeMetricFamily(
            "interlock_breaker_tripped",
            "Tripped circuit breakers; that of the tenant has no agent.",
            labels=("agent",),
        )
        for trip in trips(self._conn, tenant=self._tenant, only_open=True):
            family.add_metric((trip.agent or "",), 1)
        return family

    def _replies(self) -> Iterator[Metric]:
        of = ("agent", "model")
        replies = CounterMetricFamily("interlock_replies", "Model calls made.", labels=of)
        unknown = CounterMetricFamily(
            "interlock_replies_unknown_price", "Those that count at the ceiling.", labels=of
        )
        tokens = CounterMetricFamily(
            "interlock_tokens", "Tokens of model calls.", labels=(*of, "direction")
        )
        usd = CounterMetricFamily("interlock_cost_usd", "USD of model calls.", labels=of)
        for row in self._rows("count_replies"):
            labels = (row.agent, row.model or "")
            replies.add_metric(labels, row.n)
            unknown.add_metric(labels, row.unknown)
            tokens.add_metric((*labels, "in"), row.tokens_in)
            tokens.add_metric((*labels, "out"), row.tokens_out)
            usd.add_metric(labels, float(row.usd))
        yield from (replies, unknown, tokens, usd)

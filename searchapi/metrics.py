"""searchapi's metrics, all of them. Labels come from closed sets, never from a question.

With several workers each writes its own files (searchapi/workers.py) and whichever is scraped adds all up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from searchapi import workers
from searchapi.state import Snapshot

# Fine below 100 ms, where the desk lives; a deadline ends all at 5 s.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
# Redis answers in 0.1 ms, or not within its 50 ms.
_CACHE_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1)


class Metrics:
    """One process's metrics, in a registry of their own; `newest` tells what is known of the index, None before anything is."""

    def __init__(self, newest: Callable[[], Snapshot | None] = lambda: None) -> None:
        self.registry = CollectorRegistry()
        self._facts = _IndexFacts(newest)
        self.registry.register(self._facts)
        with workers.opening():
            self._declare()

    def _declare(self) -> None:
        """Makes each metric, and what it can tell at 0 where that is known before anything happened: its files stand from here on."""
        self.seconds = Histogram(
            "searchapi_request_seconds", "time to answer a request, by route and status", ["route", "status"],
            registry=self.registry, buckets=_SECONDS,
        )  # fmt: skip
        self.cache = Counter(
            "searchapi_cache_total", "answers by where they came from: hit, stale, shared, miss", ["outcome"], registry=self.registry
        )
        self.warmed = Counter("searchapi_warmed_total", "popular answers made after a change of the index", registry=self.registry)
        self.answers_in_flight = Gauge(
            "searchapi_answers_in_flight", "answers that are being made now", registry=self.registry, multiprocess_mode="livesum"
        )
        self.engine = Histogram(
            "searchapi_engine_seconds",
            "time of a request to OpenSearch, by what for (request, upkeep) and outcome (answered, refused, away)",
            ["purpose", "outcome"], registry=self.registry, buckets=_SECONDS,
        )  # fmt: skip
        self.cache_seconds = Histogram(
            "searchapi_cache_seconds", "time of a command to Redis, by outcome: answered, away", ["outcome"],
            registry=self.registry, buckets=_CACHE_SECONDS,
        )  # fmt: skip
        self.outcomes = Counter(
            "searchapi_search_total", "searches by outcome: found, nothing, suggested", ["outcome"], registry=self.registry
        )
        self.in_flight = Gauge(
            "searchapi_in_flight", "requests that are being answered now", registry=self.registry, multiprocess_mode="livesum"
        )
        self.limited = Counter(
            "searchapi_limited_total", "requests beyond a limit, by what is limited (search, typing) and whose (key, address)",
            ["scope", "whose"], registry=self.registry,
        )  # fmt: skip
        self.shed = Counter(
            "searchapi_shed_total", "requests answered 503 for want of room or time, by reason: busy, late", ["reason"],
            registry=self.registry,
        )  # fmt: skip
        # One of each label there is, looked up once: the library does it under a lock, at which all threads of a busy process would meet.
        self.took, self.came, self.ended = cache(self.seconds.labels), cache(self.cache.labels), cache(self.outcomes.labels)
        self.asked_engine, self.asked_cache = cache(self.engine.labels), cache(self.cache_seconds.labels)
        for scope in ("search", "typing"):
            for whose in ("key", "address"):
                self.limited.labels(scope, whose)
        for reason in ("busy", "late"):
            self.shed.labels(reason)
        for outcome in ("hit", "stale", "shared", "miss"):
            self.cache.labels(outcome)
        for outcome in ("answered", "away"):
            self.cache_seconds.labels(outcome)

    def told(self) -> bytes:
        """What a metrics server is told: of all workers together."""
        with workers.reading() as directory:
            if directory is None:
                return generate_latest(self.registry)
            together = CollectorRegistry()
            MultiProcessCollector(together, str(directory))  # type: ignore[no-untyped-call]  # untyped there
            together.register(self._facts)
            return generate_latest(together)

    def redis_took(self, seconds: float, outcome: str) -> None:
        """A command to Redis ended (`searchapi.watched_redis`)."""
        self.asked_cache(outcome).observe(seconds)


class _IndexFacts(Collector):
    """What is known of the index, as it is when somebody asks: no worker's older value stays. Told also while OpenSearch is away."""

    def __init__(self, newest: Callable[[], Snapshot | None]) -> None:
        self._newest = newest

    def collect(self) -> Iterable[Metric]:
        """The families, empty before anything is known."""
        known = self._newest()
        refused = GaugeMetricFamily("searchapi_synonyms_refused", "synonyms left out because they would join two drugs of the index")
        leaflets = GaugeMetricFamily("searchapi_source_leaflets", "leaflets in the index, by source", labels=["source"])
        synced = GaugeMetricFamily(
            "searchapi_source_synced_timestamp_seconds", "when each source was last synced, seconds since 1970", labels=["source"]
        )
        if known:
            refused.add_metric([], len(known.refused))
            for source in known.freshness.sources:
                leaflets.add_metric([source.source], source.leaflets)
                if source.synced_at:
                    synced.add_metric([source.source], source.synced_at.timestamp())
        return (refused, leaflets, synced)

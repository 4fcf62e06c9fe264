"""searchapi's metrics, all of them. Labels come from closed sets, never from a question."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

# Fine below 100 ms, where the desk lives; a deadline ends all at 5 s.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class Metrics:
    """One process's metrics in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.seconds = Histogram(
            "searchapi_request_seconds", "time to answer a request, by route and status", ["route", "status"],
            registry=self.registry, buckets=_SECONDS,
        )  # fmt: skip
        self.cache = Counter(
            "searchapi_cache_total", "answers by where they came from: hit, stale, shared, miss", ["outcome"], registry=self.registry
        )
        self.warmed = Counter("searchapi_warmed_total", "popular answers made after a change of the index", registry=self.registry)
        self.in_flight = Gauge("searchapi_answers_in_flight", "answers being made now", registry=self.registry)
        self.shed = Counter(
            "searchapi_shed_total", "requests answered 503 for want of room or time, by reason: busy, late", ["reason"],
            registry=self.registry,
        )  # fmt: skip
        self.outcomes = Counter(
            "searchapi_search_total", "searches by outcome: found, nothing, suggested", ["outcome"], registry=self.registry
        )
        self.refused = Gauge(
            "searchapi_synonyms_refused", "synonyms left out because they would join two drugs of the index", registry=self.registry
        )
        self.leaflets = Gauge("searchapi_source_leaflets", "leaflets in the index, by source", ["source"], registry=self.registry)
        self.synced = Gauge(
            "searchapi_source_synced_timestamp_seconds", "when each source was last synced, seconds since 1970", ["source"],
            registry=self.registry,
        )  # fmt: skip

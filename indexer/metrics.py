"""indexer's metrics, all of them. Labels come from closed sets: the sources' names and the outcomes."""

from __future__ import annotations

from dataclasses import asdict

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from indexer.pull import Outcome


class Metrics:
    """One process's metrics in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.pulls = Counter(
            "indexer_pulls_total",
            "pulls of a source, by outcome: done, waiting, refused, held, stopped, failed",
            ["source", "outcome"],
            registry=self.registry,
        )
        self.leaflets = Counter(
            "indexer_leaflets_total",
            "leaflets settled, by outcome: written, unchanged, older, withdrawn, rejected, later",
            ["source", "outcome"],
            registry=self.registry,
        )
        self.seconds = Gauge("indexer_pull_seconds", "how long a source's last pull took", ["source"], registry=self.registry)
        self.succeeded = Gauge(
            "indexer_success_timestamp_seconds",
            "when a source's last complete pull ended, seconds since 1970",
            ["source"],
            registry=self.registry,
        )

    def serve(self, port: int) -> None:
        """Serves them on every address of this machine until the process ends."""
        start_http_server(port, registry=self.registry)

    def tell(self, outcome: Outcome) -> None:
        """Counts one pull."""
        self.pulls.labels(outcome.source, outcome.outcome).inc()
        self.seconds.labels(outcome.source).set(outcome.seconds)
        for name, count in asdict(outcome.counts).items():
            self.leaflets.labels(outcome.source, name).inc(count)
        if outcome.outcome == "done":
            self.succeeded.labels(outcome.source).set_to_current_time()

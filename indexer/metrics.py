"""indexer's metrics, all of them. Labels come from closed sets: the sources' names and the outcomes.

They are read from OpenSearch when they are asked for: they survive restarts, are the same whoever asks, and count what every indexer did.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path

from opensearchpy.exceptions import OpenSearchException
from prometheus_client import CollectorRegistry, start_http_server, write_to_textfile
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from indexer.overview import Overview, Watched

log = logging.getLogger(__name__)

_UP = "indexer_opensearch_up"
_BREAKER = {"closed": 0, "half_open": 1, "open": 2}


class Metrics(Collector):
    """One process's metrics in a registry of their own, as `look` gives them; where OpenSearch is away, as they were last known."""

    def __init__(self, look: Callable[[], Overview]) -> None:
        self.registry = CollectorRegistry()
        self._look = look
        self._known: tuple[Metric, ...] = ()
        self.registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering them asks nobody."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Every metric, as of now."""
        up = GaugeMetricFamily(_UP, "1 while OpenSearch answers; while it does not, the others are as they were last known")
        try:
            self._known = tuple(_families(self._look()))
        except OpenSearchException:
            up.add_metric([], 0)
        else:
            up.add_metric([], 1)
        yield up
        yield from self._known or _families(None)

    def serve(self, port: int) -> None:
        """Serves them on every address of this machine until the process ends."""
        start_http_server(port, registry=self.registry)

    def write(self, file: Path) -> None:
        """Puts them into a file for node_exporter's textfile collector, whole or not at all; a file that cannot be written is logged.

        Where OpenSearch is away, what the file held before is what is last known.
        """
        try:
            if not self._known and file.exists():
                told = text_string_to_metric_families(file.read_text(encoding="utf-8"))
                self._known = tuple(family for family in told if family.name != _UP)
            write_to_textfile(str(file), self.registry)
        except (OSError, ValueError) as error:
            log.warning("metrics file not written", extra={"file": str(file), "error": type(error).__name__})


def _families(seen: Overview | None) -> Iterator[Metric]:
    """The metrics of an overview; their names and what they are, where there is none."""
    sources = seen.sources if seen else ()
    yield _counted("indexer_pulls", "pulls of a source, by outcome: done, waiting, refused, held, stopped, failed", "pulls.", sources)
    yield _counted(
        "indexer_leaflets", "leaflets settled, by outcome: written, unchanged, older, withdrawn, rejected, later", "leaflets.", sources
    )
    for name, what, value in _GAUGES:
        gauge = GaugeMetricFamily(name, what, labels=["source"])
        for source in sources:
            number = value(source)
            if number is not None:
                gauge.add_metric([source.name], number)
        yield gauge
    yield from _of_the_cluster(seen)


def _counted(name: str, what: str, prefix: str, sources: Iterable[Watched]) -> Metric:
    counter = CounterMetricFamily(name, what, labels=["source", "outcome"])
    for source in sources:
        for total, count in sorted(source.cursor.totals.items()):
            if total.startswith(prefix):
                counter.add_metric([source.name, total.removeprefix(prefix)], count)
    return counter


def _of_the_cluster(seen: Overview | None) -> Iterator[Metric]:
    disk = GaugeMetricFamily("indexer_opensearch_disk_used_share", "how full the disk of OpenSearch's fullest node is, 0 to 1")
    heap = GaugeMetricFamily("indexer_opensearch_heap_used_share", "how full the heap of OpenSearch's fullest node is, 0 to 1")
    generation = GaugeMetricFamily("indexer_generation_info", "the generation that is searched, as its label", labels=["generation"])
    outcome = GaugeMetricFamily(
        "indexer_reindex_outcome", "1 for how the last reindex or rollback went: promoted, refused, failed", labels=["outcome"]
    )
    ended = GaugeMetricFamily("indexer_reindex_timestamp_seconds", "when the last reindex came to that, seconds since 1970")
    if seen and seen.disk is not None:
        disk.add_metric([], seen.disk)
    if seen and seen.heap is not None:
        heap.add_metric([], seen.heap)
    if seen and seen.generation:
        generation.add_metric([seen.generation], 1)
    if seen and seen.reindex:
        outcome.add_metric([seen.reindex.outcome], 1)
        ended.add_metric([], seen.reindex.at.timestamp())
    yield from (disk, heap, generation, outcome, ended)


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None


_GAUGES: tuple[tuple[str, str, Callable[[Watched], float | None]], ...] = (  # name, what it is, its value
    ("indexer_pull_seconds", "how long a source's last pull took", lambda s: s.cursor.seconds),
    (
        "indexer_success_timestamp_seconds",
        "when a source's last complete pull began: all that its ERP held then is in the index; seconds since 1970",
        lambda s: _seconds(s.cursor.synced_at),
    ),
    (
        "indexer_scanned_timestamp_seconds",
        "when the last complete pull began that listed every leaflet of the source, seconds since 1970",
        lambda s: _seconds(s.cursor.scanned_at),
    ),
    ("indexer_pace_seconds", "how often a source is to be pulled", lambda s: s.pace.total_seconds()),
    ("indexer_breaker_state", "a source's breaker: 0 closed, 1 half-open, 2 open", lambda s: _BREAKER[s.cursor.breaker]),
    ("indexer_consecutive_failures", "failures of a source since something of it succeeded", lambda s: s.cursor.failures),
    ("indexer_listed_leaflets", "how many leaflets the last whole listing of a source had", lambda s: s.cursor.listed),
    ("indexer_usual_listed_leaflets", "how many such listings had before, on average", lambda s: s.cursor.usual_listed),
    (
        "indexer_listing_seconds",
        "how long a source's last pull took, where it listed every leaflet and ended well",
        lambda s: s.listing_seconds,
    ),
    ("indexer_usual_listing_seconds", "how long such pulls took before, on average", lambda s: s.cursor.usual_seconds),
    ("indexer_withheld_withdrawals", "withdrawals that a guard holds back", lambda s: s.cursor.withheld),
    ("indexer_standing_leaflets", "leaflets of a source in the index", lambda s: s.standing),
    ("indexer_rejected_leaflets", "leaflets of a source that could not be indexed and wait to be mended", lambda s: s.rejected),
    ("indexer_lease_held", "1 while an indexer pulls the source", lambda s: int(s.cursor.holder != "")),
)

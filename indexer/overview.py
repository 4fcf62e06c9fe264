"""What operations are told, as of one moment: every source, the cluster, the last reindex. Metrics and alerts are made of this alone.

    cursors, counts, node statistics, operations -> Overview -> metrics.py (Prometheus), alerts.py (Slack)

All of it is stored in OpenSearch, so whoever looks sees the same, whichever indexer pulled, and a restart forgets nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from opensearchpy import OpenSearch
from opensearchpy.exceptions import AuthorizationException

from indexer.cursors import Cursor, Cursors
from opensearch import held
from opensearch.generations import Indices, current
from opensearch.operations import PROMOTION


@dataclass(frozen=True, slots=True)
class Watched:
    """A configured source: its cursor, how often it is to be pulled, and what the index holds of it, in leaflets."""

    cursor: Cursor
    pace: timedelta
    standing: int = 0
    rejected: int = 0

    @property
    def name(self) -> str:
        """The source's name."""
        return self.cursor.source

    @property
    def listing_seconds(self) -> float | None:
        """How long its last pull took, if that one listed every leaflet and ended well; None where it did not."""
        cursor = self.cursor
        listed_all = cursor.scanned_at is not None and cursor.scanned_at == cursor.synced_at
        # A pull that runs has kept the seconds of the one before; after a failure they are those of the failure.
        ended_well = cursor.outcome in {"done", "running", "held"} and not cursor.failures
        return cursor.seconds if listed_all and ended_well else None


@dataclass(frozen=True, slots=True)
class Reindex:
    """How the last reindex went: running, promoted, refused or failed."""

    outcome: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Overview:
    """The installation at one moment. `disk` and `heap` are the used shares of the fullest node; None where we may not ask."""

    at: datetime
    sources: tuple[Watched, ...]
    generation: str | None = None
    disk: float | None = None
    heap: float | None = None
    reindex: Reindex | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """Looks at one installation; `paces` are the configured sources with how often each is to be pulled."""

    client: OpenSearch
    indices: Indices
    paces: Mapping[str, timedelta]

    def look(self) -> Overview:
        """All there is to tell now; raises OpenSearchException where OpenSearch does not answer. Sources of other indexers are not told."""
        nodes = self._nodes()
        return Overview(
            at=datetime.now(UTC),
            sources=self.sources(),
            generation=current(self.client, self.indices),
            disk=max((node.disk for node in nodes), default=None),
            heap=max((node.heap for node in nodes), default=None),
            reindex=self._reindex(),
        )

    def sources(self) -> tuple[Watched, ...]:
        """The sources of `paces`, in its order; raises as `look`."""
        cursors = {cursor.source: cursor for cursor in Cursors(self.client, self.indices).all()}
        standing = self._by_source(self.indices.alias, {"term": {"withdrawn": False}})
        rejected = self._by_source(self.indices.rejected, {"match_all": {}})
        return tuple(
            Watched(cursors.get(name, Cursor(name)), pace, standing.get(name, 0), rejected.get(name, 0))
            for name, pace in self.paces.items()
        )

    def _by_source(self, index: str, query: Mapping[str, object]) -> dict[str, int]:
        """How many documents of an index each source has; none where there is no such index yet."""
        body = {"size": 0, "query": query, "aggs": {"sources": {"terms": {"field": "source", "size": 1000}}}}
        found = self.client.search(index=index, body=body, params={"ignore_unavailable": "true"}).get("aggregations", {})
        return {bucket["key"]: int(bucket["doc_count"]) for bucket in found.get("sources", {}).get("buckets", ())}

    def _nodes(self) -> tuple[_Node, ...]:
        try:
            nodes = self.client.nodes.stats(metric="fs,jvm")["nodes"]
        except AuthorizationException:
            # Some managed clusters keep this to themselves; they watch their disks themselves, too.
            return ()
        return tuple(_shares(nodes))

    def _reindex(self) -> Reindex | None:
        state = held.read(self.client, self.indices.operations, PROMOTION).body.get("state")
        if not isinstance(state, Mapping) or not state.get("outcome") or not state.get("at"):
            return None
        return Reindex(str(state["outcome"]), datetime.fromisoformat(str(state["at"])))


@dataclass(frozen=True, slots=True)
class _Node:
    """The shares that one node has used."""

    disk: float
    heap: float


def _shares(nodes: Mapping[str, Mapping[str, Mapping[str, Mapping[str, int]]]]) -> Iterator[_Node]:
    for node in nodes.values():
        disk = node["fs"]["total"]
        # `available` and not `free`: what the system keeps for root is nobody's.
        used = 1 - disk["available_in_bytes"] / disk["total_in_bytes"] if disk.get("total_in_bytes") else 0.0
        yield _Node(round(used, 4), node["jvm"]["mem"]["heap_used_percent"] / 100)

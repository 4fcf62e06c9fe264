"""What searchapi knows of the index between questions: its names, its generation and how fresh its sources are.

One thread looks every few seconds whether the index changed and, if so, makes a new Snapshot; questions read whichever is there.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError, OpenSearchException

from opensearch.generations import Indices, current
from opensearch.joined import Refusal, joined, sentence
from opensearch.names import names
from opensearch.synonyms import Synonyms
from searchapi.lookalikes import Listed, LookAlikes
from searchapi.ordinary import ordinary_words
from searchapi.vocabulary import Vocabulary, vocabulary

log = logging.getLogger(__name__)

# How long a change may stay unseen, in seconds. A look is four small requests.
LOOK_EVERY = 2.0


class NotReady(Exception):
    """Nothing can be answered yet; the text says what is missing and what to run."""


@dataclass(frozen=True, slots=True)
class SourceFreshness:
    """One source, as its last pulls left it. `synced_at`: all that it held then is in the index."""

    source: str
    outcome: str
    synced_at: datetime | None
    attempted_at: datetime | None
    leaflets: int


@dataclass(frozen=True, slots=True)
class Freshness:
    """How fresh the index is."""

    sources: tuple[SourceFreshness, ...]
    stale_after: timedelta

    @property
    def oldest(self) -> SourceFreshness | None:
        """The source that was synced longest ago; one that never was comes before all."""
        never = datetime.min.replace(tzinfo=UTC)
        return min(self.sources, key=lambda s: (s.synced_at or never, s.source), default=None)

    def stale(self, source: SourceFreshness) -> bool:
        """Whether a source is older than twice the time between two pulls."""
        return source.synced_at is None or datetime.now(UTC) - source.synced_at > self.stale_after


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One state of the index. `refused`: the synonyms that would join two of its drugs, which the names were read without."""

    names: Vocabulary
    lookalikes: LookAlikes
    refused: tuple[Refusal, ...]
    freshness: Freshness


class IndexState:
    """The newest snapshot, renewed in the background from `start` to `stop`."""

    def __init__(self, client: OpenSearch, indices: Indices, synonyms: Synonyms, own: Listed, stale_after: timedelta) -> None:
        self._client = client
        self._indices = indices
        self._synonyms = synonyms
        self._own = own
        self._stale_after = stale_after
        self._snapshot: Snapshot | None = None
        self._looking = threading.Lock()
        self._stopped = threading.Event()

    def start(self) -> None:
        """Looks now and then, until `stop`."""
        threading.Thread(target=self._go_on, name="index-state", daemon=True).start()

    def stop(self) -> None:
        """Ends the looking."""
        self._stopped.set()

    def snapshot(self) -> Snapshot:
        """The newest snapshot; raises NotReady before there is one."""
        found = self._snapshot or self.look()
        if found is None:
            message = "the index does not exist yet: run `indexer sync` once"
            raise NotReady(message)
        return found

    @property
    def newest(self) -> Snapshot | None:
        """The newest snapshot, without asking anyone; None before there is one."""
        return self._snapshot

    def look(self) -> Snapshot | None:
        """Looks at the index now; None where there is none. Raises where OpenSearch does not answer."""
        with self._looking:
            generation = current(self._client, self._indices)
            if generation is None:
                self._snapshot = None
                return None
            stamp = self._stamp(generation)
            held = self._snapshot
            if held and held.names.stamp == stamp:
                self._snapshot = replace(held, freshness=self._freshness())
            else:
                self._snapshot = self._new(stamp, generation, held)
            return self._snapshot

    def _go_on(self) -> None:
        while not self._stopped.is_set():
            try:
                self.look()
            except OpenSearchException as error:
                log.warning("index state is old: OpenSearch did not answer", extra={"error": type(error).__name__})
            self._stopped.wait(LOOK_EVERY)

    def _stamp(self, generation: str) -> str:
        """Changes with every write into the index and with every edit of the synonyms and of the list of look-alikes."""
        body = {"size": 0, "track_total_hits": True, "aggs": {"newest": {"max": {"field": "indexed_at"}}}}
        found = self._client.search(index=generation, body=body)
        written = f"{found['hits']['total']['value']}/{found['aggregations']['newest']['value']}"
        return f"{generation}/{written}/{self._synonyms.version}/{self._own.version}"

    def _new(self, stamp: str, generation: str, held: Snapshot | None) -> Snapshot:
        named = tuple(names(self._client, generation))
        refused = joined(self._synonyms, named)
        if refused and refused != (held.refused if held else ()):
            log.error("synonyms that would join two drugs are left out", extra={"file": str(self._synonyms.file), "why": sentence(refused)})
        usable = self._synonyms.without({refusal.line for refusal in refused})
        known = vocabulary(named, usable, stamp=stamp, generation=generation, ordinary=ordinary_words())
        return Snapshot(known, LookAlikes(known, usable, self._own), refused, self._freshness())

    def _freshness(self) -> Freshness:
        counted = {"size": 0, "query": {"term": {"withdrawn": False}}, "aggs": {"sources": {"terms": {"field": "source", "size": 1000}}}}
        counts = {
            bucket["key"]: bucket["doc_count"]
            for bucket in self._client.search(index=self._indices.alias, body=counted)["aggregations"]["sources"]["buckets"]
        }
        try:
            cursors = self._client.search(index=self._indices.cursors, body={"size": 1000})["hits"]["hits"]
        except NotFoundError:
            cursors = []
        sources = tuple(
            SourceFreshness(
                hit["_id"],
                hit["_source"]["outcome"],
                _moment(hit["_source"]["synced_at"]),
                _moment(hit["_source"]["attempted_at"]),
                counts.get(hit["_id"], 0),
            )
            for hit in sorted(cursors, key=lambda hit: str(hit["_id"]))
        )
        return Freshness(sources, self._stale_after)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None

"""Every source pulled whole into a new generation, beside what the old one knows of each leaflet.

What a pull gives is as a sync would have written it over the old generation; a leaflet that it does not give is left to be carried over:
whether it is gone is for the next sync to decide, with its guards. No cursor moves.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from threading import Event
from typing import TypeVar

from opensearchpy import OpenSearch

from indexer.copying import Copy, Made, made
from indexer.rejected import Rejected, of_change, of_unreadable
from indexer.sources.base import Page, Source
from leaflets import Audience, Change, Leaflet, Unreadable
from opensearch.documents import document, tombstone

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pulled:
    """What pulling gave: ids that the old generation does not hold as standing, ids that stand for another audience now, and rejects."""

    added: frozenset[str] = frozenset()
    moved: frozenset[str] = frozenset()
    rejected: tuple[Rejected, ...] = ()
    leaflets: int = 0

    def __add__(self, other: Pulled) -> Pulled:
        return Pulled(self.added | other.added, self.moved | other.moved, self.rejected + other.rejected, self.leaflets + other.leaflets)


@dataclass(frozen=True, slots=True)
class _Known:
    """What the old generation holds of an id; `erp` is the ERP's version of it."""

    version: int
    erp: int
    withdrawn: bool


def pull_whole(sources: Sequence[Source], copy: Copy, told: Callable[[int], None]) -> Pulled:
    """Pulls every source whole, all at once; raises SourceError where one fails."""
    whole, stopped, waited_for = Pulled(), Event(), True
    pullers = ThreadPoolExecutor(max(1, len(sources)), thread_name_prefix="source")
    try:
        for one in pullers.map(lambda source: _Pull(source, copy, stopped).run(), sources):
            whole += one
            told(whole.leaflets)
    except KeyboardInterrupt:
        waited_for = False  # an ERP may not answer for a long time yet
        raise
    finally:
        stopped.set()
        pullers.shutdown(wait=waited_for, cancel_futures=True)
    return whole


@dataclass(frozen=True, slots=True)
class _Pull:
    """One source's. It ends after the page at hand where another failed, or somebody stops the whole."""

    source: Source
    copy: Copy
    stopped: Event

    def run(self) -> Pulled:
        """All its pages, read and written."""
        pulled, newest = Pulled(), dict[str, int]()
        places = self.source.max_in_flight
        with (
            ThreadPoolExecutor(places, thread_name_prefix=f"ask-{self.source.name}") as askers,
            ThreadPoolExecutor(os.cpu_count() or 2, thread_name_prefix=f"read-{self.source.name}") as threads,
        ):

            def ahead(calls: Iterable[Callable[[], T]]) -> Iterator[T]:
                return _ahead(askers, 2 * places, calls)

            for page in self.source.pages(None, ahead):
                pulled += self._settled(page, threads, newest)
                if self.stopped.is_set():
                    break
        return pulled

    def _settled(self, page: Page, threads: ThreadPoolExecutor, newest: dict[str, int]) -> Pulled:
        """A page, written. `newest` remembers the version of each leaflet that pages gave: of several the newest counts."""
        name = self.source.name
        changes = [change for change in page.changes if isinstance(change, Change)]
        read = list(threads.map(lambda change: self.copy.readers.read(name, change), changes))
        leaflets = []
        for leaflet in (one for one in read if isinstance(one, Leaflet)):
            if newest.get(leaflet.id, leaflet.version) <= leaflet.version:
                newest[leaflet.id] = leaflet.version
                leaflets.append(leaflet)
        known = _known(self.copy.client, self.copy.generation, leaflets)
        decided = [_decided(leaflet, known) for leaflet in leaflets]
        self.copy.write(one for each in decided for one in each.documents)
        rejected = [of_unreadable(name, one) for one in page.changes if isinstance(one, Unreadable)]
        rejected += [of_change(name, change, why) for change, why in zip(changes, read, strict=True) if isinstance(why, str)]
        added = frozenset(each.added for each in decided if each.added)
        return Pulled(added, frozenset(moved for each in decided for moved in each.moved), tuple(rejected), len(leaflets))


@dataclass(frozen=True, slots=True)
class _Decided:
    """What is written of one leaflet; `added` is its id where it does not stand in the old generation."""

    documents: tuple[Made, ...] = ()
    added: str = ""
    moved: tuple[str, ...] = ()


def _decided(leaflet: Leaflet, known: Mapping[str, _Known]) -> _Decided:
    """As a sync decides: an older one changes nothing, and one that was withdrawn lives again only where its ERP edited it since."""
    there, now = known.get(leaflet.id), datetime.now(UTC)
    if there and (leaflet.version < there.erp or (there.withdrawn and leaflet.version == there.erp)):
        return _Decided()
    version = leaflet.version if not there else there.version if leaflet.version == there.erp else max(leaflet.version, there.version + 1)
    documents = [made(leaflet.id, version, document(leaflet, indexed_at=now))]
    moved = []
    if leaflet.facts.audience is None:
        # One record is one leaflet: what the old generation took for another audience is this one.
        for audience in (one for one in Audience if one != leaflet.audience):
            doc_id = f"{leaflet.source}:{leaflet.source_id}:{audience}"
            other = known.get(doc_id)
            if other and not other.withdrawn:
                body = tombstone(leaflet.source, leaflet.source_id, audience, version=leaflet.version, indexed_at=now)
                documents.append(made(doc_id, other.version + 1, body))
                moved.append(doc_id)
    return _Decided(tuple(documents), "" if there and not there.withdrawn else leaflet.id, tuple(moved))


def _known(client: OpenSearch, generation: str, leaflets: Sequence[Leaflet]) -> dict[str, _Known]:
    ids = [f"{one.source}:{one.source_id}:{a}" for one in leaflets for a in ([one.audience] if one.facts.audience else Audience)]
    if not ids:
        return {}
    docs = client.mget(index=generation, body={"ids": list(dict.fromkeys(ids))}, _source_includes=["version", "withdrawn"])["docs"]
    return {
        doc["_id"]: _Known(doc["_version"], doc["_source"].get("version", doc["_version"]), doc["_source"]["withdrawn"])
        for doc in docs
        if doc["found"]
    }


def _ahead(askers: ThreadPoolExecutor, most: int, calls: Iterable[Callable[[], T]]) -> Iterator[T]:
    """See `Ahead`: `most` calls are under way or answered and not yet taken."""
    pending = iter(calls)
    waiting: deque[Future[T]] = deque(askers.submit(call) for call in islice(pending, most))
    try:
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(askers.submit(call) for call in islice(pending, 1))
            yield result
    finally:
        for future in waiting:
            future.cancel()

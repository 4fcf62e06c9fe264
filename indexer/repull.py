"""Every source pulled whole into a new generation, beside what the old one knows of each leaflet.

What a pull gives is as a sync would have written it over the old generation; a leaflet that it does not give is left to be carried over:
whether it is gone is for the next sync to decide, with its guards. No cursor moves.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event

from opensearchpy import OpenSearch

from indexer.asking import Asking
from indexer.copying import Copy, Made, made
from indexer.cursors import Cursors
from indexer.rejected import Rejected, of_change, of_unreadable
from indexer.sources.base import Page, Source
from leaflets import Audience, Change, Leaflet, Unreadable, leaflet_id
from opensearch.documents import document, first_version, tombstone


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


class _AnotherFailed(Exception):
    """Another source failed, or somebody ends the whole: this pull ends too, and its pages are of no use."""


def pull_whole(sources: Sequence[Source], copy: Copy, cursors: Cursors, told: Callable[[int], None]) -> Pulled:
    """Pulls every source whole, all at once; raises SourceError where one fails. `cursors` keep versions from going back, and stay."""
    whole, stopped = Pulled(), Event()
    pullers = ThreadPoolExecutor(max(1, len(sources)), thread_name_prefix="source")
    pulls = [_Pull(source, copy, cursors.read(source.name).value, stopped) for source in sources]
    try:
        # As they end, so that one that fails is not told only after the slowest.
        for one in as_completed([pullers.submit(pull.run) for pull in pulls]):
            whole += one.result()
            told(whole.leaflets)
    finally:
        # What an ERP does not answer is not waited for.
        stopped.set()
        pullers.shutdown(cancel_futures=True)
    return whole


@dataclass(frozen=True, slots=True)
class _Pull:
    """One source's, from whatever cursor it has. It ends where another failed, or somebody stops the whole."""

    source: Source
    copy: Copy
    since: str | None
    stopped: Event

    def run(self) -> Pulled:
        """All its pages, read and written."""
        pulled, newest = Pulled(), dict[str, int]()
        with (
            Asking(self.source, self._go_on, {"source": self.source.name}) as asking,
            ThreadPoolExecutor(os.cpu_count() or 2, thread_name_prefix=f"read-{self.source.name}") as threads,
        ):
            for page in asking.pages(self.since, whole=True):
                pulled += self._settled(page, threads, newest)
        return pulled

    def _go_on(self) -> None:
        if self.stopped.is_set():
            raise _AnotherFailed

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
    """As a sync decides (write.py): an older one changes nothing, and one of a tombstone's version was put back with its old date."""
    there, now = known.get(leaflet.id), datetime.now(UTC)
    if there and leaflet.version < there.erp:
        return _Decided()
    same = there is not None and not there.withdrawn and leaflet.version == there.erp
    # One more than what is there, or a later edit of it that a sync writes meanwhile would have a number that is no larger.
    version = first_version(leaflet.version) if there is None else there.version if same else there.version + 1
    documents = [made(leaflet.id, version, document(leaflet, indexed_at=now))]
    moved = []
    if leaflet.facts.audience is None:
        # One record is one leaflet: what the old generation took for another audience is this one.
        for audience in (one for one in Audience if one != leaflet.audience):
            doc_id = leaflet_id(leaflet.source, leaflet.source_id, audience)
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

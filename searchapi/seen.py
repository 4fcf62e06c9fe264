"""How the index was last seen: which state of it kept answers may come from, and how fresh its sources are.

    look()         by the background thread, now and then: stamp and freshness
    just_now()     by a question: the last look, or a look at the stamp alone where that is not of just now
    since(epoch)   by a question to which Redis told another epoch than the last look knew: a look after it

While OpenSearch is away the last look of any worker stands, unverified (docs/adr/0013-serving.md).
"""

from __future__ import annotations

import json
import logging
import threading
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError, OpenSearchException

from opensearch.generations import Indices, current
from searchapi.cache import AnswerCache
from searchapi.deadline import Deadline

log = logging.getLogger(__name__)

# How old a look may be for a kept answer, in seconds; and while another thread looks. OpenSearch itself shows a write only after 1 s.
JUST_NOW, MEANWHILE = 0.25, 1.0
# How long one look may take, in seconds, where something is known to go on with: somebody waits for it. The first one may meet a node that
# has just started.
LOOK_WITHIN, FIRST_LOOK_WITHIN = 1.0, 5.0


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
class Seen:
    """The index as one look found it; answers made from it are kept under its stamp.

    `epoch`: what Redis told before the look. `at`: when it began, seconds since 1970, and `began` by this machine's monotonic clock.
    `verified`: no look has failed since.
    """

    stamp: str
    generation: str
    freshness: Freshness
    epoch: bytes | None
    at: float
    began: float
    verified: bool = True

    def within(self, seconds: float) -> bool:
        """Whether the look is not older than this."""
        return time.monotonic() - self.began <= seconds


class Lookout:
    """Looks at one installation's index for one process.

    `versions` of all else that answers depend on are part of the stamp; `preference` names the copy of the index to look at, which is the
    one that this process's answers come from. `doubted` is set where a question found that OpenSearch does not answer.
    """

    def __init__(
        self, client: OpenSearch, indices: Indices, cache: AnswerCache, *, versions: str, stale_after: timedelta, preference: str
    ) -> None:
        self._client = client
        self._indices = indices
        self._cache = cache
        self._versions = versions
        self._stale_after = stale_after
        self.preference = preference
        self._looking = threading.Lock()
        self._seen: Seen | None = None
        self._told: Seen | None = None
        self._failure: OpenSearchException | None = None
        self.doubted = threading.Event()

    def look(self) -> Seen | None:
        """A whole look; None where there is no index. Raises where OpenSearch does not answer: the last look of any worker then stands."""
        epoch = self._cache.epoch()
        with self._looking:
            try:
                seen = self._look(epoch)
            except OpenSearchException as error:
                self._doubt(error)
                raise
            self.doubted.clear()
        self._tell(seen)
        return seen

    def just_now(self, deadline: Deadline) -> Seen:
        """How the index was seen just now, or last, unverified. Raises NotReady; and where it was never seen and OpenSearch is away."""
        seen = self._seen
        if seen and (not seen.verified or seen.within(JUST_NOW)):
            return seen
        if self._looking.acquire(blocking=False):
            try:
                return self._glance(seen.epoch if seen else self._cache.epoch())
            finally:
                self._looking.release()
        if seen and seen.within(MEANWHILE):
            return seen
        return self._waited(deadline)

    def since(self, epoch: bytes | None, deadline: Deadline) -> Seen:
        """How the index was seen after this epoch began; as `just_now`, where that cannot be found out."""
        if self._looking.acquire(timeout=min(LOOK_WITHIN, deadline.left())):
            try:
                seen = self._last()
                return self._glance(epoch) if seen.verified and seen.epoch != epoch else seen
            finally:
                self._looking.release()
        return replace(self._last(), verified=False)

    def _waited(self, deadline: Deadline) -> Seen:
        """What another thread's look finds."""
        if self._looking.acquire(timeout=min(LOOK_WITHIN if self._seen else FIRST_LOOK_WITHIN, deadline.left())):
            self._looking.release()
            return self._last()
        return replace(self._last(), verified=False)

    def _last(self) -> Seen:
        """The last look, whatever became of OpenSearch since; raises as that look did where it was the first, or NotReady."""
        if self._seen is None and self._failure:
            raise self._failure
        if self._seen is None:
            raise NotReady("the index does not exist yet, or OpenSearch did not answer in time: run `indexer sync` once, or try again")
        return self._seen

    def _glance(self, epoch: bytes | None) -> Seen:
        """A look at the stamp alone, and what was seen before where OpenSearch does not answer."""
        try:
            seen = self._look(epoch, known=self._seen)
        except OpenSearchException as error:
            self._doubt(error)
            self.doubted.set()
            if self._seen is None:
                raise
            return self._seen
        if seen is None:
            raise NotReady("the index does not exist yet: run `indexer sync` once")
        return seen

    def _look(self, epoch: bytes | None, known: Seen | None = None) -> Seen | None:
        """Looks; who calls holds `_looking`. The freshness of what is known already is not asked for again."""
        at, began = time.time(), time.monotonic()
        within = LOOK_WITHIN if self._seen else FIRST_LOOK_WITHIN
        body = {
            "size": 0,
            "track_total_hits": True,
            "aggs": {
                "generation": {"terms": {"field": "_index", "size": 1}},
                "written": {"sum": {"field": "_seq_no"}},
                "newest": {"max": {"field": "indexed_at"}},
            },
        }
        try:
            found = self._client.search(
                index=self._indices.alias, body=body, params={"request_timeout": within, "preference": self.preference}
            )
        except NotFoundError:
            self._seen = self._failure = None
            return None
        told = found["aggregations"]
        generation = (
            told["generation"]["buckets"][0]["key"] if told["generation"]["buckets"] else current(self._client, self._indices) or ""
        )
        # The sum rises with every write that becomes visible, whichever clock its writer has.
        written = f"{found['hits']['total']['value']}/{told['written']['value']:.0f}/{told['newest']['value']}"
        stamp = f"{generation}/{written}/{self._versions}"
        self._seen = Seen(stamp, generation, known.freshness if known else self._freshness(within), epoch, at, began)
        self._failure = None
        return self._seen

    def _doubt(self, error: OpenSearchException) -> None:
        """OpenSearch did not answer: the newest look of any worker stands, unverified. Who calls holds `_looking`."""
        self._failure = error
        remembered = self._remembered()
        if remembered and (self._seen is None or remembered.at > self._seen.at):
            self._seen = remembered
        elif self._seen:
            self._seen = replace(self._seen, verified=False)

    def _tell(self, seen: Seen | None) -> None:
        """Lets the other workers, and those to come, know what was seen, where it is news."""
        if seen is None or (
            self._told and (seen.stamp, seen.epoch, seen.freshness) == (self._told.stamp, self._told.epoch, self._told.freshness)
        ):
            return
        self._cache.remember(_written(seen))
        self._told = seen

    def _remembered(self) -> Seen | None:
        """What any worker saw last; None where that was by another program, or with other synonyms or look-alikes."""
        kept = self._cache.remembered()
        seen = _read(kept, self._stale_after) if kept else None
        return seen if seen and seen.stamp.endswith(f"/{self._versions}") else None

    def _freshness(self, seconds: float) -> Freshness:
        counted = {"size": 0, "query": {"term": {"withdrawn": False}}, "aggs": {"sources": {"terms": {"field": "source", "size": 1000}}}}
        within = {"request_timeout": seconds}
        told = self._client.search(index=self._indices.alias, body=counted, params={**within, "preference": self.preference})
        counts = {bucket["key"]: bucket["doc_count"] for bucket in told["aggregations"]["sources"]["buckets"]}
        try:
            cursors = self._client.search(index=self._indices.cursors, body={"size": 1000}, params=within)["hits"]["hits"]
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


def _written(seen: Seen) -> bytes:
    """What was seen, as it is kept."""
    told = {
        "stamp": seen.stamp,
        "generation": seen.generation,
        "epoch": seen.epoch.decode("latin-1") if seen.epoch is not None else None,
        "at": seen.at,
        "sources": [asdict(source) for source in seen.freshness.sources],
    }
    return json.dumps(told, default=datetime.isoformat).encode()


def _read(kept: bytes, stale_after: timedelta) -> Seen | None:
    """What was seen, from what is kept; None where another version of this program kept it."""
    try:
        told = json.loads(kept)
        sources = tuple(
            SourceFreshness(one["source"], one["outcome"], _moment(one["synced_at"]), _moment(one["attempted_at"]), one["leaflets"])
            for one in told["sources"]
        )
        epoch = told["epoch"].encode("latin-1") if told["epoch"] is not None else None
        return Seen(told["stamp"], told["generation"], Freshness(sources, stale_after), epoch, told["at"], began=0.0, verified=False)
    except (ValueError, KeyError, TypeError):
        return None

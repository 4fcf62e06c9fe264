"""Writes batches into the index and says of each leaflet what became of it.

    Batch -> mget (what is there?) -> decide -> fence (is the source still ours?) -> bulk, bounded by bytes and count -> Receipt

The ERP's version decides which of two contents is the newer; the document's `_version` decides whether what is there is still what we
looked at. It is the stored one plus one, and `external` refuses one that is not larger: whoever was stalled between looking and writing
finds that somebody else has written, and changes nothing (docs/adr/0007). For a document that is not there it is the ERP's version.

A leaflet whose content is the stored one is not written, even if its version is newer: ERPs touch their records without changing them.
So the stored version is that of the content's first sight, and a version between the two, read late from some stale copy, would be taken
for news; the next listing, which reads the newest again, mends that. `updated_at`, which people see, stays that of the content.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus

from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException, TransportError

from indexer.patience import Patience, busy, passing
from leaflets import Audience, Leaflet, Withdrawal, leaflet_id
from opensearch.documents import document, first_version, tombstone
from opensearch.generations import Indices
from opensearch.history import History, NotKept

# 100 documents already give 90 % of the bulk rate and 500 all of it (2 cores, 5 KB leaflets); real ones are larger, so bytes decide.
MOST_DOCUMENTS = 500
MOST_BYTES = 8_000_000


@dataclass(frozen=True, slots=True)
class Refusal:
    """A leaflet that cannot be indexed, and why."""

    id: str
    source_id: str
    version: int
    reason: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a batch. `later` are ids that could not be settled now: the cursor must not pass them.

    `older` are the leaflets' ids whose version is below the stored one, which was left as it is.
    """

    written: int = 0
    unchanged: int = 0
    older: frozenset[str] = frozenset()
    withdrawn: int = 0
    rejected: tuple[Refusal, ...] = ()
    later: tuple[str, ...] = ()
    settled: frozenset[str] = frozenset()

    def __add__(self, other: Receipt) -> Receipt:
        return Receipt(
            written=self.written + other.written,
            unchanged=self.unchanged + other.unchanged,
            older=self.older | other.older,
            withdrawn=self.withdrawn + other.withdrawn,
            rejected=self.rejected + other.rejected,
            later=self.later + other.later,
            settled=self.settled | other.settled,
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """Leaflets and withdrawals of one source. Those of the leaflets whose ids are `set_back` stand as told, though older than stored."""

    source: str
    leaflets: tuple[Leaflet, ...] = ()
    withdrawals: tuple[Withdrawal, ...] = ()
    set_back: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Wish:
    """What one document should become: this leaflet or, without one, a tombstone.

    `implied` is a withdrawal that no ERP asked for: the record is one leaflet, and what stands for another audience is the same record
    as we read it before. `set_back` holds though it is older than what is stored.
    """

    source: str
    source_id: str
    audience: Audience
    version: int
    leaflet: Leaflet | None = None
    implied: bool = False
    set_back: bool = False

    @property
    def id(self) -> str:
        """The document's id."""
        return leaflet_id(self.source, self.source_id, self.audience)

    @property
    def rank(self) -> tuple[int, int]:
        """Of two wishes for one document the greater holds: the newer one, else a withdrawal by the ERP, else a leaflet."""
        return self.version, 1 if self.leaflet else 0 if self.implied else 2


@dataclass(frozen=True, slots=True)
class _Stored:
    """What the index holds of an id, as far as writing needs to know. `version` is the ERP's, `number` the document's `_version`."""

    content_hash: str
    withdrawn: bool
    version: int
    number: int


@dataclass(frozen=True, slots=True)
class _Action:
    """One document of a bulk request, as the two lines that it takes there, and what it counts for once it is done."""

    wish: _Wish
    gain: Receipt
    lines: bytes
    supersedes: bool


def unfenced() -> None:
    """The fence of a person's command, which holds no lease: `_version` alone keeps its writes in order."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes for one installation; safe to use from several threads.

    `fence` is asked between looking and writing and raises where the source is ours no longer. OpenSearch is waited for with `patience`.
    """

    client: OpenSearch
    indices: Indices
    fence: Callable[[], None] = unfenced
    patience: Patience = field(default_factory=Patience)

    def write(self, batch: Batch) -> Receipt:
        """Settles what can be settled with patience; raises where OpenSearch does not answer at all, and what the fence raises."""
        settling = _Settling(self, batch)
        self.patience.settle(settling.step)
        if settling.failure is not None:
            raise settling.failure
        return settling.receipt + Receipt(later=tuple(settling.waiting))


class _Settling:
    """A batch on its way into the index: what became of it, and what still waits, by id."""

    def __init__(self, writer: Writer, batch: Batch) -> None:
        self.waiting = _wishes(batch)
        self.receipt = Receipt()
        self.failure: OpenSearchException | None = None
        self._writer = writer
        # What was sent and never answered may have been done: found so, it counts as done.
        self._unanswered: dict[str, Receipt] = {}

    def step(self) -> bool:
        """Looks, decides and writes once; whether anything still waits. Every repetition looks again: others may have written."""
        self.failure = None
        try:
            for part in _parts(self._undecided()):
                self._bulk(part)
        except NotKept:
            pass  # The history index was too busy: all that waits is tried again.
        except OpenSearchException as error:
            if not busy(error):
                raise
            self.failure = error
        return bool(self.waiting)

    def _undecided(self) -> list[_Action]:
        """What must be written, after all that needs no writing has been settled."""
        now = datetime.now(UTC)
        stored = self._stored()
        actions = []
        for wish in list(self.waiting.values()):
            decided = _decided(wish, stored.get(wish.id), now)
            if isinstance(decided, _Action):
                actions.append(decided)
            else:
                self._settle(wish, decided if decided.older else self._unanswered.get(wish.id, decided))
        return actions

    def _stored(self) -> Mapping[str, _Stored]:
        """What the index holds of the waiting ids, as of the last write: one question a batch."""
        if not self.waiting:
            return {}
        told = ["content_hash", "withdrawn", "version"]
        answer = self._writer.client.mget(index=self._writer.indices.alias, body={"ids": list(self.waiting)}, _source_includes=told)
        for doc in answer["docs"]:
            if "error" in doc:
                # Nothing may be decided about what could not be looked at. The alias is missing, or its shard is not there yet.
                kind = str(doc["error"].get("type"))
                raise TransportError(503, kind, doc["error"])
        return {
            doc["_id"]: _Stored(doc["_source"]["content_hash"], doc["_source"]["withdrawn"], doc["_source"]["version"], doc["_version"])
            for doc in answer["docs"]
            if doc.get("found")
        }

    def _bulk(self, actions: Sequence[_Action]) -> None:
        """One bulk request, and each document's own outcome. What was too busy, or was written by somebody else meanwhile, waits on."""
        # Kept first: what is written over without it is told by nobody any more.
        History(self._writer.client, self._writer.indices).keep(action.wish.id for action in actions if action.supersedes)
        self._writer.fence()
        try:
            answer = self._writer.client.bulk(
                body=b"".join(action.lines for action in actions),
                index=self._writer.indices.alias,
                params={"require_alias": "true", "filter_path": "items.*.status,items.*.error"},
            )
        except OpenSearchException:
            self._unanswered |= {action.wish.id: action.gain for action in actions}
            raise
        told = (next(iter(item.values())) for item in answer["items"])
        for action, one in zip(actions, told, strict=True):
            status, error = one["status"], one.get("error") or {}
            if status < HTTPStatus.BAD_REQUEST:
                self._settle(action.wish, action.gain)
            elif status != HTTPStatus.CONFLICT and not passing(status, error.get("type")):
                self._settle(action.wish, _refused(action.wish, error))

    def _settle(self, wish: _Wish, receipt: Receipt) -> None:
        del self.waiting[wish.id]
        self.receipt += receipt


def _wishes(batch: Batch) -> dict[str, _Wish]:
    """What the batch wants of each document, by id."""
    wishes: dict[str, _Wish] = {}

    def wish(one: _Wish) -> None:
        if one.id not in wishes or one.rank >= wishes[one.id].rank:
            wishes[one.id] = one

    for leaflet in batch.leaflets:
        back = leaflet.id in batch.set_back
        wish(_Wish(batch.source, leaflet.source_id, leaflet.audience, leaflet.version, leaflet, set_back=back))
        if leaflet.facts.audience is None:
            for audience in set(Audience) - {leaflet.audience}:
                wish(_Wish(batch.source, leaflet.source_id, audience, leaflet.version, implied=True, set_back=back))
    for gone in batch.withdrawals:
        for audience in [gone.audience] if gone.audience else Audience:
            wish(_Wish(batch.source, gone.source_id, audience, gone.version))
    return wishes


def _decided(wish: _Wish, there: _Stored | None, now: datetime) -> Receipt | _Action:
    """What becomes of a wish for a document that the index holds so: settled as it is, or to be written."""
    settled = Receipt(settled=frozenset({wish.source_id}))
    if wish.leaflet is None:
        return _withdrawn(wish, there, settled, now)
    if there is not None and not there.withdrawn and there.content_hash == wish.leaflet.content_hash:
        return settled + Receipt(unchanged=1)
    # One of equal version is news: two edits within one tick of a coarse clock, or a leaflet put back with its old date.
    if there is not None and wish.version < there.version and (there.withdrawn or not wish.set_back):
        return settled + Receipt(older=frozenset({wish.id}))
    return _action(wish, there, settled + Receipt(written=1), now)


def _withdrawn(wish: _Wish, there: _Stored | None, settled: Receipt, now: datetime) -> Receipt | _Action:
    if there is None:
        return settled
    if there.withdrawn:
        # A tombstone grows with the withdrawals that follow it, or what came between them would live again.
        return settled if wish.implied or wish.version <= there.version else _action(wish, there, settled, now)
    if wish.version < there.version and not wish.set_back:
        return settled if wish.implied else settled + Receipt(older=frozenset({wish.id}))
    return _action(wish, there, settled + Receipt(withdrawn=1), now)


def _action(wish: _Wish, there: _Stored | None, gain: Receipt, now: datetime) -> _Action:
    body = (
        document(wish.leaflet, indexed_at=now)
        if wish.leaflet
        else tombstone(wish.source, wish.source_id, wish.audience, version=wish.version, indexed_at=now)
    )
    number = there.number + 1 if there else first_version(wish.version)
    head = {"index": {"_id": wish.id, "version": number, "version_type": "external"}}
    lines = b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in (head, body))
    return _Action(wish, gain, lines, supersedes=there is not None and not there.withdrawn)


def _parts(actions: Iterable[_Action]) -> Iterator[list[_Action]]:
    """Bulk requests of at most MOST_DOCUMENTS and MOST_BYTES (a single larger document goes alone)."""
    part: list[_Action] = []
    size = 0
    for action in actions:
        if part and (len(part) == MOST_DOCUMENTS or size + len(action.lines) > MOST_BYTES):
            yield part
            part, size = [], 0
        part.append(action)
        size += len(action.lines)
    if part:
        yield part


def _refused(wish: _Wish, error: Mapping[str, object]) -> Receipt:
    """A document that OpenSearch will never take, in its own words without the document's text that they may quote."""
    cause = error.get("caused_by") or error
    reason = str(cause.get("reason", ""))[:200] if isinstance(cause, Mapping) else ""
    told = f"OpenSearch refused it: {error.get('type')}: {reason}"
    return Receipt(rejected=(Refusal(wish.id, wish.source_id, wish.version, told),))

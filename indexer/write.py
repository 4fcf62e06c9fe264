"""Writes batches into the index and says of each leaflet what became of it.

    Batch -> mget (what is there?) -> bulk, in requests bounded by bytes and count -> Receipt

A leaflet whose content is the stored one is not written. Versions are the ERP's own (`external_gte`): an older one never replaces a
newer one, whoever comes last.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

from opensearchpy import OpenSearch
from opensearchpy.exceptions import TransportError
from tenacity import Retrying, retry_if_result, stop_after_attempt, wait_random_exponential

from leaflets import Audience, Leaflet, Withdrawal
from opensearch.documents import document, tombstone
from opensearch.generations import Indices
from opensearch.history import History, NotKept

# 100 documents already give 90 % of the bulk rate and 500 all of it (2 cores, 5 KB leaflets); real ones are larger, so bytes decide.
MOST_DOCUMENTS = 500
MOST_BYTES = 8_000_000
# FORBIDDEN: a reindex blocks writes for the moment in which it swaps the alias.
BUSY = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


@dataclass(frozen=True, slots=True)
class Refusal:
    """A leaflet that cannot be indexed, and why."""

    id: str
    source_id: str
    version: int
    reason: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a batch. `later` are ids that could not be settled now: the cursor must not pass them."""

    written: int = 0
    unchanged: int = 0
    older: int = 0
    withdrawn: int = 0
    rejected: tuple[Refusal, ...] = ()
    later: tuple[str, ...] = ()
    settled: frozenset[str] = frozenset()

    def __add__(self, other: Receipt) -> Receipt:
        return Receipt(
            written=self.written + other.written,
            unchanged=self.unchanged + other.unchanged,
            older=self.older + other.older,
            withdrawn=self.withdrawn + other.withdrawn,
            rejected=self.rejected + other.rejected,
            later=self.later + other.later,
            settled=self.settled | other.settled,
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """Leaflets and withdrawals of one source."""

    source: str
    leaflets: tuple[Leaflet, ...] = ()
    withdrawals: tuple[Withdrawal, ...] = ()


@dataclass(frozen=True, slots=True)
class _Action:
    """One document of a bulk request, as the two lines that it takes there."""

    id: str
    source_id: str
    version: int
    withdrawal: bool
    lines: bytes


@dataclass(frozen=True, slots=True)
class _Stored:
    """What the index holds of an id, as far as writing needs to know."""

    content_hash: str
    withdrawn: bool


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What OpenSearch said of one action."""

    action: _Action
    status: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes for one installation; safe to use from several threads."""

    client: OpenSearch
    indices: Indices

    def write(self, batch: Batch) -> Receipt:
        """Settles what can be settled now; raises where OpenSearch does not answer at all."""
        stored = self._stored(batch)
        unchanged = frozenset(leaflet.source_id for leaflet in batch.leaflets if _is_stored(leaflet, stored))
        receipt = Receipt(unchanged=sum(_is_stored(leaflet, stored) for leaflet in batch.leaflets), settled=unchanged)
        for part in _parts(_actions(batch, stored)):
            try:
                History(self.client, self.indices).keep(action.id for action in part if _stands(stored.get(action.id)))
            except NotKept:
                receipt += Receipt(later=tuple(action.id for action in part))
                continue
            receipt += self._bulk(part)
        return receipt

    def _stored(self, batch: Batch) -> dict[str, _Stored]:
        """What the index holds of the batch's ids, in every audience where the ERP names none: one question a batch."""
        told = [(x.source_id, x.facts.audience) for x in batch.leaflets] + [(w.source_id, w.audience) for w in batch.withdrawals]
        ids = [_id(batch.source, source_id, one) for source_id, named in dict.fromkeys(told) for one in ([named] if named else Audience)]
        if not ids:
            return {}
        answer = self.client.mget(index=self.indices.alias, body={"ids": ids}, _source_includes=["content_hash", "withdrawn"])
        return {
            doc["_id"]: _Stored(doc["_source"]["content_hash"], doc["_source"]["withdrawn"]) for doc in answer["docs"] if doc.get("found")
        }

    def _bulk(self, actions: Sequence[_Action]) -> Receipt:
        """Sends actions, again with patience those that OpenSearch was too busy for, and reads each one's own outcome."""
        receipt = Receipt()
        waiting = tuple(actions)
        patience = Retrying(
            retry=retry_if_result(bool),
            wait=wait_random_exponential(multiplier=0.2, max=5),
            stop=stop_after_attempt(5),
            retry_error_callback=lambda _: None,
        )
        for attempt in patience:
            with attempt:
                outcomes = self._send(waiting)
                receipt = sum((_receipt(outcome) for outcome in outcomes), receipt)
                waiting = tuple(outcome.action for outcome in outcomes if outcome.status in BUSY)
            if not attempt.retry_state.outcome or not attempt.retry_state.outcome.failed:
                attempt.retry_state.set_result(waiting)
        return receipt + Receipt(later=tuple(action.id for action in waiting))

    def _send(self, actions: Sequence[_Action]) -> list[_Outcome]:
        """One bulk request; a request refused as a whole because of load refuses each of its documents so."""
        try:
            answer = self.client.bulk(
                body=b"".join(action.lines for action in actions),
                index=self.indices.alias,
                params={"require_alias": "true", "filter_path": "items.*.status,items.*.error"},
            )
        except TransportError as error:
            if error.status_code not in BUSY:
                raise
            return [_Outcome(action, int(error.status_code)) for action in actions]
        told = (next(iter(item.values())) for item in answer["items"])
        return [_Outcome(action, t["status"], _reason(t.get("error"))) for action, t in zip(actions, told, strict=True)]


def _id(source: str, source_id: str, audience: str) -> str:
    return f"{source}:{source_id}:{audience}"


def _stands(there: _Stored | None) -> bool:
    return there is not None and not there.withdrawn


def _is_stored(leaflet: Leaflet, stored: dict[str, _Stored]) -> bool:
    there = stored.get(leaflet.id)
    return there is not None and not there.withdrawn and there.content_hash == leaflet.content_hash


def _actions(batch: Batch, stored: dict[str, _Stored]) -> Iterator[_Action]:
    """What must be sent to bring the index to the batch's state."""
    now = datetime.now(UTC)
    for leaflet in batch.leaflets:
        if not _is_stored(leaflet, stored):
            yield _action(leaflet.id, leaflet.source_id, leaflet.version, document(leaflet, indexed_at=now))
        if leaflet.facts.audience is None:
            # The ERP does not name the audience: one record, one leaflet. What we once took for another audience is this one.
            others = [audience for audience in Audience if audience != leaflet.audience]
            yield from _withdrawals(batch.source, leaflet.source_id, leaflet.version, others, stored, now)
    for gone in batch.withdrawals:
        audiences = [gone.audience] if gone.audience else list(Audience)
        yield from _withdrawals(batch.source, gone.source_id, gone.version, audiences, stored, now)


def _withdrawals(
    source: str, source_id: str, version: int, audiences: list[Audience], stored: dict[str, _Stored], now: datetime
) -> Iterator[_Action]:
    for audience in audiences:
        there = stored.get(_id(source, source_id, audience))
        if there and not there.withdrawn:
            body = tombstone(source, source_id, audience, version=version, indexed_at=now)
            yield _action(_id(source, source_id, audience), source_id, version, body)


def _action(id_: str, source_id: str, version: int, body: dict[str, object]) -> _Action:
    head = {"index": {"_id": id_, "version": version, "version_type": "external_gte"}}
    lines = b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in (head, body))
    return _Action(id_, source_id, version, bool(body["withdrawn"]), lines)


def _parts(actions: Iterator[_Action]) -> Iterator[list[_Action]]:
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


def _receipt(outcome: _Outcome) -> Receipt:
    """What one document's outcome means; one that was too busy says nothing yet."""
    action = outcome.action
    if outcome.status in BUSY:
        return Receipt()
    if outcome.status == HTTPStatus.CONFLICT:
        return Receipt(older=1, settled=frozenset({action.source_id}))
    if outcome.status == HTTPStatus.NOT_FOUND:
        return Receipt(later=(action.id,))  # the alias is gone: an operator is at work, or `prepare` has not run
    if outcome.status >= HTTPStatus.BAD_REQUEST:
        return Receipt(rejected=(Refusal(action.id, action.source_id, action.version, f"OpenSearch refused it: {outcome.reason}"),))
    done = frozenset({action.source_id})
    return Receipt(withdrawn=1, settled=done) if action.withdrawal else Receipt(written=1, settled=done)


def _reason(error: object) -> str:
    """OpenSearch's own words without the document's text that it may quote."""
    if not isinstance(error, dict):
        return ""
    cause = error.get("caused_by") or error
    return f"{error.get('type')}: {str(cause.get('reason', ''))[:200]}"

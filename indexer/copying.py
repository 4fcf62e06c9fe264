"""A generation's documents made anew in another: read from their stored originals, written with the `_version`s that they had.

    generation N, by _seq_no -> original -> Readers.reread -> document -> bulk, as long as N+1 is ours to write

One shard numbers its writes: who goes through them in the order of `_seq_no` meets whatever is written meanwhile at the end.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from http import HTTPStatus
from typing import Any, Self

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError, TransportError
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from indexer.readers import Readers
from leaflets import Audience, Leaflet
from opensearch.documents import document, original
from opensearch.operations import Lost

# Documents read at a time. The longest real leaflet keeps 80 kB of original, so a page has some MB at worst.
PAGE = 100
MOST_BYTES = 8_000_000
# Seconds that OpenSearch may refuse writes for being busy, or be away, before a copy is given up.
PATIENCE = 120.0
# What only shows or finds a leaflet and is made anew.
_MADE = ["sections", "titles", "section_hashes", "history"]


@dataclass(frozen=True, slots=True)
class Stored:
    """A document as a generation holds it, without what is made anew from its original."""

    id: str
    version: int
    seq_no: int
    body: Mapping[str, Any]  # OpenSearch's own JSON of our strict mapping


@dataclass(frozen=True, slots=True)
class Made:
    """A document ready to be written, as the two lines that a bulk request takes of it."""

    id: str
    version: int
    lines: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """A leaflet that could not be made anew: which edit of which record, and why."""

    id: str
    source: str
    source_id: str
    version: int
    reason: str


class NotWritten(Exception):
    """OpenSearch went on refusing writes for being busy; nothing was promoted. Try again when it has less to do."""


def made(doc_id: str, version: int, body: Mapping[str, object]) -> Made:
    """A document with the `_version` that it is to have."""
    head = {"index": {"_id": doc_id, "version": version, "version_type": "external_gte"}}
    return Made(doc_id, version, b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in (head, body)))


@dataclass(slots=True)
class Copy:
    """Makes documents of one generation anew in another. `target` is the alias under which that one is written; use it as a context.

    `refused` says of documents that could not be made anew why; one that could be later is taken out again.
    """

    client: OpenSearch
    generation: str
    target: str
    readers: Readers
    refused: dict[str, Refused] = field(default_factory=dict)
    reached: int = -1
    """The `_seq_no` up to which everything was copied."""
    _threads: ThreadPoolExecutor = field(init=False)
    _writer: ThreadPoolExecutor = field(init=False)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        self._threads = self._stack.enter_context(ThreadPoolExecutor(os.cpu_count() or 2, thread_name_prefix="reread"))
        self._writer = self._stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="write"))
        return self

    def __exit__(self, *failure: object) -> None:
        self._stack.close()

    def catch_up(self, told: Callable[[int], None]) -> int:
        """Copies whatever was written since the last call, and says how much that was; `told` hears so on the way."""
        self.client.indices.refresh(index=self.generation)
        return self._copied(self._since(), told)

    def only(self, ids: Sequence[str]) -> int:
        """Copies these documents."""
        return self._copied((self._of(ids[at : at + PAGE]) for at in range(0, len(ids), PAGE)), lambda _: None)

    def take_out(self, ids: Iterable[str]) -> None:
        """Deletes documents that the other generation holds no more (tombstones that were purged), or holds in an edit that is left out."""
        for doc_id in ids:
            with suppress(NotFoundError):
                self.client.delete(index=self.target, id=doc_id)

    def write(self, documents: Iterable[Made]) -> None:
        """Writes documents, in requests of at most MOST_BYTES; one that is older than what is there changes nothing."""
        for part in _parts(documents):
            self._sent(part)

    def _copied(self, pages: Iterable[Sequence[Stored]], told: Callable[[int], None]) -> int:
        """Reads one page anew while the one before is written: never more than two are held."""
        count, writing = 0, Future[None]()
        writing.set_result(None)
        for page in pages:
            documents = [one for one in self._threads.map(self._made, page) if one]
            writing.result()
            writing = self._writer.submit(self.write, documents)
            self.reached = max(self.reached, *(stored.seq_no for stored in page))
            count += len(page)
            told(count)
        writing.result()
        return count

    def _since(self) -> Iterator[tuple[Stored, ...]]:
        while True:
            body = {"size": PAGE, "query": {"range": {"_seq_no": {"gt": self.reached}}}, "sort": [{"_seq_no": "asc"}]}
            body |= {"version": True, "seq_no_primary_term": True, "_source": {"excludes": _MADE}}
            found = self.client.search(index=self.generation, body=body)["hits"]["hits"]
            if not found:
                return
            yield tuple(Stored(hit["_id"], hit["_version"], hit["_seq_no"], hit["_source"]) for hit in found)

    def _of(self, ids: Sequence[str]) -> tuple[Stored, ...]:
        docs = self.client.mget(index=self.generation, body={"ids": list(ids)}, params={"_source_excludes": ",".join(_MADE)})["docs"]
        return tuple(Stored(doc["_id"], doc["_version"], -1, doc["_source"]) for doc in docs if doc["found"])

    def _made(self, stored: Stored) -> Made | None:
        if stored.body["withdrawn"]:
            self.refused.pop(stored.id, None)
            # A tombstone of mapping 2 has the ERP's version as its `_version` alone.
            return made(stored.id, stored.version, {"version": stored.version, **stored.body})
        read = self._reread(stored)
        if isinstance(read, str):
            body = stored.body
            self.refused[stored.id] = Refused(stored.id, body["source"], body["source_id"], body.get("version", stored.version), read)
            return None
        self.refused.pop(stored.id, None)
        return made(stored.id, stored.version, document(read, indexed_at=datetime.fromisoformat(stored.body["indexed_at"])))

    def _reread(self, stored: Stored) -> Leaflet | str:
        """The leaflet again, under the id that it has.

        Where this program takes an unnamed audience for another, the leaflet is read for the one it is stored under: the next pull of its
        record moves it, with a tombstone in its place, as any sync does.
        """
        source, told = stored.body["source"], original(stored.body, stored.version)
        read = self.readers.reread(source, told.change, told.text)
        if isinstance(read, Leaflet) and read.id != stored.id:
            audience = Audience(stored.body["audience"])
            named = replace(told.change, facts=replace(told.change.facts, audience=audience))
            read = self.readers.reread(source, named, told.text)
            if isinstance(read, Leaflet):
                read = replace(read, facts=told.change.facts)
        return read

    def _sent(self, documents: Sequence[Made]) -> None:
        """One bulk request, repeated with patience for those that OpenSearch was too busy for; raises NotWritten, and Lost."""
        waiting = tuple(documents)
        patience = Retrying(
            retry=retry_if_exception_type(_Busy), wait=wait_random_exponential(multiplier=0.2, max=5), stop=stop_after_delay(PATIENCE)
        )
        for attempt in patience.copy(retry_error_callback=_given_up):
            with attempt:
                waiting = self._asked(waiting)
                if waiting:
                    raise _Busy

    def _asked(self, documents: Sequence[Made]) -> tuple[Made, ...]:
        """Sends documents, notes those that are refused and gives those that must be sent again."""
        try:
            answer = self.client.bulk(
                body=b"".join(one.lines for one in documents),
                index=self.target,
                params={"require_alias": "true", "filter_path": "items.*.status,items.*.error.type,items.*.error.reason"},
            )
        except TransportError as error:
            if error.status_code in _BUSY or error.status_code == "N/A":
                return tuple(documents)
            raise
        again = []
        for one, item in zip(documents, answer["items"], strict=True):
            told = next(iter(item.values()))
            if told["status"] in _BUSY:
                again.append(one)
            elif told["status"] == HTTPStatus.NOT_FOUND:
                raise Lost("another process took this one for dead and cleared what it had made; nothing was changed: run it again")
            elif told["status"] >= HTTPStatus.BAD_REQUEST and told["status"] != HTTPStatus.CONFLICT:
                source, source_id = one.id.rpartition(":")[0].split(":", 1)
                reason = f"OpenSearch refused it: {told['error']['type']}: {told['error']['reason'][:200]}"
                self.refused[one.id] = Refused(one.id, source, source_id, one.version, reason)
        return tuple(again)


_BUSY = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


class _Busy(Exception):
    """Some documents must be sent again."""


def _given_up(_: object) -> None:
    raise NotWritten(f"OpenSearch was too busy to write, or away, for {PATIENCE:.0f} s; nothing was changed: run it again later")


def _parts(documents: Iterable[Made]) -> Iterator[list[Made]]:
    part: list[Made] = []
    size = 0
    for one in documents:
        if part and size + len(one.lines) > MOST_BYTES:
            yield part
            part, size = [], 0
        part.append(one)
        size += len(one.lines)
    if part:
        yield part

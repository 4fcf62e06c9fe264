"""Pulls all sources at once and settles what they gave: the whole of a sync.

    source.pages -> Change -> PdfReader / text_of -> Leaflet -> Writer -> Receipt -> cursor

One thread a source, at most `max_in_flight` requests of it at a time, a few threads that read its texts. What one source does, slow, down
or wrong, is its own outcome and nobody else's.
"""

from __future__ import annotations

import itertools
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, astuple, dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

from opensearchpy.exceptions import OpenSearchException

from indexer.cursors import Cursor, Cursors
from indexer.pdf import PdfReader, UnreadablePdf
from indexer.rejected import Rejected, RejectedLeaflets, of_change, of_unreadable
from indexer.sources.base import Page, Source, SourceError
from indexer.write import MOST_DOCUMENTS, Batch, Receipt, Writer
from leaflets import Audience, Change, Leaflet, Unreadable, Withdrawal
from leaflets.reading import NotALeaflet
from leaflets.reading import leaflet as leaflet_of
from leaflets.text import Undecodable, text_of

T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of a source's leaflets, in leaflets."""

    written: int = 0
    unchanged: int = 0
    older: int = 0
    withdrawn: int = 0
    rejected: int = 0
    later: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one source's pull went. `outcome` is done, waiting (some leaflets could not be settled yet) or failed.

    `seconds` passed in all; the ERP was busy answering for `asking_seconds`, which is more where it answered several at a time.
    """

    source: str
    outcome: str
    counts: Counts
    pages: int
    seconds: float
    asking_seconds: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class Stores:
    """Where a pull puts what it settled."""

    writer: Writer
    cursors: Cursors
    rejected: RejectedLeaflets


def sync(
    sources: Sequence[Source],
    stores: Stores,
    pdfs: PdfReader,
    *,
    full: bool = False,
    done: Callable[[Outcome], None] = lambda _: None,
) -> tuple[Outcome, ...]:
    """Pulls every source, in parallel, and gives their outcomes in the order of the sources; `done` hears of each as it ends."""

    def pulled(source: Source) -> Outcome:
        outcome = _pulled(source, stores, pdfs, full=full)
        done(outcome)
        return outcome

    with ThreadPoolExecutor(max_workers=max(1, len(sources)), thread_name_prefix="source") as pullers:
        return tuple(pullers.map(pulled, sources))


def _pulled(source: Source, stores: Stores, pdfs: PdfReader, *, full: bool) -> Outcome:
    """One source's pull. Whatever goes wrong in it is told in its outcome."""
    pull = _Pull(source, stores, pdfs)
    started = time.monotonic()
    try:
        pull.run(full=full)
    except SourceError as error:
        log.warning("source failed", extra={"source": source.name, "error": str(error)})
        return pull.outcome("failed", started, str(error))
    except OpenSearchException as error:
        # Not the exception itself: its text may quote leaflets.
        log.error("index failed", extra={"source": source.name, "error": type(error).__name__})  # noqa: TRY400
        return pull.outcome("failed", started, f"OpenSearch did not take the leaflets ({type(error).__name__}); the cursor stays")
    if pull.counts.later:
        return pull.outcome("waiting", started, f"{pull.counts.later} leaflets wait: OpenSearch was too busy; the cursor stays")
    return pull.outcome("done", started)


def read_change(source: str, change: Change, pdfs: PdfReader) -> Leaflet | str:
    """The leaflet of a change, or why it is none."""
    try:
        texts = tuple(pdfs.text(c.body) if c.media_type == "application/pdf" else text_of(c) for c in change.contents)
        return leaflet_of(source, change, texts)
    except (NotALeaflet, Undecodable, UnreadablePdf) as error:
        return str(error)


def _standing(leaflets: Sequence[Leaflet], withdrawals: Sequence[Withdrawal]) -> tuple[Leaflet, ...]:
    """Of leaflets that pages gave more than once the newest; none that was withdrawn since."""
    newest: dict[str, Leaflet] = {}
    for leaflet in leaflets:
        if leaflet.id not in newest or leaflet.version >= newest[leaflet.id].version:
            newest[leaflet.id] = leaflet
    gone = {(w.source_id, audience): w.version for w in withdrawals for audience in ([w.audience] if w.audience else Audience)}
    return tuple(leaflet for leaflet in newest.values() if gone.get((leaflet.source_id, leaflet.audience), -1) < leaflet.version)


@dataclass(frozen=True, slots=True)
class _Read:
    """A page as it was read: leaflets, withdrawals, and what was none, with the changes that they were."""

    leaflets: tuple[Leaflet, ...]
    withdrawals: tuple[Withdrawal, ...]
    refused: tuple[Rejected, ...]
    changes: Mapping[str, Change]
    cursor: str | None


class _Pull:
    """One source's pull as it goes on."""

    def __init__(self, source: Source, stores: Stores, pdfs: PdfReader) -> None:
        self.source = source
        self.stores = stores
        self.pdfs = pdfs
        self.counts = Counts()
        self.pages = 0
        self.known_rejects: dict[str, str] = {}
        self.asked: list[float] = []
        self.waited = 0.0

    def run(self, *, full: bool) -> None:
        """Pulls, writes and moves the cursor behind what is settled."""
        began = datetime.now(UTC)
        started = time.monotonic()
        cursor = self.stores.cursors.read(self.source.name)
        cursor = self.stores.cursors.move(replace(cursor, attempted_at=began, outcome="running", error=""))
        try:
            self.known_rejects = self.stores.rejected.reasons(self.source.name)
            cursor = self._settle_pages(cursor, None if full else cursor.value)
        except SourceError as error:
            self.stores.cursors.move(self._ended(cursor, started, outcome="failed", error=str(error)))
            raise
        if self.counts.later:
            self.stores.cursors.move(self._ended(cursor, started, outcome="waiting", error="OpenSearch was too busy for some leaflets"))
            return
        self.stores.cursors.move(replace(self._ended(cursor, started, outcome="done", error=""), synced_at=began))

    def _settle_pages(self, cursor: Cursor, since: str | None) -> Cursor:
        """Every page read, written and passed by the cursor, as far as all before it is settled.

        While one batch is written the next is gathered: as many pages as come meanwhile, so that a fast ERP makes few large writes and a
        slow one is written as it answers.
        """
        places = self.source.max_in_flight
        gathered: list[_Read] = []
        with (
            ThreadPoolExecutor(max_workers=places, thread_name_prefix=f"ask-{self.source.name}") as askers,
            ThreadPoolExecutor(max_workers=os.cpu_count() or 2, thread_name_prefix=f"read-{self.source.name}") as readers,
            ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"write-{self.source.name}") as writer,
        ):

            def ahead(calls: Iterable[Callable[[], T]]) -> Iterator[T]:
                return self._ahead(askers, places, calls)

            writing = writer.submit(self._settled, (), cursor)
            for page in self._waited(self.source.pages(since, ahead)):
                self.pages += 1
                gathered.append(self._read(page, readers))
                if writing.done() or sum(len(read.leaflets) for read in gathered) >= MOST_DOCUMENTS:
                    cursor = writing.result()
                    writing = writer.submit(self._settled, tuple(gathered), cursor)
                    gathered = []
            return self._settled(tuple(gathered), writing.result())

    def _ahead(self, askers: ThreadPoolExecutor, places: int, calls: Iterable[Callable[[], T]]) -> Iterator[T]:
        """See `Ahead`: as many calls wait as run, so that a place never stands empty, and no more, so that memory is bounded."""
        pending = iter(calls)
        waiting: deque[Future[T]] = deque()
        try:
            for call in itertools.islice(pending, places):
                waiting.append(askers.submit(self._timed, call))
            while waiting:
                result = waiting.popleft().result()
                for call in itertools.islice(pending, 1):
                    waiting.append(askers.submit(self._timed, call))
                yield result
        finally:
            for future in waiting:
                future.cancel()

    def _waited(self, pages: Iterator[Page]) -> Iterator[Page]:
        """The pages, with the time that each was waited for."""
        while True:
            started = time.monotonic()
            page = next(pages, None)
            self.waited += time.monotonic() - started
            if page is None:
                return
            yield page

    def _timed(self, call: Callable[[], T]) -> T:
        started = time.monotonic()
        try:
            return call()
        finally:
            self.asked.append(time.monotonic() - started)

    def _read(self, page: Page, readers: ThreadPoolExecutor) -> _Read:
        """A page's leaflets, and what is none."""
        changes = {c.source_id: c for c in page.changes if isinstance(c, Change)}
        read = readers.map(lambda change: read_change(self.source.name, change, self.pdfs), changes.values())
        leaflets = {change.source_id: told for change, told in zip(changes.values(), read, strict=True)}
        return _Read(
            leaflets=tuple(told for told in leaflets.values() if isinstance(told, Leaflet)),
            withdrawals=tuple(w for w in page.changes if isinstance(w, Withdrawal)),
            refused=(
                *(of_unreadable(self.source.name, u) for u in page.changes if isinstance(u, Unreadable)),
                *(of_change(self.source.name, changes[i], told) for i, told in leaflets.items() if isinstance(told, str)),
            ),
            changes=changes,
            cursor=page.cursor,
        )

    def _settled(self, gathered: tuple[_Read, ...], cursor: Cursor) -> Cursor:
        """Some pages written or kept as rejected; gives the cursor, moved behind them where all of it is settled."""
        if not gathered:
            return cursor
        changes = {source_id: change for read in gathered for source_id, change in read.changes.items()}
        withdrawals = tuple(w for read in gathered for w in read.withdrawals)
        leaflets = _standing([leaflet for read in gathered for leaflet in read.leaflets], withdrawals)
        receipt = self.stores.writer.write(Batch(self.source.name, leaflets, withdrawals))
        refused = [r for read in gathered for r in read.refused]
        refused += [of_change(self.source.name, changes[r.source_id], r.reason) for r in receipt.rejected]
        self._keep(refused)
        self._forget(receipt)
        self.counts += Counts(
            receipt.written, receipt.unchanged, receipt.older, receipt.withdrawn, rejected=len(refused), later=len(receipt.later)
        )
        reached = next((read.cursor for read in reversed(gathered) if read.cursor is not None), None)
        if reached in {None, cursor.value} or self.counts.later:
            return cursor
        return self.stores.cursors.move(replace(cursor, value=reached))

    def _keep(self, refused: list[Rejected]) -> None:
        """Keeps the rejected, but for those that stand there already, word for word."""
        new = [one for one in refused if self.known_rejects.get(one.source_id) != f"{one.version} {one.reason}"]
        self.stores.rejected.keep(new)
        self.known_rejects |= {one.source_id: f"{one.version} {one.reason}" for one in new}

    def _forget(self, receipt: Receipt) -> None:
        mended = receipt.settled & self.known_rejects.keys()
        self.stores.rejected.forget(self.source.name, mended)
        for source_id in mended:
            del self.known_rejects[source_id]

    def _ended(self, cursor: Cursor, started: float, *, outcome: str, error: str) -> Cursor:
        return replace(cursor, outcome=outcome, error=error, counts=asdict(self.counts), seconds=round(time.monotonic() - started, 3))

    def outcome(self, outcome: str, started: float, error: str = "") -> Outcome:
        """What is told of this pull."""
        # What was asked ahead took all its answers' times together; what was asked in turn took as long as it was waited for.
        asking = max(sum(self.asked), self.waited)
        return Outcome(self.source.name, outcome, self.counts, self.pages, time.monotonic() - started, asking, error)

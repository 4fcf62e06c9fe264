"""Pulls all sources at once and settles what they gave: the whole of a sync.

    source.pages -> Change -> Readers -> Leaflet -> Writer -> Receipt -> cursor

One thread a source, at most `max_in_flight` requests of it at a time, a few processes that read texts for all. What one source does,
slow, down or wrong, is its own outcome and nobody else's.
"""

from __future__ import annotations

import itertools
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

from opensearchpy.exceptions import OpenSearchException

from indexer.cursors import Cursor, Cursors
from indexer.readers import Readers
from indexer.rejected import Rejected, RejectedLeaflets, of_change, of_unreadable
from indexer.sources.base import Page, Source, SourceError
from indexer.write import MOST_DOCUMENTS, Batch, Receipt, Writer
from leaflets import Audience, Change, Leaflet, Unreadable, Withdrawal

T = TypeVar("T")
log = logging.getLogger(__name__)

# Leaflets that are worth a write while more are there to be read: 100 already reach 90 % of the bulk rate.
ENOUGH = 100


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
    readers: Readers,
    *,
    full: bool = False,
    done: Callable[[Outcome], None] = lambda _: None,
) -> tuple[Outcome, ...]:
    """Pulls every source, in parallel, and gives their outcomes in the order of the sources; `done` hears of each as it ends."""

    def pulled(source: Source) -> Outcome:
        outcome = _pulled(source, stores, readers, full=full)
        done(outcome)
        return outcome

    with ThreadPoolExecutor(max_workers=max(1, len(sources)), thread_name_prefix="source") as pullers:
        return tuple(pullers.map(pulled, sources))


def _pulled(source: Source, stores: Stores, readers: Readers, *, full: bool) -> Outcome:
    """One source's pull. Whatever goes wrong in it is told in its outcome."""
    started = time.monotonic()
    pull = _Pull(source, stores, readers)
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
    """A page as it was read: leaflets, withdrawals, and what was none; `changes` are those of the leaflets, by the leaflets' ids."""

    leaflets: tuple[Leaflet, ...]
    withdrawals: tuple[Withdrawal, ...]
    refused: tuple[Rejected, ...]
    changes: Mapping[str, Change]
    cursor: str | None


@contextmanager
def _abandoned(executor: ThreadPoolExecutor) -> Iterator[ThreadPoolExecutor]:
    """An executor that is not waited for: what an ERP is still asked past its last page may end by itself."""
    try:
        yield executor
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


class _Pull:
    """One source's pull as it goes on."""

    def __init__(self, source: Source, stores: Stores, readers: Readers) -> None:
        self.source = source
        self.stores = stores
        self.readers = readers
        self.cursor = Cursor(source.name)
        self.counts = Counts()
        self.pages = 0
        self.known_rejects: dict[str, str] | None = None
        self.asked: list[float] = []
        self.waited = 0.0
        # Whether the next answer has come already; never known of what is asked in turn.
        self.more_is_there = False

    def run(self, *, full: bool) -> None:
        """Pulls, writes and moves the cursor behind what is settled."""
        began, started = datetime.now(UTC), time.monotonic()
        self.cursor = self.stores.cursors.read(self.source.name)
        try:
            self._settle_pages(None if full else self.cursor.value, began)
        except SourceError as error:
            self._end("failed", started, str(error))
            raise
        if self.counts.later:
            self._end("waiting", started, "OpenSearch was too busy for some leaflets")
        else:
            self.cursor = replace(self.cursor, synced_at=began)
            self._end("done", started)

    def _settle_pages(self, since: str | None, began: datetime) -> None:
        """Every page read, written and passed by the cursor, as far as all before it is settled.

        While one batch is written the next is gathered, and what is gathered is written whenever the ERP must be waited for: a fast ERP
        makes few large writes, a slow one is written as it answers. Our own books are opened when the first answer has come.
        """
        name, places = self.source.name, self.source.max_in_flight
        gathered: list[_Read] = []
        with (
            _abandoned(ThreadPoolExecutor(max_workers=places, thread_name_prefix=f"ask-{name}")) as askers,
            ThreadPoolExecutor(max_workers=os.cpu_count() or 2, thread_name_prefix=f"read-{name}") as threads,
            ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"write-{name}") as writer,
        ):

            def ahead(calls: Iterable[Callable[[], T]]) -> Iterator[T]:
                return self._ahead(askers, 2 * places, calls)

            writing = None
            try:
                for page in self._waited(self.source.pages(since, ahead)):
                    self.pages += 1
                    writing = writing or writer.submit(self._begin, began)
                    gathered.append(self._read(page, threads))
                    leaflets = sum(len(read.leaflets) for read in gathered)
                    due = leaflets >= ENOUGH or not self.more_is_there
                    if leaflets >= MOST_DOCUMENTS or (due and writing.done()):
                        writing.result()
                        writing, gathered = writer.submit(self._settle, tuple(gathered)), []
            finally:
                # Also what came before a source failed: it is good. Its cursor is stored with the pull's end.
                (writing or writer.submit(self._begin, began)).result()
                self._settle(tuple(gathered), store=False)

    def _begin(self, began: datetime) -> None:
        """Says in the cursor that a pull runs."""
        self.cursor = self.stores.cursors.move(replace(self.cursor, attempted_at=began, outcome="running", error=""))

    def _end(self, outcome: str, started: float, error: str = "") -> None:
        """Says in the cursor how the pull went."""
        seconds, counts, totals = round(time.monotonic() - started, 3), asdict(self.counts), dict(self.cursor.totals)
        for name, count in {f"pulls.{outcome}": 1, **{f"leaflets.{name}": count for name, count in counts.items()}}.items():
            totals[name] = totals.get(name, 0) + count
        self.cursor = self.stores.cursors.move(
            replace(self.cursor, outcome=outcome, error=error, counts=counts, totals=totals, seconds=seconds)
        )

    def _ahead(self, askers: ThreadPoolExecutor, most: int, calls: Iterable[Callable[[], T]]) -> Iterator[T]:
        """See `Ahead`. `most` calls are under way or answered and not yet taken: twice the places, so that no place stands empty."""
        pending = iter(calls)
        waiting: deque[Future[T]] = deque()
        try:
            for call in itertools.islice(pending, most):
                waiting.append(askers.submit(self._timed, call))
            while waiting:
                result = waiting.popleft().result()
                for call in itertools.islice(pending, 1):
                    waiting.append(askers.submit(self._timed, call))
                self.more_is_there = bool(waiting) and waiting[0].done()
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

    def _read(self, page: Page, threads: ThreadPoolExecutor) -> _Read:
        """A page's leaflets, and what is none."""
        name = self.source.name
        changes = [c for c in page.changes if isinstance(c, Change)]
        told = list(zip(changes, threads.map(lambda change: self.readers.read(name, change), changes), strict=True))
        return _Read(
            leaflets=tuple(read for _, read in told if isinstance(read, Leaflet)),
            withdrawals=tuple(w for w in page.changes if isinstance(w, Withdrawal)),
            refused=(
                *(of_unreadable(name, u) for u in page.changes if isinstance(u, Unreadable)),
                *(of_change(name, change, read) for change, read in told if isinstance(read, str)),
            ),
            changes={read.id: change for change, read in told if isinstance(read, Leaflet)},
            cursor=page.cursor,
        )

    def _settle(self, gathered: tuple[_Read, ...], *, store: bool = True) -> None:
        """Writes some pages or keeps them as rejected, and moves the cursor behind them where all of it is settled."""
        if not gathered:
            return
        changes = {leaflet_id: change for read in gathered for leaflet_id, change in read.changes.items()}
        withdrawals = tuple(w for read in gathered for w in read.withdrawals)
        leaflets = _standing([leaflet for read in gathered for leaflet in read.leaflets], withdrawals)
        receipt = self.stores.writer.write(Batch(self.source.name, leaflets, withdrawals))
        refused = [r for read in gathered for r in read.refused]
        refused += [of_change(self.source.name, changes[r.id], r.reason) for r in receipt.rejected]
        self._keep(refused, receipt)
        self.counts += Counts(
            receipt.written, receipt.unchanged, receipt.older, receipt.withdrawn, rejected=len(refused), later=len(receipt.later)
        )
        reached = next((read.cursor for read in reversed(gathered) if read.cursor is not None), None)
        if reached not in {None, self.cursor.value} and not self.counts.later:
            self.cursor = replace(self.cursor, value=reached)
            if store:
                self.cursor = self.stores.cursors.move(self.cursor)

    def _keep(self, refused: list[Rejected], receipt: Receipt) -> None:
        """Keeps the rejected, but for those that stand there already, word for word, and drops those whose record was settled since."""
        if self.known_rejects is None:
            self.known_rejects = self.stores.rejected.reasons(self.source.name)
        new = [one for one in refused if self.known_rejects.get(one.source_id) != f"{one.version} {one.reason}"]
        self.stores.rejected.keep(new)
        self.known_rejects |= {one.source_id: f"{one.version} {one.reason}" for one in new}
        mended = (receipt.settled & self.known_rejects.keys()) - {one.source_id for one in refused}
        self.stores.rejected.forget(self.source.name, mended)
        for source_id in mended:
            del self.known_rejects[source_id]

    def outcome(self, outcome: str, started: float, error: str = "") -> Outcome:
        """What is told of this pull."""
        # What was asked ahead took all its answers' times together; what was asked in turn took as long as it was waited for.
        asking = max(sum(self.asked), self.waited)
        return Outcome(self.source.name, outcome, self.counts, self.pages, time.monotonic() - started, asking, error)

"""Pulls all sources at once and settles what they gave: the whole of a sync.

    lease -> source.pages -> Change -> Readers -> Leaflet -> Writer -> Receipt -> cursor -> what is missing -> lease given back

One thread a source, at most `max_in_flight` requests of it at a time, a few processes that read texts for all. What one source does,
slow, down or wrong, is its own outcome and nobody else's.
"""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import asdict, astuple, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

from opensearchpy.exceptions import OpenSearchException
from structlog.contextvars import bind_contextvars, bound_contextvars

from indexer.asking import Asking
from indexer.breaker import BreakerState
from indexer.cursors import CursorMoved, Cursors
from indexer.leases import Lease, PulledElsewhere, Stopped, Terms, holder, take
from indexer.patience import Patience
from indexer.readers import Readers
from indexer.rejected import Rejected, RejectedLeaflets, of_change, of_unreadable
from indexer.sources.base import Page, Source, SourceError
from indexer.withdrawals import Listing, believable, purge, standing, withdrawal, withheld
from indexer.write import MOST_DOCUMENTS, Batch, Receipt, Refusal, Writer
from leaflets import Audience, Change, Leaflet, Unreadable, Withdrawal

T = TypeVar("T")
log = logging.getLogger(__name__)

# Leaflets that are worth a write while more are there to be read: 100 already reach 90 % of the bulk rate.
ENOUGH = 100
# Bytes of contents that are gathered at most while a batch is written. PDFs have 0.1-3 MB; a sync of eight sources so stays below 300 MB.
MOST_GATHERED = 32_000_000
# Seconds that a pull which was told to end may take for the batch that it writes. The process has 10 s in all.
GRACE = 7.0
# Once a batch could not be settled the cursor stays anyway: those after it are tried, but hardly waited for.
_LITTLE_PATIENCE = 2.0
# What the newest listing weighs in the average of all.
_NEWEST = 0.2


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
    """How one source's pull went.

    `outcome` is done, waiting (some leaflets could not be settled yet), refused (withdrawals beyond the guard were not made), held
    (another indexer pulls it), stopped (this process was told to end) or failed. `seconds` passed in all; the ERP was busy answering for
    `asking_seconds`, which is more where it answered several at a time. `run` is what its log lines have in common.
    """

    source: str
    outcome: str
    counts: Counts = field(default_factory=Counts)
    pages: int = 0
    seconds: float = 0.0
    asking_seconds: float = 0.0
    error: str = ""
    run: str = ""


@dataclass(frozen=True, slots=True)
class Stores:
    """Where a pull puts what it settled, on which terms it holds a source meanwhile, and how long tombstones stand."""

    writer: Writer
    cursors: Cursors
    rejected: RejectedLeaflets
    terms: Terms = field(default_factory=lambda: Terms(holder()))
    tombstones_kept: timedelta = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Order:
    """What a person or the schedule wants of a pull: everything; withdrawals beyond the guard; an ERP asked though its breaker is open.

    `set_back`: leaflets older than those that we hold are believed where two whole listings give them.
    """

    full: bool = False
    confirmed: bool = False
    set_back: bool = False
    probing: bool = False


def sync(
    sources: Sequence[Source],
    stores: Stores,
    readers: Readers,
    order: Order = Order(),
    *,
    full: bool = False,
    done: Callable[[Outcome], None] = lambda _: None,
) -> tuple[Outcome, ...]:
    """Pulls every source, in parallel, and gives their outcomes in the order of the sources; `done` hears of each as it ends.

    Once `stores.terms.stopped` is set it comes back within GRACE, whatever a pull still waits for.
    """
    wanted = replace(order, full=order.full or full)

    def pulled(source: Source) -> Outcome:
        outcome = pull(source, stores, readers, wanted)
        done(outcome)
        return outcome

    pullers = ThreadPoolExecutor(max_workers=max(1, len(sources)), thread_name_prefix="source")
    futures = [pullers.submit(pulled, source) for source in sources]
    ended(futures, stores)
    pullers.shutdown(wait=False)
    return tuple(
        future.result() if future.done() else Outcome(source.name, "stopped", error=_STOPPED)
        for source, future in zip(sources, futures, strict=True)
    )


def ended(futures: Sequence[Future[T]], stores: Stores) -> None:
    """Waits for pulls; once they are told to end no longer than GRACE."""
    until = float("inf")
    while wait(futures, timeout=0.2).not_done and time.monotonic() < until:
        if stores.terms.stopped.is_set():
            until = min(until, time.monotonic() + GRACE)


_STOPPED = "stopped before its end, as it was told to; what was settled stands, the rest is read again"


def pull(source: Source, stores: Stores, readers: Readers, order: Order = Order()) -> Outcome:
    """One source's pull. Whatever goes wrong in it is told in its outcome."""
    run, began, started = secrets.token_hex(4), datetime.now(UTC), time.monotonic()
    with bound_contextvars(run=run, source=source.name):
        taking = partial(take, stores.cursors, source.name, stores.terms, began, run)
        try:
            lease = stores.writer.patience.ask(taking)
        except (PulledElsewhere, CursorMoved) as error:
            outcome = Outcome(source.name, "held", error=str(error))
        except Stopped:
            outcome = Outcome(source.name, "stopped", error=_STOPPED)
        except OpenSearchException as error:
            outcome = Outcome(source.name, "failed", error=_index_failed(error))
        else:
            outcome = _Pull(source, lease, stores, readers, order, began).outcome()
        outcome = replace(outcome, seconds=time.monotonic() - started, run=run)
        fields = {"outcome": outcome.outcome, **asdict(outcome.counts), "pages": outcome.pages, "seconds": round(outcome.seconds, 3)}
        level = logging.INFO if outcome.outcome in {"done", "held", "stopped"} else logging.WARNING
        log.log(level, "pull ended", extra=fields | ({"error": outcome.error} if outcome.error else {}))
    return outcome


def _index_failed(error: OpenSearchException) -> str:
    """What is told of it: not its own text, which may quote leaflets."""
    return f"OpenSearch did not take the leaflets ({type(error).__name__}); the cursor stays"


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

    @property
    def bytes(self) -> int:
        """How much of the ERP's contents it holds."""
        return sum(len(content.body) for change in self.changes.values() for content in change.contents)


@dataclass(frozen=True, slots=True)
class _Told:
    """Which version of which record an ERP told."""

    source_id: str
    version: int


@dataclass(frozen=True, slots=True)
class _Again:
    """What a second listing told: the names, and the leaflets that it set back as the first one did."""

    listing: Listing
    leaflets: tuple[Leaflet, ...]


@dataclass(frozen=True, slots=True)
class _Ending:
    """How a pull ended, and what a person is told of it."""

    outcome: str = "done"
    error: str = ""


class _Pull:
    """One source's pull as it goes on, under its lease."""

    def __init__(self, source: Source, lease: Lease, stores: Stores, readers: Readers, order: Order, began: datetime) -> None:
        self.source = source
        self.lease = lease
        self.stores = stores
        self.readers = readers
        self.order = order
        self.began, self.started = began, time.monotonic()
        self.cursor = lease.cursor
        self.writer = replace(stores.writer, fence=lease.check)
        self.bound = {"run": self.cursor.run, "source": source.name}
        self.counts = Counts()
        self.pages = 0
        self.asking_seconds = 0.0
        self.listing = Listing()
        # What was found older than the index holds it, by its id.
        self.older: dict[str, _Told] = {}
        self.known_rejects: dict[str, str] | None = None

    def outcome(self) -> Outcome:
        """Pulls, gives the source back, and tells how it went."""
        patience = self.stores.writer.patience
        try:
            ending = self._ending()
        except Stopped:
            ending = _Ending("stopped", _STOPPED)
        except SourceError as error:
            ending = _Ending("failed", str(error))
        except OpenSearchException as error:
            patience = replace(patience, seconds=_LITTLE_PATIENCE)
            ending = _Ending("failed", _index_failed(error))
        finally:
            self.lease.abandon()
        if not self.lease.lost:
            ending = self._given_back(ending, patience)
        return Outcome(self.source.name, ending.outcome, self.counts, self.pages, 0.0, self.asking_seconds, ending.error)

    def _ending(self) -> _Ending:
        """Everything asked for, written and passed by the cursor; then what is there no longer."""
        cursor = self.cursor
        self.source.breaker.restore(BreakerState(cursor.breaker, cursor.failures, cursor.retry_at, cursor.cool_down))
        if self.order.probing:
            self.source.breaker.probe_now()
        whole = self._is_whole()
        log.info("pull began", extra={"whole": whole})
        self._settle_pages(whole=whole)
        if self.counts.later:
            return _Ending("waiting", f"{self.counts.later} leaflets wait: OpenSearch was too busy; the cursor stays")
        ending = self._settle_listing(whole=whole) if self.listing.complete else _Ending()
        if ending.outcome == "done":
            self.cursor = replace(self.cursor, synced_at=self.began)
        return ending

    def _is_whole(self) -> bool:
        """Whether everything is asked for, and not only what changed."""
        cursor = self.cursor
        # A listing dated after now was dated by a clock that has since stepped back.
        scanned = cursor.scanned_at is not None and timedelta() <= self.began - cursor.scanned_at < self.source.scan_every
        return self.order.full or cursor.value is None or cursor.withheld > 0 or not scanned

    def _settle_pages(self, *, whole: bool) -> None:
        """Every page read, written and passed by the cursor, as far as all before it is settled.

        While one batch is written the next is gathered, and what is gathered is written whenever the ERP must be waited for: a fast ERP
        makes few large writes, a slow one is written as it answers. What is gathered is bounded, so an index that is slow or away holds
        the asking up.
        """
        gathered: list[_Read] = []
        writing: Future[None] | None = None
        threads = partial(ThreadPoolExecutor, initializer=partial(bind_contextvars, **self.bound))
        reading = threads(max_workers=os.cpu_count() or 2, thread_name_prefix=f"read-{self.source.name}")
        with (
            Asking(self.source, self._go_on, self.bound) as asking,
            threads(max_workers=1, thread_name_prefix=f"write-{self.source.name}") as writer,
        ):
            try:
                for page in asking.pages(self.cursor.value, whole=whole):
                    self.pages += 1
                    self.listing.note(page)
                    gathered.append(self._read(page, reading, asking))
                    if _is_full(gathered) or (_is_due(gathered, asking) and (writing is None or writing.done())):
                        if writing is not None:
                            writing.result()
                        writing, gathered = writer.submit(self._settle, tuple(gathered)), []
            except SourceError:
                # What came before it failed is good.
                self._settle_last(writing, gathered)
                raise
            finally:
                self.asking_seconds += asking.seconds
                reading.shutdown(wait=False, cancel_futures=True)
            self._settle_last(writing, gathered)

    def _go_on(self) -> None:
        """Raises what ends a pull from outside."""
        if self.stores.terms.stopped.is_set():
            raise Stopped
        if self.lease.lost:
            raise CursorMoved(self.source.name)

    def _settle_last(self, writing: Future[None] | None, gathered: list[_Read]) -> None:
        """What is under way, and what is left; its cursor is stored with the pull's end."""
        if writing is not None:
            writing.result()
        self._settle(tuple(gathered), store=False)

    def _settle_listing(self, *, whole: bool) -> _Ending:
        """What a whole listing tells beside its leaflets, where a second one agrees: who is gone, and what its ERP has set back.

        Who is gone is withdrawn, but none of it where it is too much to be believed. What is older than we hold it stays as it is unless
        a person says that the ERP was restored, or its clock put right.
        """
        name, client, indices = self.source.name, self.writer.client, self.writer.indices
        stood = self.writer.patience.ask(partial(standing, client, indices, name))
        gone = self.listing.missing(stood)
        mended = self._rejects().keys() - self.listing.given
        # A page that was read before an edit may come after one that has it: then the listing gave a newer version, too.
        ids = {one.id for one in stood} if self.order.set_back else set()
        older = {one: told for one, told in self.older.items() if one in ids and told.version >= self.listing.versions[told.source_id]}
        set_back: tuple[Leaflet, ...] = ()
        if gone or mended or older:
            again = self._listed_again(older, whole=whole)
            if not again.listing.complete:
                return _Ending()
            gone, mended, set_back = again.listing.missing(gone), mended - again.listing.given, again.leaflets
        if not (self.order.confirmed or believable(len(gone), len(stood), self.source.max_missing)):
            self.cursor = replace(self.cursor, withheld=len(gone))
            return _Ending("refused", withheld(name, gone, len(stood), self.source.max_missing))
        receipt = self.writer.write(replace(withdrawal(name, gone), leaflets=set_back, set_back=frozenset(one.id for one in set_back)))
        back = receipt.written
        self.counts += Counts(written=back, older=-back, withdrawn=receipt.withdrawn, later=len(receipt.later))
        if receipt.later:
            return _Ending("waiting", f"{len(receipt.later)} of what a listing told wait: OpenSearch was too busy")
        self._forget(mended)
        self._purge()
        log.info("listing settled", extra={"listed": len(self.listing), "withdrawn": receipt.withdrawn, "set_back": back})
        self._note_listing()
        return _Ending()

    def _purge(self) -> None:
        """Deletes old tombstones, if it can be done now: the next listing does it too."""
        try:
            purged = purge(self.writer.client, self.writer.indices, self.source.name, self.stores.tombstones_kept)
        except OpenSearchException as error:
            log.warning("tombstones not purged", extra={"error": type(error).__name__})
        else:
            if purged:
                log.info("tombstones purged", extra={"purged": purged})

    def _listed_again(self, older: Mapping[str, _Told], *, whole: bool) -> _Again:
        """A second listing, of which the names are taken, and of what was found older the leaflets, where it tells them the same."""
        listing, told, wanted = Listing(), list[Leaflet](), set(older.values())
        with Asking(self.source, self._go_on, self.bound) as asking:
            for page in asking.pages(self.cursor.value, whole=whole, names=not older):
                listing.note(page)
                changes = [c for c in page.changes if isinstance(c, Change) and _Told(c.source_id, c.version) in wanted]
                read = [self.readers.read(self.source.name, change) for change in changes]
                told += [one for one in read if isinstance(one, Leaflet) and one.id in older]
            self.asking_seconds += asking.seconds
        return _Again(listing, _standing([one for one in told if one.version >= listing.versions[one.source_id]], ()))

    def _note_listing(self) -> None:
        """The cursor after a listing that was complete and believed."""
        seconds, listed, cursor = time.monotonic() - self.started, len(self.listing), self.cursor
        self.cursor = replace(
            cursor,
            scanned_at=self.began,
            listed=listed,
            usual_listed=_average(cursor.usual_listed, listed),
            usual_seconds=_average(cursor.usual_seconds, seconds),
            withheld=0,
        )

    def _given_back(self, ending: _Ending, patience: Patience) -> _Ending:
        """Says in the cursor how the pull went, and that nobody holds the source any more."""
        breaker, totals = self.source.breaker.state(), Counter(self.cursor.totals)
        totals[f"pulls.{ending.outcome}"] += 1
        for name, count in asdict(self.counts).items():
            totals[f"leaflets.{name}"] += count
        last = replace(
            self.cursor,
            outcome=ending.outcome,
            error=ending.error,
            counts=asdict(self.counts),
            totals=dict(totals),
            seconds=round(time.monotonic() - self.started, 3),
            breaker=breaker.state,
            failures=breaker.failures,
            retry_at=breaker.retry_at,
            cool_down=breaker.cool_down,
        )
        try:
            patience.ask(partial(self.lease.release, last))
        except CursorMoved as error:
            return _Ending("failed", str(error))
        except OpenSearchException as error:
            return ending if ending.outcome == "failed" else _Ending("failed", _index_failed(error))
        return ending

    def _read(self, page: Page, reading: ThreadPoolExecutor, asking: Asking) -> _Read:
        """A page's leaflets, and what is none."""
        name = self.source.name
        changes = [c for c in page.changes if isinstance(c, Change)]
        futures = [reading.submit(self.readers.read, name, change) for change in changes]
        told = [(change, asking.waited_for(future)) for change, future in zip(changes, futures, strict=True)]
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
        name, started = self.source.name, time.monotonic()
        changes = {leaflet_id: change for read in gathered for leaflet_id, change in read.changes.items()}
        withdrawals = tuple(w for read in gathered for w in read.withdrawals)
        leaflets = _standing([leaflet for read in gathered for leaflet in read.leaflets], withdrawals)
        receipt = self.writer.write(Batch(name, leaflets, withdrawals))
        refused = [r for read in gathered for r in read.refused]
        refused += [_refused(name, changes.get(r.id), r) for r in receipt.rejected]
        self._keep(refused, receipt)
        counts = Counts(receipt.written, receipt.unchanged, len(receipt.older), receipt.withdrawn, len(refused), len(receipt.later))
        self.counts += counts
        self.older |= {leaflet.id: _Told(leaflet.source_id, leaflet.version) for leaflet in leaflets if leaflet.id in receipt.older}
        if receipt.later:
            self.writer = replace(self.writer, patience=replace(self.writer.patience, seconds=_LITTLE_PATIENCE))
        if leaflets or withdrawals or refused:
            log.info("batch written", extra=asdict(counts) | {"seconds": round(time.monotonic() - started, 3)})
        reached = next((read.cursor for read in reversed(gathered) if read.cursor is not None), None)
        if reached not in {None, self.cursor.value} and not self.counts.later:
            self.cursor = replace(self.cursor, value=reached)
            if store:
                self.writer.patience.ask(partial(self.lease.move, self.cursor))

    def _rejects(self) -> dict[str, str]:
        """The source's rejected leaflets, each with its version and reason."""
        if self.known_rejects is None:
            self.known_rejects = self.writer.patience.ask(partial(self.stores.rejected.reasons, self.source.name))
        return self.known_rejects

    def _keep(self, refused: list[Rejected], receipt: Receipt) -> None:
        """Keeps the rejected, but for those that stand there already, word for word, and drops those whose record was settled since."""
        known = self._rejects()
        new = [one for one in refused if known.get(one.source_id) != f"{one.version} {one.reason}"]
        self.writer.patience.ask(partial(self.stores.rejected.keep, new))
        known |= {one.source_id: f"{one.version} {one.reason}" for one in new}
        self._forget((receipt.settled & known.keys()) - {one.source_id for one in refused})

    def _forget(self, mended: Iterable[str]) -> None:
        """Drops rejected leaflets: their records were settled, or are there no longer."""
        mended = tuple(mended)
        self.writer.patience.ask(partial(self.stores.rejected.forget, self.source.name, mended))
        for source_id in mended:
            del self._rejects()[source_id]


def _is_full(gathered: Sequence[_Read]) -> bool:
    """Whether no more may be gathered before it is written."""
    return sum(len(read.leaflets) for read in gathered) >= MOST_DOCUMENTS or sum(read.bytes for read in gathered) >= MOST_GATHERED


def _is_due(gathered: Sequence[_Read], asking: Asking) -> bool:
    """Whether it is worth a write."""
    return sum(len(read.leaflets) for read in gathered) >= ENOUGH or not asking.more_is_there


def _refused(source: str, change: Change | None, refusal: Refusal) -> Rejected:
    """What is kept of a document that OpenSearch refused; a tombstone has no original."""
    if change is not None:
        return of_change(source, change, refusal.reason)
    return of_unreadable(source, Unreadable(refusal.source_id, refusal.version, refusal.reason, ""))


def _average(usual: float, newest: float) -> float:
    """The average with one more; the first is its own."""
    return newest if not usual else (1 - _NEWEST) * usual + _NEWEST * newest

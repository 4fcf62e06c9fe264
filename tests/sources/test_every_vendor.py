"""The contract that every type of source keeps, whatever its vendor's wire does: at the end we hold what the ERP holds.

What a pull gives is applied here by the rules of docs/adr/0007, in a dozen lines (`Held`); test_every_vendor_on_index.py does the same with
the indexer and OpenSearch themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from indexer.sources.base import Source, SourceDown, SourceRefused
from leaflets import Change, Unreadable
from tests.sources.standin import Pulled, Reply, Request, pull
from tests.sources.vendors.every import EVERY
from tests.sources.vendors.vendor import Product, Vendor, by_number

# Rates of its own vendor would make the suite wait; that they are kept has a test of its own for each vendor.
QUICK = 'rates = ["10000/second"]\ntimeout = 5'
LONG_AGO = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass
class Held:
    """What an index would hold: by leaflet's id its version and its body; None for one withdrawn. And what could not be read."""

    bodies: dict[str, tuple[int, bytes | None]] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)

    def take(self, pulled: Pulled) -> None:
        """One pull's changes."""
        for change in pulled.changes:
            if isinstance(change, Unreadable):
                self.unreadable.add(change.source_id)
                continue
            self.unreadable.discard(change.source_id)
            version, _ = self.bodies.get(change.source_id, (0, None))
            if change.version >= version:
                body = b"".join(content.body for content in change.contents) if isinstance(change, Change) else None
                self.bodies[change.source_id] = (change.version, body)
        if pulled.complete:
            named = {change.source_id for change in pulled.changes} | {*pulled.unchanged}
            self.bodies = {one: kept for one, kept in self.bodies.items() if one in named}
            self.unreadable &= named

    @property
    def standing(self) -> dict[str, bytes]:
        """What can be found."""
        return {one: body for one, (_, body) in self.bodies.items() if body is not None and one not in self.unreadable}


class Desk:
    """A vendor's stand-in and the source that pulls it, with what came so far."""

    def __init__(self, erp: Vendor, source: Callable[[], Source]) -> None:
        self.erp = erp
        self.source = source()
        self.again = source
        self.held = Held()
        self.cursor: str | None = None

    def pull(self, *, whole: bool = False) -> Pulled:
        """One pull that must succeed, at the latest when it is tried for the third time, as the schedule does."""
        for _ in range(2):
            try:
                return self.once(whole=whole)
            except SourceDown:
                # The next round is another process's, with no breaker of this one.
                self.source = self.again()
        return self.once(whole=whole)

    def once(self, *, whole: bool = False) -> Pulled:
        """One pull, which may fail."""
        self.erp.a_minute_passes()
        pulled = pull(self.source, self.cursor, whole=whole)
        self.cursor = pulled.cursor or self.cursor
        self.held.take(pulled)
        return pulled

    def must_agree(self) -> None:
        """What came is what the ERP holds."""
        there = [product for product in by_number(self.erp.products) if not product.inactive]
        readable = {self.erp.source_id(p): p for p in there if p.audience == "VP"}
        standing = self.held.standing
        assert set(standing) == set(readable)
        for one, product in readable.items():
            assert (product.hung[-1].body if product.hung else product.word.encode()) in standing[one], (one, product.word)
        assert self.held.unreadable == {self.erp.source_id(p) for p in there if p.audience != "VP"}


@pytest.fixture(params=EVERY, ids=lambda kind: kind.__name__)
def erp(request: pytest.FixtureRequest) -> Vendor:
    """Each vendor's ERP in turn, with eight products: three pages, the last not full."""
    erp: Vendor = request.param.made(request)
    for number in range(1, 9):
        erp.put(f"P{number:03}", f"vprimeira{number}x", at=LONG_AGO + timedelta(days=number))
    return erp


def those_that(say: str) -> pytest.MarkDecorator:
    """Runs a test over those ERPs alone of which a vendor's flag says yes."""
    return pytest.mark.parametrize("erp", [kind for kind in EVERY if getattr(kind, say)], ids=lambda kind: kind.__name__, indirect=True)


@pytest.fixture
def desk(erp: Vendor, tmp_path: Path) -> Iterator[Desk]:
    """The ERP answering, and nothing pulled yet."""
    with erp.running() as stand_in:
        yield Desk(erp, lambda: erp.source(tmp_path, stand_in, QUICK))


def test_everything_arrives_once(desk: Desk) -> None:
    """And the last page says that it was everything."""
    pulled = desk.pull()
    assert sorted(pulled.ids) == sorted({desk.erp.source_id(p) for p in desk.erp.products.values()})
    assert pulled.complete
    desk.must_agree()


@pytest.mark.parametrize("count", [0, 1, 3, 6])
def test_neither_an_empty_erp_nor_one_full_last_page_is_an_error(erp: Vendor, tmp_path: Path, count: int) -> None:
    """Nothing, one product (which some ERPs give without a list around it), one full page, two full pages."""
    for product in by_number(erp.products)[count:]:
        erp.delete(product.code)
    erp.gone.clear()
    with erp.running() as stand_in:
        desk = Desk(erp, lambda: erp.source(tmp_path, stand_in, QUICK))
        assert len(desk.pull().changes) == count
        desk.must_agree()
        assert desk.source.check()


def test_what_changed_arrives_again_and_what_did_not_is_not_asked_for(desk: Desk) -> None:
    """A pull without news is no error either."""
    desk.pull()
    desk.erp.put("P002", "vsegundax")
    pulled = desk.pull()
    assert desk.erp.source_id(desk.erp.products["P002"]) in pulled.ids
    if desk.erp.has_times:
        # And the newest of what was there, because the pull reads back by `lag` from it.
        assert len(pulled.changes) <= 2
    desk.must_agree()
    desk.pull()
    desk.must_agree()


def test_many_products_of_one_time_all_arrive(desk: Desk) -> None:
    """As when a bulk edit writes one time into more rows than a page has."""
    desk.pull()
    now = datetime.now(UTC)
    for number in range(1, 9):
        desk.erp.put(f"P{number:03}", f"vjuntas{number}x", at=now)
    desk.pull()
    desk.must_agree()
    # And again within the same tick, after the cursor has got there.
    for number in range(3, 7):
        desk.erp.put(f"P{number:03}", f"vdenovo{number}x", at=now)
    desk.pull()
    desk.must_agree()


def test_what_is_committed_late_arrives(desk: Desk) -> None:
    """A long transaction writes the time at which it began, before what was pulled meanwhile."""
    desk.erp.put("P001", "vrecentex")
    desk.pull()
    desk.erp.put("P005", "vatrasadax", at=datetime.now(UTC) - timedelta(minutes=3))
    desk.pull()
    desk.must_agree()


@pytest.mark.parametrize("whole", [True, False])
def test_what_is_deleted_between_pages_hides_nothing(desk: Desk, *, whole: bool) -> None:
    """The first product goes after its page was read, and all others move up by one."""
    desk.pull()
    for number in range(1, 9):
        desk.erp.put(f"P{number:03}", f"vmudada{number}x")
    before = desk.erp.asked
    counting = desk.again()
    pull(counting, desk.cursor, whole=whole)
    requests = desk.erp.asked - before
    for moment in range(1, requests + 1):
        code = f"P{moment + 100}"
        desk.erp.put(code, f"vlonge{moment}x")
        for number in range(1, 9):
            desk.erp.put(f"P{number:03}", f"vmudada{moment}n{number}x")
        first, start = by_number(desk.erp.products)[0], desk.erp.asked

        def between(_: Request, moment: int = moment, first: Product = first, start: int = start) -> None:
            if desk.erp.asked == start + moment and first.code in desk.erp.products:
                desk.erp.delete(first.code)

        desk.erp.between = between
        desk.source = desk.again()
        desk.pull(whole=whole)
        desk.erp.between = lambda _: None
        # What went unseen after its page is the next listing's to tell; all that stayed must be here by now.
        there = {desk.erp.source_id(p): p.word.encode() for p in desk.erp.products.values()}
        standing = desk.held.standing
        assert all(word in standing.get(one, b"") for one, word in there.items()), (moment, requests)
        if first.code not in desk.erp.products:
            desk.erp.put(first.code, f"vvolta{moment}x")
        desk.pull(whole=True)
        desk.must_agree()


@those_that("has_inactive")
def test_what_is_made_inactive_is_withdrawn_and_back_when_it_is_active(desk: Desk) -> None:
    """By the next pull, not by the next listing, of an ERP that tells."""
    desk.pull()
    desk.erp.put("P003", "vprimeira3x", inactive=True)
    desk.pull()
    desk.must_agree()
    desk.erp.put("P003", "vativax")
    desk.pull()
    desk.must_agree()


def test_what_is_deleted_is_withdrawn(desk: Desk) -> None:
    """By the vendor's feed where it has one, else by the next whole listing."""
    desk.pull()
    desk.erp.delete("P004")
    desk.pull(whole=not desk.erp.has_feed)
    desk.must_agree()
    desk.erp.put("P009", "vnovax")
    desk.pull()
    desk.must_agree()


def test_a_broken_row_in_the_middle_stops_nothing(desk: Desk) -> None:
    """It is told by its id, with its original, and what comes after it arrives; mended it is read."""
    desk.erp.put("P004", "vquebradax", audience="marciano")
    pulled = desk.pull()
    (broken,) = [change for change in pulled.changes if isinstance(change, Unreadable)]
    assert broken.source_id == desk.erp.source_id(desk.erp.products["P004"])
    assert "marciano" in f"{broken.reason} {broken.original}"
    desk.must_agree()
    desk.erp.put("P004", "vconsertadax")
    desk.pull()
    desk.must_agree()


def requests_of_a_pull(desk: Desk) -> int:
    """How many requests a first pull makes, from the login on."""
    before = desk.erp.asked
    pull(desk.again())
    return desk.erp.asked - before


@those_that("has_sessions")
def test_a_session_that_ends_anywhere_is_opened_again(desk: Desk) -> None:
    """One login, one replay of each request that was under way, and not one leaflet less."""
    requests = requests_of_a_pull(desk)
    for moment in range(1, requests + 1):
        start = desk.erp.asked
        desk.source, desk.cursor, desk.held = desk.again(), None, Held()

        def between(_: Request, last: int = start + moment) -> None:
            if desk.erp.asked == last:
                desk.erp.expire()

        desk.erp.between = between
        desk.once()
        desk.must_agree()
        # Numbered pages are asked for ahead, so how many past the last differs from pull to pull.
        assert desk.erp.asked - start <= requests + 1 + 2 * desk.source.max_in_flight


@those_that("has_requests")
@pytest.mark.parametrize(
    "fault",
    [
        None,
        Reply(raw=(), reset=True),
        Reply(b"<html>Bad gateway</html>", 502, {"Content-Type": "text/html"}),
        Reply(raw=(b'HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{"da',)),
    ],
    ids=["one request too many", "reset", "502", "cut off"],
)
def test_a_fault_of_any_request_loses_nothing(desk: Desk, fault: Reply | None) -> None:
    """It is asked again: at once after a fault, and after a limit once the vendor's wait is over."""
    requests, fired = requests_of_a_pull(desk), 0
    for moment in range(1, requests + 1):
        desk.source, desk.cursor, desk.held = desk.again(), None, Held()
        desk.erp.faults = {desk.erp.asked + moment: fault}
        desk.pull()
        fired += not desk.erp.faults
        desk.must_agree()
    # A request that was asked ahead, past the last page, may go or not.
    assert fired > requests // 2


@those_that("has_requests")
def test_an_erp_that_is_down_for_long_fails_the_pull_and_the_next_one_has_everything(desk: Desk) -> None:
    """The cursor stays where it was."""
    desk.pull()
    desk.erp.put("P006", "vduranteaquedax")
    desk.erp.faults = {desk.erp.asked + number: Reply(b"", 503, {}) for number in range(1, 20)}
    with pytest.raises(SourceDown):
        desk.once()
    desk.erp.faults = {}
    desk.source = desk.again()
    desk.pull()
    desk.must_agree()


@those_that("hangs")
def test_a_file_hung_on_a_product_is_its_leaflet_though_the_product_is_not_edited(erp: Vendor, tmp_path: Path) -> None:
    """And so is the one that replaces it; of ERPs that do not tell of it by the next whole listing."""
    with erp.running() as stand_in:
        desk = Desk(erp, lambda: erp.source(tmp_path, stand_in, f"{QUICK}\nattachments = true"))
        desk.pull()
        desk.must_agree()
        erp.hang("P002", "bula.pdf", b"%PDF-1.4 primeira")
        erp.hang("P007", "Bula do paciente.PDF", "%PDF-1.4 ação".encode())
        desk.pull(whole=not erp.tells_of_hanging)
        desk.must_agree()
        erp.hang("P002", "bula.pdf", b"%PDF-1.4 segunda")
        desk.pull(whole=not erp.tells_of_hanging)
        desk.must_agree()


@those_that("secrets")
def test_a_refused_secret_is_told_without_it(erp: Vendor, tmp_path: Path) -> None:
    """A person must mend it, and no request is repeated."""
    with erp.running() as stand_in:
        right = dict(erp.secrets)
        type(erp).secrets = dict.fromkeys(right, "wrong-secret")
        try:
            source = erp.source(tmp_path, stand_in, QUICK)
        finally:
            type(erp).secrets = right
        with pytest.raises(SourceRefused) as refused:
            source.check()
    assert "wrong-secret" not in str(refused.value)
    assert "wrong-secret" not in repr(source.__dict__)

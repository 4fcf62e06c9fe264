"""What an ERP no longer holds goes: by what it says, and by its silence where that can be believed. What it puts back lives again."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from opensearchpy import OpenSearch

from indexer.pull import Order, Outcome, Stores, sync
from indexer.readers import Readers
from indexer.write import Batch
from leaflets import Withdrawal
from opensearch.generations import Indices
from tests.faults.test_cli import run, sources
from tests.faults.test_sync import Erp, held, record, source
from tests.sources.standin import Reply, Request, StandIn, serving


class Desk:
    """One ERP, and what syncs of it do to the index."""

    def __init__(self, folder: Path, stores: Stores, readers: Readers) -> None:
        self.erp = Erp(*(record(f"{n:03}") for n in range(5)))
        self.folder, self.stores, self.readers = folder, stores, readers
        self.lines: tuple[str, ...] = ()
        self.server: StandIn | None = None

    def sync(self, order: Order | None = None) -> Outcome:
        """One sync."""
        assert self.server is not None
        self.server.asked.clear()
        (outcome,) = sync([source(self.folder, "erp", self.server, *self.lines)], self.stores, self.readers, order or Order())
        self.stores.writer.client.indices.refresh(index=self.stores.writer.indices.alias)
        return outcome

    def whole(self) -> Outcome:
        """One sync that lists everything."""
        return self.sync(Order(full=True))

    def drop(self, *codes: str) -> list[dict[str, object]]:
        """Takes records out of the ERP, and gives them."""
        gone = [r for r in self.erp.records if r["code"] in codes]
        self.erp.records = [r for r in self.erp.records if r["code"] not in codes]
        return gone

    def stale_at_first(self, *records: dict[str, object]) -> None:
        """The next listing is answered by a copy of the ERP that holds these records, what follows by the ERP itself."""
        copy, pages = Erp(*records), itertools.count()
        self.lines = ("max_in_flight = 1",)  # So that nothing is asked ahead, past the last page of the copy.
        self.erp.fault = lambda request: copy(request) if next(pages) < (len(records) + 1) // 2 else None

    def text(self, code: str) -> str:
        """What the index tells of a leaflet's use."""
        return held(self.stores.writer.client, self.stores.writer.indices)[f"erp:{code}:patient"]

    @property
    def standing(self) -> set[str]:
        """The codes of the leaflets that stand in the index."""
        return {leaflet_id.split(":")[1] for leaflet_id in held(self.stores.writer.client, self.stores.writer.indices)}


@pytest.fixture
def desk(tmp_path: Path, stores: Stores, readers: Readers) -> Iterator[Desk]:
    """A desk whose ERP of five leaflets was synced once."""
    desk = Desk(tmp_path, stores, readers)
    with serving(desk.erp) as desk.server:
        assert desk.sync().counts.written == 5
        yield desk


def test_a_leaflet_that_two_complete_listings_do_not_name_is_withdrawn(desk: Desk) -> None:
    """And only by listings: a pull of what changed names little, and means nothing by its silence."""
    desk.drop("003")
    assert desk.sync().counts.withdrawn == 0
    assert "003" in desk.standing
    assert desk.whole().counts.withdrawn == 1
    assert desk.standing == {"000", "001", "002", "004"}


def test_a_leaflet_that_one_listing_left_out_stays(desk: Desk) -> None:
    """A row that moves between pages while they are read is missed by one listing and named by the next."""
    records = list(desk.erp.records)
    desk.lines = ("max_in_flight = 1",)
    desk.drop("003")

    def put_back(request: Request) -> None:
        assert desk.server is not None
        if request.query["page"] == "1" and len(desk.server.asked) > 1:
            desk.erp.records = records

    desk.erp.fault = put_back
    outcome = desk.whole()
    assert (outcome.outcome, outcome.counts.withdrawn) == ("done", 0)
    assert "003" in desk.standing


def test_what_was_withdrawn_by_its_absence_and_put_back_with_its_old_date_lives_again(desk: Desk) -> None:
    """The tombstone has the version of what it withdrew: an older one stays dead, the same one lives."""
    (gone,) = desk.drop("003")
    desk.whole()
    desk.erp.records.append(gone | {"modified": "2026-10-01T00:00:00Z"})
    assert desk.whole().counts.older == 1
    assert "003" not in desk.standing
    desk.erp.records[-1] = gone
    assert desk.whole().counts.written == 1
    assert "003" in desk.standing


def test_an_edit_seen_late_does_not_outlive_a_later_withdrawal(desk: Desk) -> None:
    """A withdrawal that follows another raises its tombstone, so that nothing between the two comes back."""
    desk.erp.records[3] |= {"gone": True, "modified": "2026-11-03T00:00:00Z"}
    desk.sync()
    desk.erp.records[3] |= {"modified": "2026-11-05T00:00:00Z"}
    desk.sync()
    desk.erp.records[3] = record("003", modified="2026-11-04T00:00:00Z")
    assert desk.whole().counts.older == 1
    assert "003" not in desk.standing


def test_a_withdrawal_older_than_what_stands_is_none(desk: Desk) -> None:
    """It was put back since."""
    desk.erp.records[3] |= {"modified": "2026-11-05T00:00:00Z", "text": desk.erp.records[3]["text"] + "Nova."}
    desk.sync()
    before = int(datetime(2026, 11, 4, tzinfo=UTC).timestamp() * 1_000_000)
    receipt = desk.stores.writer.write(Batch("erp", withdrawals=(Withdrawal("003", before),)))
    assert (receipt.withdrawn, len(receipt.older)) == (0, 1)
    assert desk.sync().outcome == "done"
    assert "003" in desk.standing


def test_a_listing_that_breaks_off_withdraws_nothing(desk: Desk) -> None:
    """Its silence is that of the network."""
    desk.erp.fault = lambda request: Reply(b"{}", status=401) if request.query["page"] != "1" else None
    assert desk.whole().outcome == "failed"
    assert len(desk.standing) == 5


def test_what_is_there_but_cannot_be_read_is_not_withdrawn(desk: Desk) -> None:
    """An edit that cannot be read leaves the last good one; a record that cannot be told from others makes the listing incomplete."""
    desk.erp.records[2] = record("002", more="Dose \ufffd.", modified="2026-11-02T00:00:00Z")
    desk.erp.records[3] = record("003", text="", modified="2026-11-02T00:00:00Z")
    outcome = desk.whole()
    assert (outcome.outcome, outcome.counts.rejected, outcome.counts.withdrawn) == ("done", 2, 0)
    desk.erp.records[4] = record("", modified="2026-11-02T00:00:00Z")
    assert desk.whole().counts.withdrawn == 0
    assert len(desk.standing) == 5


def test_a_rejected_record_that_is_no_longer_there_is_forgotten(desk: Desk) -> None:
    """What is listed as rejected is what the ERP holds."""
    desk.erp.records[2] = record("002", more="Dose \ufffd.", modified="2026-11-02T00:00:00Z")
    desk.whole()
    assert [one.source_id for one in desk.stores.rejected.all()] == ["002"]
    desk.drop("002")
    desk.whole()
    assert desk.stores.rejected.all() == ()
    assert "002" not in desk.standing


def test_one_audience_of_a_product_may_go_alone(desk: Desk) -> None:
    """Where the ERP names the audiences, each is a leaflet of its own."""
    desk.erp.records.append(record("001", kind="VPS"))
    desk.sync(Order(full=True))
    assert len(held(desk.stores.writer.client, desk.stores.writer.indices)) == 6
    del desk.erp.records[-1]
    desk.whole()
    there = held(desk.stores.writer.client, desk.stores.writer.indices)
    assert "erp:001:patient" in there
    assert "erp:001:professional" not in there


def test_more_than_may_vanish_at_once_is_held_back_until_a_person_confirms_it(desk: Desk) -> None:
    """An ERP that lists half of what it had is more likely broken than mended. The changes beside it were settled."""
    gone = desk.drop("002", "003", "004")
    desk.erp.records[0] = record("000", more="Nova.", modified="2026-11-02T00:00:00Z")
    refused = desk.whole()
    assert (refused.outcome, refused.counts.withdrawn, refused.counts.written) == ("refused", 0, 1)
    assert "3 of 5 leaflets are no longer in the ERP (erp:002:patient, erp:003:patient, erp:004:patient)" in refused.error
    assert "`indexer sync --full --source erp --confirm-withdrawals`" in refused.error
    cursor = desk.stores.cursors.read("erp")
    assert cursor.withheld == 3
    assert cursor.value is not None
    assert cursor.synced_at is not None
    assert cursor.attempted_at is not None
    assert cursor.synced_at < cursor.attempted_at
    assert desk.sync().outcome == "refused", "a pull after it lists everything again, as long as something is held back"
    confirmed = desk.sync(Order(full=True, confirmed=True))
    assert (confirmed.outcome, confirmed.counts.withdrawn) == ("done", 3)
    assert desk.standing == {"000", "001"}
    assert desk.stores.cursors.read("erp").withheld == 0
    desk.erp.records += gone
    assert desk.whole().counts.written == 3


def test_what_was_held_back_and_is_named_again_needs_no_confirmation(desk: Desk) -> None:
    """The ERP was broken, and is mended."""
    gone = desk.drop("002", "003", "004")
    assert desk.whole().outcome == "refused"
    desk.erp.records += gone
    assert desk.sync().outcome == "done"
    assert desk.stores.cursors.read("erp").withheld == 0


def test_a_larger_share_may_go_where_the_table_says_so(desk: Desk) -> None:
    """`max_missing` of the source."""
    desk.lines = ("max_missing = 0.6",)
    desk.drop("002", "003", "004")
    assert desk.whole().counts.withdrawn == 3


def test_a_source_is_listed_whole_when_its_last_listing_is_too_old_or_dated_in_the_future(desk: Desk) -> None:
    """A clock that stepped back must not put off listings until it is where it was."""

    def asked_whole() -> bool:
        desk.sync()
        assert desk.server is not None
        return "since" not in desk.server.asked[0].query

    assert not asked_whole()
    for scanned in (datetime.now(UTC) - timedelta(days=2), datetime.now(UTC) + timedelta(days=400)):
        desk.stores.cursors.move(replace(desk.stores.cursors.read("erp"), scanned_at=scanned))
        assert asked_whole(), scanned
        assert not asked_whole()


def test_a_listing_is_told_with_what_listings_usually_have(desk: Desk) -> None:
    """So that one much smaller can be told from them; pulls of what changed do not count."""
    first = desk.stores.cursors.read("erp")
    assert (first.listed, first.usual_listed) == (5, 5)
    desk.sync()
    desk.drop("004")
    desk.whole()
    cursor = desk.stores.cursors.read("erp")
    assert cursor.listed == 4
    assert cursor.usual_listed == pytest.approx(4.8)
    assert {name: cursor.totals[name] for name in ("pulls.done", "leaflets.written", "leaflets.withdrawn")} == {
        "pulls.done": 3,
        "leaflets.written": 5,
        "leaflets.withdrawn": 1,
    }


def test_tombstones_go_after_their_time_and_leave_no_door_open(desk: Desk, client: OpenSearch, indices: Indices) -> None:
    """Younger ones stay. What was deleted cannot come back by a write that was decided before."""
    (gone,) = desk.drop("003")
    desk.whole()
    count = {"query": {"term": {"withdrawn": True}}}
    assert client.count(index=indices.alias, body=count)["count"] == 1
    desk.whole()
    client.indices.refresh(index=indices.alias)
    assert client.count(index=indices.alias, body=count)["count"] == 1
    number = client.get(index=indices.alias, id="erp:003:patient")["_version"]
    desk.stores = replace(desk.stores, tombstones_kept=timedelta())
    desk.whole()
    client.indices.refresh(index=indices.alias)
    assert client.count(index=indices.alias, body=count)["count"] == 0
    late = {"index": {"_id": "erp:003:patient", "version": number + 1, "version_type": "external"}}
    (answer,) = client.bulk(body=[late, {"source": "erp"}], index=indices.alias)["items"]
    assert answer["index"]["status"] == 409
    desk.erp.records.append(gone | {"modified": "2026-11-20T00:00:00Z"})
    assert desk.whole().counts.written == 1


@pytest.mark.usefixtures("production")
def test_the_command_exits_3_and_says_how_to_confirm(tmp_path: Path, opensearch_url: str) -> None:
    """Refused by a guard, which is no failure: the rest was done."""
    erp = Erp(*(record(f"{n:03}") for n in range(5)))
    with serving(erp) as server:
        sources(tmp_path, server)
        assert run(tmp_path, "sync", OPENSEARCH_URL=opensearch_url).returncode == 0
        del erp.records[1:]
        told = run(tmp_path, "sync", OPENSEARCH_URL=opensearch_url)
        assert told.returncode == 3, told.stdout + told.stderr
        assert "4 of 5 leaflets are no longer in the ERP" in told.stdout
        status = run(tmp_path, "status", OPENSEARCH_URL=opensearch_url).stdout
        assert "4 withdrawals are held back until they are confirmed" in status
        command = ["sync", "--full", "--source", "erp", "--confirm-withdrawals"]
        told = run(tmp_path, *command, OPENSEARCH_URL=opensearch_url)
        assert (told.returncode, "4 withdrawn" in told.stdout) == (0, True), told.stdout + told.stderr


def test_what_an_erp_has_set_back_is_what_the_desk_finds(desk: Desk) -> None:
    """A clock that was put right, or a restored backup, leaves a leaflet older than ours: a person says so, and two whole listings."""
    desk.erp.records[2] = record("002", more="Antes do backup.", modified="2026-11-05T00:00:00Z")
    assert desk.sync().counts.written == 1
    desk.erp.records[2] = record("002", more="Do backup.", modified="2026-10-20T00:00:00Z")
    assert desk.sync().counts.written == 0
    assert desk.whole().counts.older == 1
    assert "Antes do backup." in desk.text("002")
    outcome = desk.sync(Order(full=True, set_back=True))
    assert (outcome.outcome, outcome.counts.written, outcome.counts.older) == ("done", 1, 0)
    assert "Do backup." in desk.text("002")
    # And an edit that is still older than what was stored before is news again.
    desk.erp.records[2] = record("002", more="Editada.", modified="2026-10-21T00:00:00Z")
    assert desk.whole().counts.written == 1
    assert "Editada." in desk.text("002")
    assert desk.whole().counts.written == 0


def test_an_older_copy_that_one_listing_gave_is_not_believed(desk: Desk) -> None:
    """A page that a stale copy of the ERP answered."""
    desk.erp.records[2] = record("002", more="Nova.", modified="2026-11-05T00:00:00Z")
    assert desk.sync().counts.written == 1
    stale = [*desk.erp.records]
    stale[2] = record("002", more="Velha.", modified="2026-10-20T00:00:00Z")
    desk.stale_at_first(*stale)
    outcome = desk.sync(Order(full=True, set_back=True))
    assert (outcome.outcome, outcome.counts.written, outcome.counts.older) == ("done", 0, 1)
    assert "Nova." in desk.text("002")

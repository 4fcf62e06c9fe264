"""Two indexers: each source has one at a time; one that is stalled or killed is followed by the other, and changes nothing more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from opensearchpy import OpenSearch

from indexer.cursors import CursorMoved
from indexer.leases import Lease, PulledElsewhere, Stopped, Terms, holder, take
from indexer.patience import Patience
from indexer.pull import Outcome, Stores, sync
from indexer.readers import Readers
from indexer.sources.base import Source
from indexer.sources.config import configured
from indexer.withdrawals import standing, withdrawal
from indexer.write import Batch, Writer
from leaflets import Audience, Facts, Leaflet, Passage, Section
from opensearch.generations import Indices
from tests.conftest import stores_of
from tests.faults.test_cli import INDEXER, sources
from tests.faults.test_sync import Erp, held, record, source
from tests.sources.standin import Reply, Request, serving

LONG, SHORT = timedelta(hours=1), timedelta(seconds=0.5)


def terms(length: timedelta = LONG, name: str = "") -> Terms:
    """The terms of an indexer of this name; of another machine, unless it has none."""
    return Terms(f"{name}:1:-:x" if name else holder(), length)


def taken(stores: Stores, on: Terms) -> Lease:
    """The lease of the source `erp`."""
    return take(stores.cursors, "erp", on, datetime.now(UTC), on.holder)


def leaflet(told: str, version: int) -> Leaflet:
    """A leaflet of the source `erp` that says so."""
    return Leaflet(
        source="erp", source_id="001", audience=Audience.PATIENT, name="Remédio", active_ingredients=(), laboratory="", registration="",
        eans=(), category=None, active=None, passages=(Passage(Section.POSOLOGY, "POSOLOGIA", told),), doses=(), history="", text=told,
        facts=Facts(audience=Audience.PATIENT), updated_at=datetime(2026, 11, 1, tzinfo=UTC), version=version,
    )  # fmt: skip


def test_of_two_indexers_one_pulls_a_source_and_the_other_leaves_it_alone(tmp_path: Path, stores: Stores, readers: Readers) -> None:
    """What another indexer pulls is no failure, and its ERP is not asked twice at once."""
    erp = Erp(record("001"), record("002"))
    asked, other_is_done = threading.Event(), threading.Event()

    def wait_for_the_other(_: Request) -> None:
        asked.set()
        assert other_is_done.wait(60)

    erp.fault = wait_for_the_other
    first, second = (replace(stores, terms=terms(timedelta(seconds=3), name)) for name in ("here", "there"))
    outcomes: list[Outcome] = []
    with serving(erp) as server:
        pulling = threading.Thread(target=lambda: outcomes.extend(sync([source(tmp_path, "erp", server)], first, readers)))
        pulling.start()
        assert asked.wait(60)
        (other,) = sync([source(tmp_path, "erp", server)], second, readers)
        other_is_done.set()
        pulling.join()
        assert (other.outcome, other.error) == ("held", "another indexer (here) pulls it")
        assert [outcome.outcome for outcome in outcomes] == ["done"]
        assert len(server.asked) == len({request.query["page"] for request in server.asked})
    assert stores.cursors.read("erp").holder == ""


def test_a_lease_that_nobody_holds_is_taken_at_once_and_given_back(stores: Stores) -> None:
    """Giving back and saying how it went is one move."""
    lease = taken(stores, terms(name="here"))
    assert stores.cursors.read("erp").holder == "here:1:-:x"
    lease.move(replace(lease.cursor, value="42"))
    lease.release(replace(lease.cursor, outcome="done"))
    there = stores.cursors.read("erp")
    assert (there.holder, there.value, there.outcome) == ("", "42", "done")


def test_a_holder_that_gives_no_sign_of_life_is_followed_and_learns_of_it(stores: Stores) -> None:
    """By the watcher's own clock: the document did not move. The first heartbeat of this holder would be after 20 minutes."""
    stalled = taken(stores, terms(LONG, "stalled"))
    taken(stores, terms(SHORT, "other")).abandon()
    with pytest.raises(CursorMoved):
        stalled.check()
    with pytest.raises(CursorMoved):
        stalled.move(replace(stalled.cursor, value="mine"))
    assert stalled.lost
    assert stores.cursors.read("erp").value is None


def test_a_heartbeat_keeps_a_source(stores: Stores) -> None:
    """However long its pull is silent."""
    lease = taken(stores, terms(timedelta(seconds=1.5), "here"))
    with pytest.raises(PulledElsewhere):
        taken(stores, terms(timedelta(seconds=30), "there"))
    lease.check()
    lease.release(lease.cursor)


def test_a_move_whose_answer_was_lost_is_not_taken_for_another_indexers(stores: Stores) -> None:
    """The document has moved, but with our own name in it."""
    lease = taken(stores, terms(name="here"))
    stores.cursors.move(replace(lease.cursor, value="1"))
    lease.move(replace(lease.cursor, value="2"))
    assert stores.cursors.read("erp").value == "2"


def test_a_process_of_this_machine_that_ended_holds_nothing(stores: Stores) -> None:
    """Nobody waits for the dead; a process that lives is watched, even if it does nothing."""
    saying = "import sys; from indexer.leases import holder; print(holder(), flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", saying], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        taken(stores, Terms(name, LONG)).abandon()
        watching = terms(LONG, "")
        watching.stopped.set()
        with pytest.raises(Stopped):
            taken(stores, watching)
        process.kill()
        # Not yet asked for by its parent, it still has its place in the table of processes.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        lease = taken(stores, watching)
        lease.check()
        lease.release(lease.cursor)
    taken(stores, Terms(name, LONG)).abandon()
    taken(stores, watching).abandon()


@pytest.mark.parametrize("name", ["elsewhere:1:abc.1:x", "{host}:1:abc.1:x", "{host}:999999999:-:x", "odd"])
def test_a_holder_of_another_machine_is_never_thought_dead_unseen(stores: Stores, name: str) -> None:
    """Nor is one of another boot, another table of processes, or a system that does not tell."""
    taken(stores, Terms(name.replace("{host}", os.uname().nodename), LONG)).abandon()
    watching = terms()
    watching.stopped.set()
    with pytest.raises(Stopped):
        taken(stores, watching)


def stalled_between_looking_and_writing(stores: Stores, meanwhile: Callable[[Writer], None]) -> Writer:
    """A writer that is stopped when its lease has just been found its own; when it goes on, another has the source and has written."""
    lease, stalls = taken(stores, terms(LONG, "stalled")), iter([True])

    def fence() -> None:
        lease.check()
        if next(stalls, False):
            other = taken(stores, terms(SHORT, "other"))
            meanwhile(replace(stores.writer, fence=other.check))
            other.abandon()

    # It meets the fence once more after its write was refused; a busy machine must not end its patience before.
    return replace(stores.writer, fence=fence, patience=Patience(60.0))


@pytest.mark.parametrize(("before", "version"), [(True, 10), (True, 11), (False, 10)])
def test_a_late_write_never_replaces_what_its_successor_wrote(
    client: OpenSearch, indices: Indices, stores: Stores, version: int, *, before: bool
) -> None:
    """Not with the same version, of an ERP whose clock is coarse, nor with a newer one, of an ERP that was restored meanwhile.

    Of a leaflet that nobody had written the ERP's own order decides.
    """
    if before:
        stores.writer.write(Batch("erp", (leaflet("antes", 9),)))
    late = stalled_between_looking_and_writing(stores, lambda other: _written(other, leaflet("depois", 10)))
    with pytest.raises(CursorMoved):
        late.write(Batch("erp", (leaflet("tarde", version),)))
    client.indices.refresh(index=indices.alias)
    assert held(client, indices) == {"erp:001:patient": "depois"}


def _written(writer: Writer, one: Leaflet) -> None:
    assert writer.write(Batch("erp", (one,))).written == 1


def test_a_late_write_never_brings_back_what_its_successor_withdrew(client: OpenSearch, indices: Indices, stores: Stores) -> None:
    """A tombstone by absence has the version of what it withdraws; the late write, of a newer one, meets it all the same."""
    stores.writer.write(Batch("erp", (leaflet("antes", 9),)))

    def withdraw(other: Writer) -> None:
        assert other.write(withdrawal("erp", standing(client, indices, "erp"))).withdrawn == 1

    late = stalled_between_looking_and_writing(stores, withdraw)
    with pytest.raises(CursorMoved):
        late.write(Batch("erp", (leaflet("tarde", 10),)))
    client.indices.refresh(index=indices.alias)
    assert held(client, indices) == {}


def test_without_its_lease_a_pull_sends_nothing(client: OpenSearch, indices: Indices, stores: Stores) -> None:
    """The fence stands before each request."""
    lease = taken(stores, terms(LONG, "stalled"))
    taken(stores, terms(SHORT, "other")).abandon()
    with pytest.raises(CursorMoved):
        replace(stores.writer, fence=lease.check).write(Batch("erp", (leaflet("tarde", 10),)))
    client.indices.refresh(index=indices.alias)
    assert held(client, indices) == {}


@dataclass(frozen=True, slots=True)
class Midway:
    """A real indexer that waits for the second page of its ERP until `go_on` is set."""

    process: subprocess.Popen[bytes]
    go_on: threading.Event


@contextmanager
def midway(folder: Path, opensearch_url: str, erp: Erp) -> Iterator[Midway]:
    """A real `indexer sync` in the middle of its pull of `erp`; whoever asks after it is answered at once."""
    waits, go_on, first = threading.Event(), threading.Event(), iter([True])

    def wait(request: Request) -> Reply | None:
        if request.query["page"] == "2" and next(first, False):
            waits.set()
            go_on.wait(120)
        return None

    erp.fault = wait
    with serving(erp) as server:
        sources(folder, server)
        environ = {"OPENSEARCH_URL": opensearch_url, **{n: v for n, v in os.environ.items() if n in {"PATH", "PYTHONPATH", "HOME"}}}
        with subprocess.Popen([INDEXER, "sync"], cwd=folder, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            assert waits.wait(60)
            yield Midway(process, go_on)
            go_on.set()
            process.kill()


@pytest.fixture
def commanded(client: OpenSearch, production: Indices) -> Stores:
    """The stores that the command uses."""
    return stores_of(client, production)


def same(folder: Path) -> Source:
    """The source that the real indexer pulls."""
    return configured(folder / "sources.toml", {})[0]


def test_after_a_kill_the_next_sync_pulls_what_was_left(
    tmp_path: Path, client: OpenSearch, opensearch_url: str, commanded: Stores, readers: Readers
) -> None:
    """`kill -9` leaves a lease; on the same machine it is known at once that nobody holds it."""
    erp = Erp(*(record(f"{n:03}") for n in range(5)))
    with midway(tmp_path, opensearch_url, erp) as indexer:
        indexer.process.kill()
        indexer.process.wait()
        assert commanded.cursors.read("erp").holder != ""
        indexer.go_on.set()
        (outcome,) = sync([same(tmp_path)], replace(commanded, terms=terms(LONG)), readers)
    assert outcome.outcome == "done"
    client.indices.refresh(index="leaflets")
    assert len(held(client, Indices())) == 5
    assert commanded.cursors.read("erp").holder == ""


def test_a_stopped_indexer_is_followed_and_changes_nothing_when_it_goes_on(
    tmp_path: Path, client: OpenSearch, opensearch_url: str, commanded: Stores, readers: Readers
) -> None:
    """SIGSTOP, as when a machine sleeps: its pull ends with what it is told, and what its successor wrote stands."""
    erp = Erp(*(record(f"{n:03}") for n in range(5)))
    with midway(tmp_path, opensearch_url, erp) as indexer:
        indexer.process.send_signal(signal.SIGSTOP)
        erp.records[3] = record("003", more="Depois.", modified="2026-11-02T00:00:00Z")
        (outcome,) = sync([same(tmp_path)], replace(commanded, terms=terms(timedelta(seconds=2))), readers)
        assert outcome.outcome == "done", outcome
        erp.records[3] = record("003", more="Antes.", modified="2026-11-03T00:00:00Z")
        indexer.process.send_signal(signal.SIGCONT)
        indexer.go_on.set()
        assert indexer.process.wait(60) == 1
    client.indices.refresh(index="leaflets")
    assert "Depois." in held(client, Indices())["erp:003:patient"]
    assert commanded.cursors.read("erp").outcome == "done"

"""A cluster of three nodes with replicas: the elected one is killed, nothing that was acknowledged is lost, and searches go on."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from opensearchpy.exceptions import OpenSearchException

from indexer.pull import sync
from indexer.readers import Readers
from indexer.write import Batch, Writer
from leaflets import Audience, Change, Facts, Leaflet
from leaflets.reading import reread
from opensearch.generations import Indices, prepare
from opensearch.process import free_port
from opensearch.settings import read
from opensearch.synonyms import synonyms
from searchapi.app import create_app
from searchapi.settings import Settings
from tests.conftest import stores_of
from tests.faults.cluster import Cluster
from tests.faults.test_sync import TEXT, Erp, record, source
from tests.sources.standin import Request, serving


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The cluster of the tests below, each of which kills one of its nodes."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def cluster(nodes: Cluster) -> Cluster:
    """With all three, one of which the test before may have killed."""
    nodes.start()
    return nodes


@pytest.fixture
def indices(cluster: Cluster) -> Indices:
    """An empty installation, its replicas assigned: a write before that is lost with its node."""
    client = cluster.client
    client.indices.delete(index="leaflets-*", params={"ignore_unavailable": "true"})
    prepare(client, Indices(), synonyms())
    # Else a replica waits a minute for the node that left.
    client.indices.put_settings(index="leaflets*", body={"index.unassigned.node_left.delayed_timeout": "0"})
    cluster.wait_for_copies()
    return Indices()


def leaflet(number: int) -> Leaflet:
    """One of many."""
    at = datetime(2026, 11, 1, tzinfo=UTC)
    change = Change(f"{number:05}", at, number + 1, Facts(name=f"Remédio {number}", audience=Audience.PATIENT), ())
    return reread("erp", change, TEXT.format(name=f"Remédio {number}", more=""))


def test_what_is_acknowledged_while_the_elected_node_is_killed_stands_on_every_copy(cluster: Cluster, indices: Indices) -> None:
    """Small bulks one after another; each leaflet that the writer settled is there afterwards, on the primary and on the replica."""
    writer = Writer(cluster.client, indices)
    settled: set[str] = set()
    failures = batches = after = 0
    killing = threading.Thread(target=cluster.kill_elected)
    while after < 40:
        batch = Batch("erp", tuple(leaflet(number) for number in range(batches * 5, batches * 5 + 5)))
        try:
            settled |= writer.write(batch).settled
            batches += 1
        except OpenSearchException:
            failures += 1  # and the same batch again, as the next pull would
        after += killing.ident is not None and not killing.is_alive()
        if batches == 20 and killing.ident is None:
            killing.start()
    print(f"{batches} bulks, {failures} of them failed once and were repeated")
    assert settled == {f"{number:05}" for number in range(batches * 5)}
    assert set(cluster.copies(indices)) == {f"erp:{source_id}:patient" for source_id in settled}


def test_a_sync_during_which_the_elected_node_is_killed_loses_nothing(
    cluster: Cluster, indices: Indices, tmp_path: Path, readers: Readers
) -> None:
    """A pull that fails is followed by another, as `indexer run` does; that one finds the rest."""
    erp = Erp(*(record(f"{n:03}") for n in range(120)))
    killed = threading.Event()

    def kill(request: Request) -> None:
        if request.query["page"] == "30" and not killed.is_set():
            killed.set()
            cluster.kill_elected()

    erp.fault = kill
    stores = stores_of(cluster.client, indices)
    with serving(erp) as server:
        first, *_ = sync([source(tmp_path, "erp", server)], stores, readers)
        last, *_ = (first,) if first.outcome == "done" else sync([source(tmp_path, "erp", server)], stores, readers)
    assert killed.is_set()
    print(f"the sync was {first.outcome} ({first.error})")
    assert last.outcome == "done", last.error
    assert set(cluster.copies(indices)) == {f"erp:{n:03}:patient" for n in range(120)}


def test_searches_go_on_while_the_elected_node_is_killed(cluster: Cluster, indices: Indices, tmp_path: Path, readers: Readers) -> None:
    """Two attendants ask one question after the other; what one node leaves unanswered another answers, so that nobody sees an error."""
    with serving(Erp(*(record(f"{n:03}") for n in range(20)))) as server:
        sync([source(tmp_path, "erp", server)], stores_of(cluster.client, indices), readers)
    cluster.copies(indices)
    # No Redis: every answer is the index's.
    app = create_app(read(Settings, {"OPENSEARCH_URL": cluster.url, "REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}))
    answered: list[int] = []
    killed = threading.Event()

    def ask(attendant: int) -> None:
        desk, after = app.test_client(), 0
        while after < 60:
            told = desk.get("/v1/search", query_string={"q": f"remedio {(len(answered) + attendant) % 20:03}"})
            answered.append(told.status_code if told.status_code != 200 or told.get_json()["total"] else 204)
            after += killed.is_set()

    attendants = [threading.Thread(target=ask, args=(number,)) for number in range(2)]
    for attendant in attendants:
        attendant.start()
    cluster.kill_elected()
    killed.set()
    for attendant in attendants:
        attendant.join()
    app.extensions["desk"].state.stop()
    assert set(answered) == {200}, answered


INDEXER = Path(sys.executable).with_name("indexer")
CAN_REINDEX = subprocess.run([INDEXER, "reindex", "--help"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not CAN_REINDEX, reason="there is no `indexer reindex` yet")
def test_a_reindex_during_which_the_elected_node_is_killed_is_done_or_can_be_done_again(
    cluster: Cluster, indices: Indices, tmp_path: Path, readers: Readers
) -> None:
    """Either way the desk's leaflets are those of before, on the primary and on the replica."""
    with serving(Erp(*(record(f"{n:03}") for n in range(120)))) as server:
        sync([source(tmp_path, "erp", server)], stores_of(cluster.client, indices), readers)
    before = set(cluster.copies(indices))
    assert len(before) == 120
    environ = {**os.environ, "OPENSEARCH_URL": cluster.url}
    with subprocess.Popen([INDEXER, "reindex"], env=environ, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as reindex:
        client = cluster.client
        while reindex.poll() is None and not client.indices.exists(index=indices.generation(2)):
            time.sleep(0.02)
        cluster.kill_elected()
        _, said = reindex.communicate(timeout=200)
    print(f"the reindex ended with {reindex.returncode}: {said.strip()[-300:]}")
    assert "Traceback" not in said
    if reindex.returncode:
        subprocess.run([INDEXER, "reindex"], env=environ, cwd=tmp_path, check=True, timeout=200)
    assert set(cluster.copies(indices)) == before
    (generation,) = cluster.client.indices.get_alias(name=indices.alias)
    assert generation != indices.generation(1)

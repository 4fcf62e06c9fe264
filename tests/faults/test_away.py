"""OpenSearch away, too busy or at work on itself: the sync waits, loses nothing and says nothing wrong of a leaflet."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from opensearchpy import OpenSearch

from indexer.patience import Patience
from indexer.pull import Outcome, Stores, sync
from indexer.readers import Readers
from indexer.write import Batch, Writer
from opensearch.client import connect
from opensearch.generations import Indices, prepare
from opensearch.process import free_port
from opensearch.synonyms import synonyms
from tests.conftest import stores_of
from tests.engines import node
from tests.faults.test_leases import leaflet
from tests.faults.test_sync import Erp, held, record, source
from tests.sources.standin import Reply, Request, serving

A_WHILE = 1.0


def patient(stores: Stores, seconds: float = 120) -> Stores:
    """The stores of an indexer that waits so long for OpenSearch."""
    return replace(stores, writer=replace(stores.writer, patience=Patience(seconds)))


def test_a_restart_of_opensearch_in_the_middle_of_a_sync_loses_nothing(tmp_path: Path, readers: Readers) -> None:
    """It pauses, what it gathered is kept, and the sync ends as if nothing had been."""
    port, indices = free_port(), Indices("restarted")
    erp = Erp(*(record(f"{n:03}") for n in range(12)))
    with ExitStack() as servers:
        first = servers.enter_context(node(tmp_path, port))
        client = connect(first.url)
        prepare(client, indices, synonyms())
        stores = patient(stores_of(client, indices))
        restarting = threading.Thread(target=lambda: servers.enter_context(node(tmp_path, port)))
        at_page_3 = iter([True])

        def restart(request: Request) -> None:
            if request.query["page"] == "3" and next(at_page_3, False):
                first.kill()
                restarting.start()

        erp.fault = restart
        with serving(erp) as server:
            (outcome,) = sync([source(tmp_path, "erp", server, "max_in_flight = 1")], stores, readers)
        restarting.join()
        assert outcome.outcome == "done", outcome
        client.indices.refresh(index=indices.alias)
        assert len(held(client, indices)) == 12
        assert stores.cursors.read("erp").holder == ""


def blocked(client: OpenSearch, indices: Indices, kind: str, work: Callable[[], Outcome]) -> Outcome:
    """What a piece of work gives while the index is blocked for a while from its beginning."""
    setting = f"index.blocks.{kind}"
    client.indices.put_settings(index=indices.alias, body={setting: True})
    lifting = threading.Timer(A_WHILE, lambda: client.indices.put_settings(index=indices.alias, body={setting: None}))
    lifting.start()
    outcome = work()
    lifting.join()
    return outcome


@pytest.mark.parametrize("kind", ["write", "read_only_allow_delete"])
def test_a_block_is_waited_for_and_nothing_is_rejected(
    tmp_path: Path, client: OpenSearch, indices: Indices, stores: Stores, readers: Readers, kind: str
) -> None:
    """A reindex that is about to swap answers 403 to writes, a disk that is full 429: neither says anything of a leaflet."""
    with serving(Erp(record("001"), record("002"))) as server:
        erp = source(tmp_path, "erp", server)
        outcome = blocked(client, indices, kind, lambda: sync([erp], patient(stores), readers)[0])
    assert (outcome.outcome, outcome.counts.written, outcome.counts.rejected) == ("done", 2, 0)


def test_a_generation_that_is_swapped_is_waited_for(
    tmp_path: Path, client: OpenSearch, indices: Indices, stores: Stores, readers: Readers
) -> None:
    """Where the alias is missing for a moment, nothing is made up in its place."""
    generation = indices.generation(1)
    client.indices.delete_alias(index=generation, name=indices.alias)
    actions = {"actions": [{"add": {"index": generation, "alias": indices.alias, "is_write_index": True}}]}
    mending = threading.Timer(A_WHILE, lambda: client.indices.update_aliases(body=actions))
    mending.start()
    with serving(Erp(record("001"))) as server:
        (outcome,) = sync([source(tmp_path, "erp", server)], patient(stores), readers)
    mending.join()
    assert (outcome.outcome, outcome.counts.written) == ("done", 1)
    assert not client.indices.exists(index=indices.alias) or client.indices.exists_alias(name=indices.alias)


def test_with_patience_at_its_end_the_cursor_stays_and_the_next_sync_has_it_all(
    tmp_path: Path, client: OpenSearch, indices: Indices, stores: Stores, readers: Readers
) -> None:
    """The pull ends as waiting; nothing is passed over."""
    erp = Erp(*(record(f"{n:03}") for n in range(3)))
    with serving(erp) as server:
        client.indices.put_settings(index=indices.alias, body={"index.blocks.write": True})
        (outcome,) = sync([source(tmp_path, "erp", server)], patient(stores, 0.5), readers)
        assert (outcome.outcome, outcome.counts.later, outcome.counts.rejected) == ("waiting", 3, 0)
        assert stores.cursors.read("erp").value is None
        client.indices.put_settings(index=indices.alias, body={"index.blocks.write": None})
        (outcome,) = sync([source(tmp_path, "erp", server)], stores, readers)
    assert (outcome.outcome, outcome.counts.written) == ("done", 3)


class Losing:
    """A way to OpenSearch on which the first answers to bulk requests are lost after they were carried out."""

    def __init__(self, url: str, losses: int) -> None:
        self.url = url
        self.losses = losses

    def __call__(self, request: Request) -> Reply:
        """The answer, unless it is lost."""
        address = f"{self.url}{request.path}"
        headers = {"Content-Type": request.headers.get("Content-Type", "application/json")}
        answer = requests.request(request.method, address, params=request.query, data=request.body, headers=headers, timeout=30)
        if request.path.endswith("_bulk") and self.losses > 0:
            self.losses -= 1
            return Reply(raw=())
        return Reply(answer.content, answer.status_code, {"Content-Type": answer.headers["Content-Type"]})


@pytest.fixture
def losing(opensearch_url: str) -> Iterator[OpenSearch]:
    """A client on such a way."""
    with serving(Losing(opensearch_url, losses=2)) as server:
        yield connect(server.url)


def test_a_bulk_whose_answer_was_lost_is_sent_again_and_counts_once(client: OpenSearch, indices: Indices, losing: OpenSearch) -> None:
    """It was carried out: the repetition finds what it wanted to write."""
    writer = Writer(losing, indices, patience=Patience(60))
    receipt = writer.write(Batch("erp", (leaflet("um", 10),)))
    assert (receipt.written, receipt.unchanged, receipt.later) == (1, 0, ())
    assert client.get(index=indices.alias, id="erp:001:patient")["_version"] == 10
    receipt = writer.write(Batch("erp", (leaflet("dois", 11),)))
    assert (receipt.written, len(receipt.older)) == (1, 0)
    assert held_now(client, indices) == {"erp:001:patient": "dois"}


def held_now(client: OpenSearch, indices: Indices) -> dict[str, str]:
    """What stands, refreshed."""
    client.indices.refresh(index=indices.alias)
    return held(client, indices)


@pytest.mark.parametrize(("first", "second"), [(10, 11), (11, 10)])
def test_two_writers_of_one_leaflet_end_with_the_newer(client: OpenSearch, indices: Indices, first: int, second: int) -> None:
    """Who meets the other's write looks again and decides again, whichever came first."""
    writer, between = Writer(client, indices, patience=Patience(60)), iter([True])

    def fence() -> None:
        if next(between, False):
            assert writer.write(Batch("erp", (leaflet(str(second), second),))).written == 1

    receipt = replace(writer, fence=fence).write(Batch("erp", (leaflet(str(first), first),)))
    assert (receipt.written, len(receipt.older)) == ((0, 1) if second > first else (1, 0))
    assert held_now(client, indices) == {"erp:001:patient": "11"}


def test_when_told_to_end_nobody_waits_for_opensearch(client: OpenSearch, indices: Indices) -> None:
    """What was not written is left for later at once."""
    client.indices.put_settings(index=indices.alias, body={"index.blocks.write": True})
    patience = Patience(3600)
    threading.Timer(A_WHILE, patience.stopped.set).start()
    receipt = Writer(client, indices, patience=patience).write(Batch("erp", (leaflet("um", 10),)))
    assert receipt.later == ("erp:001:patient",)

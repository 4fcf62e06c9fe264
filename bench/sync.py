"""The seed's first promise: a sync as long as its slowest ERP takes, not as all of them take together.

Five ERPs of 20 pages, answering after 50, 80, 100, 150 and 400 ms, each allowing 8 requests at a time. In one run, over the same pages and
with the same reading and writing: the legacy way, threads alone, ours; beside the physical limit: the larger of the slowest ERP's pages x
latency / requests in flight, and all leaflets at the raw bulk rate (the same documents, sent to an empty index with nothing else to do).
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from opensearchpy import OpenSearch

from bench.erps import IN_FLIGHT, PAGES, PER_PAGE
from indexer.cursors import Cursors
from indexer.pull import Stores, sync
from indexer.readers import Readers
from indexer.rejected import RejectedLeaflets
from indexer.sources.base import Source
from indexer.sources.config import configured
from indexer.write import Writer
from opensearch.client import connect
from opensearch.generations import Indices, prepare
from opensearch.node import node
from opensearch.process import free_port
from opensearch.synonyms import synonyms

LATENCIES = (50, 80, 100, 150, 400)  # ms
ROUNDS = 3
# A node that has just started spends its cores on compiling itself.
WARM_UPS = 2
LEAFLETS = len(LATENCIES) * PAGES * PER_PAGE

_SOURCE = """
[sources.erp{number}]
type = "rest"
url = "http://127.0.0.1:{port}/leaflets"
paging = {{ by = "page", more = "hasNext" }}
records = "items"
max_in_flight = {in_flight}
fields = {{ id = "code", name = "name", active_ingredients = "substances", laboratory = "maker", registration = "registration", \
ean = "ean", audience = "audience", updated_at = "modified", text = "text", text_type = "text/plain" }}
"""


def main() -> None:
    """Prints the line of `sync`."""
    with tempfile.TemporaryDirectory() as home, _erps() as ports, node(Path(home), free_port()) as server, Readers() as readers:
        client = connect(server.url)
        one = _sources(Path(home), ports, in_flight=1)
        eight = _sources(Path(home), ports, in_flight=IN_FLIGHT)

        def legacy(stores: Stores) -> None:
            for source in one:
                sync([source], stores, readers)

        for _ in range(WARM_UPS):
            _seconds(client, lambda stores: sync(eight, stores, readers))
        took = {
            "legacy": [_seconds(client, legacy)],
            "threads": [_seconds(client, lambda stores: sync(one, stores, readers))],
            "ours": [_seconds(client, lambda stores: sync(eight, stores, readers)) for _ in range(ROUNDS)],
        }
        raw = max(_raw_rate(client, eight, readers) for _ in range(ROUNDS))
    seconds = {name: statistics.median(figures) for name, figures in took.items()}
    asking = max(LATENCIES) / 1000 * PAGES / IN_FLIGHT
    limit = max(asking, LEAFLETS / raw)
    print(
        f"sync: ours {seconds['ours']:.2f} s (of {ROUNDS}: {min(took['ours']):.2f}-{max(took['ours']):.2f}); "
        f"legacy {seconds['legacy']:.2f} s = {seconds['legacy'] / seconds['ours']:.1f} x ours; "
        f"threads alone {seconds['threads']:.2f} s = {seconds['threads'] / seconds['ours']:.1f} x ours; "
        f"limit {limit:.2f} s (asking {asking:.2f} s; {LEAFLETS} leaflets at {raw:.0f}/s raw bulk {LEAFLETS / raw:.2f} s), "
        f"ours is {seconds['ours'] / limit:.2f} of it"
    )


@contextmanager
def _erps() -> Iterator[list[int]]:
    """The five stand-ins in a process of their own; gives their ports, in the order of LATENCIES."""
    ports = [free_port() for _ in LATENCIES]
    arguments = [str(number) for pair in zip(ports, LATENCIES, strict=True) for number in pair]
    with subprocess.Popen([sys.executable, "-m", "bench.erps", *arguments], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield ports
        finally:
            process.kill()


def _sources(home: Path, ports: Sequence[int], *, in_flight: int) -> tuple[Source, ...]:
    file = home / f"sources-{in_flight}.toml"
    file.write_text("".join(_SOURCE.format(number=n, port=port, in_flight=in_flight) for n, port in enumerate(ports)))
    return configured(file, {})


def _seconds(client: OpenSearch, work: Callable[[Stores], object]) -> float:
    """How long a first sync into an empty installation takes; fails where it does not hold every leaflet afterwards."""
    indices = Indices(f"bench-{uuid.uuid4().hex[:8]}")
    prepare(client, indices, synonyms())
    time.sleep(max(LATENCIES) / 1000)  # what the round before had asked past the last page still holds places at the ERPs
    stores = Stores(Writer(client, indices), Cursors(client, indices), RejectedLeaflets(client, indices))
    started = time.perf_counter()
    work(stores)
    seconds = time.perf_counter() - started
    client.indices.refresh(index=indices.alias)
    held = client.count(index=indices.alias)["count"]
    client.indices.delete(index=f"{indices.alias}-*")
    if held != LEAFLETS:
        sys.exit(f"sync: the index holds {held} leaflets, {LEAFLETS} were served: the figure would mean nothing")
    return seconds


def _raw_rate(client: OpenSearch, sources: Sequence[Source], readers: Readers) -> float:
    """Leaflets a second that OpenSearch takes in bulk requests of 500, made beforehand, from one client, into an empty index."""
    full, empty = (Indices(f"bench-{uuid.uuid4().hex[:8]}") for _ in range(2))
    for indices in (full, empty):
        prepare(client, indices, synonyms())
    sync(sources, Stores(Writer(client, full), Cursors(client, full), RejectedLeaflets(client, full)), readers)
    client.indices.refresh(index=full.alias)
    found = client.search(index=full.alias, body={"size": LEAFLETS})["hits"]["hits"]
    lines = "".join(
        json.dumps({"index": {"_id": hit["_id"]}}) + "\n" + json.dumps(hit["_source"], ensure_ascii=False) + "\n" for hit in found
    )
    started = time.perf_counter()
    client.bulk(index=empty.alias, body=lines.encode())
    seconds = time.perf_counter() - started
    for indices in (full, empty):
        client.indices.delete(index=f"{indices.alias}-*")
    return len(found) / seconds

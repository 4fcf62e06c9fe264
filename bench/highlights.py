"""What it takes to show the sentences that answer: our answers made anew, beside a plain index that marks the words in its whole text.

Both hold the same leaflets on the same node: the real ones where ../shared/data is there, else the demonstration's, made many and long. The
plain index has one field of text with the stock Portuguese analyser and the highlighter as it comes; it is asked raw, without a server
before it, for as many leaflets as ours shows. Ours resolves the drug, ranks, chooses sentences and is asked over HTTP, Redis being away.
"""

from __future__ import annotations

import http.client
import json
import logging
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from opensearchpy import OpenSearch, helpers

from bench.clients import Client, search
from bench.serving import QUESTIONS, SEARCHAPI, Place, fill, p95, running
from indexer.readers import Readers
from opensearch.client import connect
from opensearch.generations import Indices
from opensearch.node import node
from opensearch.process import free_port

# A node that has just started spends its cores on compiling itself.
WARM_UPS, ROUNDS = 12, 10
# What is asked for: of INTERFACE's promises.
MOST = 0.5
DATA = Path(__file__).parents[2] / "shared" / "data"
# The demonstration's leaflets are short: so many products of each, and each section told so often, make 800 of 40 KB.
PRODUCTS, TIMES = 15, 20
_PLAIN = "plain"
_MAPPING = {
    "settings": {"number_of_shards": 1, "number_of_replicas": 0, "highlight.max_analyzed_offset": 2_000_000},
    "mappings": {"properties": {"name": {"type": "text", "analyzer": "portuguese"}, "text": {"type": "text", "analyzer": "portuguese"}}},
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that finds something, and how many leaflets its answer shows."""

    question: str
    shown: int


def main() -> None:
    """Prints the line."""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder), free_port(), f"redis://127.0.0.1:{free_port()}/0")
        with node(place.home, place.opensearch_port):
            client = connect(place.environ["OPENSEARCH_URL"])
            leaflets = "real" if DATA.exists() else "multiplied demonstration"
            held = _real(client) if DATA.exists() else _multiplied(place, client)
            _plain(client)
            with running(place.environ, "-c", SEARCHAPI) as ours:
                print(_beside(place, Client(ours.port), f"{held} {leaflets} leaflets"), flush=True)


def _real(client: OpenSearch) -> int:
    """Indexes the real leaflets, which are not ours to bring along; tells how many."""
    from tests.search.corpus import index_real  # noqa: PLC0415 - an installation has no tests, and no real leaflets either

    with Readers() as readers:
        return sum(outcome.counts.written for outcome in index_real(client, Indices(), readers))


def _multiplied(place: Place, client: OpenSearch) -> int:
    """Indexes the demonstration's leaflets, many times and long; tells how many there are."""
    fill(place)
    alias = Indices().alias
    held = list(helpers.scan(client, index=alias))

    def copies() -> Iterator[dict[str, object]]:
        for hit in held:
            told = hit["_source"]
            long = {section: "\n".join([text] * TIMES) for section, text in told["sections"].items()}
            for number in range(PRODUCTS):
                own = {"source_id": f"{told['source_id']}-{number}", "product": f"{told['product']} {number}", "sections": long}
                yield {"_index": alias, "_id": f"{hit['_id']}-{number}", "_source": told | own}
            yield {"_op_type": "delete", "_index": alias, "_id": hit["_id"]}

    helpers.bulk(client, copies(), chunk_size=50)
    client.indices.refresh(index=alias)
    return len(held) * PRODUCTS


def _plain(client: OpenSearch) -> None:
    """The same leaflets in one field each."""
    client.indices.create(index=_PLAIN, body=_MAPPING)
    held = helpers.scan(client, index=Indices().alias, _source=["name", "active_ingredients", "sections"])
    told = ((hit["_id"], hit["_source"]) for hit in held)
    helpers.bulk(
        client,
        (
            {
                "_index": _PLAIN,
                "_id": id_,
                "name": f"{leaflet['name']} ({' '.join(leaflet['active_ingredients'])})",
                "text": "\n".join(leaflet["sections"].values()),
            }
            for id_, leaflet in told
        ),
        chunk_size=50,
    )
    client.indices.refresh(index=_PLAIN)


def _beside(place: Place, client: Client, leaflets: str) -> str:
    """Both, question by question, so that they meet the same machine."""
    url = urlsplit(place.environ["OPENSEARCH_URL"])
    raw = http.client.HTTPConnection(str(url.hostname), url.port)
    asked = [Asked(question, shown) for question in QUESTIONS if (shown := _shown(client, question))]
    times: dict[str, list[float]] = {"ours": [], "whole": [], "pieces": []}
    for number in range(WARM_UPS + ROUNDS):
        for one in asked:
            took = {"ours": client.ask(search(one.question)).seconds}
            for kind, options in (("whole", {"number_of_fragments": 0}), ("pieces", {})):
                body = json.dumps(_question(one, options)).encode()
                began = time.perf_counter()
                raw.request("POST", f"/{_PLAIN}/_search", body, {"Content-Type": "application/json"})
                raw.getresponse().read()
                took[kind] = time.perf_counter() - began
            if number >= WARM_UPS:
                for kind, seconds in took.items():
                    times[kind].append(seconds)
    slow = {kind: p95(seconds) for kind, seconds in times.items()}
    ratio = {kind: slow["ours"] / slow[kind] for kind in slow}
    return (
        f"highlights: p95 {slow['ours']:.1f} ms over {leaflets} ({len(asked)} questions, {statistics.mean(a.shown for a in asked):.1f} "
        f"leaflets shown); a plain index that marks its whole text p95 {slow['whole']:.1f} ms, ours is {ratio['whole']:.2f} of it (at most "
        f"{MOST}); in pieces, as its highlighter comes, {slow['pieces']:.1f} ms, ours is {ratio['pieces']:.2f} of it"
    )


def _shown(client: Client, question: str) -> int:
    """How many leaflets are shown with passages."""
    return sum(bool(result["highlights"]) for result in json.loads(client.ask(search(question)).body)["results"])


def _question(one: Asked, options: dict[str, int]) -> dict[str, object]:
    return {
        "query": {"multi_match": {"query": one.question, "fields": ["name^3", "text"]}},
        "size": one.shown,
        "_source": ["name"],
        "highlight": {"fields": {"text": options}},
    }


if __name__ == "__main__":
    main()

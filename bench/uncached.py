"""Answers made anew, over as many leaflets as a desk has: real ones where ../shared/data is there, else the demonstration's, multiplied.

uncached    an answer of ours over HTTP beside its own requests sent raw to OpenSearch, one after another over a kept connection
highlights  the same beside a plain index that marks the words in its whole text

The plain index is on the same node and has one field of text with the stock Portuguese analyser; it is asked raw, without a server before
it, for a page as long as ours. Ours resolves the drug, ranks and chooses sentences. Redis is away.
"""

from __future__ import annotations

import http.client
import json
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from opensearchpy import OpenSearch, helpers

from bench.clients import Client, search
from bench.serving import QUESTIONS, SEARCHAPI, Place, fill, p95, running
from indexer.readers import Readers
from opensearch.client import connect
from opensearch.generations import Indices
from opensearch.node import node
from opensearch.process import free_port
from opensearch.settings import read
from opensearch.synonyms import synonyms
from searchapi.answers import Answers
from searchapi.app import create_app
from searchapi.params import search as asked_of
from searchapi.settings import Settings

# A node that has just started spends its cores on compiling itself.
WARM_UPS, ROUNDS = 12, 10
# How many leaflets a page has, unless one asks otherwise.
PAGE = 10
# What is asked for: of INTERFACE's promises.
MOST_UNCACHED, MOST_MARKED = 1.3, 0.5
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
    """Prints the lines."""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder), free_port(), f"redis://127.0.0.1:{free_port()}/0")
        with node(place.home, place.opensearch_port):
            client = connect(place.environ["OPENSEARCH_URL"])
            leaflets = "real" if DATA.exists() else "multiplied demonstration"
            held = _real(client) if DATA.exists() else _multiplied(place, client)
            _plain(client)
            with running(place.environ, "-c", SEARCHAPI) as ours:
                print(_uncached(place, Client(ours.port), f"{held} {leaflets} leaflets"), flush=True)
                print(_highlights(place, Client(ours.port), f"{held} {leaflets} leaflets"), flush=True)


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


def _highlights(place: Place, client: Client, leaflets: str) -> str:
    """Ours and the plain index, question by question, so that they meet the same machine."""
    url = urlsplit(place.environ["OPENSEARCH_URL"])
    raw = http.client.HTTPConnection(str(url.hostname), url.port)
    asked = [Asked(question, shown) for question in QUESTIONS if (shown := _shown(client, question))]
    times: dict[str, list[float]] = {"ours": [], "whole": [], "pieces": []}
    for number in range(WARM_UPS + ROUNDS):
        for one in asked:
            took = {"ours": client.ask(search(one.question)).seconds}
            for kind, options in (("whole", {"number_of_fragments": 0}), ("pieces", {})):
                body = json.dumps(_question(one.question, options)).encode()
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
        f"{MOST_MARKED}); in pieces, as its highlighter comes, {slow['pieces']:.1f} ms, ours is {ratio['pieces']:.2f} of it"
    )


class _Recording(OpenSearch):
    """A client that keeps what it is asked for, as it goes over the wire."""

    def __init__(self, url: str) -> None:
        super().__init__(hosts=[url])
        self.sent: list[tuple[str, bytes]] = []

    def search(self, *_: Any, **given: Any) -> Any:  # as OpenSearch.search
        """Asks, and keeps what was asked."""
        self.sent.append((f"/{given['index']}/_search", json.dumps(given["body"]).encode()))
        return super().search(**given)

    def msearch(self, *_: Any, **given: Any) -> Any:  # as OpenSearch.msearch
        """Asks, and keeps what was asked."""
        self.sent.append(("/_msearch", b"".join(json.dumps(line).encode() + b"\n" for line in given["body"])))
        return super().msearch(**given)


def _uncached(place: Place, client: Client, leaflets: str) -> str:
    """Ours, and the same requests sent raw."""
    url = place.environ["OPENSEARCH_URL"]
    requests = _requests(url, place)
    raw = http.client.HTTPConnection(str(urlsplit(url).hostname), urlsplit(url).port)
    times: dict[str, list[float]] = {"ours": [], "raw": []}
    for number in range(WARM_UPS + ROUNDS):
        for question in QUESTIONS:
            took = {}
            # Who comes second finds what the first has warmed: each does in turn.
            for name in ("ours", "raw") if number % 2 else ("raw", "ours"):
                took[name] = _made_anew(client, question) if name == "ours" else _sent(raw, requests[question])
            if number >= WARM_UPS:
                for name, seconds in took.items():
                    times[name].append(seconds)
    p50 = {name: statistics.median(seconds) * 1000 for name, seconds in times.items()}
    each = statistics.mean(len(sent) for sent in requests.values())
    return (
        f"uncached: p50 {p50['ours']:.1f} ms, p95 {p95(times['ours']):.1f} ms over {leaflets}; the same {each:.1f} requests raw "
        f"p50 {p50['raw']:.1f} ms, "
        f"ours is {p50['ours'] / p50['raw']:.2f} of it (at most {MOST_UNCACHED})"
    )


def _made_anew(client: Client, question: str) -> float:
    """Seconds for an answer of ours that nobody kept."""
    answer = client.ask(search(question))
    if b"fwd=miss" not in answer.head:
        sys.exit(f"uncached: {answer.status} {answer.head!r}")
    return answer.seconds


def _sent(raw: http.client.HTTPConnection, requests: Sequence[tuple[str, bytes]]) -> float:
    """Seconds for some requests sent raw, one after another."""
    began = time.perf_counter()
    for path, body in requests:
        raw.request("POST", path, body, {"Content-Type": "application/x-ndjson" if path == "/_msearch" else "application/json"})
        raw.getresponse().read()
    return time.perf_counter() - began


def _requests(url: str, place: Place) -> dict[str, list[tuple[str, bytes]]]:
    """What each question asks of OpenSearch."""
    app = create_app(read(Settings, place.environ))
    snapshot = app.extensions["desk"].state.snapshot()
    found = {}
    for question in QUESTIONS:
        client = _Recording(url)
        answers, given = Answers(client, Indices(), synonyms()), asked_of({"q": question})
        answers.search(answers.understanding(question, snapshot), given.filters, given.window, snapshot)
        found[question] = client.sent
    app.extensions["desk"].state.stop()
    return found


def _shown(client: Client, question: str) -> int:
    """How many leaflets are shown with passages."""
    return sum(bool(result["highlights"]) for result in json.loads(client.ask(search(question)).body)["results"])


def _question(question: str, options: dict[str, int]) -> dict[str, object]:
    return {
        "query": {"multi_match": {"query": question, "fields": ["name^3", "text"]}},
        "size": PAGE,
        "_source": ["name"],
        "highlight": {"fields": {"text": options}},
    }


if __name__ == "__main__":
    main()

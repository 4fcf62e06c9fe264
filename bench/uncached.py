"""Answers made anew, over as many leaflets as a desk has: real ones where ../shared/data is there, else the demonstration's, multiplied.

uncached    an answer of ours over HTTP beside its own DSL sent raw to OpenSearch: a body a request, one after another, over a connection
            each, as curl does, and over one that is kept; and all in the requests that ours sends, which is the least that it can take
highlights  the same beside a plain index that marks the words in its whole text: in pieces, as its highlighter comes, and uncut

The plain index is on the same node and has one field of text with the stock Portuguese analyser; it is asked raw, without a server before
it, for a page as long as ours. Ours resolves the drug, ranks and chooses sentences. Redis is away. Each has the machine for a round of all
questions, in turns: who makes much garbage in Java has it collected in its own time.
"""

from __future__ import annotations

import http.client
import itertools
import json
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import Any

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

# A node that has just started spends its cores on compiling itself, for a minute or so of questions.
WARM_UPS, ROUNDS = 40, 20
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
            requests = _requests(place)
            with running(place.environ, "-c", SEARCHAPI) as ours:
                times = _timed(_programs(place, Client(ours.port), requests))
                shown = {question: found for question in QUESTIONS if (found := _shown(Client(ours.port), question))}
            print(f"over {held} {leaflets} leaflets", _uncached(times, requests), _highlights(times, shown), sep="\n")


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


# Seconds that a program took for each question, round by round.
Times = dict[str, list[float]]
# The searches of each request that an answer sends: head and body.
Requests = dict[str, list[list[tuple[bytes, bytes]]]]


def _programs(place: Place, client: Client, requests: Requests) -> dict[str, Callable[[str], None]]:
    """What answers a question: ours and those beside it."""
    raw = _Raw(place)

    def ours(question: str) -> None:
        answer = client.ask(search(question))
        if b"fwd=miss" not in answer.head:
            sys.exit(f"uncached: {answer.status} {answer.head!r}")

    def as_curl(question: str) -> None:
        _one_by_one(requests[question], lambda: closing(_Raw(place)))

    def alone(question: str) -> None:
        _one_by_one(requests[question], lambda: nullcontext(raw))

    def together(question: str) -> None:
        for request in requests[question]:
            raw.send("/_msearch", b"".join(b"%s\n%s\n" % search for search in request))

    def pieces(question: str) -> None:
        raw.send(f"/{_PLAIN}/_search", _question(question, {}))

    def uncut(question: str) -> None:
        raw.send(f"/{_PLAIN}/_search", _question(question, {"number_of_fragments": 0}))

    return {program.__name__: program for program in (ours, as_curl, alone, together, pieces, uncut)}


def _one_by_one(asked: list[list[tuple[bytes, bytes]]], connection: Callable[[], AbstractContextManager[_Raw]]) -> None:
    """Sends each search by itself."""
    for _, body in itertools.chain(*asked):
        with connection() as raw:
            raw.send(f"/{Indices().alias}/_search", body)


def _timed(programs: Mapping[str, Callable[[str], None]]) -> dict[str, Times]:
    """How long each program takes for each question, once all are warm."""
    times: dict[str, Times] = {name: {question: [] for question in QUESTIONS} for name in programs}
    order = list(programs)
    for number in range(WARM_UPS + ROUNDS):
        # Who comes after another finds what that one has warmed: each comes first in turn.
        order = [*order[1:], order[0]]
        for name, question in itertools.product(order, QUESTIONS):
            began = time.perf_counter()
            programs[name](question)
            if number >= WARM_UPS:
                times[name][question].append(time.perf_counter() - began)
    return times


def _uncached(times: Mapping[str, Times], requests: Requests) -> str:
    """Ours, and the same DSL sent raw."""
    all_times = {name: list(itertools.chain(*told.values())) for name, told in times.items()}
    p50 = {name: statistics.median(seconds) * 1000 for name, seconds in all_times.items()}
    bodies = statistics.mean(sum(map(len, sent)) for sent in requests.values())
    sent = statistics.mean(map(len, requests.values()))
    return (
        f"uncached: p50 {p50['ours']:.1f} ms, p95 {p95(all_times['ours']):.1f} ms; the same {bodies:.1f} bodies raw, one after another, "
        f"over a connection each, as curl does, p50 {p50['as_curl']:.1f} ms, ours is {p50['ours'] / p50['as_curl']:.2f} of it (at most "
        f"{MOST_UNCACHED}); over one that is kept {p50['alone']:.1f} ms, ours is {p50['ours'] / p50['alone']:.2f} of it; in {sent:.1f} "
        f"requests, as ours sends them, {p50['together']:.1f} ms, ours is {p50['ours'] / p50['together']:.2f} of it"
    )


def _highlights(times: Mapping[str, Times], shown: Mapping[str, int]) -> str:
    """Ours and the plain index, where something is shown."""
    slow = {name: p95([seconds for question in shown for seconds in told[question]]) for name, told in times.items()}
    return (
        f"highlights: p95 {slow['ours']:.1f} ms ({len(shown)} questions, {statistics.mean(shown.values()):.1f} leaflets shown); a plain "
        f"index that marks its whole text, as its highlighter comes, p95 {slow['pieces']:.1f} ms, ours is "
        f"{slow['ours'] / slow['pieces']:.2f} of it (at most {MOST_MARKED}); without cutting it {slow['uncut']:.1f} ms, ours is "
        f"{slow['ours'] / slow['uncut']:.2f} of it"
    )


class _Raw:
    """OpenSearch by its wire, over one connection."""

    def __init__(self, place: Place) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", place.opensearch_port)

    def send(self, path: str, body: bytes) -> None:
        """One request."""
        kind = "application/x-ndjson" if path == "/_msearch" else "application/json"
        self._connection.request("POST", path, body, {"Content-Type": kind})
        self._connection.getresponse().read()

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()


class _Recording(OpenSearch):
    """A client that keeps the bodies that it is asked with, request by request."""

    def __init__(self, url: str) -> None:
        super().__init__(hosts=[url])
        self.sent: list[list[tuple[bytes, bytes]]] = []

    def msearch(self, *_: Any, **given: Any) -> Any:  # as OpenSearch.msearch
        """Asks, and keeps what was asked: the head and the body of each search."""
        lines = given["body"].encode().splitlines()
        self.sent.append(list(zip(lines[::2], lines[1::2], strict=True)))
        return super().msearch(**given)


def _requests(place: Place) -> Requests:
    """What each question asks of OpenSearch, where others were asked about its drug before."""
    app = create_app(read(Settings, place.environ))
    snapshot = app.extensions["desk"].state.snapshot()
    client = _Recording(place.environ["OPENSEARCH_URL"])
    answers = Answers(client, Indices(), synonyms())
    found = {}
    for question in [*QUESTIONS, *QUESTIONS]:
        client.sent.clear()
        given = asked_of({"q": question})
        answers.search(answers.understanding(question, snapshot), given.filters, given.window, snapshot)
        found[question] = list(client.sent)
    app.extensions["desk"].state.stop()
    return found


def _shown(client: Client, question: str) -> int:
    """How many leaflets are shown with passages."""
    return sum(bool(result["highlights"]) for result in json.loads(client.ask(search(question)).body)["results"])


def _question(question: str, options: dict[str, int]) -> bytes:
    body = {
        "query": {"multi_match": {"query": question, "fields": ["name^3", "text"]}},
        "size": PAGE,
        "_source": ["name"],
        "highlight": {"fields": {"text": options}},
    }
    return json.dumps(body).encode()


if __name__ == "__main__":
    main()

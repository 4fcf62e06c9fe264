"""Paging by a cursor while leaflets are written, rewritten and withdrawn: no result twice, none that stood all along left out."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from opensearchpy import OpenSearch

from leaflets import Audience, Facts, Leaflet, Passage, Section
from opensearch.documents import document, tombstone
from opensearch.generations import Indices
from searchapi import paging
from searchapi.query import Filters
from tests.conftest import app_of

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
QUESTION = {"q": "febre", "size": "7"}


class Shelf:
    """Leaflets that speak of fever, written straight into the index."""

    def __init__(self, client: OpenSearch, indices: Indices) -> None:
        self._client = client
        self._indices = indices
        self._lines: list[object] = []

    def put(self, name: str, *, day: int, source: str = "matriz", more: str = "") -> None:
        """A product's leaflet of this day."""
        leaflet = Leaflet(
            source=source, source_id=name, audience=Audience.PATIENT, name=name, active_ingredients=(), laboratory="Ipê", registration="",
            eans=(), category=None, active=None, passages=(Passage(Section.INDICATIONS, "INDICAÇÕES", f"Para febre. {more}"),), doses=(),
            history="", text="", facts=Facts(), updated_at=BEGAN + timedelta(days=day), version=1,
        )  # fmt: skip
        self._line(leaflet.id, document(leaflet, indexed_at=datetime.now(UTC)))

    def withdraw(self, name: str) -> None:
        """Takes a product's leaflet away."""
        self._line(f"matriz:{name}:patient", tombstone("matriz", name, "patient", version=2, indexed_at=datetime.now(UTC)))

    def show(self) -> None:
        """Makes searchable what was put and withdrawn."""
        told = self._client.bulk(body=self._lines, refresh=True)
        assert not told["errors"], told
        self._lines.clear()

    def _line(self, leaflet_id: str, body: dict[str, object]) -> None:
        self._lines += [{"index": {"_index": self._indices.alias, "_id": leaflet_id}}, body]


@pytest.fixture
def shelf(client: OpenSearch, indices: Indices) -> Shelf:
    """An empty one."""
    return Shelf(client, indices)


@pytest.fixture
def desk(opensearch_url: str, redis_url: str, indices: Indices) -> FlaskClient:
    """A desk before it."""
    return app_of(opensearch_url, redis_url, indices).test_client()


def page(desk: FlaskClient, cursor: str | None = None, **more: str) -> Any:
    """One page of the results."""
    given = QUESTION | more | ({"cursor": cursor} if cursor else {})
    response = desk.get("/v1/search", query_string=given)
    assert response.status_code == 200, response.get_json()
    return response.get_json()


def pages(desk: FlaskClient, changes: threading.Semaphore | None = None) -> Iterator[list[str]]:
    """The names on each page, to the last one; with `changes` the index has changed before each but the first."""
    told = page(desk)
    yield [hit["name"] for hit in told["results"]]
    while told["next"]:
        if changes:
            assert changes.acquire(timeout=60)
        told = page(desk, told["next"])
        yield [hit["name"] for hit in told["results"]]


@pytest.mark.engines
def test_a_cursor_gives_the_ranking_page_by_page(desk: FlaskClient, shelf: Shelf) -> None:
    """The same order as in one piece, the last page short, and none after it; a product of two sources once."""
    for number in range(24):
        shelf.put(f"Produto {number:02}", day=number % 5)
    shelf.put("Produto 03", day=9, source="filial")
    shelf.show()
    paged = list(pages(desk))
    assert [len(names) for names in paged] == [7, 7, 7, 3]
    assert [name for names in paged for name in names] == [hit["name"] for hit in page(desk, size="50")["results"]]


@pytest.mark.engines
def test_where_the_last_page_is_full_nothing_comes_after_it(desk: FlaskClient, shelf: Shelf) -> None:
    """No empty page to ask for."""
    for number in range(14):
        shelf.put(f"Produto {number:02}", day=0)
    shelf.show()
    assert [len(names) for names in pages(desk)] == [7, 7]
    assert page(desk, size="14")["next"] is None
    assert "next" not in page(desk, page="2")  # what page 1 gave is not known there


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_result_comes_twice_and_none_is_lost_while_the_index_changes(desk: FlaskClient, shelf: Shelf, seed: int) -> None:
    """Also of leaflets that are rewritten meanwhile, and move to the front or the end of the ranking."""
    chance = random.Random(seed)
    standing = [f"Firme {number:02}" for number in range(60)]
    doomed = [f"Breve {number:02}" for number in range(30)]
    for name in (*standing, *doomed):
        shelf.put(name, day=chance.randrange(100))
    shelf.show()
    changed, over = threading.Semaphore(0), threading.Event()

    def write() -> None:
        for number in range(1000):
            if over.is_set():
                return
            for name in chance.sample(standing, 15):
                shelf.put(name, day=chance.randrange(-200, 300), more=chance.choice(["", "Febre alta.", "Dor."]))
            for name in chance.sample(standing, 5):
                shelf.put(name, day=chance.randrange(300), source="filial")
            shelf.put(f"Novo {number:03}", day=chance.randrange(100))
            if doomed:
                shelf.withdraw(doomed.pop())
            shelf.show()
            changed.release()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        given = [name for names in pages(desk, changed) for name in names]
    finally:
        over.set()
        writer.join()
    assert len(given) == len(set(given))
    assert set(standing) <= set(given)


@pytest.mark.engines
def test_a_withdrawn_leaflet_is_on_no_later_page(desk: FlaskClient, shelf: Shelf) -> None:
    """A cursor keeps no old state of the index open."""
    for number in range(20):
        shelf.put(f"Produto {number:02}", day=-number)
    shelf.show()
    first = page(desk)
    shelf.withdraw("Produto 10")
    shelf.show()
    rest = [hit["name"] for hit in page(desk, first["next"], size="50")["results"]]
    assert rest == [f"Produto {number:02}" for number in range(7, 20) if number != 10]


def test_a_page_after_a_cursor_says_which_it_is(desk: FlaskClient, shelf: Shelf) -> None:
    """As many pages as were given, and one; the whole's total and facets."""
    for number in range(20):
        shelf.put(f"Produto {number:02}", day=0)
    shelf.show()
    first = page(desk)
    second = page(desk, first["next"])
    assert (first["page"], second["page"], second["total"]) == (1, 2, 20)
    assert second["facets"] == first["facets"]


def refused(desk: FlaskClient, **more: str) -> str:
    """What is said to a cursor that cannot be used."""
    response = desk.get("/v1/search", query_string=QUESTION | more)
    assert response.status_code == 400
    assert response.get_json()["parameter"] == "cursor"
    return str(response.get_json()["detail"])


def test_a_cursor_that_cannot_be_used_is_400_that_says_what_to_do(desk: FlaskClient, shelf: Shelf) -> None:
    """Forged, cut short, of another question, beside a page, or at the end of what a cursor goes through."""
    for number in range(9):
        shelf.put(f"Produto {number:02}", day=0)
    shelf.show()
    cursor = page(desk)["next"]
    assert "start over" in refused(desk, cursor="AAAA")
    assert "start over" in refused(desk, cursor=cursor[:-4])
    assert "another question" in refused(desk, cursor=cursor, q="dor")
    assert "another question" in refused(desk, cursor=cursor, audience="patient")
    assert "in place of page" in refused(desk, cursor=cursor, page="2")
    through = paging.given("", "febre", Filters()).and_now(map(str, range(paging.MOST))).cursor
    assert f"the first {paging.MOST} results" in refused(desk, cursor=through)
    longest = {"q": "\u1100" * 300, "laboratory": "l" * 300, "source": "s" * 300, "cursor": through}
    assert len(desk.get("/v1/search", query_string=longest).request.full_path) < 8190


def test_no_answer_names_the_question_in_its_cursor(desk: FlaskClient, shelf: Shelf) -> None:
    """An address is kept in histories and logs of others."""
    for number in range(9):
        shelf.put(f"Produto {number:02}", day=0)
    shelf.show()
    cursor = page(desk)["next"]
    assert "febre" not in cursor
    assert len(cursor) < 100

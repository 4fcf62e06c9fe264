"""What is Dolibarr's alone: nothing found as an error, wrong questions as failures, its server's own time, files asked for one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from indexer.sources.base import SourceDown, SourceRefused
from leaflets import Change, Unreadable, Withdrawal
from tests.sources.standin import Answer, Reply, Request, StandIn, pull, source_of, told
from tests.sources.vendors.dolibarr import Dolibarr, error

LONG_AGO = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HEAD = 'type = "dolibarr"\nurl = "{url}"\napi_key = { env = "SECRET" }\ntimeout = 5\n'
ROW: dict[str, Any] = {
    "id": "1",
    "ref": "MED001",
    "label": "Novalgina",
    "description": "Bula &agrave; m&atilde;o.",
    "status": "1",
    "price": "0.00000000",
    "barcode": "7890000000001",
    "date_modification": "2026-11-22 07:51:01",
    "array_options": [],
}


@pytest.fixture
def erp() -> Dolibarr:
    """A server with four products."""
    erp = Dolibarr()
    for number in range(1, 5):
        erp.put(f"P{number:03}", f"vprimeira{number}x", at=LONG_AGO + timedelta(days=number))
    return erp


@pytest.fixture
def server(erp: Dolibarr) -> Iterator[StandIn]:
    """The server, answering."""
    with erp.running() as stand_in:
        yield stand_in


def one_page(*rows: object) -> Answer:
    """A server with these rows and nothing behind them."""
    return lambda request: told(list(rows)) if "(t.rowid:>:0)" in request.query["sqlfilters"] else error(404, "Not Found: No product found")


@pytest.mark.parametrize(
    ("modified", "at"),
    [
        ("2026-11-22 07:51:01", datetime(2026, 11, 22, 10, 51, 1, tzinfo=UTC)),
        (1795333861, datetime(2026, 11, 22, 7, 51, 1, tzinfo=UTC)),
        ("1795333861", datetime(2026, 11, 22, 7, 51, 1, tzinfo=UTC)),
        (None, datetime(2026, 11, 1, 3, 0, 0, tzinfo=UTC)),
    ],
)
def test_a_recorded_row_becomes_a_leaflet_of_the_servers_own_time(
    serve: Callable[[Answer], StandIn], tmp_path: Path, modified: object, at: datetime
) -> None:
    """The row is one of a measured version 16; later ones write seconds, and a product that was never edited has its making's time."""
    row = ROW | {"date_modification": modified, "date_creation": "2026-11-01 00:00:00"}
    change = pull(source_of(tmp_path, HEAD.replace("{url}", serve(one_page(row)).url), SECRET="x")).change
    assert (change.source_id, change.facts.name, change.facts.eans) == ("1", "Novalgina", ("7890000000001",))
    assert change.updated_at == at


def test_its_wire_is_as_measured(erp: Dolibarr, server: StandIn, tmp_path: Path) -> None:
    """Its key in its header, pages by rowid, a window in the server's zone; `url` may hold the API's own path."""
    cursor = pull(erp.source(tmp_path, server)).cursor
    pull(erp.source(tmp_path, server), cursor)
    assert {one.headers["DOLAPIKEY"] for one in server.asked} == {"nothing-secret"}
    assert {one.path for one in server.asked} == {"/api/index.php/products"}
    first = {"sortfield": "t.rowid", "sortorder": "ASC", "limit": "100", "page": "0", "sqlfilters": "(t.rowid:>:0)"}
    assert server.asked[0].query == first
    # The newest is of 2026-01-06 03:04:05 UTC: 23:04 of the day before in Manaus, less the lag of five minutes.
    assert server.asked[3].query["sqlfilters"].startswith("(t.rowid:>:0) and (t.tms:>:'2026-01-05 22:59:0")
    spelled = StandIn(f"{server.url}/api/index.php")
    assert len(pull(erp.source(tmp_path, spelled)).ids) == 4


@pytest.mark.parametrize("empty_is_404", [True, False])
def test_nothing_found_is_no_error(erp: Dolibarr, server: StandIn, tmp_path: Path, *, empty_is_404: bool) -> None:
    """Whichever version says it."""
    erp.empty_is_404 = empty_is_404
    erp.products.clear()
    source = erp.source(tmp_path, server)
    assert pull(source).complete
    assert "without any product" in source.check()


@pytest.mark.parametrize("reply", [error(404, "Not Found"), Reply(b"<h1>Not Found</h1>", 404, {"Content-Type": "text/html"})])
def test_any_other_404_is_a_wrong_address(serve: Callable[[Answer], StandIn], tmp_path: Path, reply: Reply) -> None:
    """Taken for an empty list it would withdraw everything."""
    with pytest.raises(SourceRefused, match='modules "API" and "Products"'):
        pull(source_of(tmp_path, HEAD.replace("{url}", serve(lambda _: reply).url), SECRET="x"))


@pytest.mark.parametrize(
    "message",
    [
        "Service Unavailable: Error when retrieve product list : Unknown column 't.nofield' in 'WHERE'",
        "Service Unavailable: Error when retrieve product list : You have an error in your SQL syntax; check the manual",
        "Service Unavailable: Error when retrieve product list : ERROR: column t.nofield does not exist",
        "Service Unavailable: Error when validating parameter sqlfilters (t.rowid",
    ],
)
def test_a_wrong_question_is_told_at_once_though_its_status_says_later(
    serve: Callable[[Answer], StandIn], tmp_path: Path, message: str
) -> None:
    """It would never pass."""
    server = serve(lambda _: error(503, message))
    with pytest.raises(SourceRefused, match="permanent_errors"):
        source_of(tmp_path, HEAD.replace("{url}", server.url), SECRET="x").check()
    assert len(server.asked) == 1


def test_a_database_that_is_away_is_waited_for(serve: Callable[[Answer], StandIn], tmp_path: Path) -> None:
    """It has the same status, and passes."""
    away = error(503, "Service Unavailable: Error when retrieve product list : MySQL server has gone away")
    server = serve(lambda _: away)
    with pytest.raises(SourceDown):
        source_of(tmp_path, HEAD.replace("{url}", server.url), SECRET="x").check()
    assert len(server.asked) == 3


@pytest.mark.parametrize("status", ["0", 0])
def test_what_is_not_for_sale_is_withdrawn(serve: Callable[[Answer], StandIn], tmp_path: Path, status: object) -> None:
    """All scalars are texts, in which "0" means no; later versions have numbers."""
    (change,) = pull(source_of(tmp_path, HEAD.replace("{url}", serve(one_page(ROW | {"status": status})).url), SECRET="x")).changes
    assert isinstance(change, Withdrawal)


def test_an_empty_array_options_is_a_list_and_no_error(serve: Callable[[Answer], StandIn], tmp_path: Path) -> None:
    """PHP writes an empty map as [], and then the product has no leaflet there."""
    toml = HEAD.replace("{url}", serve(one_page(ROW, ROW | {"id": "2", "array_options": {"options_bula": "Bula."}})).url)
    none, one = pull(source_of(tmp_path, toml + 'fields = { text = "array_options.options_bula" }', SECRET="x")).changes
    assert isinstance(none, Unreadable)
    assert "no leaflet" in none.reason
    assert isinstance(one, Change)


def test_a_file_is_asked_for_by_its_folder_and_newer_than_its_product(erp: Dolibarr, server: StandIn, tmp_path: Path) -> None:
    """Its list's own folder, its time in seconds since 1970; no other file is fetched."""
    hung_at = LONG_AGO + timedelta(days=100)
    erp.hang("P002", "bula do paciente.pdf", b"%PDF-1.4 uma", at=hung_at)
    erp.hang("P002", "foto.png", b"png")
    (change,) = [one for one in pull(erp.source(tmp_path, server, "attachments = true")).changes if one.source_id == "2"]
    assert isinstance(change, Change)
    assert change.contents[0].body == b"%PDF-1.4 uma"
    assert change.updated_at == hung_at
    asked = [one.query for one in server.asked if one.path.endswith("download")]
    assert asked == [{"modulepart": "product", "original_file": "P002/bula do paciente.pdf"}]


def test_without_attachments_no_product_is_asked_for_by_itself(erp: Dolibarr, server: StandIn, tmp_path: Path) -> None:
    """One request a product is what only those pay who want it."""
    pull(erp.source(tmp_path, server))
    assert len(server.asked) == 3


def test_an_edit_of_the_windows_first_second_arrives(erp: Dolibarr, server: StandIn, tmp_path: Path) -> None:
    """The window is asked for by what comes after a second."""
    erp.put("P009", "vexatax", at=datetime(2026, 2, 1, 12, 0, 0, tzinfo=UTC))
    assert pull(erp.source(tmp_path, server, 'lag = "0s"'), "2026-02-01T12:00:00Z").ids == ["5"]


@pytest.mark.parametrize(("told_of", "folder"), [({"level1name": "MED-1"}, "MED-1"), ({}, "MED_001")])
def test_a_folder_that_is_not_told_is_made_of_the_reference(
    serve: Callable[[Answer], StandIn], tmp_path: Path, told_of: dict[str, str], folder: str
) -> None:
    """As Dolibarr makes it; a file whose bytes are none is told, and stops nothing."""
    row = ROW | {"ref": "MED/001"}
    paths: list[str] = []

    def answer(request: Request) -> Reply:
        if request.path.endswith("/products"):
            return one_page(row)(request)
        if request.path.endswith("/documents"):
            return told([{"name": "bula.pdf", "date": 1795333910, "size": 1344, **told_of}])
        paths.append(request.query["original_file"])
        return told({"filename": "bula.pdf", "content": "não é base64", "encoding": "base64"})

    toml = HEAD.replace("{url}", serve(answer).url) + "attachments = true"
    assert "not Base64" in pull(source_of(tmp_path, toml, SECRET="x")).unreadable.reason
    assert paths == [f"{folder}/bula.pdf"]

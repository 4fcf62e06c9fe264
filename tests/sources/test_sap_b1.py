"""What is SAP Business One's alone: its cookies, its half of a time, its errors of two shapes, its share of attachments."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from indexer.sources.base import Source, SourceChanged, SourceDown, SourceRefused
from leaflets import Unreadable, Withdrawal
from tests.sources.standin import Pulled, Reply, Request, StandIn, pull, serving, source_of, told
from tests.sources.vendors.sap_b1 import SapB1, SapB1V1

TABLE = """
type = "sap_b1"
url = "{url}"
company = "SBO_FARMACIA"
username = "sac"
password = {{ env = "MATRIZ_PASSWORD" }}
"""
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 58\r\n"
_COOKIES = b"Set-Cookie: B1SESSION=s1;HttpOnly;\r\nSet-Cookie: ROUTEID=.node4; path=/b1s\r\n\r\n"
SESSION = Reply(raw=(_HEAD, _COOKIES, b'{"SessionId":"s1","Version":"1000190","SessionTimeout":30}'))
EXAMPLE: dict[str, Any] = {
    "ItemCode": "A00001",
    "ItemName": "Sample Item",
    "BarCode": "1234567890123",
    "Valid": "tYES",
    "Frozen": "tNO",
    "UpdateDate": "2026-11-22",
    "UpdateTime": "09:15:30",
    "User_Text": "Tome um comprimido.",
}


def items(*rows: Mapping[str, Any]) -> Callable[[Request], Reply]:
    """A Service Layer with these items, a page of them all; after the last there are none."""

    def answer(request: Request) -> Reply:
        if request.path.endswith("/Login"):
            return SESSION
        gt = re.search(r"ItemCode gt '(.*)'$", request.query.get("$filter", ""))
        after = gt[1].replace("''", "'") if gt else ""
        return told({"odata.metadata": "$metadata#Items", "value": [row for row in rows if row["ItemCode"] > after]})

    return answer


@contextmanager
def reading(answer: Callable[[Request], Reply], folder: Path, more: str = "") -> Iterator[tuple[StandIn, Source]]:
    """A server that answers so, and the source that reads it."""
    with serving(answer) as stand_in:
        yield stand_in, source_of(folder, TABLE.format(url=stand_in.url) + more, MATRIZ_PASSWORD="secreta")


def pulled(answer: Callable[[Request], Reply], folder: Path, more: str = "") -> Pulled:
    """What a pull gives."""
    with reading(answer, folder, more) as (_, source):
        return pull(source)


def test_an_item_as_public_code_has_it_becomes_a_leaflet(tmp_path: Path) -> None:
    """Its remarks are the leaflet, and its times the company's, of São Paulo."""
    change = pulled(items(EXAMPLE), tmp_path).change
    assert (change.source_id, change.facts.name, change.facts.eans) == ("A00001", "Sample Item", ("1234567890123",))
    assert change.updated_at == datetime(2026, 11, 22, 12, 15, 30, tzinfo=UTC)
    assert change.contents[0].body == b"Tome um comprimido."


@pytest.mark.parametrize(
    ("row", "at"),
    [
        ({"UpdateDate": "2026-11-22T00:00:00Z", "UpdateTime": "09:15:30"}, datetime(2026, 11, 22, 12, 15, 30, tzinfo=UTC)),
        ({"UpdateDate": "2026-11-22", "UpdateTime": "9:15"}, datetime(2026, 11, 22, 12, 15, tzinfo=UTC)),
        ({"UpdateDate": "2026-11-22", "UpdateTime": 915}, datetime(2026, 11, 22, 12, 15, tzinfo=UTC)),
        ({"UpdateDate": "2026-11-22", "UpdateTime": 91530}, datetime(2026, 11, 22, 12, 15, 30, tzinfo=UTC)),
        ({"UpdateDate": "2026-11-22", "UpdateTime": None}, datetime(2026, 11, 22, 3, tzinfo=UTC)),
        (
            {"UpdateDate": None, "UpdateTime": None, "CreateDate": "2026-11-20", "CreateTime": "10:00:00"},
            datetime(2026, 11, 20, 13, tzinfo=UTC),
        ),
        ({"UpdateDate": None, "UpdateTime": None}, datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_the_two_halves_of_a_time_are_put_together_however_they_are_written(tmp_path: Path, row: dict[str, Any], at: datetime) -> None:
    """An item that was never edited is as old as it is."""
    assert pulled(items(EXAMPLE | row), tmp_path).change.updated_at == at


@pytest.mark.parametrize("mark", [{"Valid": "tNO"}, {"Frozen": "tYES"}])
def test_an_item_that_is_not_valid_or_is_frozen_is_withdrawn(tmp_path: Path, mark: dict[str, Any]) -> None:
    """TNO and tYES are this ERP's booleans."""
    (change,) = pulled(items(EXAMPLE | mark), tmp_path).changes
    assert isinstance(change, Withdrawal)


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ('api = "v2"', "(UpdateDate gt 2026-11-22 or (UpdateDate eq 2026-11-22 and UpdateTime ge 09:10:00) or CreateDate ge 2026-11-22)"),
        (
            'api = "v1"',
            "(UpdateDate gt '2026-11-22' or (UpdateDate eq '2026-11-22' and UpdateTime ge '09:10:00') or CreateDate ge '2026-11-22')",
        ),
    ],
)
def test_what_changed_is_asked_for_by_day_or_by_minute_of_that_day(tmp_path: Path, more: str, wanted: str) -> None:
    """Not by day and time each for itself, which passes over whatever is edited early on a later day; v1 wants quotes."""
    with reading(items(EXAMPLE), tmp_path, more) as (erp, source):
        pull(source, "2026-11-22T12:15:30.000000Z")
        asked = [request.query["$filter"] for request in erp.asked if "$filter" in request.query]
    assert asked == [wanted, f"{wanted} and ItemCode gt 'A00001'"]


def test_every_page_says_its_size_and_names_the_fields_that_are_read(tmp_path: Path) -> None:
    """The server forgets the size from page to page, and an item whole has hundreds of fields."""
    with reading(items(EXAMPLE, EXAMPLE | {"ItemCode": "A'2"}), tmp_path, 'fields = { text = "U_Bula", name = "ItemName" }') as (
        erp,
        source,
    ):
        pull(source)
        pages = [request for request in erp.asked if request.path == "/b1s/v2/Items"]
    assert [page.headers["Prefer"] for page in pages] == ["odata.maxpagesize=100"] * len(pages)
    assert {page.query["$select"] for page in pages} == {
        "BarCode,CreateDate,CreateTime,Frozen,ItemCode,ItemName,U_Bula,UpdateDate,UpdateTime,Valid"
    }
    assert all("Expect" not in page.headers for page in pages)


def test_a_quote_in_a_code_is_doubled(tmp_path: Path) -> None:
    """Else the page after it could not be asked for."""
    with reading(items(EXAMPLE | {"ItemCode": "D'AGUA & 5%"}), tmp_path) as (erp, source):
        pull(source)
        assert erp.asked[-1].query["$filter"] == "ItemCode gt 'D''AGUA & 5%'"


@pytest.mark.parametrize("url", ["", "/b1s/v1", "/b1s/v2"])
def test_an_address_may_end_with_the_version(tmp_path: Path, url: str) -> None:
    """As people copy it."""
    with serving(items(EXAMPLE)) as erp:
        source = source_of(tmp_path, TABLE.format(url=erp.url + url), MATRIZ_PASSWORD="secreta")
        assert pull(source).ids == ["A00001"]
        assert {request.path for request in erp.asked} == {f"{url or '/b1s/v2'}/Login", f"{url or '/b1s/v2'}/Items"}


def test_one_login_serves_all_and_its_cookies_go_with_every_request(tmp_path: Path) -> None:
    """B1SESSION, whose Set-Cookie has no Path, and ROUTEID, by which the balancer finds the node; sessions count against the licence."""
    erp = SapB1()
    for number in range(9):
        erp.put(f"P{number}", "palavra")
        erp.hang(f"P{number}", "bula.pdf", b"%PDF-1.4")
    with erp.running() as stand_in:
        pull(erp.source(tmp_path, stand_in, "attachments = true\nmax_in_flight = 8"))
        cookies = {request.headers.get("Cookie") for request in stand_in.asked if not request.path.endswith("/Login")}
    assert erp.logins == 1
    assert cookies == {"B1SESSION=00000001-cc64-11e6-8000-000c29c8a56f; ROUTEID=.node1"}


def test_a_session_without_a_cookie_is_the_one_in_the_body(tmp_path: Path) -> None:
    """Some proxies eat Set-Cookie."""

    def answer(request: Request) -> Reply:
        return told({"SessionId": "s7", "SessionTimeout": 30}) if request.path.endswith("/Login") else told({"value": []})

    with reading(answer, tmp_path) as (erp, source):
        pull(source)
        assert erp.asked[-1].headers["Cookie"] == "B1SESSION=s7"


@pytest.mark.parametrize("code", [301, "301"])
@pytest.mark.parametrize("status", [401, 400])
def test_an_unknown_session_under_any_status_is_opened_again_once(tmp_path: Path, code: object, status: int) -> None:
    """If the new one is unknown too, a person must look."""
    unknown = told({"error": {"code": code, "message": {"lang": "en-us", "value": "Invalid session or session already timeout."}}}, status)

    def answer(request: Request) -> Reply:
        return SESSION if request.path.endswith("/Login") else unknown

    with reading(answer, tmp_path) as (erp, source):
        with pytest.raises(SourceRefused):
            source.check()
        assert [request.path.rpartition("/")[2] for request in erp.asked] == ["Login", "Items", "Login", "Items"]


@pytest.mark.parametrize("error", [{"code": -1000, "message": {"lang": "pt", "value": "U_Bula"}}, {"code": "-1000", "message": "U_Bula"}])
def test_an_error_of_either_version_is_told_in_its_words(tmp_path: Path, error: Mapping[str, Any]) -> None:
    """A code that is a number or a text, a message that is a text or has a language; asked once."""

    def answer(request: Request) -> Reply:
        return SESSION if request.path.endswith("/Login") else told({"error": error}, 400)

    with reading(answer, tmp_path) as (erp, source):
        with pytest.raises(SourceRefused, match=r"answered 400 with the error -1000: U_Bula; check the names in `fields`"):
            source.check()
        assert len(erp.asked) == 2


def test_a_refused_login_says_what_to_look_at_and_not_the_password(tmp_path: Path) -> None:
    """The server's words, and the keys."""
    for version in (SapB1, SapB1V1):
        erp = version()
        with erp.running() as stand_in:
            source = source_of(tmp_path, TABLE.format(url=stand_in.url) + f'api = "{erp.version}"', MATRIZ_PASSWORD="secreta")
            with pytest.raises(SourceRefused, match="the error 100000027: Login failed; check `url`, `api`, `company`") as refused:
                source.check()
            assert len(stand_in.asked) == 1
        assert "secreta" not in str(refused.value)


def test_a_login_that_is_no_service_layer_s_is_told(tmp_path: Path) -> None:
    """As where `url` leads to another server."""
    with pytest.raises(SourceChanged, match="without a session: is it a Service Layer"):
        pulled(lambda _: told({"ok": True}), tmp_path)


def test_nothing_found_told_as_an_error_is_nothing(tmp_path: Path) -> None:
    """-2028 is ODBC's way of saying so."""

    def answer(request: Request) -> Reply:
        nothing = told({"error": {"code": -2028, "message": {"value": "No matching records found (ODBC -2028)"}}}, 404)
        return SESSION if request.path.endswith("/Login") else nothing

    assert pulled(answer, tmp_path).changes == ()


def test_a_version_without_some_time_is_asked_without_it(tmp_path: Path) -> None:
    """It refuses what it does not know by name; without UpdateTime a change is asked for by its day."""
    known = set(EXAMPLE) - {"UpdateTime"}

    def answer(request: Request) -> Reply:
        if request.path.endswith("/Login"):
            return SESSION
        for name in request.query["$select"].split(","):
            if name not in known:
                return told({"error": {"code": -1000, "message": {"value": f"Property '{name}' of 'Item' is invalid"}}}, 400)
        return items({name: EXAMPLE[name] for name in known})(request)

    with reading(answer, tmp_path) as (erp, source):
        assert pull(source).change.updated_at == datetime(2026, 11, 22, 3, tzinfo=UTC)
        pull(source, "2026-11-22T12:15:30.000000Z")
        assert erp.asked[-2].query["$filter"] == "(UpdateDate ge 2026-11-22)"


def test_a_share_that_is_down_fails_the_pull_and_one_file_that_is_gone_its_leaflet(tmp_path: Path) -> None:
    """All files are away until the share is back, so the cursor stays; a file that is missing will be missing the next time too."""
    erp = SapB1()
    erp.put("P1", "palavra")
    erp.hang("P1", "bula d'água.pdf", b"%PDF-1.4 um")
    with erp.running() as stand_in:
        change = pull(erp.source(tmp_path, stand_in, "attachments = true")).change
        assert change.contents[0].body == b"%PDF-1.4 um"
        erp.share_is_down = True
        for code in (-5002, -1000):
            erp.share_error = code
            with pytest.raises(SourceDown, match="cannot read the folder of attachments"):
                pull(erp.source(tmp_path, stand_in, "attachments = true"))

    def gone(request: Request) -> Reply:
        return erp.error(404, -1000, "File not found") if request.path.endswith("/$value") else erp.answer(request)

    with serving(gone) as stand_in:
        (broken,) = pull(erp.source(tmp_path, stand_in, "attachments = true")).changes
    assert isinstance(broken, Unreadable)
    assert "cannot be had" in broken.reason


@pytest.mark.parametrize("refuses", [True, False])
def test_a_server_that_pages_by_links_alone_is_read_by_them(tmp_path: Path, *, refuses: bool) -> None:
    """One that does not heed a clause by ItemCode, or refuses it: relative links, and the size with every page."""
    rows = [EXAMPLE | {"ItemCode": f"A{number}"} for number in range(7)]

    def answer(request: Request) -> Reply:
        if request.path.endswith("/Login"):
            return SESSION
        if refuses and "gt" in request.query.get("$filter", ""):
            return told({"error": {"code": 201, "message": {"value": "Invalid filter"}}}, 400)
        start = int(request.query.get("$skip", 0))
        more = {"@odata.nextLink": f"Items?$skip={start + 3}"} if start + 3 < len(rows) else {}
        return told({"value": rows[start : start + 3], **more})

    with reading(answer, tmp_path) as (erp, source):
        assert pull(source).ids == [f"A{number}" for number in range(7)]
        assert all(request.headers["Prefer"] == "odata.maxpagesize=100" for request in erp.asked if request.path.endswith("/Items"))

    def deleting(request: Request) -> Reply:
        if request.query.get("$skip") == "3" and len(rows) == len("0123456"):
            del rows[0]
        return answer(request)

    with reading(deleting, tmp_path) as (_, source), pytest.raises(SourceDown, match="rows were deleted while its pages were read"):
        pull(source)


def test_links_that_go_round_are_told_of(tmp_path: Path) -> None:
    """Its pages would never end."""

    def answer(request: Request) -> Reply:
        return SESSION if request.path.endswith("/Login") else told({"value": [EXAMPLE], "odata.nextLink": "Items?$skip=1"})

    with pytest.raises(SourceChanged, match="go round in a loop"):
        pulled(answer, tmp_path)

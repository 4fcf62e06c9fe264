"""The REST source against stand-ins that speak the wires ERPs really have: paging, times, shapes, encodings, credentials."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from indexer.sources.base import SourceChanged, SourceRefused, in_turn
from leaflets import Audience, Category, Change, Content, Section, Unreadable, Withdrawal
from tests.sources.standin import Answer, Reply, Request, StandIn, gathered, pull, source_of, told

Serve = Callable[[Answer], StandIn]
Record = dict[str, Any]

FIELDS = 'fields = { id = "code", name = "name", text = "text", updated_at = "modified", deleted = "inactive" }'


def product(number: int, **more: object) -> Record:
    """A record of the stand-ins."""
    modified = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(minutes=number)
    return {"code": f"MED{number:04}", "name": f"Remédio {number}", "text": f"Bula {number}", "modified": modified.isoformat()} | more


def one(record: Record) -> Answer:
    """A stand-in with one record."""
    return lambda _: told([record])


def rest(folder: Path, stand_in: StandIn, *lines: str, fields: str = FIELDS, records: str = 'records = "@"', **environ: str) -> Any:
    """A source of type rest."""
    return source_of(folder, "\n".join(['type = "rest"', f'url = "{stand_in.url}/rest"', records, fields, *lines]), **environ)


def ttalk(products: list[Record], most: int = 1000) -> Answer:
    """Protheus' contract: page and pageSize in, items and hasNext out; never more than `most` a page."""

    def answer(request: Request) -> Reply:
        size = min(int(request.query["pageSize"]), most)
        start = (int(request.query["page"]) - 1) * size
        return told({"items": products[start : start + size], "hasNext": start + size < len(products)})

    return answer


BY_PAGE = 'paging = { by = "page", size_parameter = "pageSize", size = 10 }'
BY_PAGE_WITH_MORE = 'paging = { by = "page", size_parameter = "pageSize", size = 10, more = "hasNext" }'


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 40, 57])
@pytest.mark.parametrize("paging", [BY_PAGE, BY_PAGE_WITH_MORE])
def test_numbered_pages_give_each_record_once_and_in_order(tmp_path: Path, serve: Serve, paging: str, count: int) -> None:
    """However many records there are, on the edge of a page too."""
    products = [product(number) for number in range(count)]
    source = rest(tmp_path, serve(ttalk(products)), paging, records='records = "items"')
    assert pull(source).ids == [one["code"] for one in products]


def test_numbered_pages_are_asked_for_ahead(tmp_path: Path, serve: Serve) -> None:
    """Four pages at a time: each of the first four answers only when all four have been asked for."""
    together = threading.Barrier(4, timeout=20)
    pages = ttalk([product(number) for number in range(40)])

    def answer(request: Request) -> Reply:
        if int(request.query["page"]) <= 4:
            together.wait()
        return pages(request)

    source = rest(tmp_path, serve(answer), BY_PAGE, "max_in_flight = 4", records='records = "items"')
    assert len(pull(source).ids) == 40


def test_no_page_is_asked_for_past_a_known_total(tmp_path: Path, serve: Serve) -> None:
    """Where the first answer says how many pages there are, none is asked for beyond them once it is read."""
    pages = ttalk([product(number) for number in range(100)])
    stand_in = serve(lambda request: told({"pages": "10", **json.loads(pages(request).body)}))
    paging = 'paging = { by = "page", size_parameter = "pageSize", size = 10, total_pages = "pages" }'
    source = rest(tmp_path, stand_in, paging, "max_in_flight = 2", records='records = "items"')
    assert len(pull(source).ids) == 100
    assert max(int(request.query["page"]) for request in stand_in.asked) == 10


def test_an_erp_that_gives_smaller_pages_than_asked_for_loses_none(tmp_path: Path, serve: Serve) -> None:
    """Asked for 10, it gives 4 a page: a first short page is not taken for the last."""
    products = [product(number) for number in range(11)]
    source = rest(tmp_path, serve(ttalk(products, most=4)), BY_PAGE, records='records = "items"')
    assert len(pull(source).ids) == 11


def test_an_erp_that_repeats_its_last_page_for_any_later_number_ends(tmp_path: Path, serve: Serve) -> None:
    """A short page that comes again is the end, not a loop."""
    pages = ttalk([product(number) for number in range(25)])

    def answer(request: Request) -> Reply:
        page = min(int(request.query["page"]), 3)
        return pages(Request("GET", request.path, {**request.query, "page": str(page)}, {}, b""))

    source = rest(tmp_path, serve(answer), BY_PAGE, records='records = "items"')
    assert len(pull(source).ids) == 25


def test_the_same_full_page_for_every_number_is_a_loop(tmp_path: Path, serve: Serve) -> None:
    """An ERP that ignores the page number would otherwise be asked for ever."""
    stand_in = serve(lambda _: told([product(number) for number in range(10)]))
    with pytest.raises(SourceChanged, match="loop"):
        pull(rest(tmp_path, stand_in, BY_PAGE))


def test_pages_without_end_end_at_the_cap(tmp_path: Path, serve: Serve) -> None:
    """max_pages ends what gives new records for ever."""

    def answer(request: Request) -> Reply:
        return told([product(int(request.query["page"]) * 10 + number) for number in range(10)])

    source = rest(tmp_path, serve(answer), 'paging = { by = "page", size = 10, max_pages = 5 }')
    with pytest.raises(SourceChanged, match="max_pages"):
        pull(source)


def frappe(products: list[Record], most: int = 1000) -> Answer:
    """Frappe's contract: limit_start and limit_page_length in, data out."""

    def answer(request: Request) -> Reply:
        start, size = int(request.query["limit_start"]), min(int(request.query["limit_page_length"]), most)
        return told({"data": products[start : start + size]})

    return answer


BY_OFFSET = 'paging = { by = "offset", parameter = "limit_start", size_parameter = "limit_page_length", size = 10 }'


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 40, 57])
def test_offsets_give_each_record_once_and_in_order(tmp_path: Path, serve: Serve, count: int) -> None:
    """However many records there are, on the edge of a page too."""
    products = [product(number) for number in range(count)]
    source = rest(tmp_path, serve(frappe(products)), BY_OFFSET, records='records = "data"')
    assert pull(source).ids == [one["code"] for one in products]


@pytest.mark.parametrize("count", [5, 12])
def test_offsets_that_would_leap_over_records_are_refused(tmp_path: Path, serve: Serve, count: int) -> None:
    """Asked for 10, the ERP gives 4: the next offset, 10, would leave six out without a word."""
    products = [product(number) for number in range(count)]
    source = rest(tmp_path, serve(frappe(products, most=4)), BY_OFFSET, records='records = "data"')
    with pytest.raises(SourceChanged, match=r"paging\.size"):
        pull(source)


def test_cursors_are_followed_to_the_end(tmp_path: Path, serve: Serve) -> None:
    """Each answer names the next cursor; an empty page in between is no end."""
    pages = {"": (["1", "2"], "a b"), "a b": ([], "c"), "c": (["3"], None)}

    def answer(request: Request) -> Reply:
        numbers, following = pages[request.query.get("cursor", "")]
        return told({"rows": [product(int(number)) for number in numbers], "next": following})

    source = rest(tmp_path, serve(answer), 'paging = { by = "cursor", cursor = "next" }', records='records = "rows"')
    assert pull(source).ids == ["MED0001", "MED0002", "MED0003"]


def test_a_cursor_that_comes_again_is_a_loop(tmp_path: Path, serve: Serve) -> None:
    """Even where the records differ each time."""
    count = iter(range(1000))
    stand_in = serve(lambda _: told({"rows": [product(next(count))], "next": "same"}))
    source = rest(tmp_path, stand_in, 'paging = { by = "cursor", cursor = "next" }', records='records = "rows"')
    with pytest.raises(SourceChanged, match="loop"):
        pull(source)


def odata(products: list[Record], link: Callable[[int], str]) -> Answer:
    """OData v4: value and @odata.nextLink, three records a page."""

    def answer(request: Request) -> Reply:
        start = int(request.query.get("$skiptoken", 0))
        page: Record = {"@odata.context": "$metadata#Leaflets", "value": products[start : start + 3]}
        return told(page | ({"@odata.nextLink": link(start + 3)} if start + 3 < len(products) else {}))

    return answer


BY_LINK = 'paging = { by = "next_link", link = \'"@odata.nextLink"\' }'


def test_relative_links_are_followed_with_the_same_credentials(tmp_path: Path, serve: Serve) -> None:
    """As CAP writes them: relative, with an escaped $."""
    products = [product(number) for number in range(8)]
    stand_in = serve(odata(products, lambda start: f"Leaflets?order=ID&%24skiptoken={start}"))
    auth = 'auth = { type = "bearer", token = { env = "TOKEN" } }'
    source = rest(tmp_path, stand_in, BY_LINK, auth, 'path = "Leaflets"', records='records = "value"', TOKEN="s3cret")
    assert len(pull(source).ids) == 8
    assert {request.headers["Authorization"] for request in stand_in.asked} == {"Bearer s3cret"}
    assert {request.path for request in stand_in.asked} == {"/rest/Leaflets"}


def test_links_in_a_header_are_followed(tmp_path: Path, serve: Serve) -> None:
    """RFC 8288, rel=next."""

    def answer(request: Request) -> Reply:
        page = int(request.query.get("p", 1))
        return told([product(page)], Link=f'</rest?p={page + 1}>; rel="next", </rest?p=1>; rel="first"' if page < 3 else "")

    source = rest(tmp_path, serve(answer), 'paging = { by = "next_link", in = "header" }')
    assert pull(source).ids == ["MED0001", "MED0002", "MED0003"]


def test_a_link_that_comes_again_is_a_loop(tmp_path: Path, serve: Serve) -> None:
    """The page that a link leads back to was read already."""
    stand_in = serve(odata([product(number) for number in range(8)], lambda _: "?%24skiptoken=3"))
    with pytest.raises(SourceChanged, match="loop"):
        pull(rest(tmp_path, stand_in, BY_LINK, records='records = "value"'))
    assert len(stand_in.asked) < 5


@pytest.mark.parametrize("way", ["link", "redirect"])
def test_credentials_never_go_to_another_host(tmp_path: Path, serve: Serve, way: str) -> None:
    """A next link or a redirect to another host ends the pull; that host is not asked at all."""
    elsewhere = serve(lambda _: told({"value": []}))

    def answer(_: Request) -> Reply:
        if way == "redirect":
            return Reply(status=302, headers={"Location": f"{elsewhere.url}/rest"})
        return told({"value": [product(1)], "@odata.nextLink": f"{elsewhere.url}/rest"})

    auth = 'auth = { type = "basic", username = "sac", password = { env = "PASSWORD" } }'
    source = rest(tmp_path, serve(answer), BY_LINK, auth, records='records = "value"', PASSWORD="s3cret")
    with pytest.raises(SourceChanged, match="another host"):
        pull(source)
    assert elsewhere.asked == []


def test_a_redirect_on_the_same_host_is_followed(tmp_path: Path, serve: Serve) -> None:
    """As when the trailing slash was left out."""

    def answer(request: Request) -> Reply:
        return told([product(1)]) if request.path == "/rest/" else Reply(status=301, headers={"Location": "/rest/"})

    assert pull(rest(tmp_path, serve(answer))).ids == ["MED0001"]


def test_redirects_without_end_end(tmp_path: Path, serve: Serve) -> None:
    """A host that only redirects to itself."""
    stand_in = serve(lambda _: Reply(status=302, headers={"Location": "/rest"}))
    with pytest.raises(SourceChanged, match="redirects without end"):
        pull(rest(tmp_path, stand_in))


def test_a_post_carries_its_parameters_in_the_body(tmp_path: Path, serve: Serve) -> None:
    """The page, its size, the time and the fixed keys stand side by side, numbers as numbers."""
    products = [product(number) for number in range(5)]

    def answer(request: Request) -> Reply:
        asked = json.loads(request.body)
        assert asked["call"] == "List"
        start = (asked["page"] - 1) * asked["pageSize"]
        return told(products[start : start + asked["pageSize"]])

    paging = 'paging = { by = "page", size_parameter = "pageSize", size = 2 }'
    stand_in = serve(answer)
    source = rest(tmp_path, stand_in, 'method = "POST"', 'body = { call = "List" }', paging)
    assert len(pull(source).ids) == 5
    assert all(request.query == {} for request in stand_in.asked)


# Times and cursors


def test_the_first_pull_asks_for_everything_and_the_next_only_for_what_changed(tmp_path: Path, serve: Serve) -> None:
    """The next pull starts `lag` before the newest record, so that one committed late is still seen."""
    stand_in = serve(one(product(0, modified="2026-11-02T10:00:00.123456Z")))
    since = 'changed_since = { parameter = "filter", format = "LastChange ge \'%Y-%m-%d %H:%M:%S\'", timezone = "America/Sao_Paulo" }'
    source = rest(tmp_path, stand_in, since, 'lag = "10m"', 'params = { order = "id" }')
    first = pull(source)
    assert stand_in.asked[0].query == {"order": "id"}
    assert first.cursor is not None
    pull(source, first.cursor)
    newest = datetime(2026, 11, 2, 10, 0, tzinfo=UTC)
    written = datetime.strptime(stand_in.asked[1].query["filter"], "LastChange ge '%Y-%m-%d %H:%M:%S'").replace(tzinfo=UTC)
    asked_from = written + timedelta(hours=3)  # São Paulo is three hours behind UTC.
    assert newest - timedelta(minutes=11) < asked_from <= newest - timedelta(minutes=10)


@pytest.mark.parametrize(
    ("form", "written"),
    [("{iso}", "2026-11-02T06:55:00-03:00"), ("{epoch}", "1793613300"), ("ge {epoch_ms}", "ge 1793613300000"), ("%d/%m/%Y", "02/11/2026")],
)
def test_the_time_is_written_as_the_erp_wants_it(tmp_path: Path, serve: Serve, form: str, written: str) -> None:
    """Any strftime pattern, or ISO, or an epoch, in the ERP's own zone."""
    stand_in = serve(lambda _: told([]))
    source = rest(tmp_path, stand_in, f'changed_since = {{ parameter = "since", format = "{form}", timezone = "America/Sao_Paulo" }}')
    pull(source, "2026-11-02T10:00:00.000000Z")
    assert stand_in.asked[0].query["since"] == written


def test_what_is_edited_once_clocks_have_gone_back_is_not_asked_for_too_late(tmp_path: Path, serve: Serve) -> None:
    """Half past one comes twice in New York that night, and what is edited after ten past the second is not before the first."""
    stand_in = serve(lambda _: told([]))
    since = 'changed_since = { parameter = "since", format = "%Y-%m-%d %H:%M:%S", timezone = "America/New_York" }'
    pull(rest(tmp_path, stand_in, since, 'lag = "0s"'), "2026-11-01T05:30:00.000000Z")
    assert stand_in.asked[0].query["since"] == "2026-11-01 00:30:00"


def test_a_pull_that_finds_nothing_keeps_the_cursor(tmp_path: Path, serve: Serve) -> None:
    """An idle ERP is asked from the same place again."""
    assert pull(rest(tmp_path, serve(lambda _: told([]))), "2026-11-02T10:00:00.000000Z").cursor == "2026-11-02T10:00:00.000000Z"


def test_the_cursor_never_goes_back(tmp_path: Path, serve: Serve) -> None:
    """Records read again because of the lag are older than the cursor, and do not move it."""
    source = rest(tmp_path, serve(one(product(0, modified="2026-11-02T09:58:00Z"))))
    assert pull(source, "2026-11-02T10:00:00.000000Z").cursor == "2026-11-02T10:00:00.000000Z"


def test_a_record_from_the_future_freezes_neither_the_cursor_nor_its_leaflet(tmp_path: Path, serve: Serve) -> None:
    """Dated 2099 by a typing error, it counts as edited when the pull began: later edits, dated rightly, are newer."""
    before = datetime.now(UTC)
    pulled = pull(rest(tmp_path, serve(one(product(0, modified="2099-01-01T00:00:00Z")))))
    after = datetime.now(UTC)
    assert before <= pulled.change.updated_at <= after
    assert pulled.change.version <= int(after.timestamp() * 1_000_000)
    assert pulled.cursor is not None
    assert datetime.fromisoformat(pulled.cursor) <= after


def test_an_edit_made_while_the_pull_went_on_is_in_the_next_ones_window(tmp_path: Path, serve: Serve) -> None:
    """By the ERP's clock, a day behind ours, record 1 is edited after it was read and before record 2, which so is newer.

    The cursor must not pass record 1's edit: it stays as far behind the newest record as the pull took.
    """
    erps_clock: list[datetime] = []

    def answer(request: Request) -> Reply:
        erps_clock.append(datetime.now(UTC) - timedelta(days=1))
        number = int(request.query["page"])
        return told([product(number, modified=erps_clock[-1].isoformat())] if number <= 2 else [])

    source = rest(tmp_path, serve(answer), 'paging = { by = "page", size = 1 }', 'changed_since = { parameter = "since" }')
    cursor = gathered(source.pages(None, in_turn)).cursor
    assert cursor is not None
    assert datetime.fromisoformat(cursor) <= erps_clock[0]


def test_a_listing_of_everything_says_that_it_is_complete(tmp_path: Path, serve: Serve) -> None:
    """The first pull, one that is meant to be whole, and every one of an ERP that cannot be asked for changes."""
    stand_in = serve(one(product(0)))
    cursor = "2026-11-02T10:00:00.000000Z"
    since = 'changed_since = { parameter = "since" }'
    asked = rest(tmp_path, stand_in, since)
    assert [pull(asked).complete, pull(asked, cursor).complete, pull(asked, cursor, whole=True).complete] == [True, False, True]
    assert ["since" in request.query for request in stand_in.asked] == [False, True, False]
    assert pull(rest(tmp_path, stand_in), cursor).complete


def test_a_whole_listing_keeps_the_cursor_from_going_back(tmp_path: Path, serve: Serve) -> None:
    """Its newest record may be older than the cursor, as when newer ones were deleted."""
    source = rest(tmp_path, serve(one(product(0))), 'changed_since = { parameter = "since" }')
    assert pull(source, "2026-11-20T10:00:00.000000Z", whole=True).cursor == "2026-11-20T10:00:00.000000Z"
    assert pull(source, "eJyrVkrLzElVslIqSi0oBQAa", whole=True).complete


def test_a_record_that_cannot_be_read_is_there_and_one_without_an_id_may_be_any(tmp_path: Path, serve: Serve) -> None:
    """So the second leaves the listing incomplete: nothing is withdrawn for not having been named in it."""
    assert pull(rest(tmp_path, serve(one(product(1, text=""))))).complete
    nameless = pull(rest(tmp_path, serve(one(product(1, code=None)))))
    assert not nameless.unreadable.present
    assert not nameless.complete


def test_another_kind_of_sources_cursor_is_refused(tmp_path: Path, serve: Serve) -> None:
    """As when the source's type was changed in sources.toml."""
    with pytest.raises(SourceRefused, match="sync --full"):
        pull(rest(tmp_path, serve(lambda _: told([]))), "eJyrVkrLzElVslIqSi0oBQAa")


@pytest.mark.parametrize(
    ("value", "form", "expected"),
    [
        ("2026-11-02T10:00:00.123456+00:00", "iso", "2026-11-02T10:00:00.123456+00:00"),
        ("2026-11-02 10:00:00", "iso", "2026-11-02T13:00:00+00:00"),
        ("2026-11-02", "iso", "2026-11-02T03:00:00+00:00"),
        (1793613300, "epoch", "2026-11-02T09:55:00+00:00"),
        ("1793613300500", "epoch_ms", "2026-11-02T09:55:00.500000+00:00"),
        ("02/11/2026 10:00:00", "%d/%m/%Y %H:%M:%S", "2026-11-02T13:00:00+00:00"),
    ],
)
def test_times_are_read_as_the_erp_writes_them(tmp_path: Path, serve: Serve, value: object, form: str, expected: str) -> None:
    """A time without a zone is in the ERP's own; the version is the time in microseconds."""
    fields = FIELDS.replace("deleted", f'updated_at_format = "{form}", timezone = "America/Sao_Paulo", deleted')
    change = pull(rest(tmp_path, serve(one(product(1, modified=value))), fields=fields)).change
    assert change.updated_at == datetime.fromisoformat(expected)
    assert change.version == round(change.updated_at.timestamp() * 1_000_000)


def test_a_date_and_a_time_in_two_fields_are_one_time(tmp_path: Path, serve: Serve) -> None:
    """Omie keeps dAlt and hAlt apart."""
    fields = FIELDS.replace('updated_at = "modified"', 'updated_at = "join(\' \', [dAlt, hAlt])", updated_at_format = "%d/%m/%Y %H:%M:%S"')
    change = pull(rest(tmp_path, serve(one(product(1, dAlt="22/01/2024", hAlt="10:01:02"))), fields=fields)).change
    assert change.updated_at == datetime(2024, 1, 22, 10, 1, 2, tzinfo=UTC)


def test_without_a_time_of_edit_each_record_bears_the_pulls(tmp_path: Path, serve: Serve) -> None:
    """Every pull reads everything then, and later readings are never older."""
    source = rest(tmp_path, serve(one(product(1))), fields='fields = { id = "code", text = "text" }')
    first, second = pull(source), pull(source)
    assert first.change.version < second.change.version


# Records


def test_a_whole_record_becomes_a_change(tmp_path: Path, serve: Serve) -> None:
    """Every key of `fields` at once."""
    record = {
        "id": 123,
        "nome": " Dipirona ",
        "ativos": "dipirona + cafeína; 2,4-diclorobenzílico, mentol",
        "lab": {"nome": "Lab"},
        "ms": "1.0000.0000",
        "eans": ["7890000000001", 7890000000002],
        "tipo": "2",
        "tarja": {"categoria": "Similar equivalente"},
        "situacao": "CADUCO/CANCELADO",
        "alterado": "2026-11-02T10:00:00Z",
        "uso": "<p>Tome</p>",
        "guarda": "Guarde",
    }
    fields = """fields = { id = "id", name = "nome", active_ingredients = "ativos", laboratory = "lab.nome", registration = "ms",
      ean = "eans", audience = "tipo", audience_values = { "1" = "patient", "2" = "professional" },
      category = "tarja.categoria", active = "situacao", updated_at = "alterado",
      sections = { posology = "uso", storage = "guarda", legal = "dizeres" } }""".replace("\n", " ")
    change = pull(rest(tmp_path, serve(one(record)), fields=fields)).change
    assert change.source_id == "123"
    assert change.facts.name == "Dipirona"
    assert change.facts.active_ingredients == ("dipirona", "cafeína", "2,4-diclorobenzílico", "mentol")
    assert change.facts.laboratory == "Lab"
    assert change.facts.registration == "1.0000.0000"
    assert change.facts.eans == ("7890000000001", "7890000000002")
    assert change.facts.audience is Audience.PROFESSIONAL
    assert (change.facts.category, change.facts.active) == (Category.SIMILAR, False)
    assert change.contents == (
        Content(b"<p>Tome</p>", "text/html", "utf-8", Section.POSOLOGY),
        Content(b"Guarde", "text/plain", "utf-8", Section.STORAGE),
    )


@pytest.mark.parametrize(
    ("word", "audience"), [("VP", "patient"), ("VPS", "professional"), ("Paciente", "patient"), ("", None), (None, None)]
)
def test_the_usual_words_for_the_audience_are_known(tmp_path: Path, serve: Serve, word: str | None, audience: str | None) -> None:
    """VP and VPS, patient and professional, in either language."""
    fields = FIELDS.replace("deleted", 'audience = "kind", deleted')
    assert pull(rest(tmp_path, serve(one(product(1, kind=word))), fields=fields)).change.facts.audience == audience


@pytest.mark.parametrize("value", [True, 1, "S", "tYES", "true", "E"])
def test_a_record_that_is_marked_deleted_is_a_withdrawal(tmp_path: Path, serve: Serve, value: object) -> None:
    """Whatever word the ERP has for it, and though the record has no text any more."""
    (withdrawal,) = pull(rest(tmp_path, serve(one(product(1, inactive=value, text=None))))).changes
    assert isinstance(withdrawal, Withdrawal)
    assert withdrawal.source_id == "MED0001"
    assert withdrawal.version > 0


@pytest.mark.parametrize("kind", ["?", ["VP"], 7])
def test_what_is_withdrawn_goes_though_its_audience_means_nothing(tmp_path: Path, serve: Serve, kind: object) -> None:
    """Else the desk would go on reading it out: all that stands under its id goes. As long as it stands, the word is a reason to reject."""
    stand_in = serve(lambda _: told([product(1, inactive=True, kind=kind), product(2, kind="?"), product(3, inactive=True, kind="VPS")]))
    gone, unreadable, whose = pull(rest(tmp_path, stand_in, fields=FIELDS.replace("deleted", 'audience = "kind", deleted'))).changes
    assert isinstance(gone, Withdrawal)
    assert gone.audience is None
    assert isinstance(unreadable, Unreadable)
    assert isinstance(whose, Withdrawal)
    assert whose.audience == "professional"


@pytest.mark.parametrize("value", [False, 0, "N", "tNO", "0", "false", "", None])
def test_a_record_that_is_marked_not_deleted_is_a_change(tmp_path: Path, serve: Serve, value: object) -> None:
    """A text such as "N" is true to Python and means no."""
    assert pull(rest(tmp_path, serve(one(product(1, inactive=value))))).change.source_id == "MED0001"


def test_only_the_named_values_withdraw_where_some_are_named(tmp_path: Path, serve: Serve) -> None:
    """Bling's situacao is A, I or E."""
    fields = FIELDS.replace("deleted", 'deleted_values = ["E"], deleted')
    stand_in = serve(lambda _: told([product(1, inactive="E"), product(2, inactive="A")]))
    assert [type(change) for change in pull(rest(tmp_path, stand_in, fields=fields)).changes] == [Withdrawal, Change]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Tome 1 comprimido se a febre for > 38 e < 40", "text/plain"),
        ("<div class='bula'>Tome</div>", "text/html"),
        (r"{\rtf1\ansi Tome}", "application/rtf"),
    ],
)
def test_a_texts_kind_is_seen_from_its_look(tmp_path: Path, serve: Serve, text: str, kind: str) -> None:
    """With text_type left out."""
    assert pull(rest(tmp_path, serve(one(product(1, text=text))))).change.contents[0].media_type == kind


def test_a_file_in_base64_is_unpacked(tmp_path: Path, serve: Serve) -> None:
    """With the line breaks that ERPs put into it."""
    pdf = b"%PDF-1.4 " + bytes(range(256))
    fields = 'fields = { id = "code", updated_at = "modified", content_base64 = "file" }'
    change = pull(rest(tmp_path, serve(one(product(1, file=base64.encodebytes(pdf).decode()))), fields=fields)).change
    assert change.contents == (Content(pdf, "application/pdf"),)


DOCUMENT = 'fields = { id = "code", updated_at = "modified", document_url = "pdf" }'


def test_a_document_on_the_erps_host_is_fetched_with_its_credentials(tmp_path: Path, serve: Serve) -> None:
    """A relative address starts at `url`."""

    def answer(request: Request) -> Reply:
        if request.path == "/rest/files/1.pdf":
            return Reply(b"%PDF-1.4 one", headers={"Content-Type": "application/pdf"})
        return told([product(1, pdf="files/1.pdf")])

    stand_in = serve(answer)
    auth = 'auth = { type = "header", name = "X-Api-Key", value = { env = "KEY" } }'
    assert pull(rest(tmp_path, stand_in, auth, fields=DOCUMENT, KEY="s3cret")).change.contents[0].body == b"%PDF-1.4 one"
    assert [request.headers["X-Api-Key"] for request in stand_in.asked] == ["s3cret", "s3cret"]


def test_documents_are_fetched_while_pages_are_asked_for_ahead(tmp_path: Path, serve: Serve) -> None:
    """Both within max_in_flight, and each leaflet gets its own file."""
    pages = ttalk([product(number, pdf=f"/rest/{number}.pdf") for number in range(35)])

    def answer(request: Request) -> Reply:
        return Reply(b"%PDF-1.4 " + request.path.encode()) if request.path.endswith(".pdf") else pages(request)

    changes = pull(rest(tmp_path, serve(answer), BY_PAGE, fields=DOCUMENT, records='records = "items"')).changes
    bodies = [change.contents[0].body for change in changes if isinstance(change, Change)]
    assert bodies == [f"%PDF-1.4 /rest/{number}.pdf".encode() for number in range(35)]


def test_a_document_elsewhere_is_fetched_only_from_a_named_host_and_without_credentials(tmp_path: Path, serve: Serve) -> None:
    """An ERP's record must not make us ask any address, and no other host is told our secrets."""
    files = serve(lambda _: Reply(b"%PDF-1.4 two", headers={"Content-Type": "application/pdf"}))
    stand_in = serve(one(product(1, pdf=f"{files.url}/2.pdf")))
    secrets = ['auth = { type = "bearer", token = { env = "KEY" } }', 'headers = { X-Tenant = { env = "KEY" } }']
    refused = pull(rest(tmp_path, stand_in, *secrets, fields=DOCUMENT, KEY="s3cret"))
    assert "document_hosts" in refused.unreadable.reason
    assert files.asked == []
    allowed = pull(rest(tmp_path, stand_in, *secrets, f'document_hosts = ["{files.url}"]', fields=DOCUMENT, KEY="s3cret"))
    assert allowed.change.contents[0].body == b"%PDF-1.4 two"
    assert "s3cret" not in str(files.asked)


def test_a_document_that_is_gone_is_that_records_own_matter(tmp_path: Path, serve: Serve) -> None:
    """The other records are read."""

    def answer(request: Request) -> Reply:
        if request.path.endswith("1.pdf"):
            return Reply(status=404)
        if request.path.endswith(".pdf"):
            return Reply(b"%PDF-1.4", headers={"Content-Type": "application/pdf"})
        return told([product(1, pdf="1.pdf"), product(2, pdf="2.pdf")])

    gone, there = pull(rest(tmp_path, serve(answer), fields=DOCUMENT)).changes
    assert "404" in getattr(gone, "reason", "")
    assert isinstance(there, Change)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (product(1, code=None), "no id"),
        (product(1, code=" "), "no id"),
        (product(1, code="x" * 500), "longer than"),
        (product(1, code={"a": 1}), "dict"),
        (product(1, modified=None), "missing"),
        (product(1, modified="2026-02-31"), "2026-02-31"),
        (product(1, modified=True), "True"),
        (product(1, modified="2026-13-45T00:00:00Z"), "2026-13-45"),
        (product(1, text=""), "no leaflet"),
        (product(1, text=["a"]), "list"),
        (product(1, name=["a"]), "list"),
        (product(1, text="meia \ud800 letra"), "half a character"),
        (product(1, code="\ud800"), "half a character"),
        (product(1, name="\ud800"), "half a character"),
        ("not an object", "no id"),
        (None, "no id"),
    ],
)
def test_a_record_that_cannot_be_read_says_why_and_stops_no_other(tmp_path: Path, serve: Serve, record: object, reason: str) -> None:
    """It comes with what was sent, under an id of some kind, and the next record is read."""
    stand_in = serve(lambda _: Reply(json.dumps([record, product(2)]).encode()))
    wrong, right = pull(rest(tmp_path, stand_in)).changes
    assert reason in getattr(wrong, "reason", "")
    assert wrong.source_id
    getattr(wrong, "original", "").encode()
    assert right.source_id == "MED0002"


def test_an_expression_that_does_not_suit_a_record_is_that_records_own_matter(tmp_path: Path, serve: Serve) -> None:
    """And its reason does not quote the value, which may be a leaflet."""
    fields = FIELDS.replace('"text"', "\"join('', text)\"")
    reason = pull(rest(tmp_path, serve(one(product(1, text="SEGREDO"))), fields=fields)).unreadable.reason
    assert "join()" in reason
    assert "SEGREDO" not in reason


def test_a_wrong_base64_or_an_office_file_is_unreadable(tmp_path: Path, serve: Serve) -> None:
    """Both say what they are."""
    fields = 'fields = { id = "code", updated_at = "modified", content_base64 = "file" }'
    office = base64.b64encode(b"PK\x03\x04word").decode()
    stand_in = serve(lambda _: told([product(1, file="%%%"), product(2, file=office)]))
    wrong, office_file = pull(rest(tmp_path, stand_in, fields=fields)).changes
    assert "Base64" in getattr(wrong, "reason", "")
    assert "office" in getattr(office_file, "reason", "")


# Answers


@pytest.mark.parametrize(
    ("charset", "media_type"),
    [
        ("utf-8", "application/json"),
        ("utf-8-sig", "application/json; charset=utf-8"),
        ("utf-8", "text/html"),
        ("cp1252", "application/json"),
        ("cp1252", "application/json; charset=cp1252"),
        ("cp1252", "application/json; charset=utf-8"),
        ("cp1252", "charset=cp1252"),
        ("cp850", "application/json; charset=cp850"),
    ],
)
def test_accents_survive_every_encoding_erps_really_send(tmp_path: Path, serve: Serve, charset: str, media_type: str) -> None:
    """Undeclared, malformed and lying Content-Types, measured on Protheus and others; guessing by statistics reads them wrongly."""
    body = json.dumps([product(1, text="INDICAÇÃO: ação não")], ensure_ascii=False).encode(charset)
    change = pull(rest(tmp_path, serve(lambda _: Reply(body, headers={"Content-Type": media_type})))).change
    assert change.contents[0].body.decode() == "INDICAÇÃO: ação não"


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (Reply(b"<html><title>Login</title></html>", headers={"Content-Type": "text/html"}), "web page"),
        (Reply(json.dumps([product(1)]).encode()[:-20]), "not JSON"),
        (Reply(b""), "not JSON"),
        (Reply(b"[" * 100_000), "not JSON"),
        (told({"error": {"code": 200}, "detail": "x"}), "error, detail"),
        (told(None), "records"),
        (Reply(b"not gzip", headers={"Content-Encoding": "gzip", "Content-Type": "application/json"}), "unpack"),
    ],
)
def test_an_answer_of_another_shape_is_named(tmp_path: Path, serve: Serve, reply: Reply, says: str) -> None:
    """SourceChanged, with what came instead."""
    with pytest.raises(SourceChanged, match=says):
        pull(rest(tmp_path, serve(lambda _: reply)))


def test_a_status_that_means_no_records_is_an_empty_page(tmp_path: Path, serve: Serve) -> None:
    """Dolibarr answers a page past the end with 404."""
    pages = ttalk([product(number) for number in range(20)])

    def answer(request: Request) -> Reply:
        page = pages(request)
        return page if json.loads(page.body)["items"] else Reply(b'{"error":{"code":404}}', status=404)

    source = rest(tmp_path, serve(answer), BY_PAGE, "empty_status = [404]", records='records = "items"')
    assert len(pull(source).ids) == 20


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 422])
def test_a_question_turned_down_is_not_asked_again(tmp_path: Path, serve: Serve, status: int) -> None:
    """A person must mend it; asking again may lock the account."""
    stand_in = serve(lambda _: Reply(status=status))
    with pytest.raises(SourceRefused, match=str(status)):
        pull(rest(tmp_path, stand_in))
    assert len(stand_in.asked) == 1


# Tokens


class Tokens:
    """An ERP whose OAuth tokens can be withdrawn."""

    def __init__(self) -> None:
        self.issued = 0
        self.valid = ""
        self.answers_of_the_second_token = threading.Event()

    def __call__(self, request: Request) -> Reply:
        """Answers one request."""
        if request.path == "/token":
            return self._token(request)
        if request.headers.get("Authorization") != f"Bearer {self.valid}":
            # All pages but the first hear of it late, when a new token is already in use.
            if request.query["page"] != "1":
                self.answers_of_the_second_token.wait(20)
            return Reply(status=401)
        if self.issued == 2:
            self.answers_of_the_second_token.set()
        page = int(request.query["page"])
        return told([product(page * 2), product(page * 2 + 1)] if page < 20 else [])

    def _token(self, request: Request) -> Reply:
        assert request.body == b"grant_type=client_credentials&scope=read"
        if request.headers.get("Authorization") != "Basic " + base64.b64encode(b"sac:s3cret%2Fsl").decode():
            return Reply(status=400)
        self.issued += 1
        self.valid = f"token-{self.issued}"
        return told({"access_token": self.valid, "token_type": "Bearer", "expires_in": 300})


def oauth(folder: Path, stand_in: StandIn, secret: str = "s3cret/sl") -> Any:
    """A source that fetches tokens."""
    auth = f'auth = {{ type = "oauth2_client_credentials", token_url = "{stand_in.url}/token", client_id = "sac", scope = "read", '
    auth += 'client_secret = { env = "SECRET" } }'
    return rest(folder, stand_in, auth, 'paging = { by = "page", size = 2 }', SECRET=secret)


def test_a_token_is_fetched_once_and_kept(tmp_path: Path, serve: Serve) -> None:
    """For all pages and all pulls, however many are in flight."""
    erp = Tokens()
    source = oauth(tmp_path, serve(erp))
    assert len(pull(source).ids) == 38
    pull(source)
    assert erp.issued == 1


def test_a_token_that_ran_out_is_fetched_anew_once_for_all(tmp_path: Path, serve: Serve) -> None:
    """The requests that it had refused are asked again, and no record is missing."""
    erp = Tokens()
    source = oauth(tmp_path, serve(erp))
    pull(source)
    erp.valid = "withdrawn"
    assert len(pull(source).ids) == 38
    assert erp.issued == 2


def test_a_refused_client_secret_is_said(tmp_path: Path, serve: Serve) -> None:
    """And not shown."""
    with pytest.raises(SourceRefused, match="client_secret") as refused:
        pull(oauth(tmp_path, serve(Tokens()), secret="wr0ng"))
    assert "wr0ng" not in str(refused.value)


def test_a_token_that_is_always_refused_ends(tmp_path: Path, serve: Serve) -> None:
    """One new token is tried, not one after the other."""

    def answer(request: Request) -> Reply:
        return told({"access_token": "useless"}) if request.path == "/token" else Reply(status=401)

    stand_in = serve(answer)
    with pytest.raises(SourceRefused, match="401"):
        next(iter(oauth(tmp_path, stand_in).pages(None, in_turn)))
    assert [request.path for request in stand_in.asked] == ["/token", "/rest", "/token", "/rest"]


def test_check_says_what_answered(tmp_path: Path, serve: Serve) -> None:
    """With the first record's id, or why it cannot be read."""
    assert "MED0001" in rest(tmp_path, serve(one(product(1)))).check()
    assert "no id" in rest(tmp_path, serve(one(product(1, code=None)))).check()
    assert "without any record" in rest(tmp_path, serve(lambda _: told([]))).check()


def test_secrets_show_nowhere(tmp_path: Path, serve: Serve) -> None:
    """Not in a source's repr, and not in an error, whose texts go to logs and pages."""
    stand_in = serve(lambda _: Reply(status=400))
    secrets = [
        'params = { key = { env = "KEY" } }',
        'auth = { type = "bearer", token = { env = "KEY" } }',
        'headers = { X-K = { env = "KEY" } }',
    ]
    source = rest(tmp_path, stand_in, *secrets, KEY="s3cret")
    with pytest.raises(SourceRefused) as refused:
        pull(source)
    assert stand_in.asked[0].query["key"] == "s3cret"
    shown = [repr(source), repr(vars(source)), str(refused.value), repr(refused.value)]
    assert not any("s3cret" in text for text in shown)

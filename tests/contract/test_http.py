"""How answers travel, and how requests fail, whatever the address: HEAD, OPTIONS, 304, gzip, problem+json, a page for the desk."""

from __future__ import annotations

import gzip
import json
import logging
from typing import NoReturn

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from opensearch.generations import Indices
from opensearch.process import free_port
from tests.conftest import Demo, app_of
from tests.sources.standin import serving
from tests.sources.standin import told as told_by

LEAFLET = "matriz:001101:patient"
API = [
    "/v1/search?q=dipirona", "/v1/suggest?q=dip", f"/v1/leaflets/{LEAFLET}", f"/v1/compare?a={LEAFLET}&b={LEAFLET}", "/v1/sources",
    "/livez", "/readyz", "/metrics", "/openapi.json",
]  # fmt: skip
PAGES = ["/", "/?q=dipirona", f"/leaflets/{LEAFLET}", f"/compare?a={LEAFLET}&b={LEAFLET}"]
STATIC = ["/static/page.js", "/static/page.css", "/static/icon.svg"]
# What changes from one request to the next whoever asks: the requests counted, the minutes since the last sync.
CHANGING = {"/metrics", "/?q=dipirona"}


@pytest.fixture
def desk(demo: Demo) -> FlaskClient:
    """The demonstration's desk."""
    return demo.app.test_client()


@pytest.mark.parametrize("address", [*API, *PAGES, *STATIC])
def test_head_is_get_without_the_body(desk: FlaskClient, address: str) -> None:
    """The same status and headers, the length too."""
    whole, head = desk.get(address), desk.head(address)
    assert (head.status_code, head.data) == (200, b"")
    assert head.content_type == whole.content_type
    if address not in CHANGING:
        assert head.headers["ETag"] == whole.headers["ETag"]
        assert head.headers["Content-Length"] == whole.headers["Content-Length"] == str(len(whole.data))


@pytest.mark.parametrize("address", [*API, *PAGES, *STATIC])
def test_options_tells_what_is_allowed_and_nobody_elses_page_may_ask(desk: FlaskClient, address: str) -> None:
    """No CORS: what is asked here is asked from here."""
    response = desk.options(address, headers={"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "GET"})
    assert response.status_code == 200
    assert set(response.allow) == {"GET", "HEAD", "OPTIONS"}
    assert not [name for name, _ in response.headers if name.startswith("Access-Control")]


@pytest.mark.parametrize("coding", ["identity", "gzip"])
@pytest.mark.parametrize("address", sorted({*API, *PAGES, *STATIC} - CHANGING))
def test_what_did_not_change_is_304(desk: FlaskClient, address: str, coding: str) -> None:
    """With no body, and with the ETag and Vary of the answer."""
    whole = desk.get(address, headers={"Accept-Encoding": coding})
    again = desk.get(address, headers={"Accept-Encoding": coding, "If-None-Match": whole.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == whole.headers["ETag"]
    assert again.headers["Vary"] == whole.headers["Vary"]
    assert desk.get(address, headers={"Accept-Encoding": coding, "If-None-Match": '"another"'}).status_code == 200


@pytest.mark.parametrize("address", ["/v1/search?q=dipirona", "/openapi.json", f"/leaflets/{LEAFLET}", "/static/page.js"])
def test_gzip_is_the_same_answer_in_fewer_bytes(desk: FlaskClient, address: str) -> None:
    """One weak ETag stands on both codings (RFC 9110, 8.8.3), and caches are told that there are two."""
    plain, pressed = desk.get(address), desk.get(address, headers={"Accept-Encoding": "gzip, deflate, br"})
    assert pressed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(pressed.data) == plain.data
    assert int(pressed.headers["Content-Length"]) == len(pressed.data) < len(plain.data) / 2
    assert pressed.headers["ETag"] == plain.headers["ETag"]
    assert pressed.headers["ETag"].startswith("W/")
    assert pressed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
    head = desk.head(address, headers={"Accept-Encoding": "gzip"})
    assert head.headers["Content-Length"] == pressed.headers["Content-Length"]


@pytest.mark.parametrize("accepted", ["", "identity", "br", "gzip;q=0", "*;q=0", "gzip;q=0.5, identity;q=1"])
def test_who_does_not_want_gzip_does_not_get_it(desk: FlaskClient, accepted: str) -> None:
    """Or wants it less than the plain answer."""
    assert "Content-Encoding" not in desk.get("/openapi.json", headers={"Accept-Encoding": accepted}).headers


@pytest.mark.parametrize("accepted", ["gzip", "*", "GZIP", "br;q=1.0, gzip;q=0.8, *;q=0.1"])
def test_who_takes_gzip_gets_it(desk: FlaskClient, accepted: str) -> None:
    """However it is said."""
    assert desk.get("/openapi.json", headers={"Accept-Encoding": accepted}).headers["Content-Encoding"] == "gzip"


def test_what_fits_into_a_packet_is_not_compressed(desk: FlaskClient) -> None:
    """It would only cost."""
    assert "Content-Encoding" not in desk.get("/livez", headers={"Accept-Encoding": "gzip"}).headers


@pytest.mark.parametrize("accepted", ["", "gzip", "gzip;q=0.5, identity;q=1"])
@pytest.mark.parametrize("question", ["dipirona", "dipirona em crianca", "dipirrona", "nada disso existe"])
def test_an_answer_before_flask_is_the_one_through_it(desk: FlaskClient, question: str, accepted: str) -> None:
    """The same bytes and headers, kept or made now; who asks whether it changed is answered by Flask."""
    address, own = f"/v1/search?q={question}", {"Accept-Encoding": accepted}
    desk.get(address)  # what may be kept is kept from here on
    before, through = desk.get(address, headers=own), desk.get(address, headers={**own, "If-None-Match": '"another"'})
    assert (before.status, before.data) == (through.status, through.data)
    changing = {"traceparent", "Age"}
    told, same = ({(k, v) for k, v in one.headers if k not in changing} for one in (before, through))
    assert told == same
    assert len(before.headers) == len(through.headers)


def test_what_fails_before_flask_is_told_by_it_and_counted_once(demo: Demo, opensearch_url: str, redis_url: str) -> None:
    """As problem+json, whatever was wrong."""
    app = app_of(opensearch_url, redis_url, demo.indices)
    problem(app.test_client().get("/v1/search?q=dipirona&seite=2"), 400)
    told = app.test_client().get("/metrics").get_data(as_text=True)
    assert 'searchapi_request_seconds_count{route="/v1/search",status="400"} 1.0' in told
    assert "searchapi_in_flight 1.0" in told  # this one


def test_what_nobody_foresaw_before_flask_is_counted(redis_url: str) -> None:
    """The server answers and logs it (searchapi/worker.py)."""
    with serving(lambda _: told_by({"no": "answer of OpenSearch's"})) as strange:
        app = app_of(strange.url, redis_url, Indices("strange"))

        def asked() -> None:
            """Asks again where the thread that looks at the index looks at it just then, which is 503 for all others."""
            while app.test_client().get("/v1/search?q=dipirona").status_code == 503:
                pass

        with pytest.raises(KeyError):
            asked()
    told = app.test_client().get("/metrics").get_data(as_text=True)
    assert 'searchapi_request_seconds_count{route="/v1/search",status="500"} 1.0' in told
    assert "searchapi_in_flight 1.0" in told  # this one


def test_a_part_of_a_file_is_a_part_of_the_plain_one(desk: FlaskClient) -> None:
    """A range counts the bytes of what is not compressed."""
    part = desk.get("/static/page.js", headers={"Accept-Encoding": "gzip", "Range": "bytes=0-1999"})
    assert part.status_code == 206
    assert part.data == desk.get("/static/page.js").data[:2000]
    assert "Content-Encoding" not in part.headers


def problem(response: TestResponse, status: int) -> str:
    """What a failure says, which must be a problem+json of this status."""
    assert response.status_code == status
    assert response.content_type == "application/problem+json"
    told = response.get_json()
    assert told["status"] == status
    assert set(told) <= {"type", "title", "status", "detail", "parameter"}
    return str(told["detail"])


@pytest.mark.parametrize("address", ["/v1/nothing", "/v1/", "/v2/search?q=x", "/nothing", "/v1//search?q=x", "/static/nothing.js"])
def test_an_address_of_nothing_is_404(desk: FlaskClient, address: str) -> None:
    """It names the document, and repeats nothing of what was asked."""
    detail = problem(desk.get(address), 404)
    assert "nothing" not in detail.removeprefix("there is nothing at this address")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_another_method_is_405_with_what_is_allowed(desk: FlaskClient, method: str) -> None:
    """Everything here is only read."""
    response = desk.open("/v1/search?q=dipirona", method=method)
    assert "GET or HEAD" in problem(response, 405)
    assert set(response.allow) == {"GET", "HEAD", "OPTIONS"}
    assert desk.open("/", method=method).content_type.startswith("text/html")


def test_a_large_body_is_413(desk: FlaskClient) -> None:
    """Nothing here takes one; a small one that a client sends with each request is passed over."""
    assert "parameters of the address" in problem(desk.get("/v1/sources", data=b"x" * 2000), 413)
    assert desk.get("/v1/sources", data=b"{}").status_code == 200


BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize("address", ["/nothing", "/leaflets/matriz:nothing:patient"])
def test_a_person_reads_a_page(desk: FlaskClient, address: str) -> None:
    """Who mistypes an address in a browser is told in Portuguese; below /v1 a program asks, whatever it accepts."""
    response = desk.get(address, headers=BROWSER)
    assert (response.status_code, response.mimetype) == (404, "text/html")
    assert "Não encontrei" in response.get_data(as_text=True)
    problem(desk.get("/v1/nothing", headers=BROWSER), 404)


@pytest.mark.parametrize("address", [a.partition("?")[0] for a in API])
def test_an_unknown_parameter_is_400_at_every_address(desk: FlaskClient, address: str) -> None:
    """Also where there is none to be near to."""
    response = desk.get(address, query_string={"trace": "1"})
    assert "there is no parameter 'trace'" in problem(response, 400)
    assert response.get_json()["parameter"] == "trace"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("/v1/search?q=dipirona&q=losartana", "q was given 2 times"),
        ("/v1/suggest?q=dip&q=los", "q was given 2 times"),
        ("/v1/search?q=dipirona&Size=5", "did you mean size?"),
        ("/v1/suggest?Q=dip", "did you mean q?"),
        (f"/v1/compare?A={LEAFLET}&b={LEAFLET}", "did you mean a?"),
        (f"/v1/leaflets/{LEAFLET}?query=x", "did you mean q?"),
    ],
)
def test_a_parameter_given_twice_or_in_capitals_is_400(desk: FlaskClient, address: str, said: str) -> None:
    """Neither is guessed."""
    assert said in problem(desk.get(address), 400)


@pytest.mark.parametrize("query", ["q=dipirona&q=losartana", "q=dipirona&sectoin=posology", "sectoin=posology"])
def test_the_page_says_so_too(desk: FlaskClient, query: str) -> None:
    """In its own words, with no leaflet beside them."""
    told = desk.get(f"/?{query}&fragment=1").get_data(as_text=True)
    assert "Escreva o nome do medicamento" in told or "Não entendi este pedido" in told
    assert "<mark>" not in told
    assert desk.get(f"/leaflets/{LEAFLET}?sectoin=x").status_code == 400


def test_no_password_of_ours_is_in_an_answer(redis_url: str) -> None:
    """Whoever asks while OpenSearch is away is told where it should be, and no more."""
    port = free_port()
    away = app_of(f"http://desk:segredo@127.0.0.1:{port}", redis_url, Indices("nowhere")).test_client()
    detail = problem(away.get("/v1/search?q=dipirona"), 503)
    assert f"OpenSearch does not answer at http://127.0.0.1:{port}." in detail


SECRET = "segredo da paciente"


@pytest.fixture
def broken(demo: Demo, opensearch_url: str, redis_url: str) -> Flask:
    """The same app with two addresses more, which fail as nobody foresees."""

    def fails() -> NoReturn:
        question = SECRET
        raise KeyError(question)

    app = app_of(opensearch_url, redis_url, demo.indices)
    app.add_url_rule("/v1/broken", "broken", fails)
    app.add_url_rule("/leaflets/broken", "broken_page", fails)
    return app


@pytest.mark.parametrize("address", ["/v1/broken", "/leaflets/broken"])
def test_what_nobody_foresaw_is_500_without_its_text(broken: Flask, address: str, caplog: pytest.LogCaptureFixture) -> None:
    """The answer says to tell the operator; the log says of which type it was and where. Neither holds a value: it may be a question."""
    with caplog.at_level(logging.DEBUG):
        response = broken.test_client().get(address, query_string={"q": SECRET})
    assert response.status_code == 500
    told = response.get_data(as_text=True)
    logged = json.dumps([vars(record) for record in caplog.records], default=str) + caplog.text
    assert "KeyError" in logged
    assert "test_http.py" in logged
    assert SECRET not in logged
    for inside in ("KeyError", "Traceback", "test_http"):
        assert inside not in told
    if address.startswith("/v1/"):
        assert "was logged" in problem(response, 500)
        assert SECRET not in told
    else:
        assert "Algo deu errado aqui" in told

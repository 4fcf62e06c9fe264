"""Who may ask what, how often, and what every answer carries: over the demonstration, with keys and without."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
from flask.testing import FlaskClient
from werkzeug.test import Client, TestResponse
from werkzeug.wrappers import Request, Response

from opensearch.client import connect
from opensearch.process import free_port
from opensearch.settings import WrongSettings, read
from searchapi import redis_client
from searchapi.access import BASIC
from searchapi.edge import Edge
from searchapi.keys import NewKey, Role, new
from searchapi.settings import TO_ANYONE, Settings
from tests.conftest import Demo, app_of

if TYPE_CHECKING:  # a module of types alone
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

# What needs no key, whoever asks.
FREE = {"/livez", "/readyz", "/openapi.json", "/static/<path:filename>"}
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
# An address that is not the machine's own: who asks from there is counted.
OFFICE = {"REMOTE_ADDR": "10.0.0.7"}


@dataclass(frozen=True, slots=True)
class Keyed:
    """An app with a file of keys, one of each role."""

    api: FlaskClient
    file: Path
    search: NewKey
    metrics: NewKey
    explain: NewKey


@pytest.fixture
def keyed(demo: Demo, opensearch_url: str, redis_url: str, tmp_path: Path) -> Keyed:
    """Keys, and nothing open."""
    return with_keys(demo, opensearch_url, redis_url, tmp_path)


def with_keys(demo: Demo, opensearch_url: str, redis_url: str, folder: Path, **more: str) -> Keyed:
    """An app over the demonstration with these keys."""
    made = [new(str(role), frozenset({role})) for role in (Role.SEARCH, Role.METRICS, Role.EXPLAIN)]
    file = folder / "keys.toml"
    file.write_text("\n".join(key.line for key in made))
    return Keyed(app_of(opensearch_url, redis_url, demo.indices, API_KEYS_FILE=str(file), **more).test_client(), file, *made)


def bearer(key: NewKey) -> dict[str, str]:
    """As a program sends it."""
    return {"Authorization": f"Bearer {key.secret}"}


def addresses(api: FlaskClient) -> dict[str, str]:
    """Each address that the app has, by its pattern, with something in the place of what varies."""
    rules = [rule.rule for rule in api.application.url_map.iter_rules()]
    return {rule: re.sub("<[^>]+>", "icon.svg" if "static" in rule else "matriz:001101:patient", rule) for rule in rules}


def test_with_keys_every_address_but_the_free_needs_one(keyed: Keyed) -> None:
    """Also one that is added later, and one that does not exist."""
    for rule, address in addresses(keyed.api).items():
        status = keyed.api.get(address).status_code
        assert (status in {200, 304}) if rule in FREE else status == 401, rule
    assert keyed.api.get("/nothing").status_code == 401


def test_each_role_opens_what_it_says_and_no_more(keyed: Keyed) -> None:
    """None implies another."""
    for rule, address in addresses(keyed.api).items():
        if rule in FREE:
            continue
        opened, closed = (keyed.metrics, keyed.search) if rule == "/metrics" else (keyed.search, keyed.metrics)
        assert keyed.api.get(address, headers=bearer(opened)).status_code not in {401, 403}, rule
        assert keyed.api.get(address, headers=bearer(closed)).status_code == 403, rule
        assert keyed.api.get(address, headers=bearer(keyed.explain)).status_code == 403, rule
    why = {"q": "dipirona", "explain": "1"}
    assert keyed.api.get("/v1/search", query_string=why, headers=bearer(keyed.search)).status_code == 403


def test_said_to_be_open_it_asks_keys_for_the_rest_alone(demo: Demo, opensearch_url: str, redis_url: str, tmp_path: Path) -> None:
    """As it was before keys could search."""
    both = with_keys(demo, opensearch_url, redis_url, tmp_path, SEARCHAPI_OPEN=TO_ANYONE)
    assert both.api.get("/v1/search", query_string={"q": "dipirona"}).status_code == 200
    assert both.api.get("/metrics").status_code == 401
    assert both.api.get("/metrics", headers=bearer(both.metrics)).status_code == 200
    why = {"q": "dipirona", "explain": "1"}
    assert both.api.get("/v1/search", query_string=why).status_code == 401
    assert both.api.get("/v1/search", query_string=why, headers=bearer(both.explain)).status_code == 200


@pytest.mark.parametrize("name", ["search", "quem quer que seja", ""])
def test_a_browser_opens_the_page_with_a_key_as_the_password(keyed: Keyed, name: str) -> None:
    """It asks its user, as the answer tells it to; whose key it is, the key says."""
    refused = keyed.api.get("/")
    assert refused.status_code == 401
    assert refused.headers.getlist("WWW-Authenticate") == [BASIC]
    assert refused.mimetype == "text/html"
    assert "é preciso uma chave" in refused.get_data(as_text=True)
    sent = base64.b64encode(f"{name}:{keyed.search.secret}".encode()).decode()
    assert keyed.api.get("/", headers={"Authorization": f"Basic {sent}"}).status_code == 200


@pytest.mark.parametrize("sent", ["", "!", "YQ==", base64.b64encode(b"search:").decode(), base64.b64encode(b"\xff:\xff").decode()])
def test_a_password_that_is_no_key_opens_nothing(keyed: Keyed, sent: str) -> None:
    """Nor does what is none at all."""
    assert keyed.api.get("/", headers={"Authorization": f"Basic {sent}"}).status_code == 401


def test_a_key_taken_out_of_the_file_opens_nothing_at_the_next_request(keyed: Keyed) -> None:
    """Nobody restarts anything."""
    assert keyed.api.get("/v1/sources", headers=bearer(keyed.search)).status_code == 200
    keyed.file.write_text(keyed.metrics.line)
    assert keyed.api.get("/v1/sources", headers=bearer(keyed.search)).status_code == 401
    assert keyed.api.get("/metrics", headers=bearer(keyed.metrics)).status_code == 200


def asked(
    api: FlaskClient, address: str, times: int, environ: Mapping[str, str] = OFFICE, headers: Mapping[str, str] | None = None
) -> list[TestResponse]:
    """So many answers."""
    return [api.get(address, environ_base=dict(environ), headers=dict(headers or {})) for _ in range(times)]


def statuses(answers: list[TestResponse]) -> list[int]:
    """Their statuses."""
    return [answer.status_code for answer in answers]


def test_a_key_has_the_limit_of_its_line_and_the_others_the_default(
    demo: Demo, opensearch_url: str, redis_url: str, tmp_path: Path
) -> None:
    """From wherever it is used; and the answer says when to come back, as draft-ietf-httpapi-ratelimit-headers has it."""
    few, many = new("few", frozenset({Role.SEARCH}), "2/minute"), new("many", frozenset({Role.SEARCH}))
    file = tmp_path / "keys.toml"
    file.write_text(f"{few.line}\n{many.line}")
    api = app_of(opensearch_url, redis_url, demo.indices, API_KEYS_FILE=str(file), KEY_LIMIT="4/minute").test_client()
    answers = asked(api, "/v1/sources", 2, headers=bearer(few)) + asked(
        api, "/v1/sources", 1, {"REMOTE_ADDR": "127.0.0.1"}, headers=bearer(few)
    )
    assert statuses(answers) == [200, 200, 429]
    assert [answer.headers["RateLimit-Policy"] for answer in answers] == ['"search";q=2;w=60'] * 3
    assert re.fullmatch(r'"search";r=1;t=\d+', answers[0].headers["RateLimit"])
    last = answers[-1]
    assert last.headers["RateLimit"] == f'"search";r=0;t={last.headers["Retry-After"]}'
    assert 0 < int(last.headers["Retry-After"]) <= 60
    assert (last.mimetype, last.get_json()["status"]) == ("application/problem+json", 429)
    assert statuses(asked(api, "/v1/sources", 5, headers=bearer(many))) == [200] * 4 + [429]


def test_without_a_key_an_address_is_counted(demo: Demo, opensearch_url: str, redis_url: str) -> None:
    """Typing apart; of IPv6 the network; the page says it in Portuguese."""
    api = app_of(opensearch_url, redis_url, demo.indices, ADDRESS_LIMIT="3/minute").test_client()
    assert statuses(asked(api, "/v1/sources", 4)) == [200] * 3 + [429]
    assert statuses(asked(api, "/v1/suggest?q=dip", 16)) == [200] * 15 + [429]
    page = api.get("/", environ_base=OFFICE)
    assert (page.status_code, page.mimetype) == (429, "text/html")
    assert "muitas consultas" in page.get_data(as_text=True)
    for n, status in enumerate([200, 200, 200, 429]):
        assert api.get("/v1/sources", environ_base={"REMOTE_ADDR": f"2001:db8::{n}"}).status_code == status
    assert api.get("/v1/sources", environ_base={"REMOTE_ADDR": "2001:db8:0:1::1"}).status_code == 200
    told = api.get("/metrics").get_data(as_text=True)
    assert 'searchapi_limited_total{scope="search",whose="address"} 3.0' in told
    assert 'searchapi_limited_total{scope="typing",whose="address"} 1.0' in told


def test_who_tries_keys_is_counted_by_address(demo: Demo, opensearch_url: str, redis_url: str, tmp_path: Path) -> None:
    """Before it is told that none is good."""
    tried = with_keys(demo, opensearch_url, redis_url, tmp_path, ADDRESS_LIMIT="3/minute").api
    answers = [tried.get("/v1/sources", environ_base=OFFICE, headers={"Authorization": f"Bearer {n}"}) for n in range(4)]
    assert statuses(answers) == [401] * 3 + [429]


def test_probes_and_programs_of_the_machine_itself_are_not_counted(demo: Demo, opensearch_url: str, redis_url: str) -> None:
    """A desk must not seem dead because it is busy."""
    api = app_of(opensearch_url, redis_url, demo.indices, ADDRESS_LIMIT="1/minute").test_client()
    for address in ("/livez", "/metrics", "/openapi.json", "/static/icon.svg"):
        assert set(statuses(asked(api, address, 3))) == {200}
    assert statuses(asked(api, "/v1/sources", 3, {"REMOTE_ADDR": "127.0.0.1"})) == [200] * 3


def test_only_trusted_proxies_are_believed(demo: Demo, opensearch_url: str, redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Else anyone could be anybody; a proxy that nobody told of is counted as one, and said so once."""
    api = app_of(opensearch_url, redis_url, demo.indices, ADDRESS_LIMIT="2/minute").test_client()
    for environ in (OFFICE, {"REMOTE_ADDR": "127.0.0.1"}):
        answers = [api.get("/v1/sources", environ_base=environ, headers={"X-Forwarded-For": f"10.1.0.{n}"}) for n in range(3)]
        assert statuses(answers) == [200, 200, 429]
    assert sum("TRUSTED_PROXIES" in record.message for record in caplog.records) == 1
    behind = app_of(opensearch_url, redis_url, demo.indices, ADDRESS_LIMIT="2/minute", TRUSTED_PROXIES="1").test_client()
    for n in range(3):
        forged = {"X-Forwarded-For": f"10.9.9.9, 10.2.0.{n}"}
        answers = [behind.get("/v1/sources", environ_base={"REMOTE_ADDR": "127.0.0.1"}, headers=forged) for _ in range(3)]
        assert statuses(answers) == [200, 200, 429]


def test_what_stands_before_flask_meets_the_same_door(demo: Demo, opensearch_url: str, redis_url: str) -> None:
    """A request is counted once, whether something before Flask answers it or passes it on."""
    app = app_of(opensearch_url, redis_url, demo.indices, ADDRESS_LIMIT="4/minute")
    edge: Edge = app.extensions["edge"]
    behind = app.wsgi_app

    def front(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        asked = Request(environ)
        visit = edge.arrive(asked, "api.sources")
        if "mine" not in asked.args or not edge.door.admits(visit.asker, "api.sources"):
            return behind(environ, start_response)
        response = edge.finished(Response("mine"), asked, "/v1/sources", "api.sources")
        edge.left(asked)
        return response(environ, start_response)

    app.wsgi_app = front  # type: ignore[method-assign]  # Flask's own way to put something before it
    api = Client(app)  # what is answered here is in no contract
    assert statuses([api.get(address, environ_base=OFFICE) for address in ("/v1/sources", "/v1/sources?mine") * 3]) == [200] * 4 + [429] * 2
    assert api.get("/v1/sources?mine", environ_base={"REMOTE_ADDR": "10.0.0.9"}).headers["RateLimit-Policy"] == '"search";q=4;w=60'
    told = api.get("/metrics").get_data(as_text=True)
    assert "searchapi_in_flight 1.0" in told
    assert 'searchapi_request_seconds_count{route="/v1/sources",status="200"} 5.0' in told
    assert 'searchapi_limited_total{scope="search",whose="address"} 2.0' in told


def test_without_redis_limits_hold(opensearch_url: str, demo: Demo) -> None:
    """Each worker counts by itself."""
    away = app_of(opensearch_url, f"redis://127.0.0.1:{free_port()}/0", demo.indices, ADDRESS_LIMIT="3/minute").test_client()
    assert statuses(asked(away, "/v1/sources", 5)) == [200] * 3 + [429] * 2


@pytest.mark.parametrize(
    "address", ["/", "/v1/sources", "/nothing", "/v1/search", "/livez", "/static/page.js", "/leaflets/matriz:nada:patient"]
)
def test_every_answer_keeps_what_is_asked_here(demo: Demo, address: str) -> None:
    """Answers of failures too: nothing from elsewhere, nothing inline, nothing for other pages to read."""
    headers = demo.app.test_client().get(address, headers={"Origin": "https://elsewhere.example"}).headers
    assert "'unsafe-inline'" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "microphone=()" in headers["Permissions-Policy"]
    assert not any(name.startswith("Access-Control") for name, _ in headers)
    assert "Set-Cookie" not in headers


def test_a_body_is_refused(demo: Demo) -> None:
    """Nothing here takes one."""
    api = demo.app.test_client()
    assert api.get("/v1/sources", data=b"x" * 2000).status_code == 413
    assert api.get("/v1/sources", headers={"Transfer-Encoding": "chunked"}).status_code == 413


class Recorder(ThreadingHTTPServer):
    """Stands before OpenSearch, passes everything on and keeps the headers that came."""

    def __init__(self, behind: str) -> None:
        super().__init__(("127.0.0.1", 0), _Recording)
        self.behind = behind
        self.seen: list[Mapping[str, str]] = []


class _Recording(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Recorder

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append(dict(self.headers))
        kept = {name: value for name, value in self.headers.items() if name in {"content-type", "Content-Type"}}
        told = requests.request(self.command, self.server.behind + self.path, data=body, headers=kept, timeout=30)
        self.send_response(told.status_code)
        self.send_header("Content-Type", told.headers.get("Content-Type", ""))
        self.send_header("Content-Length", str(len(told.content)))
        self.end_headers()
        self.wfile.write(told.content)

    do_POST = do_HEAD = do_DELETE = do_GET  # noqa: N815 - the library's names

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def recorder(opensearch_url: str) -> Iterator[Recorder]:
    """What OpenSearch is asked, seen from before it."""
    with Recorder(opensearch_url) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_trace_goes_through_to_opensearch_and_back(demo: Demo, redis_url: str, recorder: Recorder) -> None:
    """With each of a request's questions a span of its own; what the process asks for itself has none."""
    api = app_of(f"http://127.0.0.1:{recorder.server_port}", redis_url, demo.indices).test_client()
    assert api.get("/readyz").status_code == 200
    seen = len(recorder.seen)
    told = api.get("/v1/search", query_string={"q": "ibuprofeno e febre", "size": "3"}, headers={"traceparent": TRACE})
    assert told.status_code == 200
    back = told.headers["traceparent"]
    assert re.fullmatch(r"00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-01", back)
    ours = [headers for headers in recorder.seen[seen:] if headers.get("X-Opaque-Id") == "4bf92f3577b34da6a3ce929d0e0e4736"]
    assert ours
    spans = [headers["traceparent"].split("-")[2] for headers in ours]
    assert len({*spans, back.split("-")[2], TRACE.split("-")[2]}) == len(spans) + 2
    other = api.get("/v1/sources", headers={"traceparent": "losartana"}).headers["traceparent"]
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00", other)


def test_requests_the_engine_and_the_cache_are_timed_apart(demo: Demo, opensearch_url: str, redis_url: str) -> None:
    """By route and outcome; nothing is in flight once all is answered, but the one who asks."""
    api = app_of(opensearch_url, redis_url, demo.indices).test_client()
    for _ in range(2):
        assert api.get("/v1/search", query_string={"q": "omeprazol", "size": "4"}).status_code == 200
    assert api.get("/v1/leaflets/matriz:nada:patient").status_code == 404
    told = api.get("/metrics").get_data(as_text=True)
    assert 'searchapi_request_seconds_count{route="/v1/search",status="200"} 2.0' in told
    assert 'searchapi_request_seconds_count{route="/v1/leaflets/<path:leaflet_id>",status="404"} 1.0' in told
    assert re.search(r'searchapi_engine_seconds_count\{outcome="answered",purpose="request"\} [1-9]', told)
    assert re.search(r'searchapi_engine_seconds_count\{outcome="answered",purpose="upkeep"\} [1-9]', told)
    assert re.search(r'searchapi_cache_seconds_count\{outcome="answered"\} [1-9]', told)
    assert "searchapi_in_flight 1.0" in told
    assert re.search(r'searchapi_source_leaflets\{source="matriz"\} [1-9]', told)


def test_an_access_log_tells_who_asked_and_not_what(demo: Demo, opensearch_url: str, redis_url: str, tmp_path: Path) -> None:
    """One line of JSON a request, readable by its owner alone."""
    file = tmp_path / "access.log"
    keyed = with_keys(demo, opensearch_url, redis_url, tmp_path, ACCESS_LOG=str(file))
    for address in ("/v1/search?q=segredo+da+losartana", "/leaflets/matriz:segredo:patient?q=segredo", "/segredo"):
        keyed.api.get(address, headers={**bearer(keyed.search), "traceparent": TRACE, "User-Agent": "segredo"}, environ_base=OFFICE)
    keyed.api.open("/livez", method="SEGREDO")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(line["method"], line["route"], line["status"], line["key"]) for line in lines] == [
        ("GET", "/v1/search", 200, "search"),
        ("GET", "/leaflets/<path:leaflet_id>", 404, "search"),
        ("GET", "none", 404, "search"),
        ("other", "none", 401, ""),
    ]
    assert {line["address"] for line in lines} == {"10.0.0.7", "127.0.0.1"}
    assert {line["trace"] for line in lines[:3]} == {"4bf92f3577b34da6a3ce929d0e0e4736"}
    assert lines[0]["cache"] == "miss"
    assert lines[0]["bytes"] > 0
    assert lines[0]["seconds"] > 0
    assert "segredo" not in file.read_text().lower()
    assert "losartana" not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_line_of_the_access_log_goes_where_it_is_after_a_rotation(
    demo: Demo, opensearch_url: str, redis_url: str, tmp_path: Path
) -> None:
    """logrotate moves the file and tells nobody."""
    file = tmp_path / "access.log"
    api = app_of(opensearch_url, redis_url, demo.indices, ACCESS_LOG=str(file)).test_client()
    api.get("/livez")
    file.rename(tmp_path / "access.log.1")
    api.get("/livez")
    assert len(file.read_text().splitlines()) == len((tmp_path / "access.log.1").read_text().splitlines()) == 1


def test_on_standard_error_the_lines_have_no_address(
    demo: Demo, opensearch_url: str, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those logs are kept by others, and for other reasons."""
    app_of(opensearch_url, redis_url, demo.indices, ACCESS_LOG="-").test_client().get("/v1/sources", environ_base=OFFICE)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if '"route"' in line]
    assert json.loads(line)["route"] == "/v1/sources"
    assert "10.0.0.7" not in line


def test_credentials_stand_in_files_and_reach_the_servers_whole(tmp_path: Path) -> None:
    """Whatever is in them."""
    secret = tmp_path / "password"
    secret.write_text("s3gr:do/@ç \n", encoding="utf-8")
    environ = {
        "OPENSEARCH_URL": "http://127.0.0.1:9200", "OPENSEARCH_USERNAME": "bulario", "OPENSEARCH_PASSWORD_FILE": str(secret),
        "REDIS_URL": "rediss://cache:6380/1", "REDIS_USERNAME": "bulario", "REDIS_PASSWORD_FILE": str(secret), "REDIS_CA_CERT": str(secret),
    }  # fmt: skip
    settings = read(Settings, environ)
    sent = connect(settings.opensearch_address).transport.get_connection().headers["authorization"]
    assert base64.b64decode(sent.removeprefix("Basic ")).decode() == "bulario:s3gr:do/@ç"
    given = redis_client.connect(settings.redis_address).connection_pool.connection_kwargs
    assert (given["host"], given["port"], given["db"]) == ("cache", 6380, 1)
    assert (given["username"], given["password"], given["ssl_ca_certs"]) == ("bulario", "s3gr:do/@ç", str(secret))
    assert "s3gr" not in settings.opensearch_url
    assert "s3gr" not in repr(settings)


def test_an_address_with_a_password_in_it_is_shown_without(redis_url: str, demo: Demo, caplog: pytest.LogCaptureFixture) -> None:
    """In answers, pages and logs."""
    caplog.set_level("DEBUG")
    port = free_port()
    api = app_of(f"http://ana:s3gredo@127.0.0.1:{port}", redis_url, demo.indices).test_client()
    # A question of its own: what was answered before would be given again, marked as old.
    told = api.get("/v1/search", query_string={"q": "losartana", "size": "43"})
    assert told.status_code == 503
    assert f"http://127.0.0.1:{port}" in told.get_json()["detail"]
    page = api.get("/", query_string={"q": "losartana", "size": "43"}).get_data(as_text=True)
    assert "s3gredo" not in told.get_data(as_text=True) + page + caplog.text


def test_a_user_without_a_password_is_refused_and_not_quoted() -> None:
    """It may be a token."""
    with pytest.raises(WrongSettings, match="names a user without a password") as told:
        read(Settings, {"OPENSEARCH_URL": "http://s3gredo@127.0.0.1:9200"})
    assert "s3gredo" not in str(told.value)

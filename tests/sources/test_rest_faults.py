"""The REST source against ERPs that are slow, broken or hostile: every fault ends, is named, and costs neither memory nor threads."""

from __future__ import annotations

import gzip
import itertools
import json
import socket
import ssl
import struct
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from indexer.breaker import FAILURES, BreakerOpen, BreakerState
from indexer.sources.base import Page, SourceChanged, SourceDown, SourceRefused, in_turn
from tests.sources.standin import Reply, Request, pull, serving, told
from tests.sources.test_rest import BY_PAGE, Serve, product, rest, ttalk

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
RECORDS = json.dumps([product(1)]).encode()


def bomb(megabytes: int) -> bytes:
    """As many megabytes of JSON, packed a thousand times smaller, made without holding them."""
    packer = zlib.compressobj(9, wbits=31)
    megabyte = b" " * 1_000_000
    return packer.compress(b"[") + b"".join(packer.compress(megabyte) for _ in range(megabytes)) + packer.flush()


def test_a_gzip_bomb_is_refused_without_being_unpacked(tmp_path: Path, serve: Serve) -> None:
    """400 MB that came as 400 kB: read only as far as max_bytes, and never held whole."""
    packed = bomb(400)
    assert len(packed) < 1_000_000
    stand_in = serve(lambda _: Reply(packed, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"}))
    source = rest(tmp_path, stand_in)
    tracemalloc.start()
    try:
        with pytest.raises(SourceChanged, match="more than 50,000,000 bytes"):
            pull(source)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 150_000_000


def test_an_answer_within_the_limit_is_read_whole(tmp_path: Path, serve: Serve) -> None:
    """The limit is on what it unpacks to, and is not reached."""
    body = gzip.compress(RECORDS)
    stand_in = serve(lambda _: Reply(body, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"}))
    assert pull(rest(tmp_path, stand_in, f"max_bytes = {len(RECORDS)}")).ids == ["MED0001"]
    with pytest.raises(SourceChanged, match="max_bytes"):
        pull(rest(tmp_path, stand_in, f"max_bytes = {len(RECORDS) - 1}"))


def dripped(*starts: bytes) -> Iterator[bytes]:
    """The starts, then a byte now and then, for ever."""
    yield from starts
    for _ in itertools.count():
        time.sleep(0.02)
        yield b"x"


@pytest.mark.parametrize(
    "starts",
    [
        (HEAD + b"X-Drip: ",),
        (HEAD + b"Content-Length: 1000000\r\n\r\n",),
        (HEAD + b"Connection: close\r\n\r\n",),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"ffff\r\n"),
    ],
    ids=["in the headers", "in a body of known length", "in a body without end", "in a chunk"],
)
def test_an_answer_that_drips_is_cut_off_in_time(tmp_path: Path, serve: Serve, starts: tuple[bytes, ...]) -> None:
    """A byte now and then keeps every read alive; the limit is on the whole answer."""
    stand_in = serve(lambda _: Reply(raw=dripped(*starts)))
    with pytest.raises(SourceDown, match=r"within 0\.3 s"):
        pull(rest(tmp_path, stand_in, "timeout = 0.3"))


def test_a_connection_that_was_cut_off_does_not_harm_the_next(tmp_path: Path, serve: Serve) -> None:
    """The deadline of one request never reaches into another's connection."""
    first = threading.Event()

    def answer(_: Request) -> Reply:
        if first.is_set():
            return told([product(1)])
        first.set()
        return Reply(raw=dripped(HEAD + b"Content-Length: 1000000\r\n\r\n"))

    assert pull(rest(tmp_path, serve(answer), "timeout = 0.3")).ids == ["MED0001"]


def test_a_silent_erp_is_down(tmp_path: Path) -> None:
    """It takes the connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        stand_in = type("Silent", (), {"url": url})
        with pytest.raises(SourceDown):
            pull(rest(tmp_path, stand_in, "timeout = 0.2"))  # type: ignore[arg-type]  # only its url is read


def test_nobody_there_is_down(tmp_path: Path) -> None:
    """A refused connection says so."""
    with serving(lambda _: Reply()) as gone:
        pass
    with pytest.raises(SourceDown, match="refused"):
        pull(rest(tmp_path, gone))


def test_an_answer_cut_short_is_asked_for_again(tmp_path: Path, serve: Serve) -> None:
    """The connection breaks in the middle of a body, twice; the third answer is whole."""
    broken = Reply(raw=[HEAD + b"Content-Length: 1000\r\n\r\n", RECORDS[:20]])
    replies = iter([broken, broken, Reply(RECORDS)])
    assert pull(rest(tmp_path, serve(lambda _: next(replies)))).ids == ["MED0001"]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_status_that_may_pass_is_tried_three_times(tmp_path: Path, serve: Serve, status: int) -> None:
    """Then the source is down until the next round. Retry-After: 0 keeps this test short."""
    stand_in = serve(lambda _: Reply(status=status, headers={"Retry-After": "0"}))
    with pytest.raises(SourceDown, match=str(status)):
        pull(rest(tmp_path, stand_in))
    assert len(stand_in.asked) == 3


@pytest.mark.parametrize("retry_after", ["0", "Wed, 21 Oct 2015 07:28:00 GMT", "soon", "-5"])
def test_an_erp_that_comes_back_is_read(tmp_path: Path, serve: Serve, retry_after: str) -> None:
    """Whatever its Retry-After says: seconds, a date that passed, or nonsense."""
    replies = iter([Reply(status=503, headers={"Retry-After": retry_after}), Reply(RECORDS)])
    assert pull(rest(tmp_path, serve(lambda _: next(replies)))).ids == ["MED0001"]


def dolibarr(what: str) -> Reply:
    """Dolibarr 22's error for a list that its database refused: its own code stands in the body, and the status says that it passes."""
    body = {"error": {"code": 503, "message": f"Service Unavailable: Error when retrieve product list : {what}"}}
    return Reply(json.dumps(body).encode(), 503, {"Content-Type": "application/json", "Retry-After": "0"})


PERMANENT = """permanent_errors = ["unknown column '[^']+'", 'syntax error']"""


def test_an_error_that_the_table_calls_permanent_is_not_asked_again(tmp_path: Path, serve: Serve) -> None:
    """Though its status says that it passes: the filter is wrong, and a person must mend it. The ERP is not taken for ill."""
    stand_in = serve(lambda request: dolibarr(f"Unknown column 't.nofield' in 'WHERE' of {request.query['key']}"))
    source = rest(tmp_path, stand_in, PERMANENT, 'params = { key = { env = "KEY" } }', KEY="s3cret")
    for _ in range(FAILURES + 1):
        with pytest.raises(SourceRefused, match=r"answered 503 and what `permanent_errors` names with \"unknown column") as refused:
            pull(source)
        assert "s3cret" not in str(refused.value)
    assert len(stand_in.asked) == FAILURES + 1


@pytest.mark.parametrize("lines", [(), (PERMANENT,)])
def test_an_error_that_the_table_does_not_call_permanent_is_asked_again(tmp_path: Path, serve: Serve, lines: tuple[str, ...]) -> None:
    """The database is really away."""
    replies = iter([dolibarr("Too many connections"), Reply(RECORDS)])
    assert pull(rest(tmp_path, serve(lambda _: next(replies)), *lines)).ids == ["MED0001"]


def test_only_the_beginning_of_an_error_is_searched(tmp_path: Path, serve: Serve) -> None:
    """An error of a gigabyte is not read to its end."""
    late = Reply(b" " * 20_000 + b"Syntax error", 503, {"Retry-After": "0"})
    replies = iter([late, Reply(RECORDS)])
    assert pull(rest(tmp_path, serve(lambda _: next(replies)), PERMANENT)).ids == ["MED0001"]


def test_an_error_whose_words_cannot_be_read_is_its_status(tmp_path: Path, serve: Serve) -> None:
    """One that does not unpack, and one that ends early."""
    packed = Reply(b"no gzip", 503, {"Retry-After": "0", "Content-Encoding": "gzip"})
    cut = Reply(raw=[b"HTTP/1.1 503 No\r\nRetry-After: 0\r\nContent-Length: 900\r\n\r\n", b"..."])
    replies = iter([packed, cut, Reply(RECORDS)])
    assert pull(rest(tmp_path, serve(lambda _: next(replies)), PERMANENT)).ids == ["MED0001"]


@pytest.mark.parametrize("garbled", [RECORDS[:-20], b"", b"<html>Volte em instantes</html>", b"<b>Warning</b>: " + RECORDS])
def test_an_answer_that_is_no_json_is_asked_for_again(tmp_path: Path, serve: Serve, garbled: bytes) -> None:
    """Cut off without a word, or a proxy's page with status 200: the next answer may be right."""
    replies = iter([Reply(garbled), Reply(RECORDS)])
    assert pull(rest(tmp_path, serve(lambda _: next(replies)))).ids == ["MED0001"]


def test_an_answer_that_stays_no_json_is_another_shape(tmp_path: Path, serve: Serve) -> None:
    """After three tries a person must look; the ERP answers, so its breaker stays closed."""
    stand_in = serve(lambda _: Reply(RECORDS[:-20]))
    source = rest(tmp_path, stand_in)
    with pytest.raises(SourceChanged, match="only a part of it"):
        pull(source)
    assert len(stand_in.asked) == 3
    assert source.breaker.state() == BreakerState()


def test_a_host_that_nobody_knows_is_down(tmp_path: Path) -> None:
    """A name server may be away; .invalid never is any host (RFC 2606)."""
    nowhere = type("Nowhere", (), {"url": "http://erp.invalid"})
    with pytest.raises(SourceDown, match="name is not known"):
        pull(rest(tmp_path, nowhere))  # type: ignore[arg-type]  # only its url is read


@contextmanager
def tcp(answer: Callable[[socket.socket], object]) -> Iterator[Any]:
    """A stand-in that knows only TCP, for what goes wrong before HTTP: its https address, and how often it was called."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        called = type("Tcp", (), {"url": f"https://127.0.0.1:{server.getsockname()[1]}", "times": 0})

        def serve_on() -> None:
            # Ends when the listening socket is shut.
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    called.times += 1  # type: ignore[attr-defined]  # made above
                    with connection, suppress(OSError):
                        answer(connection)

        thread = threading.Thread(target=serve_on)
        thread.start()
        try:
            yield called
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def certified(connection: socket.socket) -> None:
    """Shows a certificate that nobody signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(__file__).with_name("untrusted.pem"))
    context.wrap_socket(connection, server_side=True).recv(1)


def plain(connection: socket.socket) -> None:
    """Speaks HTTP where TLS is asked for."""
    connection.recv(1000)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@pytest.mark.parametrize(("answer", "says"), [(certified, "not trusted"), (plain, "does it speak https")])
def test_a_tls_that_cannot_be_is_refused_at_once(tmp_path: Path, answer: Callable[[socket.socket], object], says: str) -> None:
    """Neither an untrusted certificate nor a port without TLS passes by itself."""
    with tcp(answer) as stand_in:
        with pytest.raises(SourceRefused, match=says):
            pull(rest(tmp_path, stand_in))
        assert stand_in.times == 1


def closed_early(connection: socket.socket) -> None:
    """Hangs up when the handshake has begun."""
    connection.recv(1000)


def reset(connection: socket.socket) -> None:
    """Resets the connection when the handshake has begun."""
    connection.recv(10)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("answer", [closed_early, reset])
def test_a_handshake_that_breaks_off_may_pass(tmp_path: Path, answer: Callable[[socket.socket], object]) -> None:
    """As when the proxy before an ERP is restarted."""
    with tcp(answer) as stand_in:
        with pytest.raises(SourceDown, match="broke off"):
            pull(rest(tmp_path, stand_in))
        assert stand_in.times == 3


def test_an_erp_that_stays_down_is_left_alone(tmp_path: Path, serve: Serve) -> None:
    """Five requests that failed open the breaker; then nothing goes to it, until a probe, which goes once."""
    stand_in = serve(lambda _: Reply(status=503, headers={"Retry-After": "0"}))
    source = rest(tmp_path, stand_in)
    for _ in range(FAILURES):
        with pytest.raises(SourceDown, match="answered 503"):
            pull(source)
    asked = len(stand_in.asked)
    assert asked == 3 * FAILURES
    with pytest.raises(BreakerOpen, match="answered 503"):
        pull(source)
    assert len(stand_in.asked) == asked
    source.breaker.probe_now()
    with pytest.raises(SourceDown, match="answered 503"):
        pull(source)
    assert len(stand_in.asked) == asked + 1


def test_pages_that_are_asked_for_ahead_wait_for_the_probe(tmp_path: Path, serve: Serve) -> None:
    """The first pull after an outage: one request goes first, whichever, and the others only when it was answered."""
    pages = ttalk([product(number) for number in range(95)])
    asked, while_probing = itertools.count(), []

    def answer(request: Request) -> Reply:
        if next(asked) == 0:
            # Time for others to come, were they let.
            time.sleep(0.1)
            while_probing.append(next(asked) - 1)
        return pages(request)

    source = rest(tmp_path, serve(answer), BY_PAGE, "max_in_flight = 8", records='records = "items"')
    source.breaker.restore(BreakerState("open", FAILURES, datetime.now(UTC) - timedelta(seconds=1)))
    assert len(pull(source).ids) == 95
    assert while_probing == [0]
    assert source.breaker.state() == BreakerState()


def test_a_token_server_that_is_down_is_asked_as_often_as_the_erp_would_be(tmp_path: Path, serve: Serve) -> None:
    """Three times for one question, and not three times three; and it opens the breaker like the ERP itself."""
    tokens = serve(lambda _: Reply(status=503, headers={"Retry-After": "0"}))
    stand_in = serve(lambda _: Reply(RECORDS))
    auth = (
        f'auth = {{ type = "oauth2_client_credentials", token_url = "{tokens.url}", client_id = "sac", client_secret = {{ env = "S" }} }}'
    )
    source = rest(tmp_path, stand_in, auth, S="s3cret")
    for questions in range(1, FAILURES + 1):
        with pytest.raises(SourceDown, match="503"):
            pull(source)
        assert len(tokens.asked) == 3 * questions
    with pytest.raises(BreakerOpen):
        pull(source)
    assert stand_in.asked == []


def test_pages_before_a_fault_stay_good(tmp_path: Path, serve: Serve) -> None:
    """They are given, without a cursor; the fault is raised in its turn, though its page was asked for ahead."""

    def answer(request: Request) -> Reply:
        page = int(request.query["page"])
        return told([product(page * 10 + n) for n in range(10)]) if page < 4 else Reply(status=403)

    given: list[Page] = []
    source = rest(tmp_path, serve(answer), BY_PAGE)
    with pytest.raises(SourceRefused):
        given.extend(source.pages(None, in_turn))
    assert [len(page.changes) for page in given] == [10, 10, 10]
    assert all(page.cursor is None for page in given)


def test_no_proxy_or_password_is_taken_from_the_environment(tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY would catch loopback, and ~/.netrc would replace the credentials of sources.toml."""
    stand_in = serve(lambda _: told([product(1)]))
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine {urlsplit(stand_in.url).hostname} login other password wr0ng")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("NETRC", str(netrc))
    auth = 'auth = { type = "bearer", token = { env = "TOKEN" } }'
    pull(rest(tmp_path, stand_in, auth, TOKEN="right"))
    assert stand_in.asked[0].headers["Authorization"] == "Bearer right"

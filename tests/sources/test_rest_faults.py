"""The REST source against ERPs that are slow, broken or hostile: every fault ends, is named, and costs neither memory nor threads."""

from __future__ import annotations

import gzip
import itertools
import json
import socket
import threading
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from indexer.sources.base import Page, SourceChanged, SourceDown, SourceRefused
from tests.sources.standin import Reply, Request, one_by_one, pull, serving, told
from tests.sources.test_rest import BY_PAGE, Serve, product, rest

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


def test_pages_before_a_fault_stay_good(tmp_path: Path, serve: Serve) -> None:
    """They are given, without a cursor; the fault is raised in its turn, though its page was asked for ahead."""

    def answer(request: Request) -> Reply:
        page = int(request.query["page"])
        return told([product(page * 10 + n) for n in range(10)]) if page < 4 else Reply(status=403)

    given: list[Page] = []
    source = rest(tmp_path, serve(answer), BY_PAGE)
    with pytest.raises(SourceRefused):
        given.extend(source.pages(None, one_by_one))
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

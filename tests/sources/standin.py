"""Stand-in ERPs: HTTP servers on loopback that answer as a test says, faults of the wire included, and remember what they were asked."""

from __future__ import annotations

import itertools
import json
import socket
import struct
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from indexer.sources.base import Page, Source
from indexer.sources.config import configured
from leaflets import Change, Unreadable, Withdrawal

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """What a stand-in was asked."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """What a stand-in answers. `raw` pieces, if any, go to the wire as they are, and the connection ends with them, or is `reset`."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    raw: Iterable[bytes] | None = None
    reset: bool = False


Answer = Callable[[Request], Reply]


def told(value: object, status: int = 200, **headers: str) -> Reply:
    """JSON, in UTF-8."""
    return Reply(json.dumps(value, ensure_ascii=False).encode(), status, {"Content-Type": "application/json"} | headers)


@dataclass(slots=True)
class StandIn:
    """A running stand-in."""

    url: str
    asked: list[Request] = field(default_factory=list)


class _Server(ThreadingHTTPServer):
    def handle_error(self, *args: Any) -> None:  # the library's arguments
        # The other side may have been killed.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(*args)


@contextmanager
def serving(answer: Answer) -> Iterator[StandIn]:
    """A stand-in on a free port of loopback, for as long as the block runs."""
    stand_in = StandIn("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Headers and body are two packets; else the second waits for the first to be acknowledged, 40 ms each time.
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = Request(self.command, parts.path, dict(parse_qsl(parts.query)), dict(self.headers), body)
            stand_in.asked.append(request)
            reply = answer(request)
            # The other side may hang up on purpose.
            with suppress(BrokenPipeError, ConnectionResetError):
                self._send(reply)

        def do_POST(self) -> None:
            self.do_GET()

        def _send(self, reply: Reply) -> None:
            if reply.raw is not None:
                self.close_connection = True
                for piece in reply.raw:
                    self.wfile.write(piece)
                    self.wfile.flush()
                if reply.reset:
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *args: Any) -> None:
            """Says nothing: tests read what was asked in `asked`."""

    server = _Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    stand_in.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield stand_in
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass(frozen=True, slots=True)
class Pulled:
    """All that one pull gave: the pages' changes in order, the last cursor, what was unchanged, and whether that was everything."""

    changes: tuple[Change | Withdrawal | Unreadable, ...]
    cursor: str | None
    unchanged: tuple[str, ...]
    complete: bool

    @property
    def ids(self) -> list[str]:
        """The changes' ids, in order."""
        return [change.source_id for change in self.changes]

    @property
    def change(self) -> Change:
        """The one change there is."""
        (only,) = self.changes
        assert isinstance(only, Change), only
        return only

    @property
    def unreadable(self) -> Unreadable:
        """The one unreadable record there is."""
        (only,) = self.changes
        assert isinstance(only, Unreadable), only
        return only


def pull(source: Source, since: str | None = None, *, whole: bool = False) -> Pulled:
    """Pulls a source as the indexer does, with `max_in_flight` calls at a time."""
    with ThreadPoolExecutor(source.max_in_flight) as askers:

        def ahead(calls: Iterable[Callable[[], T]]) -> Iterator[T]:
            pending = iter(calls)
            waiting = deque(askers.submit(call) for call in itertools.islice(pending, source.max_in_flight))
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(askers.submit(call) for call in itertools.islice(pending, 1))
                yield result

        return gathered(source.pages(since, ahead, whole=whole))


def gathered(pages: Iterable[Page]) -> Pulled:
    """What pages hold, together."""
    changes: list[Change | Withdrawal | Unreadable] = []
    unchanged: list[str] = []
    cursor, complete = None, False
    for page in pages:
        assert not complete, "only the last page can say that all was named"
        changes += page.changes
        unchanged += page.unchanged
        cursor, complete = page.cursor or cursor, page.complete
    return Pulled(tuple(changes), cursor, tuple(unchanged), complete)


def source_of(folder: Path, toml: str, **environ: str) -> Source:
    """The one source that a sources.toml with this table describes."""
    file = folder / "sources.toml"
    file.write_text(f"[sources.erp]\n{toml}")
    (source,) = configured(file, environ)
    return source

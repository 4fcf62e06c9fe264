"""A proxy between one indexer and OpenSearch, with traps: at the n-th request of a kind it does what a bad day does.

    indexer  ->  Proxy  ->  OpenSearch         each request is one step of the indexer's: "mget", "bulk", "cursor moved" ...

Seen from outside, the boundary between two stages of the indexer is a request: what is killed before or after it was killed there.
"""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# The step that a request is, by its method and path; the first that fits.
_STEPS = (
    ("cursor read", r"GET /[\w-]+-cursors/_doc/"),
    ("cursor moved", r"(PUT|POST) /[\w-]+-cursors/_(doc|create)"),
    ("operation read", r"GET /[\w-]+-operations/_doc/"),
    ("operation moved", r"(PUT|POST|DELETE) /[\w-]+-operations/_(doc|create)"),
    ("rejected read", r"(GET|POST) /[\w-]+-rejected/_search"),
    ("reject kept", r"(PUT|POST) /[\w-]+-rejected/_(doc|create)"),
    ("reject forgotten", r"DELETE /[\w-]+-rejected/_doc"),
    ("mget", r"(GET|POST) /.*_mget"),
    ("history kept", r"(PUT|POST) /[\w-]+-history/_bulk"),
    ("bulk", r"(PUT|POST) /.*_bulk"),
    ("alias swapped", r"POST /_aliases"),
    ("write block", r"PUT /[\w-]+/_(block|settings)"),
    ("generation made", r"PUT /[\w-]+-\d{6}$"),
    ("generation deleted", r"DELETE /[\w,-]+-\d{6}"),
    ("read whole", r"(GET|POST) /.*_(search|count|pit|search/point_in_time)"),
    ("refresh", r"(GET|POST) /.*_refresh"),
    ("prepare", r"(HEAD|GET|PUT) /"),
)


def step(method: str, path: str) -> str:
    """What the indexer is at when it asks this."""
    asked = f"{method} {path.partition('?')[0]}"
    return next((name for name, pattern in _STEPS if re.match(pattern, asked)), "other")


@dataclass(frozen=True, slots=True)
class Reply:
    """What the indexer is answered."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json; charset=UTF-8"})


Forward = Callable[[bytes], Reply]
# Gets the request's body and the way to OpenSearch, and gives the answer; None hangs up on the indexer.
Action = Callable[[Forward, bytes], Reply | None]


@dataclass(frozen=True, slots=True)
class Trap:
    """One fault in store, for the `nth` request from now that is `step`."""

    kind: str
    step: str
    nth: int
    action: Action


def refused(status: int) -> Action:
    """The whole request turned down, as by a node under load (429) or one that is starting (503)."""
    reason = {429: "rejected_execution_exception", 503: "cluster_block_exception"}[status]
    body = json.dumps({"error": {"type": reason, "reason": "injected", "root_cause": []}, "status": status}).encode()
    return lambda _forward, _body: Reply(status, body)


def refused_items(status: int, every: int = 2) -> Action:
    """A bulk of which every n-th document is turned down because of load, and the others are written."""

    def act(forward: Forward, body: bytes) -> Reply:
        lines = body.splitlines(keepends=True)
        pairs = [b"".join(lines[n : n + 2]) for n in range(0, len(lines), 2)]
        passed = [pair for number, pair in enumerate(pairs) if number % every]
        told: list[Any] = []  # OpenSearch's own JSON
        if passed:
            answer = forward(b"".join(passed))
            if answer.status != 200:
                return answer
            told = json.loads(answer.body)["items"]
        refusal = {"status": status, "error": {"type": "rejected_execution_exception", "reason": "injected"}}
        asked = [next(iter(json.loads(line))) for line in lines[::2]]
        items = [told.pop(0) if number % every else {action: refusal} for number, action in enumerate(asked)]
        return Reply(200, json.dumps({"took": 1, "errors": True, "items": items}).encode())

    return act


def reset(_forward: Forward, _body: bytes) -> None:
    """The connection is reset before OpenSearch hears of the request."""


def lost(forward: Forward, body: bytes) -> None:
    """OpenSearch does what it was asked, and the answer is lost."""
    forward(body)


class Proxy:
    """See the module. `fired` hears of each trap as it closes; requests that meet none pass unchanged."""

    def __init__(self, upstream: int, fired: Callable[[Trap], None]) -> None:
        self.upstream = upstream
        self.fired = fired
        self.traps: list[Trap] = []
        self.url = ""
        self._lock = threading.Lock()
        self._seen: dict[str, int] = {}

    def arm(self, *traps: Trap) -> None:
        """Sets traps, counted from now on."""
        with self._lock:
            self._seen = {}
            self.traps = list(traps)

    def action(self, name: str) -> Action:
        """What is done with this request, which is the next one of its step."""
        with self._lock:
            self._seen[name] = self._seen.get(name, 0) + 1
            found = next((t for t in self.traps if t.step in {name, "any"} and t.nth <= self._count(t.step)), None)
            if found is None:
                return lambda forward, body: forward(body)
            self.traps.remove(found)
        self.fired(found)
        return found.action

    def _count(self, name: str) -> int:
        return sum(self._seen.values()) if name == "any" else self._seen.get(name, 0)


@contextmanager
def proxying(upstream: int, fired: Callable[[Trap], None]) -> Iterator[Proxy]:
    """A proxy before the OpenSearch on this port of the loopback, for as long as the block runs."""
    proxy = Proxy(upstream, fired)
    server = _Server(proxy)
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, proxy: Proxy) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.proxy = proxy

    def handle_error(self, *_: object) -> None:
        """Says nothing: an indexer that was killed is no error of ours."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def answer(self) -> None:
        """One request, through whatever trap it meets."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            reply = self.server.proxy.action(step(self.command, self.path))(self._forward, body)
        except (OSError, HTTPException):
            reply = None  # OpenSearch is away: so are we.
        with suppress(OSError):
            self._reset() if reply is None else self._send(reply)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = answer  # noqa: N815 http.server's names

    def _forward(self, body: bytes) -> Reply:
        upstream = HTTPConnection("127.0.0.1", self.server.proxy.upstream, timeout=60)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in {"host", "content-length", "connection"}}
            upstream.request(self.command, self.path, body or None, headers)
            answer = upstream.getresponse()
            told = answer.read()
            return Reply(answer.status, told, {"Content-Type": answer.getheader("Content-Type") or "application/json"})
        finally:
            upstream.close()

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    def _reset(self) -> None:
        """Ends the connection with a reset (RST), not with a polite goodbye."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def log_message(self, *_: object) -> None:
        """Says nothing."""

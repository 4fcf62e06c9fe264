"""Stand-in ERPs for the benchmarks: pages of leaflets after a fixed latency, in a process of their own.

python -m bench.erps PORT LATENCY_MS [PORT LATENCY_MS]...
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from demo.catalogue import DemoLeaflet, catalogue

PAGES = 20
PER_PAGE = 2
IN_FLIGHT = 8


class Erp(ThreadingHTTPServer):
    """Answers `/leaflets?page=N` after `latency` seconds; a request beyond IN_FLIGHT at a time is refused with 429."""

    daemon_threads = True
    # 40 connections may come at once.
    request_queue_size = 64

    def __init__(self, port: int, latency: float) -> None:
        super().__init__(("127.0.0.1", port), _Answer)
        self.latency = latency
        self.places = threading.BoundedSemaphore(IN_FLIGHT)
        texts = catalogue()
        self.bodies = [_page(port, number, texts) for number in range(1, PAGES + 2)]


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body are two writes: without this the second waits 40 ms for the other side's delayed acknowledgement.
    disable_nagle_algorithm = True
    server: Erp

    def do_GET(self) -> None:  # http.server's name
        if not self.server.places.acquire(blocking=False):
            self._send(429, b"{}")
            return
        try:
            time.sleep(self.server.latency)
            page = int(parse_qs(urlsplit(self.path).query)["page"][0])
            body = self.server.bodies[min(page, PAGES + 1) - 1]
        finally:
            self.server.places.release()
        self._send(200, body)

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def _page(port: int, number: int, texts: Sequence[DemoLeaflet]) -> bytes:
    items = (
        [_item(f"{port}-{n}", texts[n % len(texts)]) for n in range((number - 1) * PER_PAGE, number * PER_PAGE)] if number <= PAGES else []
    )
    return json.dumps({"items": items, "hasNext": number < PAGES}, ensure_ascii=False).encode()


def _item(code: str, leaflet: DemoLeaflet) -> dict[str, object]:
    return {
        "code": code,
        "name": leaflet.name,
        "substances": list(leaflet.active_ingredients),
        "maker": leaflet.laboratory,
        "registration": leaflet.registration,
        "ean": leaflet.eans[0],
        "audience": leaflet.audience,
        "modified": leaflet.updated_at.isoformat(),
        "text": leaflet.text,
    }


def main() -> None:
    """Serves until it is killed."""
    numbers = [int(argument) for argument in sys.argv[1:]]
    for port, latency in zip(numbers[::2], numbers[1::2], strict=True):
        threading.Thread(target=Erp(port, latency / 1000).serve_forever, daemon=True).start()
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()

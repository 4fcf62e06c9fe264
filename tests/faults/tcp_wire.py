"""A wire that can be cut, go silent or be slow: a TCP proxy before a real server."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


class Wire:
    """Passes bytes on to a server. `silent`: they stop in between; `delay` seconds each way to the server; `counts` what goes by."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = (str(parts.hostname), int(parts.port or 0))
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._port = self._listening.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._seen = bytearray()
        self._flowing = threading.Event()
        self._flowing.set()
        self.delay = 0.0
        self.url = url.replace(f":{parts.port}", f":{self._port}")
        threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()

    def silence(self) -> None:
        """From now on nothing passes, and nobody is told."""
        self._flowing.clear()

    def cut(self) -> None:
        """Ends every connection and takes no new one."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for one in list(self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Passes bytes again, after a silence or a cut."""
        if self._listening.fileno() < 0:
            self._listening = socket.create_server(("127.0.0.1", self._port), backlog=128)
            threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()
        self._flowing.set()

    def counted(self, words: bytes) -> int:
        """How often these bytes went to the server."""
        return bytes(self._seen).count(words)

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._server)
            except OSError:
                client.close()
                continue
            self._open |= {client, server}
            for one, other, there in ((client, server, True), (server, client, False)):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._pass, args=(one, other), kwargs={"there": there}, daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket, *, there: bool) -> None:
        with suppress(OSError):
            while told := one.recv(1 << 16):
                self._flowing.wait()
                if there:
                    self._seen += told
                    time.sleep(self.delay)
                other.sendall(told)
        for end in (one, other):
            self._open.discard(end)
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextmanager
def wire(url: str) -> Iterator[Wire]:
    """A wire to the server of this URL, cut at the end of the block."""
    made = Wire(url)
    try:
        yield made
    finally:
        made.mend()
        made.cut()

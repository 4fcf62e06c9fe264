"""Clients that cost little themselves: prepared bytes over kept connections, in processes of their own."""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: its status, 0 where none came; its header lines and body; how long it took, in seconds."""

    status: int
    head: bytes
    body: bytes
    seconds: float


@dataclass(slots=True)
class Tally:
    """What clients met: seconds of each answer, and how many of each status."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Counts in what other clients met."""
        self.seconds += other.seconds
        self.statuses += other.statuses


class Client:
    """One client; connects again after a connection was closed."""

    def __init__(self, port: int, timeout: float = 30.0) -> None:
        self._port = port
        self._timeout = timeout
        self._socket: socket.socket | None = None

    def ask(self, target: str) -> Answer:
        """The answer to GET target."""
        began = time.perf_counter()
        request = f"GET {target} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()
        kept = self._socket is not None
        try:
            try:
                head, body = self._exchanged(request)
            except ConnectionResetError:
                # A server may close a connection that is not used; every client asks again then, over a new one (RFC 9110, 9.2.2).
                self.close()
                if not kept:
                    raise
                head, body = self._exchanged(request)
        except OSError:
            self.close()
            return Answer(0, b"", b"", time.perf_counter() - began)
        return Answer(int(head[9:12]), head, body, time.perf_counter() - began)

    def close(self) -> None:
        """Drops the connection."""
        if self._socket:
            self._socket.close()
        self._socket = None

    def _exchanged(self, request: bytes) -> tuple[bytes, bytes]:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), self._timeout)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._socket.sendall(request)
        except BrokenPipeError:
            raise ConnectionResetError from None
        told = self._received(self._socket)
        while b"\r\n\r\n" not in told:
            told += self._received(self._socket)
        head, _, body = told.partition(b"\r\n\r\n")
        length = int(next(line[15:] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")))
        while len(body) < length:
            body += self._received(self._socket)
        if b"connection: close" in head.lower():
            self.close()
        return head, body

    @staticmethod
    def _received(connection: socket.socket) -> bytes:
        told = connection.recv(1 << 18)
        if not told:
            raise ConnectionResetError
        return told


def search(question: str) -> str:
    """The address of a search."""
    return f"/v1/search?q={quote(question)}"


def load(port: int, targets: Sequence[str], *, clients: int, seconds: float, processes: int = 2) -> Tally:
    """What so many clients meet who ask one after another, as fast as they are answered."""
    tally = Tally()
    with ProcessPoolExecutor(processes) as pool:
        each = clients // processes
        for met in [pool.submit(_asked, port, [*targets[n:], *targets[:n]], each, seconds) for n in range(processes)]:
            tally.add(met.result())
    return tally


def _asked(port: int, targets: Sequence[str], clients: int, seconds: float) -> Tally:
    """What the clients of one process meet: each in a thread."""
    from threading import Thread  # noqa: PLC0415 - only in the child

    tally = Tally()
    until = time.monotonic() + seconds

    def go_on(number: int) -> None:
        client = Client(port)
        for target in _from(number, targets):
            if time.monotonic() > until:
                return
            answer = client.ask(target)
            tally.seconds.append(answer.seconds)
            tally.statuses[answer.status] += 1

    threads = [Thread(target=go_on, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tally


def _from(number: int, targets: Sequence[str]) -> Iterator[str]:
    return cycle([*targets[number:], *targets[:number]])

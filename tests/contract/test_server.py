"""What the server itself says, before a request is the application's: problem+json too, and no question in its log."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from opensearch.process import free_port
from searchapi.params import LONGEST_ADDRESS

SEARCHAPI = Path(sys.executable).with_name("searchapi")
SECRET = "segredo-da-paciente"


@dataclass(frozen=True, slots=True)
class Served:
    """A searchapi without an OpenSearch, and what it says in its log."""

    port: int
    said: Path

    def ask(self, request: bytes) -> bytes:
        """Everything that is answered to these bytes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The console script, as operators start it."""
    folder = tmp_path_factory.mktemp("served")
    port, nobody = free_port(), free_port()
    environ = {"PATH": os.environ["PATH"], "PORT": str(port), "LOG_LEVEL": "DEBUG", "LOG_FORMAT": "json"}
    environ |= {"OPENSEARCH_URL": f"http://127.0.0.1:{nobody}", "REDIS_URL": f"redis://127.0.0.1:{nobody}/0"}
    if "PYTHONPATH" in os.environ:
        environ["PYTHONPATH"] = os.environ["PYTHONPATH"]
    said = folder / "said.txt"
    with said.open("w") as log, subprocess.Popen([SEARCHAPI], cwd=folder, env=environ, stdout=log, stderr=subprocess.STDOUT) as process:
        until = time.monotonic() + 60
        while True:
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < until, "searchapi never listened"
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                time.sleep(0.1)
            else:
                break
        yield Served(port, said)
        process.terminate()


def get(target: str, *headers: str, method: str = "GET", version: str = "HTTP/1.1") -> bytes:
    """A request as it travels."""
    lines = [f"{method} {target} {version}", "Host: localhost", "Connection: close", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


ODD = [
    (get(f"/v1/search?q={SECRET}{'x' * LONGEST_ADDRESS}"), 414),
    (get(f"/v1/search?q={SECRET}", f"X-Long: {'x' * 20_000}"), 431),
    (get(f"/v1/search?q={SECRET}", *(f"X-{number}: x" for number in range(200))), 431),
    (get(f"/v1/search?q={SECRET}", version="HTTP/9.7"), 400),
    (get(f"/v1/search?q={SECRET}", "no header"), 400),
    (f"{SECRET}\r\n\r\n".encode(), 400),
    (get(f"/v1/search?q={SECRET}", "Transfer-Encoding: odd"), 501),
    (get(f"/v1/search?q={SECRET}", "Content-Length: many"), 400),
]


@pytest.mark.parametrize(("request_", "status"), ODD, ids=[str(number) for number in range(len(ODD))])
def test_what_cannot_be_read_is_a_problem_and_in_no_log(served: Served, request_: bytes, status: int) -> None:
    """gunicorn's own answers are HTML, and its log has the line that it could not read."""
    head, _, body = served.ask(request_).partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"Content-Type: application/problem+json" in head
    assert json.loads(body)["status"] == status
    assert SECRET not in body.decode()
    assert SECRET not in served.said.read_text()


def test_the_longest_address_that_can_be_asked_is_read(served: Served) -> None:
    """What is wrong with it is said by its parameter's name."""
    start = "/v1/suggest?q="
    target = start + "x" * (LONGEST_ADDRESS - len(start) - len("GET  HTTP/1.1\r\n"))
    head, _, body = served.ask(get(target)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["parameter"] == "q"


def test_an_answer_has_one_date(served: Served) -> None:
    """The server's."""
    head, _, _ = served.ask(get("/openapi.json")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert head.count(b"\r\nDate: ") == 1

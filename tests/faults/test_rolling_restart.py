"""A new program under load: the real gunicorn, told to reload while clients ask."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from opensearchpy import OpenSearch

from bench.clients import Client, search
from indexer.write import Batch
from opensearch.generations import Indices, prepare
from opensearch.process import free_port
from opensearch.synonyms import synonyms
from tests.conftest import stores_of
from tests.search.test_ranking import Product

SEARCHAPI = Path(sys.executable).with_name("searchapi")
QUESTIONS = [f"losartana {word}" for word in ("", "dose", "gravidez", "rim", "criança", "idoso", "preço", "bula")]


@pytest.fixture
def one_leaflet(client: OpenSearch, production: Indices) -> None:
    """A leaflet where the command reads."""
    prepare(client, production, synonyms())
    stores_of(client, production).writer.write(Batch("erp", (Product("001").leaflet(),)))
    client.indices.refresh(index=production.alias)


@contextmanager
def serving(port: int, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    """searchapi with two workers, from when it is ready."""
    given = {**os.environ, "PORT": str(port), "WORKERS": "2", "ANSWER_WITHIN": "30s", **environ}
    with subprocess.Popen([SEARCHAPI], env=given) as process:
        try:
            until = time.monotonic() + 60
            while Client(port).ask("/readyz").status != 200:
                assert time.monotonic() < until, "searchapi is not ready"
                time.sleep(0.1)
            yield process
        finally:
            process.terminate()
            process.wait(60)


def workers(process: subprocess.Popen[Any]) -> set[int]:  # with text or without
    """The processes that answer now."""
    return {child.pid for child in psutil.Process(process.pid).children()}


@pytest.mark.usefixtures("one_leaflet")
def test_a_reload_under_load_fails_no_request(opensearch_url: str, redis_url: str) -> None:
    """Three times all workers are replaced while eight clients ask; each answer comes, and comes whole."""
    port, over = free_port(), threading.Event()
    failed: list[int] = []
    answered: list[int] = []

    def go_on(number: int) -> None:
        client = Client(port)
        while not over.is_set():
            answer = client.ask(search(QUESTIONS[number % len(QUESTIONS)]))
            (answered if answer.status == 200 and answer.body.endswith(b"}") else failed).append(answer.status)

    with serving(port, OPENSEARCH_URL=opensearch_url, REDIS_URL=redis_url) as process:
        clients = [threading.Thread(target=go_on, args=(number,)) for number in range(8)]
        for client in clients:
            client.start()
        try:
            for _ in range(3):
                before, asked = workers(process), len(answered)
                process.send_signal(signal.SIGHUP)
                until = time.monotonic() + 60
                while workers(process) & before or len(workers(process)) < 2 or len(answered) < asked + 50:
                    assert time.monotonic() < until, "the workers were not replaced"
                    time.sleep(0.1)
        finally:
            over.set()
            for client in clients:
                client.join()
    assert not failed
    assert len(answered) > 150

"""The servers that tests meet: a real OpenSearch and a real Redis, started once a run. Each test has an alias and a prefix of its own."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Here and not when a test first asks for it: CPython 3.11 counts the depth of its parser for all threads together, and pytest parses what
# it imports while the desk's threads parse too ("AST constructor recursion depth mismatch", python/cpython#106905, mended in 3.11.9).
import hypothesis
import pytest
from flask import Flask
from opensearchpy import OpenSearch
from werkzeug.serving import make_server

from demo import erps
from indexer.cursors import Cursors
from indexer.patience import Patience
from indexer.pull import Outcome, Stores, sync
from indexer.readers import Readers
from indexer.rejected import RejectedLeaflets
from indexer.sources.config import configured
from indexer.write import Writer
from opensearch.client import connect
from opensearch.generations import Indices, prepare
from opensearch.process import free_port
from opensearch.settings import read
from opensearch.synonyms import synonyms
from searchapi.app import create_app
from searchapi.redis_server import redis_server
from searchapi.settings import Settings
from tests.engines import IN_DOCKER, OPENSEARCH_PORT, REDIS_PORT, container, node
from tests.promised import Promised
from tests.sources import trytons
from tests.sources.trytons import Trytond

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"

# Timings are not asserted, nor are hypothesis's own: the first example of a test may be the one that loads a dictionary.
hypothesis.settings.register_profile("ours", deadline=None)
hypothesis.settings.load_profile("ours")


@pytest.fixture(scope="session")
def opensearch_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real OpenSearch for the whole run."""
    if IN_DOCKER:
        with container("opensearch", OPENSEARCH_PORT) as place:
            yield f"http://{place}"
        return
    with node(tmp_path_factory.mktemp("opensearch"), free_port()) as server:
        yield server.url


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Redis for the whole run."""
    if IN_DOCKER:
        with container("redis", REDIS_PORT) as place:
            yield f"redis://{place}/0"
        return
    with redis_server(tmp_path_factory.mktemp("redis"), free_port()) as server:
        yield server.url


@pytest.fixture(scope="session")
def tryton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trytond]:
    """A real Tryton for the whole run."""
    with trytons.running(trytons.TRYTON, tmp_path_factory.mktemp("tryton")) as server:
        yield server


@pytest.fixture(scope="session")
def gnu_health(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trytond]:
    """A real GNU Health with the essential medicines of the WHO."""
    with trytons.running(trytons.GNU_HEALTH, tmp_path_factory.mktemp("gnuhealth")) as server:
        yield server


@pytest.fixture(scope="session")
def client(opensearch_url: str) -> OpenSearch:
    """A client of the run's OpenSearch."""
    return connect(opensearch_url)


@pytest.fixture(scope="session")
def readers() -> Iterator[Readers]:
    """One pool of PDF readers for the whole run."""
    with Readers() as reader:
        yield reader


@pytest.fixture
def indices(client: OpenSearch) -> Iterator[Indices]:
    """An empty installation of the test's own, removed afterwards."""
    own = Indices(f"test-{uuid.uuid4().hex[:12]}")
    prepare(client, own, synonyms())
    yield own
    remove(client, own)


@pytest.fixture
def stores(client: OpenSearch, indices: Indices) -> Stores:
    """Where the test's pulls put what they settle."""
    return stores_of(client, indices)


def stores_of(client: OpenSearch, indices: Indices) -> Stores:
    """Where pulls into this installation put what they settle."""
    writer = Writer(client, indices, patience=Patience(2.0))
    return Stores(writer, Cursors(client, indices), RejectedLeaflets(client, indices))


def remove(client: OpenSearch, indices: Indices) -> None:
    """Deletes an installation's indices."""
    client.indices.delete(index=f"{indices.alias}-*")


def app_of(opensearch_url: str, redis_url: str, indices: Indices, **more: str) -> Flask:
    """A searchapi over this installation, with cache keys of its own; `more` is what else its environment holds.

    Its clients hold each answer to /openapi.json.
    """
    # A node that has just started answers slowly, and so does a busy machine: what is late is the business of tests about that alone.
    environ = {"OPENSEARCH_URL": opensearch_url, "REDIS_URL": redis_url, "ANSWER_WITHIN": "30s", **more}
    app = create_app(read(Settings, environ), indices=indices, cache_prefix=indices.alias)
    app.test_client_class = Promised
    return app


@dataclass(frozen=True, slots=True)
class Demo:
    """The demonstration, synced once: its installation, its app and how its sync went."""

    indices: Indices
    app: Flask
    outcomes: tuple[Outcome, ...]


@pytest.fixture(scope="session")
def demo(
    client: OpenSearch, opensearch_url: str, redis_url: str, readers: Readers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Demo]:
    """The demonstration's leaflets, pulled from its stand-in ERPs as `make demo` pulls them, but without their slowness."""
    home = tmp_path_factory.mktemp("demo")
    ports = {name: free_port() for name in erps.PORTS}
    erps.furnish(home)
    file = home / "sources.toml"
    told = file.read_text()
    for name, port in erps.PORTS.items():
        told = told.replace(str(port), str(ports[name]))
    file.write_text(told)
    stop = erps.serve(ports, dict.fromkeys(ports, 0.0))
    indices = Indices(f"demo-{uuid.uuid4().hex[:12]}")
    prepare(client, indices, synonyms())
    outcomes = sync(configured(file, {**os.environ, **erps.SECRETS}), stores_of(client, indices), readers)
    # The cursors too: what is not searchable yet would change the answers' freshness, and so their ETags, a second later.
    client.indices.refresh(index=f"{indices.alias},{indices.cursors}")
    yield Demo(indices, app_of(opensearch_url, redis_url, indices), outcomes)
    stop()
    remove(client, indices)


@pytest.fixture(scope="session")
def desk_url(demo: Demo) -> Iterator[str]:
    """The demonstration's desk, served over HTTP."""
    server = make_server("127.0.0.1", free_port(), demo.app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()

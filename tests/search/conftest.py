"""The real leaflets, indexed once a run, and every judged question asked once of both indices; the table is printed at the run's end."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from opensearchpy import OpenSearch

from indexer.readers import Readers
from opensearch.generations import Indices
from tests.conftest import DATA, Demo, app_of, remove
from tests.search.asked import ours, plain
from tests.search.corpus import index_real
from tests.search.judgements import Corpus, Document, demo_documents, demo_files, questions, real_documents
from tests.search.plain import PlainIndex
from tests.search.relevance import Measured, scored
from tests.search.table import misses, table

_TABLE = pytest.StashKey[str]()
# What a worker of pytest-xdist tells the run that it is of, by this name.
_OUTPUT = "relevance"


@dataclass(frozen=True, slots=True)
class RealLeaflets:
    """The real leaflets, synced once, and a searchapi over them."""

    indices: Indices
    app: Flask


@pytest.fixture(scope="session")
def real_leaflets(client: OpenSearch, opensearch_url: str, redis_url: str, readers: Readers) -> Iterator[RealLeaflets]:
    """811 leaflets with the names that an ERP would hold; skips where ../shared/data is not there."""
    if not DATA.exists():
        pytest.skip("the real leaflets (../shared/data) are not here")
    indices = Indices(f"real-{uuid.uuid4().hex[:12]}")
    index_real(client, indices, readers)
    yield RealLeaflets(indices, app_of(opensearch_url, redis_url, indices))
    remove(client, indices)


@pytest.fixture(scope="session")
def measured(client: OpenSearch, demo: Demo, request: pytest.FixtureRequest) -> tuple[Measured, ...]:
    """Every judged question, answered by ours and by a plain index over the same leaflets; without ../shared/data, those of the demo."""
    files = demo_files()

    def demo_leaflet(id_: str) -> str:
        source, source_id, _ = id_.split(":")
        return files[source, source_id]

    told = _measured(client, "demo", demo.app, demo_leaflet, demo_documents())
    if DATA.exists():
        real: RealLeaflets = request.getfixturevalue("real_leaflets")
        told += _measured(client, "real", real.app, lambda id_: id_.split(":")[1], real_documents())
    lines = f"{table(told)}\n\n{misses(told)}"
    request.config.stash[_TABLE] = lines
    getattr(request.config, "workeroutput", {})[_OUTPUT] = lines
    return told


def _measured(
    client: OpenSearch, corpus: Corpus, app: Flask, leaflet: Callable[[str], str], documents: dict[str, Document]
) -> tuple[Measured, ...]:
    asked = questions(corpus, documents)
    desk = app.test_client()
    shown = [ours(desk, leaflet, question) for question in asked]
    index = PlainIndex(client, f"plain-{uuid.uuid4().hex[:12]}", documents.values())
    beside = [plain(index, question) for question in asked]
    index.remove()
    scores = zip(
        asked, shown, scored(zip(asked, shown, strict=True), documents), scored(zip(asked, beside, strict=True), documents), strict=True
    )
    return tuple(Measured(*one) for one in scores)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:  # pytest-xdist ships no types
    """Where a worker has measured, its table is the run's."""
    if lines := getattr(node, "workeroutput", {}).get(_OUTPUT):
        node.config.stash[_TABLE] = lines


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The table, whether anything failed or not."""
    if _TABLE in config.stash:
        terminalreporter.write_line(config.stash[_TABLE])

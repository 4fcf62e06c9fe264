"""From the oldest supported OpenSearch to the newest over the same data, as docs/operations.md says it, and why there is no way back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch

from indexer.readers import Readers
from indexer.reindex import Reindexing
from opensearch.client import connect
from opensearch.generations import Indices, prepare
from opensearch.jars import Version
from opensearch.node import node
from opensearch.process import NotStarted, free_port
from opensearch.synonyms import synonyms
from tests.conftest import app_of, stores_of
from tests.faults.test_sync import Erp, held, one, record

QUESTION = {"q": "remedio 002 posologia"}


def answer(url: str, redis_url: str, indices: Indices) -> Any:
    """What the desk gets for the question, but for how fresh it is."""
    app = app_of(url, redis_url, indices)
    told = app.test_client().get("/v1/search", query_string=QUESTION)
    app.extensions["desk"].state.stop()
    assert told.status_code == 200
    return {name: value for name, value in told.get_json().items() if name != "freshness"}


def number(client: OpenSearch) -> str:
    """Which release runs."""
    return str(client.info()["version"]["number"])


# Three nodes are started, one after the other, and each may take a minute on a busy machine.
@pytest.mark.timeout(400)
def test_an_index_of_the_oldest_version_goes_on_under_the_newest(tmp_path: Path, redis_url: str, readers: Readers) -> None:
    """The same answers, a sync that writes what changed and nothing else, a reindex and its rollback; no leaflet is pulled again."""
    home, indices, erp = tmp_path / "home", Indices(), Erp(*(record(f"{n:03}") for n in range(6)))
    with node(home, free_port(), version=Version.OLDEST) as old:
        client = connect(old.url)
        assert number(client) == Version.OLDEST.release
        prepare(client, indices, synonyms())
        assert one(tmp_path, erp, stores_of(client, indices), readers).counts.written == 6
        before = answer(old.url, redis_url, indices)
    assert before["total"] == 1
    with node(home, free_port(), version=Version.NEWEST) as new:
        client = connect(new.url)
        assert number(client) == Version.NEWEST.release
        prepare(client, indices, synonyms())
        assert answer(new.url, redis_url, indices) == before
        stores = stores_of(client, indices)
        erp.records[3] = record("003", more="Depois da troca.", modified="2026-11-02T00:00:00Z")
        changed = one(tmp_path, erp, stores, readers)
        assert (changed.outcome, changed.counts.written) == ("done", 1)
        reindexing = Reindexing(client, indices, synonyms(), readers)
        assert reindexing.reindex().leaflets == 6
        reindexing.rollback()
        client.indices.refresh(index=indices.alias)
        assert "Depois da troca." in held(client, indices)["erp:003:patient"]
        assert answer(new.url, redis_url, indices) == before
    told = rf"a newer one has written the data in {home}/opensearch; set OPENSEARCH_VERSION to that one's, or BULARIO_HOME"
    with pytest.raises(NotStarted, match=told), node(home, free_port(), version=Version.OLDEST):
        pass


def test_the_manual_names_both_versions() -> None:
    """And the release of each that is tested."""
    manual = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    assert all(version.release in manual for version in Version)

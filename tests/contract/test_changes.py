"""What changed in a leaflet: superseded versions are kept, told by section, and bounded."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from opensearchpy import OpenSearch

from indexer.pull import Stores
from indexer.readers import Readers
from opensearch.generations import Indices
from opensearch.history import MOST, History
from tests.conftest import app_of
from tests.contract.test_api import body
from tests.faults.test_sync import Erp, one, record

LEAFLET = "erp:001:patient"
ADDRESS = f"/v1/leaflets/{LEAFLET}/changes"


@pytest.fixture
def erp() -> Erp:
    """An ERP of two leaflets."""
    return Erp(record("001", more="Um por dia."), record("002"))


@pytest.fixture
def desk(client: OpenSearch, opensearch_url: str, redis_url: str, indices: Indices) -> FlaskClient:
    """A searchapi over the test's installation."""
    assert client.ping()
    return app_of(opensearch_url, redis_url, indices).test_client()


@pytest.fixture
def history(client: OpenSearch, indices: Indices) -> History:
    """The test's superseded versions."""
    return History(client, indices)


def edit(folder: Path, erp: Erp, stores: Stores, readers: Readers, record_: dict[str, Any]) -> None:
    """The ERP's first leaflet changes, and is synced."""
    erp.records[0] = record_
    assert one(folder, erp, stores, readers).outcome == "done"
    stores.writer.client.indices.refresh(index=stores.writer.indices.history)


@pytest.mark.engines
def test_an_edit_is_told_by_section_with_the_differing_words_marked(
    tmp_path: Path, erp: Erp, stores: Stores, readers: Readers, desk: FlaskClient
) -> None:
    """Newest first; only what changed, and each edit against the version before it."""
    one(tmp_path, erp, stores, readers)
    assert body(desk.get(ADDRESS))["changes"] == []
    edit(tmp_path, erp, stores, readers, record("001", more="Dois por dia.", modified="2026-11-02T00:00:00Z"))
    edit(tmp_path, erp, stores, readers, record("001", more="Dois por dia.", modified="2026-11-03T00:00:00Z", maker="Outro Lab"))
    told = body(desk.get(ADDRESS))
    assert (told["id"], told["known_since"]) == (LEAFLET, "2026-11-01T00:00:00.000Z")
    newest, oldest = told["changes"]
    assert newest["facts"] == [{"fact": "laboratory", "before": "Lab", "after": "Outro Lab"}]
    assert newest["sections"] == []
    assert (oldest["before_updated_at"], oldest["updated_at"]) == ("2026-11-01T00:00:00.000Z", "2026-11-02T00:00:00.000Z")
    (posology,) = oldest["sections"]
    assert (posology["section"], posology["title"]) == ("posology", "6. COMO DEVO USAR ESTE MEDICAMENTO?")
    assert "<mark>Um</mark> por dia" in posology["before"]
    assert "<mark>Dois</mark> por dia" in posology["after"]


def test_markup_in_what_a_leaflet_told_is_text(tmp_path: Path, erp: Erp, stores: Stores, readers: Readers, desk: FlaskClient) -> None:
    """As everywhere: only our own marks are markup."""
    erp.records[0] = record("001", more="Dose <script>alert(1)</script> menor que 5 mg.")
    one(tmp_path, erp, stores, readers)
    edit(tmp_path, erp, stores, readers, record("001", more="Dose <b>maior</b>.", modified="2026-11-02T00:00:00Z"))
    (posology,) = body(desk.get(ADDRESS))["changes"][0]["sections"]
    for html in (posology["before"], posology["after"]):
        assert "<" not in html.replace("<mark>", "").replace("</mark>", "")


def test_an_unchanged_answer_is_304_and_an_edit_is_not(
    tmp_path: Path, erp: Erp, stores: Stores, readers: Readers, desk: FlaskClient
) -> None:
    """The ETag is of the whole answer."""
    one(tmp_path, erp, stores, readers)
    tag = {"If-None-Match": desk.get(ADDRESS).headers["ETag"]}
    assert desk.get(ADDRESS, headers=tag).status_code == 304
    edit(tmp_path, erp, stores, readers, record("001", more="Mudou.", modified="2026-11-02T00:00:00Z"))
    assert desk.get(ADDRESS, headers=tag).status_code == 200


@pytest.mark.engines
def test_what_was_withdrawn_is_shown_to_nobody_and_is_there_again_when_it_returns(
    tmp_path: Path, erp: Erp, stores: Stores, readers: Readers, desk: FlaskClient
) -> None:
    """404 for the leaflet and for what it told before; put back with other words, what changed is known."""
    one(tmp_path, erp, stores, readers)
    edit(tmp_path, erp, stores, readers, record("001", more="Um por dia.", modified="2026-11-02T00:00:00Z") | {"gone": True})
    response = desk.get(ADDRESS)
    assert response.status_code == 404
    assert "withdrawn" in body(response)["detail"]
    assert desk.get(f"/leaflets/{LEAFLET}/changes").status_code == 404
    edit(tmp_path, erp, stores, readers, record("001", more="Três por dia.", modified="2026-11-03T00:00:00Z"))
    (change,) = body(desk.get(ADDRESS))["changes"]
    assert "<mark>Um</mark>" in change["sections"][0]["before"]


def test_a_leaflet_or_a_parameter_that_is_not_there_is_told(desk: FlaskClient) -> None:
    """As of every other address."""
    assert body(desk.get("/v1/leaflets/erp:nada:patient/changes"))["status"] == 404
    response = desk.get(f"{ADDRESS}?since=1")
    assert (response.status_code, body(response)["parameter"]) == (400, "since")


@pytest.mark.engines
def test_history_is_bounded_by_number_and_by_age(
    tmp_path: Path, erp: Erp, stores: Stores, readers: Readers, history: History, desk: FlaskClient
) -> None:
    """The newest MOST stay, and those superseded longer ago than HISTORY_KEPT go."""
    one(tmp_path, erp, stores, readers)
    for number in range(1, MOST + 3):
        edit(tmp_path, erp, stores, readers, record("001", more=f"Dose {number}.", modified=f"2026-11-02T00:{number:02}:00Z"))
    assert len(body(desk.get(ADDRESS))["changes"]) == MOST
    assert history.purge(timedelta(days=1)) == 2
    history.client.indices.refresh(index=history.indices.history)
    kept = history.of(LEAFLET)
    assert len(kept) == MOST
    assert [one.number for one in kept] == sorted((one.number for one in kept), reverse=True)
    assert history.purge(timedelta()) == MOST
    assert history.of(LEAFLET) == ()


def test_a_version_is_kept_once_however_often_it_is_about_to_be_replaced(
    tmp_path: Path, erp: Erp, stores: Stores, readers: Readers, history: History, desk: FlaskClient
) -> None:
    """A batch is tried again; a version that stands after all is no change."""
    one(tmp_path, erp, stores, readers)
    for _ in range(2):
        history.keep([LEAFLET, "erp:nada:patient"])
    history.client.indices.refresh(index=history.indices.history)
    assert len(history.of(LEAFLET)) == 1
    assert body(desk.get(ADDRESS))["changes"] == []


def test_what_is_not_read_again_is_not_kept_again(tmp_path: Path, erp: Erp, stores: Stores, readers: Readers, history: History) -> None:
    """A run with nothing changed keeps nothing."""
    one(tmp_path, erp, stores, readers)
    one(tmp_path, erp, stores, readers, full=True)
    history.client.indices.refresh(index=history.indices.history)
    assert not history.changed(LEAFLET)

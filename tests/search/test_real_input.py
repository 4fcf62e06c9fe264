"""Real leaflets and PDFs through real sources: none lost, none rejected without a good reason, each found by its name.

The data (../shared/data) are not part of the project; without them these tests say so and everything else passes.
"""

from __future__ import annotations

import gzip
import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from opensearchpy import OpenSearch, helpers

from indexer.pull import Outcome, sync
from indexer.readers import Readers
from indexer.sources.config import configured
from leaflets.names import fold
from opensearch.generations import Indices, prepare
from opensearch.synonyms import synonyms
from tests.conftest import DATA, app_of, remove, stores_of
from tests.sources.standin import Reply, Request, serving, told

pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the real leaflets (../shared/data) are not here")

SOURCES = """
[sources.real]
type = "rest"
url = "{url}"
paging = {{ by = "offset", parameter = "start", size_parameter = "size", size = 50 }}
records = "items"
max_in_flight = 2
fields = {{ id = "id", name = "name", text = "text", text_type = "text/plain" }}

[sources.pdfs]
type = "folder"
path = "{folder}"
"""


@dataclass(frozen=True, slots=True)
class Real:
    """The real leaflets, synced once."""

    rows: dict[str, Any]
    app: Flask
    outcomes: dict[str, Outcome]
    rejected: dict[str, str]
    documents: dict[str, Any]


@pytest.fixture(scope="module")
def real(
    client: OpenSearch, opensearch_url: str, redis_url: str, readers: Readers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Real]:
    """834 leaflets through `rest` and 84 PDFs through `folder`, in one sync."""
    with gzip.open(DATA / "leaflets.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]

    def answer(request: Request) -> Reply:
        start, size = int(request.query["start"]), int(request.query["size"])
        items = [{"id": r["id"], "name": _name(r), "text": r["text"]} for r in rows[start : start + size]]
        return told({"items": items})

    folder = tmp_path_factory.mktemp("real")
    indices = Indices(f"real-{uuid.uuid4().hex[:8]}")
    prepare(client, indices, synonyms())
    stores = stores_of(client, indices)
    with serving(answer) as server:
        (folder / "sources.toml").write_text(SOURCES.format(url=server.url, folder=DATA / "pdf"))
        outcomes = {o.source: o for o in sync(configured(folder / "sources.toml", {}), stores, readers)}
    client.indices.refresh(index=indices.alias)
    documents = {hit["_id"]: hit["_source"] for hit in helpers.scan(client, index=indices.alias)}
    rejected = {one.id: one.reason for one in stores.rejected.all()}
    yield Real({r["id"]: r for r in rows}, app_of(opensearch_url, redis_url, indices), outcomes, rejected, documents)
    remove(client, indices)


def _name(row: Any) -> str:
    """What an ERP would call the product; empty where nobody wrote it down, and then the text says it."""
    return next((meta["name"] for meta in row["meta"] if meta["name"]), "")


def test_every_real_leaflet_is_indexed_or_rejected_with_a_reason(real: Real) -> None:
    """None lost between the ERP and the index."""
    assert {o.outcome for o in real.outcomes.values()} == {"done"}
    indexed = {document["source_id"] for document in real.documents.values() if document["source"] == "real"}
    rejected = {name.removeprefix("real:") for name in real.rejected if name.startswith("real:")}
    assert indexed | rejected == set(real.rows)
    assert not indexed & rejected
    print(f"{len(real.rows)} leaflets: {len(indexed)} indexed, {len(rejected)} rejected: {real.rejected}")
    assert len(rejected) <= 2


def test_every_real_pdf_is_indexed_or_rejected_with_a_reason(real: Real) -> None:
    """84 PDFs as laboratories published them."""
    files = {file.stem for file in (DATA / "pdf").glob("*.pdf")}
    indexed = {document["source_id"] for document in real.documents.values() if document["source"] == "pdfs"}
    rejected = {name.removeprefix("pdfs:") for name in real.rejected if name.startswith("pdfs:")}
    assert indexed | rejected == files
    print(f"{len(files)} PDFs: {len(indexed)} indexed, {len(rejected)} rejected: {real.rejected}")
    assert len(rejected) <= 1


NINE = {
    "indications", "mechanism", "contraindications", "warnings", "storage", "posology", "missed_dose", "adverse_reactions", "overdose"
}  # fmt: skip


def test_patient_leaflets_give_at_least_eight_of_their_nine_sections(real: Real) -> None:
    """At least 95 % of them."""
    patient = {i: set(d["sections"]) & NINE for i, d in real.documents.items() if d["audience"] == "patient"}
    short = {i: sorted(NINE - found) for i, found in patient.items() if len(found) < 8}
    share = 1 - len(short) / len(patient)
    print(f"{len(patient)} patient leaflets, {share:.1%} with at least eight of nine sections; short: {short}")
    assert share >= 0.95


def test_the_history_table_is_in_no_section(real: Real) -> None:
    """It quotes every section's title."""
    table = re.compile("dados da (submissao|peticao|notificacao)|dados submissao|historico de alterac")
    wrong = [i for i, d in real.documents.items() if any(table.search(fold(text)) for text in d["sections"].values())]
    assert not wrong
    assert sum(bool(d["history"]) for d in real.documents.values()) > 0.8 * len(real.documents)


@pytest.mark.parametrize(
    ("question", "substance"),
    [
        ("Losartana", "losartana"),
        ("AAS", "acetilsalicilico"),
        ("Rivotril", "clonazepam"),
        ("Novalgina", "dipirona"),
        ("glifage", "metformina"),
    ],
)
def test_well_known_names_find_their_leaflet_first(real: Real, question: str, substance: str) -> None:
    """Substance, abbreviation and brand."""
    results = real.app.test_client().get("/v1/search", query_string={"q": question}).get_json()["results"]
    assert results
    first = real.documents[results[0]["id"]]
    assert substance in fold(" ".join([first["name"], *first["active_ingredients"]]))

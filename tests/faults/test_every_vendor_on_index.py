"""Every vendor's ERP, pulled by the indexer into OpenSearch: at the end the index holds what the ERP does, and tells what none can read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fpdf import FPDF

from indexer.pull import Order, Stores, sync
from indexer.readers import Readers
from indexer.sources.base import Source
from tests.sources.standin import Request, StandIn
from tests.sources.vendors.every import EVERY
from tests.sources.vendors.vendor import TEXT, Vendor, by_number

LONG_AGO = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture(params=EVERY, ids=lambda kind: kind.__name__)
def erp(request: pytest.FixtureRequest) -> Vendor:
    """Each vendor's ERP in turn, with eight products."""
    erp: Vendor = request.param.made(request)
    for number in range(1, 9):
        erp.put(f"P{number:03}", f"vprimeira{number}x", at=LONG_AGO + timedelta(days=number))
    return erp


@pytest.fixture
def answering(erp: Vendor) -> Iterator[StandIn]:
    """The ERP, answering."""
    with erp.running() as stand_in:
        yield stand_in


def pdf(code: str, word: str) -> bytes:
    """The leaflet as a PDF."""
    page = FPDF()
    page.add_page()
    page.set_font("helvetica")
    page.multi_cell(0, text=TEXT.format(code=code, word=word).replace("\n", "\n\n"))
    return bytes(page.output())


def pulled(erp: Vendor, source: Source, stores: Stores, readers: Readers, *, full: bool = False) -> None:
    """A pull that ends well, at the latest when it is tried for the third time."""
    for _ in range(3):
        erp.a_minute_passes()
        (outcome,) = sync([source], stores, readers, Order(full=full, confirmed=True, probing=True))
        if outcome.outcome == "done":
            break
    else:
        pytest.fail(outcome.error)
    stores.writer.client.indices.refresh(index=f"{stores.writer.indices.alias}*")


def must_agree(erp: Vendor, stores: Stores) -> None:
    """The index holds each product's present word; what cannot be read is rejected, and stands as it was read last."""
    body = {"size": 100, "query": {"bool": {"must_not": {"term": {"withdrawn": True}}}}, "_source": ["source_id", "sections"]}
    hits = stores.writer.client.search(index=stores.writer.indices.alias, body=body)["hits"]["hits"]
    held = {hit["_source"]["source_id"]: " ".join(hit["_source"]["sections"].values()) for hit in hits}
    there = [product for product in by_number(erp.products) if not product.inactive]
    readable = {erp.source_id(p): p for p in there if p.audience == "VP"}
    broken = {erp.source_id(p) for p in there if p.audience != "VP"}
    assert set(held) | broken == set(readable) | broken
    for one, product in readable.items():
        word = f"vpdf{len(product.hung)}{product.code.lower()}x" if product.hung else product.word
        assert word in held[one], (one, word)
    assert {one.source_id for one in stores.rejected.all()} == broken


def test_the_index_holds_what_the_erp_holds(erp: Vendor, answering: StandIn, stores: Stores, readers: Readers, tmp_path: Path) -> None:
    """After a first pull; after edits, a withdrawal, a deletion, a broken record and a file, with faults; and when all is mended."""
    told = ['rates = ["10000/second"]', "timeout = 5", *(["attachments = true"] if erp.hangs else [])]
    source = erp.source(tmp_path, answering, "\n".join(told))
    pulled(erp, source, stores, readers)
    must_agree(erp, stores)

    erp.put("P002", "vsegundax")
    erp.put("P003", "vprimeira3x", inactive=erp.has_inactive)
    erp.put("P005", "vquebradax", audience="marciano")
    erp.put("P010", "vnovax")
    if erp.hangs:
        erp.hang("P006", "bula.pdf", pdf("P006", "vpdf1p006x"))
    start, gone = erp.asked, by_number(erp.products)[0].code

    def between(_: Request) -> None:
        if erp.asked == start + 2 and gone in erp.products:
            erp.delete(gone)
        if erp.has_sessions and erp.asked == start + 3:
            erp.expire()

    erp.between = between
    # A fault that it punishes is waited for by the minute; that has tests of its own.
    erp.faults = {} if erp.punishes else {start + 4: None}
    pulled(erp, source, stores, readers, full=True)
    erp.between, erp.faults = lambda _: None, {}
    pulled(erp, source, stores, readers, full=True)
    must_agree(erp, stores)

    erp.put("P003", "voutravezx")
    erp.put("P005", "vconsertadax")
    erp.put(gone, "vvoltoux")
    pulled(erp, source, stores, readers)
    must_agree(erp, stores)

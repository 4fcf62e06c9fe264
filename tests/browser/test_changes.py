"""What changed in a leaflet, on the page."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from werkzeug.serving import make_server

from indexer.pull import Stores
from indexer.readers import Readers
from opensearch.generations import Indices
from opensearch.process import free_port
from tests.browser.test_page import FAINT, PHONE
from tests.conftest import app_of
from tests.faults.test_sync import Erp, one, record


@pytest.fixture
def edited_desk(tmp_path: Path, stores: Stores, readers: Readers, opensearch_url: str, redis_url: str, indices: Indices) -> Iterator[str]:
    """A desk with a leaflet that was edited twice, and another that never was. Asked for before `page`, it ends after it."""
    erp = Erp(record("001", name="Exemplina", more="Adultos: 1 comprimido de 12 em 12 horas."), record("002", name="Outra"))
    one(tmp_path, erp, stores, readers)
    storage = "\n\n5. ONDE, COMO E POR QUANTO TEMPO POSSO GUARDAR ESTE MEDICAMENTO?\nGuarde abaixo de 30 °C."
    for more, day, maker in (
        ("Adultos: 1 comprimido de 8 em 8 horas, com água.", "02", "Lab"),
        (f"Adultos: 1 comprimido de 8 em 8 horas, com água.{storage}", "03", "Lab Novo"),
    ):
        erp.records[0] = record("001", name="Exemplina", more=more, modified=f"2026-11-{day}T12:00:00Z", maker=maker)
        one(tmp_path, erp, stores, readers)
    stores.writer.client.indices.refresh(index=indices.history)
    server = make_server("127.0.0.1", free_port(), app_of(opensearch_url, redis_url, indices), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_a_leaflet_that_changed_says_so_and_shows_what(edited_desk: str, page: Page) -> None:
    """From the leaflet to its changes, newest first, the words that went and came marked; and back."""
    page.goto(f"{edited_desk}/leaflets/erp:001:patient?q=exemplina")
    page.get_by_role("link", name="O que mudou nesta bula").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("O que mudou: Exemplina")
    expect(page.get_by_role("heading", level=2)).to_have_text(["Alteração de 03/11/2026", "Alteração de 02/11/2026"])
    newest, oldest = page.locator("#change-1"), page.locator("#change-2")
    expect(newest).to_contain_text("Laboratório Lab → Lab Novo")
    expect(newest.get_by_role("heading", level=3)).to_contain_text("Armazenamento nova")
    expect(newest).to_contain_text("A bula não tinha esta seção.")
    expect(oldest.get_by_role("heading", level=3)).to_contain_text("Posologia e modo de usar alterada")
    expect(oldest.locator(".side").nth(0).locator("mark").first).to_have_text("12")
    expect(oldest.locator(".side").nth(1).locator("mark").first).to_have_text("8")
    assert page.evaluate(FAINT) == []
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / "changes.png", full_page=True)
        page.set_viewport_size(PHONE)
        page.screenshot(path=Path(folder) / "changes-phone.png", full_page=True)
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("link", name="Bula atual").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Exemplina")


def test_a_leaflet_that_never_changed_has_no_link(edited_desk: str, page: Page) -> None:
    """And its page of changes says since when."""
    page.goto(f"{edited_desk}/leaflets/erp:002:patient")
    expect(page.get_by_role("heading", level=1)).to_have_text("Outra")
    expect(page.get_by_role("link", name="O que mudou nesta bula")).to_have_count(0)
    page.goto(f"{edited_desk}/leaflets/erp:002:patient/changes")
    expect(page.locator("main")).to_contain_text("Nenhuma alteração conhecida desde")

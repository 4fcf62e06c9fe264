"""Two sources without a server, as stand-ins of their own: a table in SQLite and a folder of PDFs with its metadata."""

from __future__ import annotations

import csv
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from fpdf import FPDF

from indexer.sources.base import Source
from tests.sources.standin import Reply, Request, StandIn
from tests.sources.vendors.vendor import Product, Vendor, by_number


class _WithoutServer(Vendor):
    """What has no requests, so neither sessions nor limits nor faults of a wire."""

    has_requests = False
    folder: Path | None = None
    secrets: ClassVar[Mapping[str, str]] = {}

    def answer(self, request: Request) -> Reply:
        """See Vendor."""
        raise AssertionError(request)

    def limited(self) -> Reply:
        """See Vendor."""
        raise AssertionError

    def source(self, folder: Path, stand_in: StandIn, more: str = "") -> Source:
        """See Vendor. `rates` and `attachments` are of HTTP alone."""
        self.folder = folder
        self.write()
        return super().source(folder, stand_in, "\n".join(line for line in more.splitlines() if line.startswith("timeout")))

    def write(self) -> None:
        """Puts what it holds where the source reads it."""
        raise NotImplementedError

    def put(self, code: str, word: str, *, at: datetime | None = None, **more: object) -> None:
        """See Vendor."""
        super().put(code, word, at=at, **more)
        self.write()

    def delete(self, code: str) -> None:
        """See Vendor."""
        super().delete(code)
        self.write()


class Sql(_WithoutServer):
    """A table in SQLite, whose times are texts of whole seconds."""

    kind = "sql"

    @property
    def table(self) -> str:
        """See Vendor."""
        return (
            'query = "SELECT * FROM bulas WHERE alterado >= :since ORDER BY alterado, codigo"\n'
            'fields = { id = "codigo", name = "nome", audience = "publico", updated_at = "alterado", deleted = "inativo", text = "bula" }'
        )

    def address(self, stand_in: StandIn) -> str:
        """See Vendor."""
        del stand_in
        return 'url = "sqlite:///bulas.sqlite"'

    def write(self) -> None:
        """See _WithoutServer."""
        if self.folder is None:
            return
        with closing(sqlite3.connect(self.folder / "bulas.sqlite", isolation_level=None)) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS bulas (codigo TEXT PRIMARY KEY, nome, publico, alterado, inativo, bula)")
            connection.execute("DELETE FROM bulas")
            connection.executemany("INSERT INTO bulas VALUES (?, ?, ?, ?, ?, ?)", map(_row, by_number(self.products)))


class Folder(_WithoutServer):
    """PDFs. One that is not there is withdrawn by the next pull, because each lists the folder whole."""

    kind = "folder"
    has_inactive = False
    has_feed = True

    @property
    def table(self) -> str:
        """See Vendor."""
        return 'metadata = "index.csv"'

    def address(self, stand_in: StandIn) -> str:
        """See Vendor."""
        del stand_in
        return 'path = "bulas"'

    def write(self) -> None:
        """See _WithoutServer."""
        if self.folder is None:
            return
        below = self.folder / "bulas"
        below.mkdir(exist_ok=True)
        for pdf in below.glob("*.pdf"):
            if pdf.stem not in self.products:
                pdf.unlink()
        with (below / "index.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["file", "name", "audience", "updated_at"])
            for product in by_number(self.products):
                rows.writerow(
                    [f"{product.code}.pdf", f"Remédio {product.code}", product.audience, product.edited.astimezone(UTC).isoformat()]
                )
                (below / f"{product.code}.pdf").write_bytes(_pdf(product))
                os.utime(below / f"{product.code}.pdf", (product.edited.timestamp(), product.edited.timestamp()))


def _row(product: Product) -> tuple[str, str, str, str, int, str]:
    return (
        product.code,
        f"Remédio {product.code}",
        product.audience,
        f"{product.edited:%Y-%m-%d %H:%M:%S}",
        int(product.inactive),
        product.text,
    )


def _pdf(product: Product) -> bytes:
    """The leaflet, not packed, so that its words can be found in it; the same product gives the same bytes."""
    page = FPDF()
    page.set_creation_date(product.edited)
    page.set_compression(False)
    page.add_page()
    page.set_font("helvetica")
    page.multi_cell(0, text=product.text.replace("\n", "\n\n"))
    return bytes(page.output())

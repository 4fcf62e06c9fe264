"""Reading PDFs: real leaflets, and files that are broken, locked, huge or made to break their reader."""

from __future__ import annotations

import os
import signal
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from fpdf import FPDF

from indexer.readers import Limits, Readers
from leaflets import Change, Content, Facts, Leaflet

REAL = Path(__file__).parents[3] / "shared" / "data" / "pdf"


class Unreadable(Exception):
    """The reason that a reader gave."""


def text(reader: Readers, body: bytes) -> str:
    """The text of a PDF, read as an ERP's change is."""
    change = Change("1", datetime(2026, 1, 1, tzinfo=UTC), 1, Facts(name="Remédio"), (Content(body, "application/pdf"),))
    told = reader.read("pasta", change)
    if isinstance(told, Leaflet):
        return told.text
    raise Unreadable(told)


@pytest.fixture(scope="module")
def reader() -> Iterator[Readers]:
    """One for all tests, as one is for all sources."""
    with Readers(workers=2, limits=Limits(pages=50, bytes=1_000_000, seconds=5)) as ready:
        yield ready


def printed(*pages: str, password: str | None = None) -> bytes:
    """A PDF of these pages."""
    document = FPDF()
    document.set_font("helvetica")
    if password is not None:
        document.set_encryption(owner_password="owner", user_password=password)
    for page in pages:
        document.add_page()
        document.multi_cell(0, text=page)
    return bytes(document.output())


def made(stream: bytes, *, resources: bytes = b"", pages: int = 1) -> bytes:
    """A PDF put together by hand, all of whose pages show one content stream."""
    kids = b" ".join(b"%d 0 R" % (5 + number) for number in range(pages))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, pages),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
    ]
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R /Resources << /Font << /F 3 0 R >> %s >> >>" % resources
    objects += [page] * pages
    body, places = b"%PDF-1.4\n", []
    for number, told in enumerate(objects, 1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, told)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    return body + b"xref\n0 %d\n0000000000 65535 f \n%strailer << /Root 1 0 R /Size %d >>\nstartxref\n%d\n%%%%EOF" % (
        size,
        table,
        size,
        len(body),
    )


SHOWN = b"BT /F 12 Tf 50 700 Td (Tome um comprimido) Tj ET"


def test_pages_are_given_in_order_with_form_feeds_between(reader: Readers) -> None:
    """And lines end as everywhere else."""
    told = text(reader, printed("Bula ao paciente\nTome um comprimido", "Guarde bem: ação, não"))
    first, second = told.split("\f")
    assert [line.strip() for line in first.splitlines()] == ["Bula ao paciente", "Tome um comprimido"]
    assert second.strip() == "Guarde bem: ação, não"
    assert "\r" not in told


def test_a_pdf_made_by_hand_is_read(reader: Readers) -> None:
    """What the hostile ones below are made of is sound."""
    assert text(reader, made(SHOWN)) == "Tome um comprimido"


def test_an_encryption_that_needs_no_password_is_read(reader: Readers) -> None:
    """Laboratories lock their leaflets against changes so; anyone may read them."""
    assert "Tome" in text(reader, printed("Tome um comprimido", password=""))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b"<html>not found</html>", "not a PDF"),
        (b"PK\x03\x04", "not a PDF"),
        (b"%PDF-1.4\n" + b"x" * 1000, "broken"),
        (printed("Tome")[:300], "broken"),
        (printed("Tome um comprimido", password="s3cret"), "needs a password"),
        (made(b"0 0 100 100 re f"), "OCR"),
        (made(SHOWN, pages=51), "51 pages"),
        (b"%PDF-1.4" + b" " * 1_000_000, "1,000,008 bytes"),
    ],
    ids=["empty", "a web page", "an office file", "garbage", "cut off", "locked", "only pictures", "too many pages", "too large"],
)
def test_what_cannot_be_read_says_why(reader: Readers, body: bytes, reason: str) -> None:
    """In words for the person who has the file."""
    with pytest.raises(Unreadable, match=reason):
        text(reader, body)


FORMS = 12


def nested() -> bytes:
    """Forms that show the next one ten times each: 700 bytes that ask for 10^12 words."""
    # Objects: the page's own five, then the forms.
    names = b"/XObject << /X 6 0 R >>"
    document = made(b"/X Do", resources=names)
    forms = b""
    for number in range(FORMS):
        last = number == FORMS - 1
        content = SHOWN if last else b"/X Do " * 10
        inner = b"/Font << /F 3 0 R >>" if last else b"/XObject << /X %d 0 R >>" % (7 + number)
        head = b"<< /Type /XObject /Subtype /Form /BBox [0 0 600 800] /Resources << %s >> /Length %d >>" % (inner, len(content))
        forms += b"%d 0 obj\n%s\nstream\n%s\nendstream\nendobj\n" % (6 + number, head, content)
    body = document.partition(b"xref\n")[0] + forms
    # Without a table of places PDFium looks for the objects itself.
    return body + b"trailer << /Root 1 0 R >>\n%%EOF"


def test_a_pdf_that_would_never_end_is_cut_off() -> None:
    """Its worker is killed, and the next PDF is read by another."""
    with Readers(workers=1, limits=Limits(seconds=1, memory=8_000_000_000)) as reader:
        with pytest.raises(Unreadable, match="took more than 1 s"):
            text(reader, nested())
        assert text(reader, made(SHOWN)) == "Tome um comprimido"


def test_a_pdf_that_needs_too_much_memory_is_refused() -> None:
    """The worker dies within its own bounds, not with the machine."""
    with Readers(workers=1, limits=Limits(seconds=60, memory=300_000_000)) as reader:
        with pytest.raises(Unreadable, match="300,000,000 bytes of memory"):
            text(reader, nested())
        assert text(reader, made(SHOWN)) == "Tome um comprimido"


def test_a_stream_that_unpacks_to_more_than_memory_is_refused() -> None:
    """Half a gigabyte of nothing in half a megabyte."""
    bomb = zlib.compressobj(9)
    packed = b"".join(bomb.compress(b" " * 10_000_000) for _ in range(50)) + bomb.flush()
    body = made(b"x").replace(b"/Length 1 ", b"/Length %d /Filter /FlateDecode" % len(packed)).replace(b"\nx\n", b"\n%s\n" % packed)
    with Readers(workers=1, limits=Limits(seconds=60, memory=300_000_000)) as reader:
        with pytest.raises(Unreadable):
            text(reader, body.partition(b"xref\n")[0] + b"trailer << /Root 1 0 R >>\n%%EOF")
        assert text(reader, made(SHOWN)) == "Tome um comprimido"


def test_readers_that_died_at_rest_are_replaced() -> None:
    """As the system kills them when memory runs out: the next PDF is read all the same."""
    with Readers(workers=2) as reader:
        assert text(reader, made(SHOWN)) == "Tome um comprimido"
        workers = [child for child in psutil.Process().children() if "indexer.pdf" in " ".join(child.cmdline())]
        for worker in workers:
            os.kill(worker.pid, signal.SIGKILL)
        psutil.wait_procs(workers, timeout=10)
        assert text(reader, made(SHOWN)) == "Tome um comprimido"


def test_several_threads_read_at_once(reader: Readers) -> None:
    """Each gets its own text."""
    bodies = [printed(f"Remédio {number}") for number in range(20)]
    with ThreadPoolExecutor(8) as threads:
        assert [told.strip() for told in threads.map(lambda body: text(reader, body), bodies)] == [
            f"Remédio {number}" for number in range(20)
        ]


@pytest.mark.skipif(not REAL.is_dir(), reason="shared/data/pdf is not beside the project")
def test_the_leaflets_of_real_laboratories_are_all_read() -> None:
    """Every one of them within the default limits, as pages of real text."""
    files = sorted(REAL.glob("*.pdf"))
    with Readers() as reader, ThreadPoolExecutor(4) as threads:
        texts = list(threads.map(lambda file: text(reader, file.read_bytes()), files))
    assert len(texts) == len(files) > 80
    assert all(len(told.split()) > 300 for told in texts)

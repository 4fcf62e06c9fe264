"""The text of a PDF. Called in a worker process only (see readers): a PDF from outside may be made to break its reader."""

from __future__ import annotations

from typing import Never

import pypdfium2  # type: ignore[import-untyped]  # it ships no types
from pypdfium2 import raw


class UnreadablePdf(Exception):
    """A PDF has no text that can be had; the text says why."""


def text(body: bytes, most_pages: int) -> str:
    """The PDF's text, its pages separated by form feeds; raises UnreadablePdf where there is none to be had."""
    if not body:
        _refuse("it is empty (0 bytes)")
    if b"%PDF-" not in body[:1024]:
        _refuse("it is not a PDF: it does not begin as one")
    try:
        with pypdfium2.PdfDocument(body) as document:
            if len(document) > most_pages:
                _refuse(f"it has {len(document):,} pages, more than the {most_pages} that are read")
            told = "\f".join(_page_text(document, number) for number in range(len(document)))
    except pypdfium2.PdfiumError as error:
        _refuse(_meaning(error))
    if not told.strip():
        _refuse("it has no text, only pictures: it must go through OCR first")
    return told


def _page_text(document: pypdfium2.PdfDocument, number: int) -> str:
    page = document[number]
    told = page.get_textpage().get_text_range().replace("\r\n", "\n").replace("\r", "\n")
    # Closed at once: a document keeps all its open pages in memory.
    page.close()
    return str(told)


def _meaning(error: pypdfium2.PdfiumError) -> str:
    if error.err_code == raw.FPDF_ERR_PASSWORD:
        return "it is encrypted: it needs a password to be read"
    if error.err_code == raw.FPDF_ERR_SECURITY:
        return "it is encrypted in a way that cannot be read"
    return "it is broken: it begins as a PDF, but its pages cannot be found"


def _refuse(reason: str) -> Never:
    message = f"the PDF cannot be read: {reason}"
    raise UnreadablePdf(message)

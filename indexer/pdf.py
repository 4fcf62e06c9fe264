"""The text of PDFs, read in processes of their own, because a PDF from outside may be broken or made to break its reader."""

from __future__ import annotations

import multiprocessing
import os
import resource
import threading
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Never, Self

import pypdfium2  # type: ignore[import-untyped]  # it ships no types
from pebble import ProcessExpired, ProcessPool
from pypdfium2 import raw

# Each worker needs some 100 MB of address space before it reads anything.
_LEAST_MEMORY = 256_000_000


class UnreadablePdf(Exception):
    """A PDF has no text that can be had; the text says why."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one PDF may ask of us. The largest of the 84 that we measured has 820 kB and is read in a fraction of a second."""

    pages: int = 400
    bytes: int = 50_000_000
    seconds: float = 30.0
    memory: int = 1_000_000_000
    """Address space of one worker."""


class PdfReader:
    """Reads PDFs in a few worker processes; for several threads at once. A worker that takes too long or dies is replaced.

    Use it as a context manager: the workers end with it.
    """

    def __init__(self, workers: int = os.cpu_count() or 2, limits: Limits = Limits()) -> None:
        self._workers = workers
        self._limits = limits
        self._pool = self._started()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.stop()  # type: ignore[no-untyped-call]  # pebble's own is untyped
        self._pool.join()

    def text(self, body: bytes) -> str:
        """The PDF's text, its pages separated by form feeds; raises UnreadablePdf where there is none to be had."""
        if not body:
            _refuse("it is empty (0 bytes)")
        if len(body) > self._limits.bytes:
            _refuse(f"it has {len(body):,} bytes, more than the {self._limits.bytes:,} that are read")
        if b"%PDF-" not in body[:1024]:
            _refuse("it is not a PDF: it does not begin as one")
        try:
            return str(self._sound_pool().schedule(_text, (body, self._limits.pages), timeout=self._limits.seconds).result())
        except TimeoutError:
            _refuse(f"reading it took more than {self._limits.seconds:g} s")
        except MemoryError:
            _refuse(f"reading it took more than {self._limits.memory:,} bytes of memory")
        except (ProcessExpired, BrokenProcessPool):
            _refuse(f"reading it broke the reader, or took more than {self._limits.memory:,} bytes of memory")

    def _sound_pool(self) -> ProcessPool:
        """The pool, or a new one: a pool whose workers all died at rest, as when memory runs out, never comes back by itself."""
        with self._lock:
            if not self._pool.active:
                self._pool.stop()  # type: ignore[no-untyped-call]  # pebble's own is untyped
                self._pool.join()
                self._pool = self._started()
            return self._pool

    def _started(self) -> ProcessPool:
        # Spawned, not forked: a fork of a process with threads may hold their locks for ever.
        return ProcessPool(
            max_workers=self._workers,
            initializer=_limit_memory,
            initargs=(max(self._limits.memory, _LEAST_MEMORY),),
            context=multiprocessing.get_context("spawn"),
        )


def _limit_memory(most: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _text(body: bytes, most_pages: int) -> str:
    """What a worker does."""
    try:
        with pypdfium2.PdfDocument(body) as document:
            if len(document) > most_pages:
                _refuse(f"it has {len(document):,} pages, more than the {most_pages} that are read")
            pages = [_page_text(document, number) for number in range(len(document))]
    except pypdfium2.PdfiumError as error:
        _refuse(_meaning(error))
    told = "\f".join(pages)
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

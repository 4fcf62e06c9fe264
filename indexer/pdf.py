"""The text of PDFs, read in processes of their own, because a PDF from outside may be broken or made to break its reader.

    PdfReader.text(bytes)  ->  text, or UnreadablePdf

Each worker is this module run as a program, and has a line of its own to us: nothing is shared that a worker killed at the wrong moment
could leave locked for the others. (Pebble's pool shares a lock: with its workers killed at rest it never answered again.)
"""

from __future__ import annotations

import os
import queue
import resource
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Never, Self

import pypdfium2  # type: ignore[import-untyped]  # it ships no types
from pypdfium2 import raw

# A worker starts in a fifth of a second; on a machine under load it may take longer, and is then no fault of the PDF.
_STARTING_SECONDS = 60.0
_READY, _TEXT, _REASON = b"ready", b"+", b"-"


class UnreadablePdf(Exception):
    """A PDF has no text that can be had; the text says why."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one PDF may ask of us. The largest of 84 real leaflets has 820 kB and 44 pages; two workers read all 84 in 1.2 s."""

    pages: int = 400
    bytes: int = 50_000_000
    seconds: float = 30.0
    memory: int = 1_000_000_000
    """A worker's address space."""


class PdfReader:
    """Reads PDFs in a few worker processes, for several threads at once. A worker that takes too long or dies is replaced.

    Use it as a context manager: the workers end with it. They start when they are first needed.
    """

    def __init__(self, workers: int = os.cpu_count() or 2, limits: Limits = Limits()) -> None:
        self._limits = limits
        self._idle: queue.SimpleQueue[_Worker | None] = queue.SimpleQueue()
        self._workers = workers
        for _ in range(workers):
            self._idle.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        for _ in range(self._workers):
            worker = self._idle.get()
            if worker is not None:
                worker.end()

    def text(self, body: bytes) -> str:
        """The PDF's text, its pages separated by form feeds; raises UnreadablePdf where there is none to be had."""
        if not body:
            _refuse("it is empty (0 bytes)")
        if len(body) > self._limits.bytes:
            _refuse(f"it has {len(body):,} bytes, more than the {self._limits.bytes:,} that are read")
        if b"%PDF-" not in body[:1024]:
            _refuse("it is not a PDF: it does not begin as one")
        worker = self._idle.get()
        try:
            # One that died at rest, as when the system is out of memory, is no fault of this PDF.
            if worker is None or not worker.lives:
                worker = _Worker(self._limits)
            return worker.text(body)
        finally:
            self._idle.put(worker)


class _Worker:
    """One process that reads one PDF at a time."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "indexer.pdf", str(theirs.fileno()), str(limits.memory), str(limits.pages)]
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)  # noqa: S603 our own module
        self._line = Connection(ours.detach())
        if not self._line.poll(_STARTING_SECONDS) or self._line.recv_bytes() != _READY:
            self.end()
            message = f"the PDF reader does not start: {' '.join(command)}"
            raise RuntimeError(message)

    @property
    def lives(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def text(self, body: bytes) -> str:
        """See PdfReader. A worker that gave neither a text nor a reason is ended."""
        try:
            self._line.send_bytes(body)
            if not self._line.poll(self._limits.seconds):
                self.end()
                _refuse(f"reading it took more than {self._limits.seconds:g} s")
            told = self._line.recv_bytes()
        except (EOFError, OSError):
            self.end()
            _refuse(f"it broke its reader, or needed more than {self._limits.memory:,} bytes of memory")
        kind, words = told[:1], told[1:].decode()
        if kind == _REASON:
            _refuse(words)
        return words

    def end(self) -> None:
        """Ends the process, whatever it does."""
        self._line.close()
        self._process.kill()
        self._process.wait()


def _serve(line: Connection, most_memory: int, most_pages: int) -> None:
    """What a worker does, until its line is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which then closes the line.
    resource.setrlimit(resource.RLIMIT_AS, (most_memory, most_memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    line.send_bytes(_READY)
    with suppress(EOFError):
        while True:
            line.send_bytes(_told(line.recv_bytes(), most_pages))


def _told(body: bytes, most_pages: int) -> bytes:
    try:
        return _TEXT + _text(body, most_pages).encode("utf-8", "replace")
    except _Refusal as refusal:
        return _REASON + str(refusal).encode()
    except MemoryError:
        return _REASON + b"it needed more memory than a reader may have"


def _text(body: bytes, most_pages: int) -> str:
    try:
        with pypdfium2.PdfDocument(body) as document:
            if len(document) > most_pages:
                _turn_down(f"it has {len(document):,} pages, more than the {most_pages} that are read")
            told = "\f".join(_page_text(document, number) for number in range(len(document)))
    except pypdfium2.PdfiumError as error:
        _turn_down(_meaning(error))
    if not told.strip():
        _turn_down("it has no text, only pictures: it must go through OCR first")
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


class _Refusal(Exception):
    """Why a worker does not read a PDF."""


def _turn_down(reason: str) -> Never:
    raise _Refusal(reason)


def _refuse(reason: str) -> Never:
    message = f"the PDF cannot be read: {reason}"
    raise UnreadablePdf(message)


if __name__ == "__main__":
    _serve(Connection(int(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3]))

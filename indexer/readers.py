"""Changes read into leaflets, in processes of their own: what an ERP or a laboratory sends may be broken or made to break its reader.

    Readers.read(source, change)           ->  Leaflet, or why it is none
    Readers.reread(source, change, text)   ->  the same from the text that an earlier reading kept

Each worker is this module run as a program, and has a line of its own to us: nothing is shared that a worker killed at the wrong moment
could leave locked for the others. (Pebble's pool shares a lock: with its workers killed at rest it never answered again.) Reading takes
2 to 8 ms of a core; in processes of its own it neither waits for nor holds up the threads that ask the ERPs.
"""

from __future__ import annotations

import json
import os
import pickle
import queue
import resource
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Self

from indexer import pdf
from leaflets import Audience, Category, Change, Content, Leaflet, Passage, Section
from leaflets.reading import NotALeaflet, leaflet, reread
from leaflets.text import Undecodable, text_of

# A worker starts in half a second; on a machine under load it may take longer, and is then no fault of what it reads.
_STARTING_SECONDS = 60.0
_READY = b"ready"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one change may ask of us. The largest of 84 real PDFs has 820 kB and 44 pages, the longest of 834 texts 244,150 letters."""

    pages: int = 400
    bytes: int = 50_000_000
    seconds: float = 30.0
    memory: int = 1_000_000_000
    """A worker's address space."""


class Readers:
    """Reads changes in a few worker processes, for several threads at once. A worker that takes too long or dies is replaced.

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

    def read(self, source: str, change: Change) -> Leaflet | str:
        """The leaflet of a change, or why it is none, in words for the person who mends the ERP."""
        size = sum(len(content.body) for content in change.contents)
        if size > self._limits.bytes:
            return f"it has {size:,} bytes, more than the {self._limits.bytes:,} that are read"
        return self._read(source, change, None)

    def reread(self, source: str, change: Change, text: str) -> Leaflet | str:
        """The leaflet again, or why it is none any more, from the `text` that an earlier reading kept; `change` needs no contents."""
        return self._read(source, change, text)

    def _read(self, source: str, change: Change, text: str | None) -> Leaflet | str:
        worker = self._idle.get()
        try:
            # One that died at rest, as when the system is out of memory, is no fault of this change.
            if worker is None or not worker.lives:
                worker = _Worker(self._limits)
            return worker.read(source, change, text)
        finally:
            self._idle.put(worker)


class _Worker:
    """One process that reads one change at a time."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "indexer.readers", str(theirs.fileno()), str(limits.memory), str(limits.pages)]
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)  # noqa: S603 our own module
        self._line = Connection(ours.detach())
        if not self._line.poll(_STARTING_SECONDS) or self._line.recv_bytes() != _READY:
            self.end()
            message = f"the reader does not start: {' '.join(command)}"
            raise RuntimeError(message)

    @property
    def lives(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def read(self, source: str, change: Change, text: str | None) -> Leaflet | str:
        """See Readers. A worker that gave neither a leaflet nor a reason is ended."""
        try:
            self._line.send_bytes(pickle.dumps((source, change, text)))
            if not self._line.poll(self._limits.seconds):
                self.end()
                return f"reading it took more than {self._limits.seconds:g} s"
            # JSON, not pickle: a worker that was broken into must not reach us by what it answers.
            told = json.loads(self._line.recv_bytes())
        except (EOFError, OSError):
            self.end()
            return f"it broke its reader, or needed more than {self._limits.memory:,} bytes of memory"
        return told if isinstance(told, str) else _leaflet(source, change, told)

    def end(self) -> None:
        """Ends the process, whatever it does."""
        self._line.close()
        self._process.kill()
        self._process.wait()


def _leaflet(source: str, change: Change, told: dict[str, Any]) -> Leaflet:
    """The leaflet that a worker told: what it read, with what we knew before."""
    return Leaflet(
        source=source,
        source_id=change.source_id,
        audience=Audience(told["audience"]),
        name=told["name"],
        active_ingredients=tuple(told["active_ingredients"]),
        laboratory=told["laboratory"],
        registration=told["registration"],
        eans=tuple(told["eans"]),
        category=Category(told["category"]) if told["category"] else None,
        active=told["active"],
        passages=tuple(Passage(Section(section), title, text) for section, title, text in told["passages"]),
        doses=tuple(told["doses"]),
        history=told["history"],
        text=told["text"],
        facts=change.facts,
        updated_at=change.updated_at,
        version=change.version,
    )


# --- in the worker ------------------------------------------------------------------------------------------------------------------


def _told(read: Leaflet) -> dict[str, object]:
    names = "audience name active_ingredients laboratory registration eans category active doses history text".split()
    return {name: getattr(read, name) for name in names} | {"passages": [(p.section, p.title, p.text) for p in read.passages]}


def _answer(source: str, change: Change, text: str | None, most_pages: int) -> bytes:
    try:
        if text is None:
            read = leaflet(source, change, tuple(_text(content, most_pages) for content in change.contents))
        else:
            read = reread(source, change, text)
        told: dict[str, object] | str = _told(read)
    except (NotALeaflet, Undecodable, pdf.UnreadablePdf) as error:
        told = str(error)
    except MemoryError:
        told = "it needed more memory than a reader may have"
    return json.dumps(told).encode()


def _text(content: Content, most_pages: int) -> str:
    return pdf.text(content.body, most_pages) if content.media_type == "application/pdf" else text_of(content)


def _serve(line: Connection, most_memory: int, most_pages: int) -> None:
    """What a worker does, until its line is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which then closes the line.
    resource.setrlimit(resource.RLIMIT_AS, (most_memory, most_memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Our parent may leave at any moment, as when it is told to end.
    with suppress(EOFError, ConnectionError):
        line.send_bytes(_READY)
        while True:
            source, change, text = pickle.loads(line.recv_bytes())  # noqa: S301 our parent's
            line.send_bytes(_answer(source, change, text, most_pages))


if __name__ == "__main__":
    _serve(Connection(int(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3]))

"""Who pulls a source: one indexer at a time, by a lease on the source's cursor document.

    take -> Lease: move, move, (heartbeat), move ... -> release

The holder moves the document every third of the lease's length. Who finds a holder watches the document that long by a clock of its own:
what did not move meanwhile has no living holder. No two clocks are compared, so one that steps does no harm (docs/adr/0007).
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from threading import Event, Lock, Thread

from opensearchpy.exceptions import OpenSearchException

from indexer.cursors import Cursor, CursorMoved, Cursors
from indexer.sources.base import SourceError

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=30)


class PulledElsewhere(SourceError):
    """Another indexer that is alive pulls this source: there is nothing to do."""


class Stopped(Exception):
    """This process was told to end: begin nothing more."""


def holder() -> str:
    """A name for this process as a holder that no other process, here or anywhere, ever has: host, process id, and a mark."""
    return f"{socket.gethostname()}:{os.getpid()}:{_process(os.getpid()) or '-'}:{secrets.token_hex(4)}"


def host(holder_name: str) -> str:
    """The host in a holder's name."""
    return holder_name.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Terms:
    """How this process holds sources: under which name, for how long after a sign of life, and until it is told to end."""

    holder: str
    length: timedelta = LEASE
    stopped: Event = field(default_factory=Event)


class Lease:
    """A source that we hold. Safe for several threads: the pull's own moves and the heartbeat's share the newest token."""

    def __init__(self, cursors: Cursors, cursor: Cursor, length: timedelta) -> None:
        self._cursors = cursors
        self._cursor = cursor
        self._lock = Lock()
        self._ended = Event()
        self._lost = Event()
        self._pause = length.total_seconds() / 3
        Thread(target=self._beat, name=f"lease-{cursor.source}", daemon=True).start()

    @property
    def cursor(self) -> Cursor:
        """The cursor as we last stored it."""
        return self._cursor

    @property
    def lost(self) -> bool:
        """Whether we found that another indexer has the source."""
        return self._lost.is_set()

    def move(self, cursor: Cursor) -> Cursor:
        """Stores the cursor, whose token may be an earlier one of ours. Raises CursorMoved where the source is ours no longer.

        It may be asked twice: where the answer was lost, the second time finds our own name and moves on from there.
        """
        return self._store(cursor)

    def _store(self, cursor: Cursor | None) -> Cursor:
        """Moves the document to this cursor; a heartbeat to the one that it has."""
        with self._lock:
            if cursor is None and self._ended.is_set():
                return self._cursor
            cursor = cursor or self._cursor
            try:
                self._cursor = self._cursors.move(replace(cursor, token=self._cursor.token))
            except CursorMoved:
                there = self._cursors.read(cursor.source)
                # Nobody else writes with our name and run in it; without a name it was our own release.
                if there.run != cursor.run or there.holder not in {self._cursor.holder, cursor.holder}:
                    self._lost.set()
                    raise
                self._cursor = self._cursors.move(replace(cursor, token=there.token))
            return self._cursor

    def check(self) -> None:
        """Raises CursorMoved where the source is ours no longer, as the document says now. Who takes a lease over changes its holder."""
        if self.lost or self._cursors.read(self._cursor.source).holder != self._cursor.holder:
            self._lost.set()
            raise CursorMoved(self._cursor.source)

    def release(self, cursor: Cursor) -> Cursor:
        """Gives the source back and stores this last cursor in the same move."""
        self.abandon()
        return self.move(replace(cursor, holder=""))

    def abandon(self) -> None:
        """Ends the heartbeat: what is not released goes to whoever watches it next."""
        self._ended.set()

    def _beat(self) -> None:
        while not self._ended.wait(self._pause):
            try:
                self._store(None)
            except CursorMoved:
                log.warning("lease lost", extra={"source": self._cursor.source})
                return
            except OpenSearchException as error:
                # It is away for the others too: nobody takes the source over without reading who holds it.
                log.warning("heartbeat failed", extra={"source": self._cursor.source, "error": type(error).__name__})


def take(cursors: Cursors, source: str, terms: Terms, began: datetime, run: str) -> Lease:
    """The lease of a source that nobody alive holds; its cursor says from now on that this run pulls it.

    Raises PulledElsewhere where its holder lives, CursorMoved where another one was quicker, Stopped where we are told to end meanwhile.
    It may be asked twice: what is ours already is free to us.
    """
    found = cursors.read(source)
    if found.holder not in {"", terms.holder} and not _is_gone(found.holder):
        found = _watched(cursors, found, terms)
    if found.holder not in {"", terms.holder}:
        log.warning("lease taken over", extra={"source": source, "holder": host(found.holder)})
    begun = replace(found, holder=terms.holder, attempted_at=began, outcome="running", error="", run=run)
    return Lease(cursors, cursors.move(begun), terms.length)


def _watched(cursors: Cursors, found: Cursor, terms: Terms) -> Cursor:
    """The cursor of a holder that did not move it for the length of a lease, or that gave it back meanwhile."""
    length = terms.length.total_seconds()
    until = time.monotonic() + length
    while time.monotonic() < until:
        if terms.stopped.wait(length / 10):
            raise Stopped
        now = cursors.read(found.source)
        if now.token != found.token:
            if now.holder:
                raise PulledElsewhere(f"another indexer ({host(now.holder)}) pulls it")
            return now
    return found


def _is_gone(holder_name: str) -> bool:
    """Whether a holder was a process of this very machine, since its last start, that has ended; False where that cannot be known.

    The mark names the boot, the table of process ids (a container has its own) and when the process began, so that neither another
    machine of the same name nor a later process of the same id is taken for it.
    """
    name, _, rest = holder_name.partition(":")
    number, _, mark = rest.partition(":")
    told, _, _ = mark.partition(":")
    here, _, _ = _process(os.getpid()).partition(".")
    if not here or name != socket.gethostname() or told.partition(".")[0] != here:
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # There is one, of another user.
    return _process(int(number)) not in {"", told}


def _process(number: int) -> str:
    """Which process of which machine has this id now; empty where the system does not tell (not Linux, or others' are hidden)."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        # A table's number may be given again after it ended: then all its processes have ended too.
        machine = sha256((boot + str(Path("/proc/self/ns/pid").readlink())).encode()).hexdigest()[:12]
        # The fields behind the name, in which blanks and brackets may stand: the state, and as the 20th when it began, in ticks since boot.
        told = Path(f"/proc/{number}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        # One that was killed and whose parent has not asked for it yet is a zombie: it has its place in the table and nothing else.
        return f"{machine}.{'ended' if told[0] in 'ZX' else told[19]}"
    return ""

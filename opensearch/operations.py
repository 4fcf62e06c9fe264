"""What goes on with whole generations (a reindex, a rollback): one at a time, and a dead one is noticed by whoever prepares the index.

The operation's document names its holder and is moved every BEAT seconds. Who finds it watches it for LEASE seconds by its own clock: one
that did not move meanwhile is dead, what it left is cleared and the document dropped. No two clocks are compared.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Self

from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from opensearch import held
from opensearch.held import Moved, Token

log = logging.getLogger(__name__)

# Seconds. A process that OpenSearch or its machine held up for less is not taken for dead.
LEASE = 30.0
# Seconds between two signs of life: how long a sync that starts meanwhile waits to know that all is well.
BEAT = 1.0
DOCUMENT = "reindex"
# How the last one went; what is watched by who alerts. It stands whether one goes on or not.
PROMOTION = "promotion"
Clear = Callable[[str | None], None]


class Busy(Exception):
    """Another operation goes on; wait for its end. The text says which."""


class Lost(Exception):
    """This operation was taken for dead by another process, which cleared what it had made; nothing was promoted. Start it again."""


class Operation:
    """The right to work on generations, from `with` to its end; raises Busy.

    `clear` takes away what an operation leaves, that of the holder it is given or, for None, of every one. It is called at the end too,
    whatever that is, and leaves alone what was promoted.
    """

    def __init__(self, client: OpenSearch, index: str, kind: str, clear: Clear, lease: float = LEASE) -> None:
        self.holder = uuid.uuid4().hex[:12]
        self._client, self._index, self._kind, self._clear, self._lease = client, index, kind, clear, lease
        self._step = "beginning"
        self._token: Token | None = None
        self._moving = threading.Lock()
        self._lost = threading.Event()
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._live, name="operation", daemon=True)

    def __enter__(self) -> Self:
        end_dead(self._client, self._index, self._clear, self._lease)
        found = held.read(self._client, self._index, DOCUMENT)
        if found.token:
            state = found.body.get("state")
            raise Busy(f"another operation goes on with the index ({_told(state)}): wait until it has ended, then run this again")
        try:
            self._token = held.move(self._client, self._index, DOCUMENT, self._body(), None)
        except Moved:
            raise Busy("another operation has just begun with the index: wait until it has ended, then run this again") from None
        self._heart.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        self._heart.join()
        try:
            self._move()
            if self._lost.is_set() or not self._token:
                return
            self._clear(self.holder)
            held.drop(self._client, self._index, DOCUMENT, self._token)
        except Moved:
            return
        except OpenSearchException as failure:
            # What it leaves is found dead and cleared by the next command that prepares the index; what failed first is told.
            log.warning("what was left is cleared by the next sync", extra={"error": type(failure).__name__})

    def go_on(self, step: str) -> None:
        """Says what is being done, and that it is alive; raises Lost where somebody took it for dead."""
        self._step = step
        self._move()
        if self._lost.is_set():
            raise Lost("another process took this one for dead and cleared what it had made; nothing was changed: run it again")

    def _live(self) -> None:
        while not self._ended.wait(min(BEAT, self._lease / 4)) and not self._lost.is_set():
            try:
                self._move()
            except OpenSearchException as error:
                log.warning("the operation's sign of life was not heard", extra={"error": type(error).__name__})

    def _move(self) -> None:
        with self._moving:
            try:
                self._token = held.move(self._client, self._index, DOCUMENT, self._body(), self._token)
            except Moved:
                self._lost.set()

    def _body(self) -> dict[str, object]:
        return {"state": {"holder": self.holder, "kind": self._kind, "step": self._step, "beat": time.time()}}


def end_dead(client: OpenSearch, index: str, clear: Clear, lease: float = LEASE) -> None:
    """Clears what a dead operation left. Takes no time where none is noted, a sign of life where it lives, `lease` where it is dead."""
    first = held.read(client, index, DOCUMENT)
    if not first.token:
        return
    until = time.monotonic() + lease
    while time.monotonic() < until:
        time.sleep(min(BEAT, lease) / 5)
        if held.read(client, index, DOCUMENT).token != first.token:
            return
    try:
        # Taken over before it is cleared: no new operation begins while an old one's remains go.
        token = held.move(client, index, DOCUMENT, {"state": {"kind": "clearing", "step": "clearing what a dead one left"}}, first.token)
        log.warning("a reindex or rollback was interrupted: clearing what it left", extra={"was": _told(first.body.get("state"))})
        clear(None)
        held.drop(client, index, DOCUMENT, token)
    except Moved:
        return


def _told(state: object) -> str:
    return f"{state.get('kind')}: {state.get('step')}" if isinstance(state, dict) else "unknown"

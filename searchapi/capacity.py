"""How much is made and waited for at once, so that whoever asks beyond it hears so at once.

slot    making one answer with OpenSearch
chair   waiting: for a slot, or for an answer that somebody else is making
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from searchapi.deadline import Deadline

# Seconds that one waits for a slot: an answer takes 5 to 20 ms, so that within this a few of those before it end. Who would wait longer
# is better told to come back: queues only grow.
PATIENCE = 0.1


class Busy(Exception):
    """More is asked at once than can be answered; ask again in a second."""


class Capacity:
    """The slots and chairs of one process; `counted` is told of each slot that is taken (1) and given back (-1)."""

    def __init__(self, slots: int, chairs: int, counted: Callable[[float], None] = lambda _: None) -> None:
        self.slots = slots
        self._counted = counted
        self._slots = threading.BoundedSemaphore(slots)
        self._chairs = threading.BoundedSemaphore(chairs)
        self._quiet = max(1, slots // 2)
        self._counting = threading.Lock()
        self._made = 0

    @property
    def in_flight(self) -> int:
        """How many answers are being made now."""
        return self._made

    @property
    def idle(self) -> bool:
        """Whether so little is made that work nobody waits for does no harm."""
        return self._made < self._quiet

    @contextmanager
    def slot(self, deadline: Deadline) -> Iterator[None]:
        """A slot for the block, waited for a little; raises Busy."""
        if not self._slots.acquire(blocking=False):
            with self.chair():
                if not self._slots.acquire(timeout=min(PATIENCE, deadline.left())):
                    raise Busy
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)
            self._slots.release()

    @contextmanager
    def chair(self) -> Iterator[None]:
        """A chair for the block; raises Busy where none is free."""
        if not self._chairs.acquire(blocking=False):
            raise Busy
        try:
            yield
        finally:
            self._chairs.release()

    def _count(self, by: int) -> None:
        with self._counting:
            self._made += by
        self._counted(by)

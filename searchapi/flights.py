"""One making of an answer for all who ask for it at the same time in this process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as StillFlying
from dataclasses import dataclass
from typing import Generic, TypeVar

from searchapi.capacity import Capacity
from searchapi.deadline import Deadline, TooLate

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Landed(Generic[T]):
    """What was made, and whether for somebody else in the first place."""

    made: T
    shared: bool


class Flights(Generic[T]):
    """What is being made now, by key."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self._boarding = threading.Lock()
        self._flights: dict[str, Future[T]] = {}

    def board(self, key: str, make: Callable[[], T], deadline: Deadline) -> Landed[T]:
        """What `make` gives, or what the one who is at it already gets: the answer, or the error.

        Only where that one's time was up and ours is not, it is made once more, by one of those who waited. Raises Busy and TooLate.
        """
        try:
            return self._board(key, make, deadline)
        except TooLate:
            deadline.left()
            return self._board(key, make, deadline)

    def _board(self, key: str, make: Callable[[], T], deadline: Deadline) -> Landed[T]:
        with self._boarding:
            flight = self._flights.get(key)
            mine = flight is None
            if flight is None:
                flight = self._flights[key] = Future()
        if not mine:
            with self._capacity.chair():
                try:
                    return Landed(flight.result(deadline.left()), shared=True)
                except StillFlying:
                    raise TooLate from None
        try:
            made = make()
        except BaseException as error:  # handed to those who wait, and raised here
            self._end(key)
            flight.set_exception(error)
            raise
        self._end(key)
        flight.set_result(made)
        return Landed(made, shared=False)

    def _end(self, key: str) -> None:
        with self._boarding:
            del self._flights[key]

"""What serving is made of: one making for all, bounded room, sizes that fit each other, answers spliced from bytes."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from searchapi import present
from searchapi.answers import Answer
from searchapi.capacity import Busy, Capacity
from searchapi.deadline import Deadline, TooLate
from searchapi.flights import Flights
from searchapi.query import Filters, Window
from searchapi.seen import Freshness, Seen
from searchapi.sizes import SPARE, sizes
from searchapi.understand import Understanding
from searchapi.vocabulary import By, Drug

SOON = 20.0


@given(st.text(), st.text())
def test_a_kept_answer_with_its_question_is_the_whole_answer(text: str, name: str) -> None:
    """Spliced bytes are what would have been written at once, whatever the question holds."""
    meant = Understanding(text, Drug(name, By.BRAND), None, (name,), (), ())
    body = present.search(Answer(meant, (), 0, {"audience": (), "laboratory": (), "source": ()}), Filters(), Window())
    seen = Seen("stamp", "leaflets-000001", Freshness((), timedelta(hours=1)), None, 0.0, 0.0)
    fresh = present.freshness(seen)
    whole = json.loads(present.whole(present.kept(body), text, json.dumps(fresh).encode()))
    assert whole == {**body, "query": {"text": text, **body["query"]}, "freshness": fresh}
    assert next(iter(whole["query"])) == "text"


class Kitchen:
    """Makes one thing, once it is let, and counts how often it was asked."""

    def __init__(self, error: Exception | None = None) -> None:
        self.let = threading.Event()
        self.began = threading.Event()
        self.times = 0
        self.error = error

    def make(self) -> str:
        """The thing, or the error."""
        self.times += 1
        self.began.set()
        assert self.let.wait(SOON)
        if self.error:
            raise self.error
        return "made"


def board(flights: Flights[str], kitchen: Kitchen, seconds: float = SOON) -> str:
    """What one caller gets."""
    return flights.board("question", kitchen.make, Deadline.within(seconds)).made


def until_all_are_seated(capacity: Capacity) -> None:
    """Waits until no chair is free."""
    until = time.monotonic() + SOON
    while time.monotonic() < until:
        try:
            with capacity.chair():
                time.sleep(0.01)
        except Busy:
            return
    pytest.fail("chairs stayed free")


def test_what_is_being_made_is_made_once() -> None:
    """And again by whoever comes after."""
    capacity = Capacity(1, 3)
    flights, kitchen = Flights[str](capacity), Kitchen()
    with ThreadPoolExecutor(4) as callers:
        first = callers.submit(board, flights, kitchen)
        assert kitchen.began.wait(SOON)
        others = [callers.submit(board, flights, kitchen) for _ in range(3)]
        until_all_are_seated(capacity)
        kitchen.let.set()
        assert [caller.result() for caller in (first, *others)] == ["made"] * 4
    assert kitchen.times == 1
    board(flights, kitchen)
    assert kitchen.times == 2


def test_who_waits_gets_the_error_too() -> None:
    """It would meet the same one."""
    flights, kitchen = Flights[str](Capacity(1, 8)), Kitchen(ValueError("no"))
    with ThreadPoolExecutor(2) as callers:
        first = callers.submit(board, flights, kitchen)
        assert kitchen.began.wait(SOON)
        other = callers.submit(board, flights, kitchen)
        kitchen.let.set()
        for caller in (first, other):
            with pytest.raises(ValueError, match="no"):
                caller.result()


def test_who_waits_beyond_the_deadline_is_told_so() -> None:
    """And the one who makes it goes on."""
    flights, kitchen = Flights[str](Capacity(1, 8)), Kitchen()
    with ThreadPoolExecutor(1) as callers:
        first = callers.submit(board, flights, kitchen)
        assert kitchen.began.wait(SOON)
        with pytest.raises(TooLate):
            board(flights, kitchen, 0.05)
        kitchen.let.set()
        assert first.result() == "made"
    assert kitchen.times == 1


def test_without_a_chair_nobody_waits() -> None:
    """Threads that wait are bounded, so that some are left for those who need not."""
    flights, kitchen = Flights[str](Capacity(1, 0)), Kitchen()
    with ThreadPoolExecutor(1) as callers:
        first = callers.submit(board, flights, kitchen)
        assert kitchen.began.wait(SOON)
        with pytest.raises(Busy):
            board(flights, kitchen)
        kitchen.let.set()
        assert first.result() == "made"


def test_a_slot_is_given_back_and_waited_for_only_a_little() -> None:
    """Also where what it was taken for failed."""
    capacity = Capacity(2, 1)
    with pytest.raises(ValueError, match="failed"), capacity.slot(Deadline.within(SOON)):
        raise ValueError("failed")
    with ExitStack() as making:
        for _ in range(2):
            making.enter_context(capacity.slot(Deadline.within(SOON)))
        assert (capacity.in_flight, capacity.idle) == (2, False)
        with pytest.raises(Busy), capacity.slot(Deadline.within(SOON)):
            pass
    assert (capacity.in_flight, capacity.idle) == (0, True)
    with pytest.raises(TooLate):
        Deadline.within(-1).left()


@pytest.mark.parametrize("cores", [1, 2, 8, 64])
@pytest.mark.parametrize("workers", [1, 2, 9])
def test_sizes_fit_each_other(cores: int, workers: int) -> None:
    """With every slot and chair taken threads are left, and each thread finds its connection."""
    size = sizes(workers, 3.0, cores)
    assert size.threads - size.slots - size.chairs == SPARE
    assert size.opensearch_connections > size.slots
    assert size.redis_connections > size.threads
    assert size.graceful_timeout > 3.0
    assert workers * size.slots >= cores

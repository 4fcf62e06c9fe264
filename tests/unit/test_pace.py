"""How fast an ERP is asked: within its vendor's limits, and as many requests at once as it answers well."""

from __future__ import annotations

import threading

import pytest
import redis
from limits import parse

from indexer.sources.base import SourceDown
from indexer.sources.pace import Places, Rates
from opensearch.process import free_port


class Erp:
    """An ERP in simulated time: how long it needs for one answer depends on how many it works on."""

    def __init__(self, seconds_of: list[float]) -> None:
        self.now = 0.0
        self._seconds_of = seconds_of

    def answer(self, places: Places, rounds: int) -> list[int]:
        """Keeps every place taken for so many rounds, each answering together, and gives the places of each round."""
        seen = []
        for _ in range(rounds):
            taken = places.open
            seen.append(taken)
            working = [places.one() for _ in range(taken)]
            for one in working:
                one.__enter__()
            self.now += self._seconds_of[taken]
            for one in working:
                one.__exit__(None, None, None)
        return seen


def settled(seconds_of: list[float], most: int = 8) -> float:
    """With how many places an ERP is mostly asked in the end."""
    erp = Erp(seconds_of)
    places = Places(most, clock=lambda: erp.now)
    seen = erp.answer(places, 600)
    return sum(seen[-200:]) / 200


def test_an_erp_that_answers_eight_as_fast_as_one_is_asked_by_eight() -> None:
    """It scales: fewer places would bring less."""
    assert settled([1.0] * 9) > 7


def test_an_erp_that_answers_one_after_the_other_is_asked_by_few() -> None:
    """Eight at once bring nothing and take all of its workers from those who sell."""
    assert settled([float(n) for n in range(9)]) < 3


def test_an_erp_that_hurts_from_four_on_is_asked_by_about_three() -> None:
    """It swaps: with each place more everything is slower."""
    assert 1.9 < settled([1, 1, 1, 1, 3, 6, 10, 15, 20]) < 4.1


def test_a_short_pull_is_not_slowed_by_trying() -> None:
    """Of forty answers none waits for an experiment."""
    erp = Erp([1.0] * 9)
    assert erp.answer(Places(8, clock=lambda: erp.now), 5) == [8] * 5


def test_a_failure_halves_what_is_asked_at_once() -> None:
    """Down to one, and a refusal is no failure."""
    places = Places(8)

    def fail(error: type[Exception]) -> None:
        with pytest.raises(error), places.one():
            raise error

    for expected in (4, 2, 1, 1):
        fail(SourceDown)
        assert places.open == expected
    fail(ValueError)
    assert places.open == 1


def test_no_more_are_asked_at_once_than_there_are_places() -> None:
    """By forty threads."""
    places, together, most = Places(3), [0], [0]
    lock = threading.Lock()

    def ask() -> None:
        with places.one():
            with lock:
                together[0] += 1
                most[0] = max(most[0], together[0])
            threading.Event().wait(0.002)
            with lock:
                together[0] -= 1

    threads = [threading.Thread(target=ask) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [3]


class EnoughError(Exception):
    """Ends a wait that a test need not see out."""


def rates_that_never_wait(url: str | None) -> Rates:
    """Rates whose first nap ends them."""

    def nap(_: float) -> None:
        raise EnoughError

    return Rates(url, sleep=nap)


def taken(rates: Rates, account: str, limits: list[str]) -> int:
    """How many requests go before the first must wait."""
    told = [parse(limit) for limit in limits]
    for count in range(1000):
        try:
            rates.wait(account, told)
        except EnoughError:
            return count
    return 1000


def test_processes_with_one_account_share_its_limits(redis_url: str) -> None:
    """Two that never heard of each other, by Redis; another account has its own."""
    first, second = rates_that_never_wait(redis_url), rates_that_never_wait(redis_url)
    for _ in range(2):
        first.wait("omie key-1", [parse("5/minute")])
    assert taken(second, "omie key-1", ["5/minute"]) == 3
    assert taken(second, "omie key-2", ["5/minute"]) == 5
    assert first.shared


def test_without_redis_each_process_keeps_the_limits_by_itself() -> None:
    """None is asked more often because the cache is away."""
    assert taken(rates_that_never_wait(f"redis://127.0.0.1:{free_port()}/0"), "erp", ["4/minute"]) == 4


def test_the_tightest_of_several_limits_counts() -> None:
    """Three a second though a thousand a day are left, and seven a day though a second may have a hundred."""
    assert taken(rates_that_never_wait(None), "a", ["3/minute", "1000/day"]) == 3
    assert taken(rates_that_never_wait(None), "b", ["100/minute", "7/day"]) == 7


def test_a_wait_ends_when_the_limit_allows_again() -> None:
    """By the window's own end, and no sooner."""
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        threading.Event().wait(seconds)

    rates = Rates(sleep=nap)
    for _ in range(5):
        rates.wait("erp", [parse("2/second")])
    assert 1.8 < sum(naps) < 4


def test_no_account_is_read_in_redis(redis_url: str) -> None:
    """It may be a key."""
    Rates(redis_url).wait("omie secret-key", [parse("5/minute")])
    assert not [key for key in redis.Redis.from_url(redis_url).keys("bulario:rates*") if b"secret" in key]

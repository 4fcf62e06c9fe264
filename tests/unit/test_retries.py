"""How often a source's requests are repeated, after which pauses, and when no more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from indexer.breaker import FAILURES, Breaker, BreakerOpen, BreakerState
from indexer.sources.base import Busy, SourceChanged, SourceDown, SourceRefused
from indexer.sources.retries import Garbled, Tries


class Erp:
    """Raises what it is given, in turn, and counts; then it answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.asked = 0

    def __call__(self) -> str:
        """One request."""
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


def tries_of(pauses: list[float], breaker: Breaker | None = None) -> Tries:
    """Tries that write their pauses down instead of making them."""
    return Tries(breaker or Breaker("erp", 1), sleep=pauses.append)


@pytest.mark.parametrize("error", [SourceDown("503"), Busy("429", 1.0), Garbled("no JSON")])
def test_what_may_pass_is_asked_three_times(error: Exception) -> None:
    """The third answer is taken; a third failure is told as what it is."""
    erp = Erp(error, error)
    assert tries_of([])(erp) == "answer"
    assert erp.asked == 3
    erp = Erp(error, error, error)
    with pytest.raises(type(error)):
        tries_of([])(erp)
    assert erp.asked == 3


@pytest.mark.parametrize("error", [SourceRefused("404"), SourceChanged("another host")])
def test_what_does_not_pass_is_asked_once(error: Exception) -> None:
    """A person must mend it."""
    erp = Erp(error)
    with pytest.raises(type(error)):
        tries_of([])(erp)
    assert erp.asked == 1


def test_pauses_grow_and_are_spread_out() -> None:
    """Up to half a second, then up to one; threads that failed together do not come back together."""
    pauses: list[float] = []
    tries = tries_of(pauses)
    for _ in range(5):
        tries(Erp(SourceDown("503"), SourceDown("503")))
    assert len(set(pauses)) == 10
    assert all(0 <= pause <= 0.5 for pause in pauses[::2])
    assert all(0 <= pause <= 1 for pause in pauses[1::2])


def test_a_wait_that_the_erp_asks_for_is_kept_within_reason() -> None:
    """Five seconds are waited, and a little more. Of half an hour none is: the breaker leaves the ERP alone for that time."""
    pauses: list[float] = []
    breaker = Breaker("erp", 1)
    tries = tries_of(pauses, breaker)
    erp = Erp(Busy("429", 5), Busy("425", 1678))
    with pytest.raises(Busy, match="425"):
        tries(erp)
    assert 5 <= pauses[0] <= 5.5
    assert len(pauses) == 1
    with pytest.raises(BreakerOpen, match="it asked to be left alone"):
        tries(erp)
    assert erp.asked == 2


def test_retries_are_paid_from_what_answers_earn() -> None:
    """Ten are had from the start: five requests in trouble. Then none, until five answers have paid for one."""
    tries = tries_of([])
    for _ in range(4):
        tries(Erp(SourceDown("503"), SourceDown("503")))
    # 8 spent, 4 fifths earned: 2 left, and an answer still needs both.
    tries(Erp(SourceDown("503"), SourceDown("503")))
    beyond = Erp(SourceDown("503"))
    # 10 spent and one earned back: one is left.
    assert tries(beyond) == "answer"
    poor = Erp(SourceDown("503"))
    with pytest.raises(SourceDown):
        tries(poor)
    assert poor.asked == 1
    for _ in range(5):
        tries(Erp())
    assert tries(Erp(SourceDown("503"))) == "answer"


def test_an_erp_that_is_down_is_asked_ever_less() -> None:
    """A hundred questions to it cost 5 of its refusals, each with its repeats, and not 300: the breaker ends them."""
    tries = tries_of([])
    erp = Erp(*[SourceDown("503")] * 1000)
    for _ in range(100):
        with pytest.raises(SourceDown):
            tries(erp)
    assert erp.asked == 3 * FAILURES


def test_a_probe_is_not_repeated() -> None:
    """One request finds out whether the ERP is back, though there is a budget for more."""
    breaker = Breaker("erp", 1)
    breaker.restore(BreakerState("open", FAILURES))
    probe = Erp(SourceDown("503"))
    with pytest.raises(SourceDown, match="503"):
        tries_of([], breaker)(probe)
    assert probe.asked == 1


def test_nothing_is_repeated_once_the_breaker_has_opened() -> None:
    """Not even what was under way when it did."""
    breaker = Breaker("erp", 1)

    def last() -> str:
        breaker.restore(BreakerState("open", FAILURES, datetime.now(UTC) + timedelta(seconds=30)))
        return erp()

    erp = Erp(SourceDown("503"))
    with pytest.raises(SourceDown, match="503"):
        tries_of([], breaker)(last)
    assert erp.asked == 1

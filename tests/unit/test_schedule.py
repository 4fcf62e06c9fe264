"""When a source is pulled next."""

from __future__ import annotations

from datetime import timedelta
from threading import Event

import pytest

from indexer.schedule import go_on, pause

HOUR = timedelta(hours=1)


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_chance_only_ever_shortens_a_pace(chance: float) -> None:
    """Hourly is never later than hourly, and at most a tenth earlier."""
    assert 3240 <= pause(HOUR, 0, lambda: chance) <= 3600


def test_a_source_that_fails_is_tried_again_sooner_and_then_less_and_less_often() -> None:
    """Half a minute, doubling to a quarter of an hour."""
    assert [pause(HOUR, failures, lambda: 0.0) for failures in (1, 2, 3, 6, 7, 10_000)] == [30, 60, 120, 900, 900, 900]


@pytest.mark.parametrize("failures", range(8))
def test_a_source_that_fails_is_never_tried_later_than_its_pace(failures: int) -> None:
    """A pace of a minute stays one."""
    assert pause(timedelta(minutes=1), failures, lambda: 0.0) <= 60


def test_pulls_follow_each_other_until_the_end_and_the_end_is_not_waited_for() -> None:
    """The next one would be due in an hour."""
    stopped = Event()
    went_well = iter([True, True, False])
    pulls = []

    def pull() -> bool:
        pulls.append(1)
        if len(pulls) == 3:
            stopped.set()
        return next(went_well)

    go_on(timedelta(milliseconds=10), pull, stopped)
    assert len(pulls) == 3


def test_told_to_end_before_it_began_nothing_is_pulled() -> None:
    """No pull begins after that."""
    stopped = Event()
    stopped.set()
    go_on(HOUR, lambda: pytest.fail("it was pulled"), stopped)

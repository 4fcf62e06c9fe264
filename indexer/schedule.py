"""When to pull what: each source in a loop of its own, so that none holds another up and none is pulled twice at a time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import timedelta
from threading import Event

from indexer.breaker import cool_down

# The last part of a pace is left to chance, so that the sources of several indexers do not fall into step.
_SPREAD = 0.1


def go_on(
    pace: timedelta,
    pull: Callable[[], bool],
    stopped: Event,
    chance: Callable[[], float] = random.random,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Pulls now and then again and again, until `stopped`. `pull` says whether it went well.

    The next pull is due a pace after the last one was due, or up to a tenth earlier, never later: hourly stays hourly, and a pull that
    takes longer than its pace is followed by the next at once. One that failed is tried again sooner.
    """
    due, failures = clock(), 0
    while not stopped.is_set():
        failures = 0 if pull() else failures + 1
        now = clock()
        due = max(due + pause(pace, 0, chance), now) if not failures else now + pause(pace, failures, chance)
        stopped.wait(due - now)


def pause(pace: timedelta, failures: int, chance: Callable[[], float] = random.random) -> float:
    """Seconds until the next pull after so many failures in a row: what a breaker waits, and no longer than the pace."""
    seconds = pace.total_seconds()
    if failures:
        seconds = min(cool_down(failures - 1), seconds)
    return seconds * (1 - _SPREAD * chance())

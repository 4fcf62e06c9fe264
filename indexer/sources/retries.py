"""When an ERP is asked again, and when it is left alone: one `Tries` a source, for all its requests and threads.

Tries(ask)  ->  breaker: may it be asked at all?  ->  up to 3 tries, each later one paid for  ->  Pace: not too fast
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from threading import Lock
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from indexer.breaker import LONGEST_PAUSE, Breaker
from indexer.sources.base import Busy, SourceChanged, SourceDown
from indexer.sources.pace import Pace

T = TypeVar("T")

_TRIES = 3
# In fifths of a retry: a fifth of what a working ERP is asked may be retries, ten may come at once, and soon one that is down gets none.
_COST, _MOST_SAVED = 5, 50


class Garbled(SourceChanged):
    """An answer that is no JSON, which may be because it broke on its way: asked again it may come whole. If not, a person must look."""


class Budget:
    """What retries may add to an ERP's load: a retry costs one, an answer earns a fifth, ten are saved at most."""

    def __init__(self) -> None:
        self._fifths = _MOST_SAVED
        self._lock = Lock()

    def spend(self) -> bool:
        """Pays for a retry; False where too little is left."""
        with self._lock:
            affordable = self._fifths >= _COST
            self._fifths -= _COST if affordable else 0
            return affordable

    def earn(self) -> None:
        """Saves what an answer earns."""
        with self._lock:
            self._fifths = min(self._fifths + 1, _MOST_SAVED)


class Tries:
    """See the module. `pace` is how fast the ERP may be asked; without it as fast as it answers. `sleep` is how it waits between tries."""

    def __init__(self, breaker: Breaker, pace: Pace | None = None, sleep: Callable[[float], None] = time.sleep) -> None:
        self._breaker = breaker
        self._pace = pace
        self._budget = Budget()
        passing = retry_if_exception_type((SourceDown, Garbled))
        self._retrying = Retrying(retry=passing, stop=self._enough, wait=_pause, sleep=sleep, reraise=True)

    def __call__(self, ask: Callable[[], T]) -> T:
        """What `ask` gives. It is called again after what may pass: no answer, one cut short, too slow, 408, 425, 429, 5xx, no JSON."""
        pace = self._pace
        paced = ask if pace is None else lambda: pace(ask)
        answer = self._breaker.call(lambda: self._retrying(paced))
        self._budget.earn()
        return answer

    def _enough(self, state: RetryCallState) -> bool:
        """Whether a request that failed is not repeated. A probe never is, nor anything else once the breaker has opened.

        Nor what an ERP asked to wait for longer than a thread should: it may punish the same request sent sooner (Omie starts its half
        hour anew), so the breaker keeps that wait.
        """
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, Busy) and error.wait > LONGEST_PAUSE:
            return True
        return state.attempt_number >= _TRIES or not self._breaker.closed or not self._budget.spend()


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    # Both spread out, so that threads which failed together do not come back together.
    if isinstance(error, Busy):
        return error.wait * random.uniform(1.0, 1.1)  # noqa: S311 no secret is made of it
    # Up to half a second, then up to one.
    return float(wait_random_exponential(multiplier=0.5, max=LONGEST_PAUSE)(state))

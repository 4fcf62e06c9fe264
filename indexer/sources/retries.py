"""When an ERP is asked again, and when it is left alone: one `Tries` a source, for all its requests and threads.

Tries(ask)  ->  breaker: may it be asked at all?  ->  up to 3 tries, each later one paid from the budget
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from threading import Lock
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from indexer.breaker import Breaker
from indexer.sources.base import SourceChanged, SourceDown

T = TypeVar("T")

_TRIES = 3
# Longer than this an ERP's Retry-After is for the next round, not for waiting with a thread in hand.
_LONGEST_WAIT = 30.0
# In fifths of a retry: a fifth of what a working ERP is asked may be retries, ten may come at once, and soon one that is down gets none.
_COST, _MOST_SAVED = 5, 50


class Busy(SourceDown):
    """SourceDown with the seconds to wait that the ERP asked for."""

    def __init__(self, message: str, wait: float) -> None:
        super().__init__(message)
        self.wait = wait


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
    """See the module. `sleep` is how it waits between tries."""

    def __init__(self, breaker: Breaker, sleep: Callable[[float], None] = time.sleep) -> None:
        self._breaker = breaker
        self._budget = Budget()
        passing = retry_if_exception_type((SourceDown, Garbled))
        self._retrying = Retrying(retry=passing, stop=self._enough, wait=_pause, sleep=sleep, reraise=True)

    def __call__(self, ask: Callable[[], T]) -> T:
        """What `ask` gives. It is called again after what may pass: no answer, one cut short, too slow, 408, 425, 429, 5xx, no JSON."""
        answer = self._breaker.call(lambda: self._retrying(ask))
        self._budget.earn()
        return answer

    def _enough(self, state: RetryCallState) -> bool:
        """Whether a request that failed is not repeated. A probe never is, nor anything else once the breaker has opened."""
        return state.attempt_number >= _TRIES or not self._breaker.closed or not self._budget.spend()


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    # Both spread out, so that threads which failed together do not come back together.
    if isinstance(error, Busy):
        return min(error.wait * random.uniform(1.0, 1.1), _LONGEST_WAIT)  # noqa: S311 no secret is made of it
    # Up to half a second, then up to one.
    return float(wait_random_exponential(multiplier=0.5, max=_LONGEST_WAIT)(state))

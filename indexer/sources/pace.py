"""How fast an ERP is asked: never more often than its vendor allows, and as many requests at once as it answers well.

    Pace(ask)  ->  Places: a place among those in flight  ->  Rates: allowed by now?  ->  ask

Rates are counted in Redis, for every process and every source that asks with the same account; while Redis is away in this process alone.
Places are this process's own: a source is pulled by one process at a time (docs/adr/0007).
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import redis
from limits import RateLimitItem
from limits.storage import MemoryStorage, RedisStorage, Storage
from limits.strategies import MovingWindowRateLimiter, RateLimiter, SlidingWindowCounterRateLimiter

from indexer.sources.base import SourceDown

T = TypeVar("T")
log = logging.getLogger(__name__)

_PREFIX = "bulario:rates"
# Redis is near, or of no use: a pull waits for it no longer than an attendant would.
_REDIS_TIMEOUT = 0.05
# Seconds for which a Redis that failed is not asked again.
_REDIS_LEFT_ALONE = 5.0
# Up to this many seconds each request is remembered by its time, which is exact; of longer spans two counters are kept.
_EXACT = 60
# A wait ends early enough to notice a window that another process emptied.
_LONGEST_NAP = 1.0

# Answers a round, at least, and of each place equally many: enough that a slow one does not decide, few enough that a pull has some.
_ROUND = 8
# What more places must bring to be kept, and what fewer may cost: less cannot be told from chance.
_HELPS, _COSTS = 1.05, 0.95
# Rounds for which what was found is kept before something else is tried.
_REST = 5


class Rates:
    """The counts of what was asked, by account. `url` names the Redis they are shared in; None: they are not."""

    def __init__(self, url: str | None = None, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep
        self._own = MemoryStorage()
        self._shared = None if url is None else _shared(url)
        self._away_until = 0.0

    @property
    def shared(self) -> bool:
        """Whether the last request was counted in Redis."""
        return self._shared is not None and time.monotonic() >= self._away_until

    def wait(self, account: str, limits: Sequence[RateLimitItem]) -> None:
        """Comes back when one more request of this account is within all limits, and counts it."""
        name = hashlib.sha256(account.encode()).hexdigest()[:32]
        for limit in limits:
            while (wait := self._hit(limit, name)) > 0:
                self._sleep(min(wait, _LONGEST_NAP))

    def _hit(self, limit: RateLimitItem, name: str) -> float:
        """Counts one request, or gives the seconds after which it may be tried again."""
        if self._shared is not None and time.monotonic() >= self._away_until:
            try:
                return _hit(self._shared, limit, name)
            except redis.RedisError as error:
                self._away_until = time.monotonic() + _REDIS_LEFT_ALONE
                log.warning("Redis does not answer: ERPs' rates are kept by this process alone", extra={"error": type(error).__name__})
        return _hit(self._own, limit, name)


def _shared(url: str) -> Storage:
    pool = redis.BlockingConnectionPool.from_url(
        url, socket_timeout=_REDIS_TIMEOUT, socket_connect_timeout=_REDIS_TIMEOUT, max_connections=16, timeout=1
    )
    return RedisStorage("redis://", connection_pool=pool, key_prefix=_PREFIX)


def _hit(storage: Storage, limit: RateLimitItem, name: str) -> float:
    exact = limit.get_expiry() <= _EXACT
    limiter: RateLimiter = (MovingWindowRateLimiter if exact else SlidingWindowCounterRateLimiter)(storage)
    if limiter.hit(limit, name):
        return 0.0
    # A little later than the window says, whose times are rounded.
    return max(limiter.get_window_stats(limit, name).reset_time - time.time(), 0.0) + 0.01


class Places:
    """How many requests an ERP has to answer at once: `most` to begin with, fewer where that brings as much, half where it fails.

    After each round of answers, if all places were taken throughout, what came a second is compared with what came with another number of
    places. More are kept while they bring more, fewer while they cost nothing. A short pull has too few rounds to change anything.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._changed = threading.Condition()
        self._taken = 0
        self.open = most
        self._tried_from: _Found | None = None
        self._rest = _REST
        self._downwards = True
        self._answers, self._filled, self._early, self._began = 0, 0, 0, clock()

    @contextmanager
    def one(self) -> Iterator[None]:
        """A place, for as long as the block runs; SourceDown in it counts as the ERP's having too much to do."""
        with self._changed:
            self._changed.wait_for(lambda: self._taken < self.open)
            self._taken += 1
            self._filled += self._taken >= self.open
        try:
            yield
        except SourceDown:
            self._left(failed=True)
            raise
        except BaseException:
            self._left(failed=False)
            raise
        self._left(failed=False)

    def _left(self, *, failed: bool) -> None:
        with self._changed:
            self._taken -= 1
            self._answers += 1
            if failed:
                self.open, self._rest, self._tried_from = max(1, self.open // 2), _REST, None
                self._begin()
            elif self._early:
                self._early -= 1
                self._answers, self._filled, self._began = 0, 0, self._clock()
            elif self._answers >= self.open * max(2, -(-_ROUND // self.open)):
                # All places were taken at least once for each answer of all of them: more were wanted than there are.
                if self._filled * self.open >= self._answers:
                    self._decide(_Found(self.open, self._answers / max(self._clock() - self._began, 1e-9)))
                self._begin()
            self._changed.notify_all()

    def _begin(self) -> None:
        # What is in flight was asked in the round before, and answers in this one too early to say anything of it.
        self._answers, self._filled, self._early, self._began = 0, 0, self._taken, self._clock()

    def _decide(self, now: _Found) -> None:
        before = self._tried_from
        if before is None:
            self._rest -= 1
            if self._rest <= 0:
                self._try_from(now)
        elif now.rate >= before.rate * (_COSTS if now.places < before.places else _HELPS):
            self._try_from(now)
        else:
            self.open, self._tried_from, self._rest = before.places, None, _REST
            self._downwards = not self._downwards

    def _try_from(self, now: _Found) -> None:
        """Fewer places or more, a quarter at a time; where there are none, the other way next time."""
        step = max(1, now.places // 4)
        tried = max(1, now.places - step) if self._downwards else min(self._most, now.places + step)
        if tried == now.places:
            self._downwards, self._tried_from, self._rest = not self._downwards, None, _REST
        else:
            self.open, self._tried_from = tried, now


@dataclass(frozen=True, slots=True)
class _Found:
    """How many answers came a second with so many places."""

    places: int
    rate: float


@dataclass(frozen=True, slots=True)
class Pace:
    """One source's pace: its places, and the limits of the account that it asks with."""

    places: Places
    rates: Rates
    account: str
    limits: tuple[RateLimitItem, ...] = ()

    def __call__(self, ask: Callable[[], T]) -> T:
        """What `ask` gives, as soon as it may be called."""
        with self.places.one():
            self.rates.wait(self.account, self.limits)
            return ask()

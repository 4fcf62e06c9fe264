"""How often each may ask: counted in this process, exchanged with the other workers by Redis in the background.

    a request -> take() -> this process's count, and what Redis told last of all workers'     (5 µs, never waits for anyone)
    a thread, as long as there are new counts: five times a second -> Redis: adds them, learns the sums

Redis holds who asked only under a keyed hash, with the key beside it: no address is read there by chance. While it is away each worker goes
on limiting by its own count. docs/adr/0012-access-and-observability.md has what was measured.
"""

from __future__ import annotations

import hashlib
import logging
import math
import secrets
import threading
import time
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import redis
from limits import RateLimitItem, parse
from limits.storage import MemoryStorage, RedisStorage

log = logging.getLogger(__name__)

# Seconds. Workers may together let through what arrives within this beyond a limit.
EXCHANGE_EVERY = 0.2
# A name has some five letters before the list shows it.
TYPING = 5


class Scope(StrEnum):
    """What is counted apart."""

    SEARCH = "search"
    TYPING = "typing"


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one asker may still ask, after the request that was counted last. `resets_in` in whole seconds, at least one."""

    scope: Scope
    limit: RateLimitItem
    taken: int
    resets_in: int

    @property
    def spent(self) -> bool:
        """Whether that request was one too many."""
        return self.taken > self.limit.amount

    @property
    def policy(self) -> str:
        """The limit, as draft-ietf-httpapi-ratelimit-headers writes it."""
        return f'"{self.scope}";q={self.limit.amount};w={self.limit.get_expiry()}'

    @property
    def left(self) -> str:
        """What is left of it, as the same draft writes it."""
        return f'"{self.scope}";r={max(0, self.limit.amount - self.taken)};t={self.resets_in}'


@dataclass(frozen=True, slots=True)
class _Window:
    """What all workers together counted, as Redis told last; good until then, in seconds since 1970."""

    taken: int
    until: float


@lru_cache(maxsize=1024)
def limit_of(text: str, scope: Scope) -> RateLimitItem:
    """The limit that a setting or a key's line says, for this scope."""
    limit = parse(text)
    return limit if scope is Scope.SEARCH else type(limit)(limit.amount * TYPING, limit.multiples)


class Meter:
    """Counts how often each asks, from `start` on together with the other workers of this Redis and prefix."""

    def __init__(self, client: redis.Redis, prefix: str) -> None:
        self._client = client
        self._key = f"{prefix}:limit-key"
        self._own = MemoryStorage()
        self._shared = RedisStorage("redis://", connection_pool=client.connection_pool, key_prefix=f"{prefix}:limit")
        self._guard = threading.Lock()
        self._new: Counter[str] = Counter()
        self._limits: dict[str, RateLimitItem] = {}
        self._windows: dict[str, _Window] = {}
        self._something_new = threading.Event()
        self._away = False

    def start(self) -> None:
        """Exchanges counts in the background, as long as the process lives."""
        threading.Thread(target=self._go_on, name="limits", daemon=True).start()

    def take(self, asker: str, scope: Scope, limit: str) -> Allowance:
        """Counts one request."""
        of = limit_of(limit, scope)
        name = of.key_for(asker, scope)
        taken = self._own.incr(name, of.get_expiry())
        with self._guard:
            self._new[name] += 1
            self._limits[name] = of
            window, new = self._windows.get(name), self._new[name]
        if not self._something_new.is_set():
            self._something_new.set()
        now = time.time()
        if window is not None and window.until > now:
            return Allowance(scope, of, max(taken, window.taken + new), math.ceil(window.until - now))
        return Allowance(scope, of, taken, max(1, math.ceil(self._own.get_expiry(name) - now)))

    def exchange(self) -> None:
        """Tells Redis what was counted here since the last time, and learns what all counted."""
        with self._guard:
            told, limits, self._new, self._limits = self._new, self._limits, Counter(), {}
            now = time.time()
            self._windows = {name: window for name, window in self._windows.items() if window.until > now}
        try:
            secret = self._secret()
            for name, count in told.items():
                self._exchange(name, hashlib.blake2s(name.encode(), key=secret).hexdigest(), count, limits[name].get_expiry())
        except redis.RedisError as error:
            if not self._away:
                log.warning("Redis does not answer: each worker limits by its own count", extra={"error": type(error).__name__})
            self._away = True
            self._windows = {}
        else:
            self._away = False

    def _secret(self) -> bytes:
        """The key of the hashes, the same for all workers; asked for each time, since Redis may have let it go."""
        self._client.set(self._key, secrets.token_bytes(32), nx=True)
        return bytes(self._client.get(self._key) or secrets.token_bytes(32))  # type: ignore[arg-type]  # typed for its asynchronous twin too

    def _exchange(self, name: str, hashed: str, count: int, seconds: int) -> None:
        total = self._shared.incr(hashed, seconds, count)
        window = self._windows.get(name)
        # Where nobody counted before, its time begins now.
        until = time.time() + seconds if total == count else window.until if window else self._shared.get_expiry(hashed)
        with self._guard:
            self._windows[name] = _Window(total, until)

    def _go_on(self) -> None:
        while True:
            self._something_new.wait()
            time.sleep(EXCHANGE_EVERY)
            self._something_new.clear()
            self.exchange()

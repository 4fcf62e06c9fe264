"""How searchapi reaches Redis: within 50 ms or not at all, and never twice in a second in vain."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from searchapi.watched_redis import WatchedRedis

log = logging.getLogger(__name__)

# A GET takes 0.1 ms on the loopback; a Redis slower than this is no help (the library's defaults wait up to 58 s).
PATIENCE = 0.05
# How long Redis is left alone after a failure, in seconds: of all who ask meanwhile one waits PATIENCE, once.
LEFT_ALONE = 1.0

T = TypeVar("T")
D = TypeVar("D")


def connect(url: str, connections: int | None = None, took: Callable[[float, str], None] | None = None) -> redis.Redis:
    """A client that answers or fails within PATIENCE; `connections` bounds how many it opens, `took` is told of each command."""
    client = WatchedRedis.from_url(
        url,
        socket_timeout=PATIENCE,
        socket_connect_timeout=PATIENCE,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
        max_connections=connections,
    )
    if isinstance(client, WatchedRedis):
        client.took = took
    return client


class Reach:
    """A Redis that may be away: whoever asks is given what it says, or at once what they do without it."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self._guard = threading.Lock()
        self._away_until: float | None = None

    def ask(self, work: Callable[[Any], T], otherwise: D) -> T | D:  # the client's answers are typed for its asynchronous twin too
        """What the work gives with the client; `otherwise` where Redis is away, whether that was known or is found out now."""
        if self._away_until is not None and not self._may_try():
            return otherwise
        try:
            given = work(self.client)
        except redis.RedisError as error:
            self._leave_alone(error)
            return otherwise
        if self._away_until is not None:
            self._away_until = None
            log.warning("Redis answers again")
        return given

    def answers(self) -> bool:
        """Whether Redis answers now."""
        try:
            return bool(self.client.ping())
        except redis.RedisError:
            return False

    def _may_try(self) -> bool:
        """Whether this thread is the one that tries again: the others go on without until it knows."""
        with self._guard:
            now = time.monotonic()
            if self._away_until is None or now < self._away_until:
                return self._away_until is None
            self._away_until = now + LEFT_ALONE
            return True

    def _leave_alone(self, error: redis.RedisError) -> None:
        with self._guard:
            known, self._away_until = self._away_until, time.monotonic() + LEFT_ALONE
        if known is None:
            log.warning("Redis does not answer: answering without it", extra={"error": type(error).__name__})

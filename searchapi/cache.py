"""Popular answers, kept in Redis. Losing it loses nothing: every failure is only a miss.

A key is a hash of the normalised question, the filters, the index's state and the synonyms' version, so that an answer made from
anything else is never found. Neither who asked nor the question's text is kept.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from leaflets.names import fold
from searchapi.params import Question
from searchapi.watched_redis import WatchedRedis

log = logging.getLogger(__name__)

# In seconds. An answer cannot outlive a change of the index (its key holds the index's state), so this only bounds memory.
KEPT = 3600
# A GET takes 0.1 ms on the loopback; a Redis slower than this is no help (the library's defaults wait up to 58 s).
PATIENCE = 0.05
# How long Redis is left alone after a failure, in seconds: a person waits PATIENCE once, not at every question.
LEFT_ALONE = 1.0


def connect(url: str, took: Callable[[float, str], None] | None = None) -> redis.Redis:
    """A client that answers or fails within PATIENCE; `took` is told of each command."""
    client = WatchedRedis.from_url(
        url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE, retry=Retry(NoBackoff(), 0), health_check_interval=0
    )
    if isinstance(client, WatchedRedis):
        client.took = took
    return client


class AnswerCache:
    """Answers by question."""

    def __init__(self, client: redis.Redis, prefix: str = "bulario") -> None:
        self._client = client
        self._prefix = prefix
        self._away_until = 0.0

    def key(self, question: Question, stamp: str) -> str:
        """The key of a question put to one state of the index."""
        told = [fold(question.text), asdict(question.filters), asdict(question.window), stamp]
        return f"{self._prefix}:answer:{hashlib.sha256(json.dumps(told).encode()).hexdigest()}"

    def get(self, key: str) -> bytes | None:
        """A kept answer; None where there is none or Redis is away."""
        if time.monotonic() < self._away_until:
            return None
        try:
            return self._client.get(key)  # type: ignore[return-value]  # typed for its asynchronous twin too
        except redis.RedisError as error:
            self._leave_alone(error)
            return None

    def keep(self, key: str, answer: bytes) -> None:
        """Keeps an answer, where Redis will."""
        if time.monotonic() < self._away_until:
            return
        try:
            self._client.set(key, answer, ex=KEPT)
        except redis.RedisError as error:
            self._leave_alone(error)

    def answers(self) -> bool:
        """Whether Redis answers now."""
        try:
            return bool(self._client.ping())
        except redis.RedisError:
            return False

    def _leave_alone(self, error: redis.RedisError) -> None:
        self._away_until = time.monotonic() + LEFT_ALONE
        log.warning("Redis does not answer: answering without it", extra={"error": type(error).__name__})

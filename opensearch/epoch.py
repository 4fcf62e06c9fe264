"""Tells every searchapi that the index changed: a random value in Redis, read with the kept answers.

`indexer` replaces it after each change that it made visible; an answer that was verified under another value is not served until the index
was looked at again.
"""

from __future__ import annotations

import contextlib
import secrets
import time

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

# Where searchapi's keys begin.
PREFIX = "bulario"
# How long a searchapi may rely on what it read, in seconds: under load it reads the epoch once for many answers.
TRUSTED = 0.02
# A sync does not wait long for a cache. In seconds.
_PATIENCE = 0.5


def key(prefix: str = PREFIX) -> str:
    """The epoch's key."""
    return f"{prefix}:epoch"


def begin(url: str, prefix: str = PREFIX) -> None:
    """A new epoch; once this returns, no question is answered by what was verified before it.

    Where Redis is away there are no kept answers either, so nothing is to be told.
    """
    once = Retry(NoBackoff(), 0)
    with (
        contextlib.suppress(redis.RedisError),
        redis.Redis.from_url(url, socket_timeout=_PATIENCE, socket_connect_timeout=_PATIENCE, retry=once) as client,
    ):
        client.set(key(prefix), secrets.token_hex(8))
        time.sleep(TRUSTED)

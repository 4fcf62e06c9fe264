"""A Redis client that tells how long each command took. Several commands sent at once (a pipeline) are not told."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import redis


class WatchedRedis(redis.Redis):
    """The library's own; `took` is told seconds and outcome (answered, away) of each command."""

    took: Callable[[float, str], None] | None = None

    def execute_command(self, *words: Any, **options: Any) -> Any:  # whatever a command takes and gives
        """As the library does it."""
        if self.took is None:
            return super().execute_command(*words, **options)  # type: ignore[no-untyped-call]  # untyped there
        began, outcome = time.perf_counter(), "away"
        try:
            answer = super().execute_command(*words, **options)  # type: ignore[no-untyped-call]  # untyped there
            outcome = "answered"
            return answer
        finally:
            self.took(time.perf_counter() - began, outcome)

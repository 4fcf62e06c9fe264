"""When to pull what: each source at its own pace, several due ones together, never one twice at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from threading import Event

from indexer.sources.base import Source


def go_on(sources: Sequence[Source], every: timedelta, pull: Callable[[Sequence[Source]], None], stopped: Event) -> None:
    """Pulls every source at once and then each again when its `every` (or the common one) has passed, until `stopped`."""
    due = {source.name: time.monotonic() for source in sources}
    while not stopped.is_set():
        now = time.monotonic()
        ready = [source for source in sources if due[source.name] <= now]
        if ready:
            pull(ready)
        for source in ready:
            # From when it was due, not from when it ended: hourly stays hourly. A pull longer than its pace starts again at once.
            due[source.name] = max(due[source.name] + (source.every or every).total_seconds(), time.monotonic())
        stopped.wait(max(0.0, min(due.values()) - time.monotonic()) if due else every.total_seconds())

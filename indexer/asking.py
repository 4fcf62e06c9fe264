"""How one source is asked: several requests at once, answers read on while the ERP works, and nothing waited for once we must end.

pages -> (walker thread) -> source.pages -> ahead -> (asker threads) -> ERP
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Self, TypeVar

from structlog.contextvars import bind_contextvars

from indexer.sources.base import Page, Source

T = TypeVar("T")

# Seconds within which it is noticed that we must end; no answer is waited for longer because of it.
_NOTICED = 0.2


class Asking:
    """A source's questions under way, as a context manager. `going` raises what ends the pull; threads log with what `bound` says."""

    def __init__(self, source: Source, going: Callable[[], None], bound: Mapping[str, str]) -> None:
        self._source = source
        self._going = going
        threads = partial(ThreadPoolExecutor, initializer=partial(bind_contextvars, **bound))
        self._walker = threads(max_workers=1, thread_name_prefix=f"walk-{source.name}")
        self._askers = threads(max_workers=source.max_in_flight, thread_name_prefix=f"ask-{source.name}")
        self._asked: list[float] = []
        self._waited = 0.0
        # Whether the next answer has come already; never known of what is asked in turn.
        self.more_is_there = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        # Not waited for: what an ERP is still asked, past its last page or past our end, may end by itself.
        for executor in (self._walker, self._askers):
            executor.shutdown(wait=False, cancel_futures=True)

    @property
    def seconds(self) -> float:
        """How long the ERP was busy answering: all answers asked ahead together; what was asked in turn, as long as it was waited for."""
        return max(sum(self._asked), self._waited)

    def pages(self, since: str | None, *, whole: bool, names: bool = False) -> Iterator[Page]:
        """The source's pages, for as long as `going` lets it."""
        pages = self._source.pages(since, self._ahead, whole=whole, names=names)
        while True:
            self._going()
            started = time.monotonic()
            page = self.waited_for(self._walker.submit(next, pages, None))
            self._waited += time.monotonic() - started
            if page is None:
                return
            yield page

    def waited_for(self, future: Future[T]) -> T:
        """What a thread gives; raises what `going` raises meanwhile and leaves the thread to itself."""
        while not future.done():
            wait([future], timeout=_NOTICED)
            self._going()
        return future.result()

    def _ahead(self, calls: Iterable[Callable[[], T]]) -> Iterator[T]:
        """See `Ahead`. Twice as many calls as there are places are under way or answered and not yet taken, so that none stands empty."""
        pending = iter(calls)
        waiting: deque[Future[T]] = deque()
        try:
            for call in itertools.islice(pending, 2 * self._source.max_in_flight):
                waiting.append(self._askers.submit(self._timed, call))
            while waiting:
                result = waiting.popleft().result()
                for call in itertools.islice(pending, 1):
                    waiting.append(self._askers.submit(self._timed, call))
                self.more_is_there = bool(waiting) and waiting[0].done()
                yield result
        finally:
            for future in waiting:
                future.cancel()

    def _timed(self, call: Callable[[], T]) -> T:
        started = time.monotonic()
        try:
            return call()
        finally:
            self._asked.append(time.monotonic() - started)

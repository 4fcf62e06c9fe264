"""How long OpenSearch is waited for while it is away, too busy or at work on itself, and what counts as that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event
from typing import TypeVar

from opensearchpy.exceptions import TransportError
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    retry_if_result,
    sleep_using_event,
    stop_after_delay,
    stop_when_event_set,
    wait_random_exponential,
)
from tenacity.retry import retry_base

from opensearch.client import IndexDown

T = TypeVar("T")

_BUSY = frozenset({429, 502, 503, 504})
# What passes by itself or by an operator's hand, and says nothing of a leaflet: a write block (403; a reindex is about to swap), an index
# closed for its new synonyms (400), an alias that is being moved or made anew (404).
_AT_WORK = frozenset({"cluster_block_exception", "index_closed_exception", "index_not_found_exception"})


def passing(status: object, kind: object) -> bool:
    """Whether an answer of this status and kind of error may be another one shortly."""
    return status in _BUSY or kind in _AT_WORK


def busy(error: BaseException) -> bool:
    """Whether OpenSearch, asked the same again, may answer. No answer at all counts, so what was asked may have been done."""
    return isinstance(error, IndexDown) or (isinstance(error, TransportError) and passing(error.status_code, error.error))


@dataclass(frozen=True, slots=True)
class Patience:
    """Asks again what OpenSearch could not answer, with growing, random pauses: for so many seconds in all, and only until `stopped`."""

    seconds: float = 60.0
    stopped: Event = field(default_factory=Event)

    def ask(self, call: Callable[[], T]) -> T:
        """What the call gives. It must be one that may be made twice; its last error is raised where the patience ends."""
        return self._tries(retry_if_exception(busy))(call)

    def settle(self, step: Callable[[], bool]) -> None:
        """Takes the step again and again while it says that something waits, and ends without a word where the patience ends."""
        self._tries(retry_if_result(bool), at_the_end=lambda _: None)(step)

    def _tries(self, again: retry_base, at_the_end: Callable[[RetryCallState], object] | None = None) -> Retrying:
        return Retrying(
            retry=again,
            # 0.2 s: a full write queue of a node at work is drained in about that time. 5 s: a node that comes back is not kept waiting.
            wait=wait_random_exponential(multiplier=0.2, max=5),
            stop=stop_after_delay(self.seconds) | stop_when_event_set(self.stopped),
            sleep=sleep_using_event(self.stopped),
            retry_error_callback=at_the_end,
            reraise=True,
        )

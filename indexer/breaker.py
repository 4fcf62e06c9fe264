"""A breaker a source: an ERP that is down is left alone for a while, and then asked by one request before all others.

    closed --5 requests in a row failed--> open --the cool-down passed--> half open: one probe --answered--> closed
                                            '<------- failed: a cool-down twice as long -------'

An ERP that says how long it wants to be left alone is believed at once: one such answer opens the breaker, for so long.

No lock is held while the ERP is asked, so calls overlap as if there were no breaker.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Condition
from typing import Literal, TypeVar

from indexer.sources.base import Busy, SourceDown, SourceError

T = TypeVar("T")
log = logging.getLogger(__name__)

# Each of these failed after its tries: that is fifteen refusals, and no longer bad luck.
FAILURES = 5
# Half a minute lets a service be restarted; after a quarter of an hour a desk that waits for its leaflets wants to know.
_COOL_DOWN = 30.0
_LONGEST_COOL_DOWN = 900.0
# Longer than this an ERP's wait is kept by the breaker and not by a thread; no ERP of the trade blocks for longer than an hour.
LONGEST_PAUSE = 30.0
_LONGEST_TOLD = 3600.0
# The last part of a cool-down is left to chance, so that several sources on one host do not come back together.
_SPREAD = 0.2


class BreakerOpen(SourceDown):
    """The ERP failed too often and was not asked: it is asked again after `until`. `since` is None where another run saw it fail."""

    def __init__(self, message: str, since: datetime | None, until: datetime) -> None:
        super().__init__(message)
        self.since = since
        self.until = until


@dataclass(frozen=True, slots=True)
class BreakerState:
    """What a breaker has to remember from one run to the next: how many requests in a row failed, and from when on one may go again.

    `cool_down` is how many seconds the wait has in all where the ERP itself said so; 0: as the failures say.
    """

    state: Literal["closed", "open", "half_open"] = "closed"
    failures: int = 0
    retry_at: datetime | None = None
    cool_down: float = 0.0


class Breaker:
    """One source's breaker, for all its threads. `patience` is how many seconds a call may wait for the verdict of another's probe."""

    def __init__(
        self,
        source: str,
        patience: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._source = source
        self._patience = patience
        self._clock = clock
        self._now = now
        self._chance = chance
        self._changed = Condition()
        self._state: Literal["closed", "open", "half_open"] = "closed"
        self._failures = 0
        self._retry = 0.0
        self._told = 0.0
        self._since: datetime | None = None
        self._last = ""
        # Counts the openings and probes. A request that went before the latest of them failed with those that are counted already.
        self._turn = 0

    @property
    def closed(self) -> bool:
        """Whether requests go as they come."""
        return self._state == "closed"

    def call(self, request: Callable[[], T]) -> T:
        """What a request gives; raises BreakerOpen without making it while the ERP is left alone.

        SourceDown counts as a failure. Any other SourceError is an answer, if not the one that was wanted.
        """
        turn = self._admitted()
        try:
            answer = request()
        except SourceDown as error:
            self._failed(turn, error)
            raise
        except SourceError:
            self._answered()
            raise
        except BaseException:
            self._interrupted(turn)
            raise
        self._answered()
        return answer

    def state(self) -> BreakerState:
        """What `restore` needs to go on from here in another run."""
        with self._changed:
            return BreakerState(self._state, self._failures, None if self._state == "closed" else self._until(), self._told)

    def restore(self, kept: BreakerState) -> None:
        """Goes on from where another run was. Its wait is never longer than its cool-down, whatever a clock did meanwhile."""
        with self._changed:
            if (kept.state, kept.failures) != (self._state, self._failures):
                # Another run's story, of which it kept no more.
                self._since, self._last = None, ""
            # A probe whose verdict nobody kept is made again.
            self._state = "closed" if kept.state == "closed" else "open"
            self._failures, self._told = kept.failures, min(kept.cool_down, _LONGEST_TOLD)
            left = (kept.retry_at - self._now()).total_seconds() if kept.retry_at else 0.0
            self._retry = self._clock() + min(left, max(cool_down(kept.failures - FAILURES), self._told))
            self._turn += 1
            self._changed.notify_all()

    def probe_now(self) -> None:
        """Lets the next request go as the probe, as when a person asks and does not want to wait for the cool-down.

        Not where the ERP itself said how long: it would make the wait longer.
        """
        with self._changed:
            if self._told:
                return
            self._retry = min(self._retry, self._clock())

    def _admitted(self) -> int:
        """The turn in which a request may go."""
        with self._changed:
            self._changed.wait_for(lambda: self._state != "half_open", self._patience)
            if self._state == "half_open" or (self._state == "open" and self._clock() < self._retry):
                raise self._open()
            if self._state == "open":
                self._state = "half_open"
                self._turn += 1
            return self._turn

    def _answered(self) -> None:
        with self._changed:
            opened = self._state != "closed"
            self._state, self._failures, self._told = "closed", 0, 0.0
            if opened:
                self._changed.notify_all()
        if opened:
            log.info("breaker closed", extra={"source": self._source})

    def _failed(self, turn: int, error: SourceDown) -> None:
        with self._changed:
            if turn != self._turn:
                return
            self._failures += 1
            self._last = str(error)
            told = min(error.wait, _LONGEST_TOLD) if isinstance(error, Busy) and error.wait > LONGEST_PAUSE else 0.0
            if self._state == "closed" and self._failures < FAILURES and not told:
                return
            self._since = self._now() if self._state == "closed" else self._since
            self._told = told
            wait = told or cool_down(self._failures - FAILURES) * (1 - _SPREAD * self._chance())
            self._state, self._retry = "open", self._clock() + wait
            self._turn += 1
            self._changed.notify_all()
            failures = self._failures
        log.warning("breaker opened", extra={"source": self._source, "failures": failures, "seconds": round(wait)})

    def _interrupted(self, turn: int) -> None:
        """A request that ended without a verdict; was it the probe, the next one is."""
        with self._changed:
            if self._state == "half_open" and turn == self._turn:
                self._state = "open"
                self._changed.notify_all()

    def _until(self) -> datetime:
        return self._now() + timedelta(seconds=max(0.0, self._retry - self._clock()))

    def _open(self) -> BreakerOpen:
        until = self._until()
        since = f" since {self._since:%Y-%m-%d %H:%M:%S} UTC" if self._since else ""
        last = f"; the last: {self._last}" if self._last else ""
        why = "it asked to be left alone" if self._told else f"{self._failures} requests in a row failed"
        message = f"{why}{since}, so it is not asked until {until:%Y-%m-%d %H:%M:%S} UTC{last}"
        return BreakerOpen(message, self._since, until)


def cool_down(more: int) -> float:
    """Seconds that an ERP which does not answer is left alone, twice as many for each of `more` failures after the first time."""
    # The exponent is bounded because an ERP may be down for months.
    return min(_COOL_DOWN * 2.0 ** min(max(more, 0), 10), _LONGEST_COOL_DOWN)

"""Answers that are made before they are asked for: old ones anew, and after a change of the index the most popular ones.

One thread, one answer at a time, and only while few others are made: nobody waits for these, and nobody may wait because of them.
"""

from __future__ import annotations

import logging
import queue
import threading
import time

from opensearchpy.exceptions import OpenSearchException

from searchapi.capacity import Busy
from searchapi.deadline import Deadline, TooLate
from searchapi.params import Question
from searchapi.searches import Searches
from searchapi.seen import NotReady

log = logging.getLogger(__name__)

# Questions made anew after a change. A desk's day is a few hundred different questions, and most calls are about few of them.
MOST_POPULAR = 50
# How long the index must not have changed before that, in seconds: a sync that is under way would make it in vain.
SETTLED = 3.0
# How often what was asked is written down, and how often is looked whether there is something to do, in seconds.
WRITE_EVERY, LOOK_EVERY = 5.0, 0.5


class Warmer:
    """Makes one process's answers beforehand, from `start` to the process's end; `within` bounds each of them, in seconds."""

    def __init__(self, searches: Searches, within: float) -> None:
        self._searches = searches
        self._within = within
        self._stamp = ""
        self._since = time.monotonic()
        self._written_at = time.monotonic()
        self._warmed = ""

    def start(self) -> None:
        """Works in the background, as long as the process lives."""
        threading.Thread(target=self._go_on, name="warmer", daemon=True).start()

    def _go_on(self) -> None:
        while True:
            try:
                self._renew(self._searches.overdue.get(timeout=LOOK_EVERY))
            except queue.Empty:
                self._after_a_change()
            if time.monotonic() - self._written_at > WRITE_EVERY:
                self._searches.popular.write()
                self._written_at = time.monotonic()

    def _renew(self, question: Question) -> None:
        """Makes an old answer anew, where nobody has meanwhile."""
        self._prepare(question)

    def _after_a_change(self) -> None:
        """Makes the most popular answers, once the index stood still for a while, where no other worker does."""
        known = self._searches.state.newest
        stamp = known.names.stamp if known else ""
        if stamp != self._stamp:
            self._stamp, self._since = stamp, time.monotonic()
        if not stamp or stamp == self._warmed or time.monotonic() - self._since < SETTLED:
            return
        self._warmed = stamp
        if not self._searches.cache.elected(stamp):
            return
        made = 0
        for question in self._searches.popular.most_asked(MOST_POPULAR):
            known = self._searches.state.newest
            if not known or known.names.stamp != stamp:
                break
            made += self._prepare(question)
        self._searches.metrics.warmed.inc(made)
        log.info("popular answers made", extra={"made": made})

    def _prepare(self, question: Question) -> bool:
        """Whether an answer was made: at a quiet moment, or not at all."""
        until = time.monotonic() + self._within
        while not self._searches.capacity.idle:
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
        try:
            return self._searches.prepare(question, Deadline.within(self._within))
        except (Busy, TooLate, NotReady, OpenSearchException) as error:
            log.warning("an answer was not made beforehand", extra={"error": type(error).__name__})
            return False

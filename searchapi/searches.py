"""How a search comes to its answer: kept, being made by somebody else, or made now (docs/adr/0013-serving.md).

question -> kept under the index's stamp? -> its bytes
         -> being made, here or by another worker? -> waited for
         -> a slot -> Answers -> bytes, kept where it found something
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import queue
import time
from dataclasses import dataclass
from enum import StrEnum

from searchapi import present
from searchapi.answers import Answer, Answers
from searchapi.cache import AnswerCache, Entry, entry
from searchapi.capacity import Capacity
from searchapi.deadline import Deadline
from searchapi.flights import Flights
from searchapi.metrics import Metrics
from searchapi.params import Question
from searchapi.popular import Popular
from searchapi.seen import Seen
from searchapi.state import IndexState, Snapshot
from searchapi.understand import Understanding

# An answer older than this, in seconds, is made anew behind the one who gets it: nothing tells that it changed, and it stays kept.
SOFT_AGE = 600.0
# How often is asked whether another worker has the answer, in seconds: one takes 5 to 20 ms to make.
POLL = 0.01
# Old answers that wait to be made anew; the next one who asks for one of the others will have it made.
MOST_OVERDUE = 1000


class Outcome(StrEnum):
    """How a search ended."""

    FOUND = "found"
    SUGGESTED = "suggested"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Made:
    """An answer as bytes. `nothing`: what was meant, where nothing was found: that is heard of everyone who asks."""

    entry: Entry
    outcome: Outcome = Outcome.FOUND
    nothing: Understanding | None = None
    # What is suggested, or offered instead, holds words of the question; and who else finds nothing is to be counted.
    may_be_kept: bool = True


@dataclass(frozen=True, slots=True)
class Told:
    """A search's whole answer. `cache_status` in the words of RFC 9211; `age` in seconds of one that was kept; `nothing` as in Made."""

    body: bytes
    etag: str
    cache_status: str
    age: int | None = None
    nothing: Understanding | None = None


@dataclass(frozen=True, slots=True)
class _Looked:
    """What is kept for a question: `entry` where it may be served, `held` whether or not; and the look that it was found by."""

    seen: Seen
    key: str
    entry: Entry | None
    held: Entry | None

    def newer(self, entry: Entry | None) -> Entry | None:
        """An entry that somebody has kept since."""
        return entry if entry and (self.held is None or entry.made_at > self.held.made_at) else None


@dataclass(frozen=True, slots=True)
class _Fresh:
    """How fresh the index is, as it was last written."""

    seen: Seen | None = None
    second: float = 0.0
    told: bytes = b""


class Searches:
    """Answers searches for one process. `overdue` are questions whose kept answers are to be made anew."""

    def __init__(
        self, answers: Answers, state: IndexState, cache: AnswerCache, popular: Popular, capacity: Capacity, metrics: Metrics
    ) -> None:
        self.answers = answers
        self.state = state
        self.cache = cache
        self.popular = popular
        self.capacity = capacity
        self.metrics = metrics
        self.overdue: queue.Queue[Question] = queue.Queue(MOST_OVERDUE)
        self._flights: Flights[Made] = Flights(capacity)
        self._told_fresh = _Fresh()

    def told(self, question: Question, deadline: Deadline) -> Told:
        """The answer to a question; raises Busy, TooLate, NotReady, and where OpenSearch does not answer and nothing is kept."""
        looked = self._looked(question, deadline)
        if looked.entry:
            return self._served(question, looked.seen, looked.entry)
        landed = self._flights.board(looked.key, lambda: self._made(question, looked, deadline), deadline)
        self.metrics.came("shared" if landed.shared else "miss").inc()
        self.metrics.ended(landed.made.outcome).inc()
        if landed.made.nothing is None:
            self.popular.heard(question)
        return _told(question, landed.made, self._fresh(looked.seen), "fwd=miss")

    def explained(self, question: Question, deadline: Deadline) -> Told:
        """The answer with why each result stands where it does: always made anew, and never kept for those who have no key."""
        seen = self.state.lookout.just_now(deadline)
        made = self._answered(question, self.state.snapshot(), deadline, explain=True)
        self.metrics.ended(made.outcome).inc()
        return _told(question, made, self._fresh(seen), "fwd=bypass")

    def prepare(self, question: Question, deadline: Deadline) -> bool:
        """Makes an answer that nobody waits for, where none is kept or it is old; whether it was made. Raises as `told`."""
        looked = self._looked(question, deadline)
        if looked.entry and looked.entry.age <= SOFT_AGE:
            return False
        return not self._flights.board(looked.key, lambda: self._made(question, looked, deadline), deadline).shared

    def _looked(self, question: Question, deadline: Deadline) -> _Looked:
        """What is kept for a question as the index is now."""
        seen = self.state.lookout.just_now(deadline)
        key = self.cache.key(question, seen.stamp)
        found = self.cache.find(key)
        if not found.away and found.epoch != seen.epoch:
            # The index changed since that look, or nobody can tell: what it was is no longer good enough.
            seen, old = self.state.lookout.since(found.epoch, deadline), key
            key = self.cache.key(question, seen.stamp)
            found = found if key == old else self.cache.find(key)
        return _Looked(seen, key, found.entry if found.epoch == seen.epoch else None, found.entry)

    def _served(self, question: Question, seen: Seen, kept: Entry) -> Told:
        """A kept answer; one that cannot be verified now says so itself."""
        old = not seen.verified or kept.age > SOFT_AGE
        if old and seen.verified:
            with contextlib.suppress(queue.Full):
                self.overdue.put_nowait(question)
        self.metrics.came("stale" if old else "hit").inc()
        self.metrics.ended(Outcome.FOUND).inc()
        self.popular.heard(question)
        return _told(
            question,
            Made(kept),
            self._fresh(seen, None if seen.verified else kept.age),
            "hit; fwd=stale" if old else "hit",
            age=int(kept.age),
        )

    def _fresh(self, seen: Seen, answer_age: float | None = None) -> bytes:
        """How fresh the index is, as JSON; for all answers of one look it is written once a second."""
        second = time.monotonic() // 1
        if answer_age is None and self._told_fresh.seen is seen and self._told_fresh.second == second:
            return self._told_fresh.told
        told = json.dumps(present.freshness(seen, answer_age), ensure_ascii=False).encode()
        if answer_age is None:
            self._told_fresh = _Fresh(seen, second, told)
        return told

    def _made(self, question: Question, looked: _Looked, deadline: Deadline) -> Made:
        """The answer made now and kept, or the one that another worker made meanwhile."""
        claim = self.cache.claim(looked.key, deadline.left())
        kept = False
        try:
            other = looked.newer(claim.entry) if claim.mine else self._awaited(looked, deadline)
            if other:
                return Made(other)
            snapshot = self.state.snapshot()
            made = self._answered(question, snapshot, deadline)
            # Names of another state of the index than was looked at: good enough to answer with, as they always are for a moment.
            if made.may_be_kept and snapshot.names.stamp == looked.seen.stamp:
                self.cache.keep(looked.key, made.entry)
                kept = True
            return made
        finally:
            if claim.mine and not kept:
                self.cache.release(looked.key)

    def _awaited(self, looked: _Looked, deadline: Deadline) -> Entry | None:
        """What another worker makes; None where it fails, or must not keep it: then all who waited make it themselves."""
        with self.capacity.chair():
            while True:
                awaited = self.cache.awaited(looked.key)
                newer = looked.newer(awaited.entry)
                if newer or not awaited.being_made:
                    return newer
                time.sleep(min(POLL, deadline.left()))

    def _answered(self, question: Question, snapshot: Snapshot, deadline: Deadline, *, explain: bool = False) -> Made:
        """The answer made now, of one state of the index."""
        with self.capacity.slot(deadline):
            answers = self.answers.by(deadline)
            meant = answers.understanding(question.text, snapshot)
            answer = answers.search(meant, question.filters, question.window, snapshot, explain=explain)
        body = present.kept(present.search(answer, question.filters, question.window))
        return Made(
            entry(body),
            _outcome(answer),
            nothing=None if answer.total else answer.meant,
            may_be_kept=bool(answer.total and not answer.meant.suggestions),
        )


def _outcome(answer: Answer) -> Outcome:
    if answer.total:
        return Outcome.FOUND
    return Outcome.SUGGESTED if answer.meant.suggestions else Outcome.NOTHING


def _told(question: Question, made: Made, fresh: bytes, cache_status: str, age: int | None = None) -> Told:
    """The whole answer; its ETag is of the kept body's hash and of what stands beside it."""
    etag = hashlib.blake2b(b"%s %s %s" % (made.entry.digest.encode(), question.text.encode(), fresh), digest_size=16).hexdigest()
    return Told(present.whole(made.entry.body, question.text, fresh), etag, cache_status, age, made.nothing)

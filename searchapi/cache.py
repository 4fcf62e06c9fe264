"""Popular answers, kept in Redis. Losing it loses nothing: every failure is only a miss.

    PREFIX:answer:HASH   an answer's bytes, when it was made and their hash
    PREFIX:making:HASH   a worker makes this answer now; the others wait for it
    PREFIX:warmed:HASH   a worker made the popular answers of this stamp
    PREFIX:epoch         replaced by `indexer` when the index changed (opensearch/epoch.py)
    PREFIX:seen          the index as it was last seen by any worker (searchapi/state.py)

HASH is of the normalised question, the filters, the window and the index's stamp, so that an answer made from anything else is never
found. Neither who asked nor the question's text is kept here.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from opensearch import epoch
from searchapi.params import Question
from searchapi.redis_client import Reach

# In seconds. An answer cannot outlive a change of the index (its key holds the index's stamp), so this only bounds memory.
KEPT = 3600
# How long an answer that Redis gave is at hand in the process, in seconds, and how many: the few that everybody asks for now. That they are
# valid is still asked (opensearch/epoch.py), only not once an answer.
NEAR, MOST_NEAR = 1.0, 200
# How long what was last seen of the index is kept, in seconds: a weekend with OpenSearch away.
SEEN_KEPT = 3 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Entry:
    """A kept answer: its bytes, their hash, and when it was made (seconds since 1970)."""

    body: bytes
    digest: str
    made_at: float

    @property
    def age(self) -> float:
        """Seconds since it was made; none where clocks disagree."""
        return max(0.0, time.time() - self.made_at)


@dataclass(frozen=True, slots=True)
class Found:
    """What Redis holds for a question, and the epoch that it tells; neither where it is `away`."""

    entry: Entry | None = None
    epoch: bytes | None = None
    away: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """Whether an answer is ours to make; `entry` where somebody has kept it since it was looked for."""

    mine: bool
    entry: Entry | None = None


@dataclass(frozen=True, slots=True)
class Awaited:
    """What came of an answer that another worker makes: `being_made` until it is there, or is not to be."""

    entry: Entry | None
    being_made: bool


@dataclass(frozen=True, slots=True)
class _Near:
    """What was read from Redis, and when that began, by this machine's monotonic clock."""

    found: Found
    at: float


_NOTHING = Found(away=True)


class AnswerCache:
    """Answers by question, and what the workers tell each other of the index."""

    def __init__(self, reach: Reach, prefix: str = epoch.PREFIX) -> None:
        self._reach = reach
        self._prefix = prefix
        self._epoch = epoch.key(prefix)
        self._guard, self._reading = threading.Lock(), threading.Lock()
        self._near: OrderedDict[str, _Near] = OrderedDict()
        self._last = _Near(_NOTHING, 0.0)

    def key(self, question: Question, stamp: str) -> str:
        """The hash of a question put to one state of the index."""
        chosen, window = question.filters, question.window
        # Accents count: a leaflet that is called as was typed stands first (ranking's exact_name). Capitals do not.
        told = (
            question.text.lower(),
            chosen.audience,
            chosen.section or "",
            chosen.laboratory,
            chosen.source,
            window.page,
            window.size,
            window.cursor,
            stamp,
        )
        # No text of a question holds a control character.
        return hashlib.sha256("\0".join(map(str, told)).encode()).hexdigest()

    def find(self, key: str) -> Found:
        """What is kept under a key, and the epoch: one round trip, or none where both were read just now."""
        now = time.monotonic()
        last, near = self._last, self._near.get(key)
        if near is None or now - last.at >= epoch.TRUSTED or now - near.at >= NEAR:
            return self._read(key, now)
        # Ahead of the time, and by one thread: else all who ask would go to Redis together when it is up.
        if now - last.at > epoch.TRUSTED / 2 and self._reading.acquire(blocking=False):
            try:
                return self._read(key, now)
            finally:
                self._reading.release()
        return Found(near.found.entry, last.found.epoch)

    def _read(self, key: str, now: float) -> Found:
        def found(server: Any) -> Found:  # as Reach.ask
            kept, told = server.mget(self._answer(key), self._epoch)
            return Found(_read(kept), told)

        read: Found = self._reach.ask(found, _NOTHING)
        if not read.away:
            self._keep_near(key, _Near(read, now))
        return read

    def _keep_near(self, key: str, near: _Near) -> None:
        """Remembers for a moment what Redis holds. An older reading never takes the place of a newer one."""
        with self._guard:
            if near.at > self._last.at:
                self._last = near
            if near.found.entry:
                self._near[key] = near
                self._near.move_to_end(key)
            if len(self._near) > MOST_NEAR:
                self._near.popitem(last=False)

    def claim(self, key: str, seconds: float) -> Claim:
        """Asks to make an answer; the claim ends by `keep`, by `release`, or after so many seconds. Where Redis is away it is ours."""

        def claimed(server: Any) -> Claim:  # as Reach.ask
            steps = server.pipeline(transaction=False)
            steps.set(self._making(key), b"1", nx=True, px=max(1, int(seconds * 1000)))
            steps.get(self._answer(key))
            mine, kept = steps.execute()
            return Claim(bool(mine), _read(kept))

        return self._reach.ask(claimed, Claim(mine=True))

    def awaited(self, key: str) -> Awaited:
        """How far another worker is with an answer."""

        def found(server: Any) -> Awaited:  # as Reach.ask
            kept, making = server.mget(self._answer(key), self._making(key))
            return Awaited(_read(kept), making is not None)

        return self._reach.ask(found, Awaited(None, being_made=False))

    def keep(self, key: str, entry: Entry) -> None:
        """Keeps an answer, where Redis will, and ends the claim to it."""

        def kept(server: Any) -> None:  # as Reach.ask
            steps = server.pipeline(transaction=False)
            steps.set(self._answer(key), _written(entry), ex=KEPT)
            steps.delete(self._making(key))
            steps.execute()

        self._reach.ask(kept, None)

    def release(self, key: str) -> None:
        """Ends the claim to an answer that is not to be kept."""
        self._reach.ask(lambda server: server.delete(self._making(key)), None)

    def epoch(self) -> bytes | None:
        """The epoch of the index; None before the first, and where Redis is away."""
        told: bytes | None = self._reach.ask(lambda server: server.get(self._epoch), None)
        return told

    def remember(self, seen: bytes) -> None:
        """Keeps how the index was seen, for workers to come."""
        self._reach.ask(lambda server: server.set(f"{self._prefix}:seen", seen, ex=SEEN_KEPT), None)

    def remembered(self) -> bytes | None:
        """How the index was last seen by any worker; None where nobody did, or Redis is away."""
        told: bytes | None = self._reach.ask(lambda server: server.get(f"{self._prefix}:seen"), None)
        return told

    def elected(self, stamp: str) -> bool:
        """Whether this worker, as the first, is to make the popular answers of a stamp beforehand; none is where Redis is away."""
        hashed = hashlib.sha256(stamp.encode()).hexdigest()
        return bool(self._reach.ask(lambda server: server.set(f"{self._prefix}:warmed:{hashed}", b"1", nx=True, ex=KEPT), None))

    def answers(self) -> bool:
        """Whether Redis answers now."""
        return self._reach.answers()

    def _answer(self, key: str) -> str:
        return f"{self._prefix}:answer:{key}"

    def _making(self, key: str) -> str:
        return f"{self._prefix}:making:{key}"


def entry(body: bytes) -> Entry:
    """An answer made now, as it is kept."""
    return Entry(body, hashlib.blake2b(body, digest_size=16).hexdigest(), time.time())


def _written(made: Entry) -> bytes:
    return b"%.3f %s\n%s" % (made.made_at, made.digest.encode(), made.body)


def _read(kept: bytes | None) -> Entry | None:
    """A kept answer; None where there is none, or it is none of ours."""
    if kept is None:
        return None
    head, _, body = kept.partition(b"\n")
    made_at, _, digest = head.partition(b" ")
    try:
        return Entry(body, digest.decode("ascii"), float(made_at)) if body else None
    except ValueError:
        return None

"""Words that found nothing, counted without being kept until enough different people have asked for them.

    a question that found nothing -> heard() -> [a short queue] -> one thread: words that no leaflet holds
                                                                     -> Redis: how many asked, under keyed hashes that expire
                                                                     -> past the threshold: the word itself, to opensearch.gaps

Whoever brings a word past the threshold brings the word; before that it stands nowhere but in this process's memory. What cannot be
counted, with Redis or OpenSearch away or the queue full, is let go: no answer waits for it, no answer fails for it.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import queue
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial

import redis
from opensearchpy.exceptions import OpenSearchException

from leaflets.labels import form_of, tokens
from leaflets.names import is_salt
from opensearch.gaps import GapDay, Gaps, NearName
from searchapi.spelling import SHORTEST_PREFIX
from searchapi.understand import Understanding, names_near
from searchapi.vocabulary import Vocabulary

log = logging.getLogger(__name__)

# Letters. Shorter words are abbreviations of anything; of 8,883 words in the names of registered products the longest has 30.
SHORTEST, LONGEST = 4, 30
# Unknown words in one question. More of them are a text that was pasted, not a name that was misheard.
MOST_UNKNOWN = 3
# Questions that found nothing, of one asker in one day. More would only fill Redis.
MOST_A_DAY = 200
# Questions that wait to be counted. Beyond that, somebody floods us.
LONGEST_QUEUE = 1000
# How long nothing is counted after a failure, in seconds: what fails now fails again in a moment.
LEFT_ALONE = 1.0
# Whether something is to be forgotten is looked at this often, in seconds; it is kept by the day.
LOOK_EVERY = 3600.0
# A person's address or a page's: none of its parts is a word of a question.
_ADDRESS = re.compile(r"\S*@\S*|\S*://\S*|\bwww\.\S*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Heard:
    """Words of one question that found nothing, who asked (never kept as such), and the names that were known then."""

    words: tuple[str, ...]
    asker: str
    names: Vocabulary


def unknown(meant: Understanding, names: Vocabulary) -> tuple[str, ...]:
    """Words of a question that may be a gap: letters only, of sensible length, no name known here nor the beginning of one. Pure."""
    if meant.drug:
        return ()
    addresses = {token.word for found in _ADDRESS.finditer(meant.text) for token in tokens(found.group())}
    words = tuple(word for word in dict.fromkeys(meant.rest) if word not in addresses and _may_be_a_gap(word, names))
    return words if len(words) <= MOST_UNKNOWN else ()


def _may_be_a_gap(word: str, names: Vocabulary) -> bool:
    if not (word.isalpha() and SHORTEST <= len(word) <= LONGEST):
        return False
    known = word in names.lexicon.counts or word in names.drugs or word in names.laboratories or form_of(word) or is_salt(word)
    return not known and not any(name.startswith(word) for name in names.lexicon.beginnings.get(word[:SHORTEST_PREFIX], ()))


class GapCounter:
    """Counts one installation's gaps.

    `held` tells how many leaflets hold each of some words; a word is listed once `askers` different people asked for it, and forgotten
    `kept` after the day it was last asked for.
    """

    def __init__(
        self,
        client: redis.Redis,
        prefix: str,
        gaps: Gaps,
        held: Callable[[Iterable[str]], Mapping[str, int]],
        *,
        askers: int,
        kept: timedelta,
    ) -> None:
        self._client = client
        self._prefix = f"{prefix}:gaps"
        self._gaps = gaps
        self._held = held
        self._askers = askers
        self._kept = kept
        self._waiting: queue.Queue[Heard] = queue.Queue(LONGEST_QUEUE)
        self._away_until = 0.0
        self._forgotten_on: date | None = None

    def start(self) -> None:
        """Counts in the background, as long as the process lives."""
        threading.Thread(target=self._go_on, name="gaps", daemon=True).start()

    def heard(self, meant: Understanding, asker: str, names: Vocabulary) -> None:
        """Takes a question that found nothing, at once and whatever happens."""
        words = unknown(meant, names)
        if words and asker:
            try:
                self._waiting.put_nowait(Heard(words, asker, names))
            except queue.Full:
                log.warning("a gap was not counted: too many wait")

    def _go_on(self) -> None:
        while True:
            try:
                heard = self._waiting.get(timeout=LOOK_EVERY)
            except queue.Empty:
                self._try(self._forget)
                continue
            self._try(self._forget)
            self._try(partial(self._count, heard))

    def _try(self, work: Callable[[], None]) -> None:
        if time.monotonic() < self._away_until:
            return
        try:
            work()
        except (redis.RedisError, OpenSearchException) as error:
            self._away_until = time.monotonic() + LEFT_ALONE
            # Only what kind of error: its text may hold the words.
            log.warning("gaps are not counted for a moment", extra={"error": type(error).__name__})

    def _count(self, heard: Heard) -> None:
        secret = self._secret()
        asked = f"{self._prefix}:{_hashed(secret, f'asker {heard.asker}')}"
        steps = self._client.pipeline()
        steps.incr(asked)
        steps.expire(asked, timedelta(days=1))
        if steps.execute()[0] > MOST_A_DAY:
            return
        held = self._held(heard.words)
        for word in heard.words:
            if not held[word]:
                self._count_one(word, heard, secret)

    def _count_one(self, word: str, heard: Heard, secret: bytes) -> None:
        """One asker more for one word; the word itself goes on only past the threshold."""
        name = f"{self._prefix}:{_hashed(secret, word)}"
        today = datetime.now(UTC).date()
        steps = self._client.pipeline()
        # The asker's hash is of this word alone: whether one person asked for two words cannot be told.
        steps.pfadd(f"{name}:askers", _hashed(secret, f"{word} {heard.asker}"))
        steps.pfcount(f"{name}:askers")
        steps.hincrby(f"{name}:days", today.isoformat(), 1)
        steps.hgetall(f"{name}:days")
        for part in ("askers", "days"):
            steps.expire(f"{name}:{part}", self._kept)
        _, askers, _, days, *_ = steps.execute()
        if askers < self._askers:
            return
        nearest = tuple(NearName(near.name, str(near.why)) for near in names_near(word, {word}, heard.names))
        told = {date.fromisoformat(day.decode()): int(searches) for day, searches in days.items()}
        self._gaps.write(GapDay(word, day, told[day], askers, nearest) for day in told if day >= today - self._kept)

    def _secret(self) -> bytes:
        """The key of all hashes; after `kept` there is a new one, and what was counted under the old one is nobody's any more."""
        name = f"{self._prefix}:key"
        fresh = secrets.token_bytes(32)
        if self._client.set(name, fresh, nx=True, ex=self._kept):
            return fresh
        return self._client.get(name) or fresh  # type: ignore[return-value]  # typed for its asynchronous twin too

    def _forget(self) -> None:
        """Once a day, drops the days that are too old."""
        today = datetime.now(UTC).date()
        if self._forgotten_on != today:
            self._gaps.forget(today - self._kept)
            self._forgotten_on = today


def _hashed(secret: bytes, text: str) -> str:
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()

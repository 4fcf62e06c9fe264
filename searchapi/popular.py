"""Which questions are asked most, so that their answers can be made before they are asked again.

    PREFIX:asked:DAY        how often each question was asked that day, by hash
    PREFIX:asked:DAY:texts  the questions themselves, of those asked at least FEWEST times

Who asked is nowhere. A question that was asked less often is nowhere but in this process's memory, for a few seconds.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from leaflets import Section
from searchapi.params import Question
from searchapi.query import Filters, Window
from searchapi.redis_client import Reach

# What is asked less often may be somebody's own words; what is asked this often is a desk's daily question.
FEWEST = 5
# A day's counts and questions are read for one more day.
KEPT = timedelta(days=2)
# Questions counted a day, the most asked; and between two writes: more than a desk asks, and a bound where somebody floods us.
MOST = 10_000


class Popular:
    """Counts one installation's questions; `write` brings to Redis what was heard since."""

    def __init__(self, reach: Reach, prefix: str) -> None:
        self._reach = reach
        self._prefix = prefix
        self._guard = threading.Lock()
        self._heard: Counter[Question] = Counter()

    def heard(self, question: Question) -> None:
        """Counts a question that found something, at once."""
        with self._guard:
            if len(self._heard) < MOST or question in self._heard:
                self._heard[question] += 1

    def write(self) -> None:
        """Adds what was heard to the day's counts, where Redis will; what it does not take is forgotten."""
        with self._guard:
            heard, self._heard = self._heard, Counter()
        if heard:
            self._reach.ask(lambda server: self._write(server, heard), None)

    def most_asked(self, count: int) -> tuple[Question, ...]:
        """The questions asked most, today and yesterday, most often first."""
        return self._reach.ask(lambda server: self._most_asked(server, count), ())

    def _write(self, server: Any, heard: Counter[Question]) -> None:  # as Reach.ask
        day = self._day()
        hashed = {question: _hash(question) for question in heard}
        steps = server.pipeline(transaction=False)
        for question, times in heard.items():
            steps.zincrby(day, times, hashed[question])
        counts = steps.execute()
        steps = server.pipeline(transaction=False)
        for question, asked in zip(heard, counts, strict=True):
            if asked >= FEWEST:
                steps.hsetnx(f"{day}:texts", hashed[question], json.dumps(asdict(question)))
        steps.zremrangebyrank(day, 0, -MOST - 1)
        steps.expire(day, KEPT)
        steps.expire(f"{day}:texts", KEPT)
        steps.execute()

    def _most_asked(self, server: Any, count: int) -> tuple[Question, ...]:  # as Reach.ask
        times: Counter[bytes] = Counter()
        texts: dict[bytes, bytes] = {}
        for day in (self._day(), self._day(1)):
            asked = server.zrevrange(day, 0, count - 1, withscores=True)
            times.update({hashed: int(score) for hashed, score in asked})
            if asked:
                told = server.hmget(f"{day}:texts", [hashed for hashed, _ in asked])
                texts |= {hashed: text for (hashed, _), text in zip(asked, told, strict=True) if text}
        return tuple(_question(texts[hashed]) for hashed, _ in times.most_common() if hashed in texts)[:count]

    def _day(self, ago: int = 0) -> str:
        return f"{self._prefix}:asked:{(datetime.now(UTC) - timedelta(days=ago)).date()}"


def _hash(question: Question) -> str:
    """The same for questions that have the same answer."""
    return hashlib.sha256(json.dumps(asdict(question) | {"text": question.text.lower()}).encode()).hexdigest()


def _question(text: bytes) -> Question:
    told = json.loads(text)
    chosen = told["filters"]
    filters = Filters(chosen["audience"], Section(chosen["section"]) if chosen["section"] else None, chosen["laboratory"], chosen["source"])
    return Question(told["text"], filters, Window(**told["window"]))

"""What nobody found is counted without being kept: over a real Redis and a real OpenSearch."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest
import redis
from flask.testing import FlaskClient
from opensearchpy import OpenSearch

from opensearch.gaps import Gap, GapDay, Gaps, NearName
from opensearch.generations import Indices
from opensearch.process import free_port
from opensearch.settings import read
from searchapi.app import create_app
from searchapi.settings import Settings
from tests.conftest import Demo

ASKERS = 3
# No word of a leaflet, a name or the language; the second sounds like a name of the demonstration.
STRANGE, MISSPELT = "zolquexim", "rivotriu"


@dataclass(frozen=True, slots=True)
class Desk:
    """A desk of the test's own over the demonstration's leaflets, its part of Redis, and what it lists."""

    api: FlaskClient
    redis: redis.Redis
    prefix: str
    gaps: Gaps

    def ask(self, question: str, address: str) -> None:
        """A search, and one on the page, from one address."""
        found = self.api.get("/v1/search", query_string={"q": question}, environ_overrides={"REMOTE_ADDR": address})
        assert (found.status_code, found.get_json()["total"]) == (200, 0)
        assert self.api.get("/", query_string={"q": question}, environ_overrides={"REMOTE_ADDR": address}).status_code == 200

    def listed(self) -> dict[str, Gap]:
        """The gaps of the last days, by word."""
        return {gap.word: gap for gap in self.gaps.all(datetime.now(UTC).date() - timedelta(days=30))}

    def askers(self) -> list[int]:
        """How many different askers each word has, in the order of size."""
        return sorted(int(self.redis.pfcount(key)) for key in self.redis.scan_iter(f"{self.prefix}:gaps:*:askers"))

    def searches(self) -> int:
        """How many searches were counted in all."""
        days = [self.redis.hgetall(key) for key in self.redis.scan_iter(f"{self.prefix}:gaps:*:days")]
        return sum(int(count) for counted in days for count in counted.values())


@pytest.fixture
def desk(demo: Demo, client: OpenSearch, opensearch_url: str, redis_url: str) -> Iterator[Desk]:
    """A desk that lists a word once three people asked for it."""
    prefix = f"test-{uuid.uuid4().hex[:12]}"
    environ = {"OPENSEARCH_URL": opensearch_url, "REDIS_URL": redis_url, "GAPS_ASKERS": str(ASKERS)}
    app = create_app(read(Settings, environ), indices=demo.indices, cache_prefix=prefix)
    yield Desk(app.test_client(), redis.Redis.from_url(redis_url), prefix, Gaps(client, demo.indices))
    client.indices.delete(index=demo.indices.gaps, params={"ignore_unavailable": "true"})


def eventually(said: Callable[[], object]) -> None:
    """Waits until it is so: counting happens beside the answers."""
    until = time.monotonic() + 20
    while not said():
        assert time.monotonic() < until, "it never came to that"
        time.sleep(0.05)


def everything(client: redis.Redis) -> bytes:
    """Every key and value that Redis holds, whatever its type."""
    read: dict[object, Callable[[bytes], object]] = {
        b"hash": client.hgetall,
        b"zset": lambda key: client.zrange(key, 0, -1),
        b"string": client.get,
    }
    return repr([(key, read[client.type(key)](key)) for key in client.scan_iter()]).encode()


def test_below_the_threshold_a_word_is_nowhere(desk: Desk, client: OpenSearch) -> None:
    """Two people asked, on the page and by the API, for a name that nobody knows and for a misspelt one: no word, no address in Redis."""
    for address in ("198.51.100.7", "198.51.100.8"):
        for question in (STRANGE, f"{MISSPELT} na gravidez", f"febre {STRANGE}"):
            desk.ask(question, address)
    eventually(lambda: desk.searches() == 12)
    assert desk.askers() == [2, 2]
    held = everything(desk.redis)
    for told in (STRANGE, MISSPELT, "zolq", "198.51"):
        assert told.encode() not in held, told
    assert desk.listed() == {}
    assert not client.indices.exists(index=desk.gaps.indices.gaps)
    for key in desk.redis.scan_iter(f"{desk.prefix}:gaps:*"):
        assert 0 < desk.redis.ttl(key) <= timedelta(days=30).total_seconds()


def test_whoever_brings_a_word_past_the_threshold_brings_the_word(desk: Desk, client: OpenSearch) -> None:
    """With how often, how many, when, and the names near it; without anyone of those who asked."""
    for number in range(ASKERS):
        desk.ask(f"{MISSPELT} 2mg", f"203.0.113.{number}")
    eventually(lambda: desk.listed().get(MISSPELT) and desk.listed()[MISSPELT].searches == 2 * ASKERS)
    gap = desk.listed()[MISSPELT]
    today = datetime.now(UTC).date()
    assert (gap.askers, gap.last_seen) == (ASKERS, today)
    assert gap.nearest[0] == NearName("Rivotril", "phonetic")
    assert gap.rule == f"{MISSPELT} => Rivotril"
    stored = client.search(index=desk.gaps.indices.gaps)["hits"]["hits"]
    assert {field for hit in stored for field in hit["_source"]} == {"word", "day", "searches", "askers", "nearest"}
    assert "203.0.113" not in str(stored)
    assert MISSPELT.encode() not in everything(desk.redis)


def test_one_person_alone_never_brings_a_word_past_the_threshold(desk: Desk) -> None:
    """However often they ask."""
    for _ in range(5):
        desk.ask(STRANGE, "192.0.2.1")
    eventually(lambda: desk.searches() == 10)
    assert desk.askers() == [1]
    assert desk.listed() == {}


def test_words_that_leaflets_hold_are_no_gap(desk: Desk) -> None:
    """Only the word that nobody knows is counted, whatever stands beside it."""
    desk.ask(f"febre dor comprimidos {STRANGE}", "192.0.2.1")
    eventually(lambda: desk.searches() == 2)
    assert len(desk.askers()) == 1


def test_a_new_key_makes_old_hashes_nobodys(desk: Desk) -> None:
    """Once it has expired, nothing that was counted under it can be added to."""
    desk.ask(STRANGE, "192.0.2.1")
    eventually(lambda: desk.searches() == 2)
    desk.redis.delete(f"{desk.prefix}:gaps:key")
    desk.ask(STRANGE, "192.0.2.2")
    eventually(lambda: desk.searches() == 4)
    assert desk.askers() == [1, 1]


def test_days_are_forgotten_in_turn(client: OpenSearch, indices: Indices) -> None:
    """What is kept is bounded, and what is old is not told even before it is deleted."""
    gaps = Gaps(client, indices)
    days = [GapDay(STRANGE, date(2026, 1, day), day, 5 + day, (NearName("Rivotril", "spelling"),)) for day in (1, 2, 3)]
    gaps.write(days)
    (gap,) = gaps.all(date(2026, 1, 1))
    assert (gap.searches, gap.askers, gap.first_seen, gap.last_seen) == (6, 8, date(2026, 1, 1), date(2026, 1, 3))
    (gap,) = gaps.all(date(2026, 1, 2))
    assert gap.searches == 5
    gaps.forget(date(2026, 1, 3))
    (gap,) = gaps.all(date(2026, 1, 1))
    assert (gap.searches, gap.first_seen) == (3, date(2026, 1, 3))
    # Counted again: a day's count takes the place of the one before.
    gaps.write([GapDay(STRANGE, date(2026, 1, 3), 9, 9, ())])
    (gap,) = gaps.all(date(2026, 1, 1))
    assert (gap.searches, gap.nearest) == (9, ())


def test_before_anything_was_listed_there_is_nothing(client: OpenSearch, indices: Indices) -> None:
    """And nothing to forget."""
    gaps = Gaps(client, indices)
    gaps.forget(date(2026, 1, 1))
    assert gaps.all(date(2026, 1, 1)) == ()


def test_with_redis_away_answers_are_the_same(demo: Demo, desk: Desk, opensearch_url: str) -> None:
    """Nothing is counted, and nobody notices."""
    environ = {"OPENSEARCH_URL": opensearch_url, "REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    away = create_app(read(Settings, environ), indices=demo.indices, cache_prefix=desk.prefix).test_client()
    for question in (STRANGE, MISSPELT, f"febre {STRANGE}"):
        told = [api.get("/v1/search", query_string={"q": question}).get_json() for api in (away, desk.api)]
        assert told[0] == told[1]

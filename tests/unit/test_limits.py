"""How often each may ask, counted with a real Redis, without one and with one that says nothing."""

from __future__ import annotations

import socket
import threading
import time
import uuid
from collections.abc import Iterator

import pytest
from redis import Redis

from opensearch.process import free_port
from searchapi.limits import Allowance, Meter, Scope
from searchapi.redis_client import connect
from searchapi.redis_server import redis_server

SEARCH, TYPING = Scope.SEARCH, Scope.TYPING


@pytest.fixture
def prefix() -> str:
    """Keys of the test's own."""
    return uuid.uuid4().hex


@pytest.fixture
def meter(redis_url: str, prefix: str) -> Meter:
    """One worker's."""
    return Meter(connect(redis_url), prefix)


@pytest.fixture
def away() -> Redis:
    """A Redis that does not run."""
    return connect(f"redis://127.0.0.1:{free_port()}/0")


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def allowed(meter: Meter, times: int, limit: str = "10/minute", asker: str = "ana", scope: Scope = SEARCH) -> int:
    """How many of so many requests are within the limit."""
    return sum(not meter.take(asker, scope, limit).spent for _ in range(times))


def test_beyond_its_limit_nobody_may_ask(meter: Meter) -> None:
    """And each is told what is left, and when it is whole again."""
    first = meter.take("ana", SEARCH, "10/minute")
    assert (first.policy, first.left) == ('"search";q=10;w=60', '"search";r=9;t=60')
    assert allowed(meter, 20) == 9
    last = meter.take("ana", SEARCH, "10/minute")
    assert last.spent
    assert last.left.startswith('"search";r=0;t=')
    assert 0 < last.resets_in <= 60


def test_each_asker_has_a_limit_of_its_own(meter: Meter) -> None:
    """What one uses up is nobody else's loss."""
    assert allowed(meter, 20, asker="ana") == 10
    assert allowed(meter, 20, asker="rui") == 10
    assert allowed(meter, 20, limit="3/minute", asker="eva") == 3


def test_typing_is_counted_apart_and_may_be_five_times_as_often(meter: Meter) -> None:
    """A name has some five letters."""
    assert allowed(meter, 20) == 10
    assert allowed(meter, 70, scope=TYPING) == 50


def test_workers_count_together(redis_url: str, prefix: str) -> None:
    """What one has let through, the other knows after the next exchange; one that starts later learns it with its first count."""
    one, two = Meter(connect(redis_url), prefix), Meter(connect(redis_url), prefix)
    assert allowed(one, 6) == 6
    one.exchange()
    assert allowed(two, 3) == 3
    two.exchange()
    assert allowed(two, 5) == 1
    two.exchange()
    assert allowed(one, 1) == 1  # it has not heard of it yet
    one.exchange()
    assert allowed(one, 5) == 0
    late = Meter(connect(redis_url), prefix)
    late.take("ana", SEARCH, "10/minute")
    late.exchange()
    told = late.take("ana", SEARCH, "10/minute")
    assert told.spent
    assert 0 < told.resets_in <= 60


def test_workers_of_two_installations_do_not_count_together(redis_url: str, prefix: str) -> None:
    """One Redis may serve both."""
    for own in (prefix, f"{prefix}-other"):
        meter = Meter(connect(redis_url), own)
        assert allowed(meter, 20) == 10
        meter.exchange()


def test_after_its_time_a_limit_is_whole_again(meter: Meter) -> None:
    """Also where Redis told that it is spent."""
    assert allowed(meter, 5, limit="2/second") == 2
    meter.exchange()
    until = time.monotonic() + 10
    while meter.take("ana", SEARCH, "2/second").spent:
        assert time.monotonic() < until
        time.sleep(0.1)


def test_threads_of_one_worker_let_no_more_through(meter: Meter) -> None:
    """Sixteen of them ask at once, while counts are exchanged."""
    through: list[int] = []
    start = threading.Barrier(17)

    def ask() -> None:
        start.wait()
        through.append(allowed(meter, 50, limit="200/minute"))

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    start.wait()
    meter.exchange()
    for thread in threads:
        thread.join()
    assert sum(through) <= 200
    assert meter.take("ana", SEARCH, "200/minute").spent


def test_without_redis_each_worker_limits_by_itself(away: Redis, prefix: str, caplog: pytest.LogCaptureFixture) -> None:
    """It says so once, not five times a second."""
    meter = Meter(away, prefix)
    assert allowed(meter, 6) == 6
    meter.exchange()
    assert allowed(meter, 20) == 4
    meter.exchange()
    meter.exchange()
    assert [record.message for record in caplog.records].count("Redis does not answer: each worker limits by its own count") == 1


def test_no_request_asks_redis(silent: socket.socket, prefix: str) -> None:
    """One that says nothing is met by the background alone: nobody who asks connects to it."""
    meter = Meter(connect(f"redis://127.0.0.1:{silent.getsockname()[1]}/0"), prefix)
    silent.setblocking(False)  # noqa: FBT003 - the library's
    assert allowed(meter, 1000, limit="500/minute") == 500
    with pytest.raises(BlockingIOError):
        silent.accept()
    meter.exchange()
    silent.accept()[0].close()


def test_a_redis_that_comes_back_counts_again(tmp_path_factory: pytest.TempPathFactory, prefix: str) -> None:
    """Empty, as it keeps nothing: then this worker's count goes on, and is shared from there."""
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    one, two = Meter(connect(url), prefix), Meter(connect(url), prefix)
    assert allowed(one, 6) == 6
    one.exchange()
    with redis_server(tmp_path_factory.mktemp("redis"), port):
        assert allowed(one, 4) == 4
        one.exchange()
        assert allowed(two, 6) == 6
        two.exchange()
        assert two.take("ana", SEARCH, "10/minute").spent
        assert one.take("ana", SEARCH, "10/minute").spent


def test_what_is_shared_leaves_redis_with_its_time(redis_url: str, prefix: str, meter: Meter) -> None:
    """Addresses are kept no longer than they are counted."""
    told: Allowance = meter.take("address 10.0.0.7", SEARCH, "10/minute")
    assert not told.spent
    meter.exchange()
    with Redis.from_url(redis_url) as redis:
        (name,) = redis.scan_iter(f"{prefix}:limit:*")
        assert b"10.0.0.7" not in name
        assert 0 < int(str(redis.ttl(name))) <= 60

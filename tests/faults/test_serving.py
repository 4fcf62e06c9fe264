"""Kept answers: never of a state of the index that is gone, shared by all who ask, and told as what they are while servers are away."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import redis
from flask import Flask
from opensearchpy import OpenSearch
from werkzeug.test import TestResponse

from indexer.pull import Stores
from indexer.write import Batch
from leaflets import Withdrawal
from opensearch import epoch
from opensearch.documents import document
from opensearch.generations import Indices
from searchapi.cache import AnswerCache, Entry
from searchapi.deadline import Deadline
from searchapi.keys import Role, new
from searchapi.params import search
from searchapi.popular import FEWEST
from searchapi.program import version
from searchapi.redis_client import Reach, connect
from searchapi.routes import Desk
from searchapi.searches import SOFT_AGE
from tests.conftest import app_of
from tests.faults.tcp_wire import Wire, wire
from tests.search.test_ranking import Product

QUESTION = "losartana para que serve"
# What only the search that ranks products sends.
RANKING = b'"collapse":{"field":"product"},"stored_fields":"_none_"'


@dataclass(frozen=True, slots=True)
class Installation:
    """An index of the test's own and its part of Redis; `searchapi` makes workers over them, each on wires that the test holds."""

    client: OpenSearch
    indices: Indices
    stores: Stores
    opensearch: Wire
    wire: Wire
    kept: redis.Redis
    running: ExitStack

    def worker(self, **environ: str) -> Flask:
        """One more worker."""
        app = app_of(self.opensearch.url, self.wire.url, self.indices, **environ)
        self.running.callback(desk(app).state.stop)
        return app

    def write(self, *products: Product, gone: tuple[Product, ...] = ()) -> None:
        """Changes the index, and refreshes it."""
        self.stores.writer.write(
            Batch("erp", tuple(product.leaflet() for product in products), tuple(Withdrawal(p.id, time.time_ns()) for p in gone))
        )
        self.client.indices.refresh(index=self.indices.alias)

    def sync_ended(self) -> None:
        """What `indexer` tells at the end of a sync."""
        epoch.begin(self.wire.url, self.indices.alias)

    def everything(self) -> str:
        """All that Redis holds of this installation."""
        read: dict[object, Callable[[bytes], object]] = {
            b"hash": self.kept.hgetall,
            b"zset": lambda key: self.kept.zrange(key, 0, -1, withscores=True),
            b"string": self.kept.get,
        }
        return repr([(key, read[self.kept.type(key)](key)) for key in self.kept.scan_iter(f"{self.indices.alias}:*")])


@pytest.fixture
def installation(client: OpenSearch, indices: Indices, stores: Stores, opensearch_url: str, redis_url: str) -> Iterator[Installation]:
    """Two losartanas."""
    with wire(opensearch_url) as to_opensearch, wire(redis_url) as to_redis, ExitStack() as running:
        made = Installation(client, indices, stores, to_opensearch, to_redis, redis.Redis.from_url(redis_url), running)
        made.write(Product("001"), Product("002"))
        yield made


def desk(app: Flask) -> Desk:
    """What answers in a worker."""
    found: Desk = app.extensions["desk"]
    return found


def ask(app: Flask, question: str = QUESTION, **given: str) -> TestResponse:
    """The answer to a question."""
    return app.test_client().get("/v1/search", query_string={"q": question, **given})


def found(response: TestResponse) -> list[str]:
    """The leaflets of an answer."""
    assert response.status_code == 200, response.get_data(as_text=True)
    return sorted(result["id"].split(":")[1] for result in response.get_json()["results"])


def status(response: TestResponse) -> str:
    """Where an answer came from."""
    return response.headers["Cache-Status"].removeprefix("searchapi; ")


def kept(app: Flask, question: str = QUESTION) -> TestResponse:
    """The answer once it is kept: names follow a change of the index within a few seconds."""
    answer: TestResponse = eventually(lambda: ask(app, question), lambda answer: status(answer) == "hit")
    return answer


def eventually(ask_again: Callable[[], Any], good: Callable[[Any], object]) -> Any:  # whatever is asked for
    """The first good answer."""
    until = time.monotonic() + 30
    while not good(answer := ask_again()):
        assert time.monotonic() < until, f"it never came to that: {answer}"
        time.sleep(0.05)
    return answer


def sample(app: Flask, name: str) -> float:
    """A metric's value."""
    told = re.search(rf"^{re.escape(name)} (\S+)$", app.test_client().get("/metrics").get_data(as_text=True), re.MULTILINE)
    return float(told[1]) if told else 0.0


def test_a_withdrawn_leaflet_is_gone_from_the_cache_once_a_sync_ended(installation: Installation) -> None:
    """With the very next question, from whichever worker."""
    workers = [installation.worker(), installation.worker()]
    assert [found(kept(app)) for app in workers] == [["001", "002"]] * 2
    installation.write(gone=(Product("002"),))
    installation.sync_ended()
    answers = [ask(app) for app in workers]
    assert [found(answer) for answer in answers] == [["001"]] * 2


def test_a_change_that_nobody_tells_is_seen_too(installation: Installation) -> None:
    """By a look, at most 0.25 s old: whoever writes without Redis, or during a sync."""
    app = installation.worker()
    kept(app)
    installation.write(gone=(Product("002"),))
    time.sleep(0.3)
    assert found(ask(app)) == ["001"]


def test_what_another_program_kept_is_not_served(installation: Installation) -> None:
    """After an upgrade, which may mend just that answer: it is of another stamp."""
    app = installation.worker()
    seen = desk(app).state.lookout.look()
    assert seen
    assert f"/{version()}/" in seen.stamp
    cache = desk(app).cache
    cache.keep(cache.key(search({"q": QUESTION}), seen.stamp.replace(version(), "of-another")), Entry(b"{}", "0", time.time()))
    assert status(ask(app)) == "fwd=miss"


def test_a_batch_that_was_made_earlier_and_becomes_visible_later_is_a_change(installation: Installation) -> None:
    """Two batches are written side by side: the one whose moment is older may be the one that is seen last."""
    app = installation.worker()
    late = replace(Product("001"), name="Losartana Potássica Nova").leaflet()
    installation.write(Product("003"))
    before = desk(app).state.lookout.look()
    told = document(late, indexed_at=replace_moment(installation))
    installation.client.index(index=installation.indices.alias, id=late.id, body=told, params={"refresh": "true"})
    after = desk(app).state.lookout.look()
    assert before
    assert after
    assert before.stamp != after.stamp


def replace_moment(installation: Installation) -> Any:  # a date, as `document` takes it
    """A moment before everything that the index holds."""
    from datetime import UTC, datetime  # noqa: PLC0415 - here alone

    assert installation.client.count(index=installation.indices.alias)["count"] == 3
    return datetime(2020, 1, 1, tzinfo=UTC)


def test_a_burst_of_one_new_question_is_one_engine_query(installation: Installation) -> None:
    """Sixteen ask two workers at once: one search, the same answer for all."""
    workers = [installation.worker(), installation.worker()]
    for app in workers:
        kept(app, "losartana")
    before, given = installation.opensearch.counted(RANKING), spared(workers)
    assert before, "the test must know a search when it sees one"
    installation.opensearch.delay = 0.2
    with ThreadPoolExecutor(16) as callers:
        answers = list(callers.map(lambda number: ask(workers[number % 2]), range(16)))
    assert {tuple(found(answer)) for answer in answers} == {("001", "002")}
    assert installation.opensearch.counted(RANKING) - before == 1
    # All but one in each worker: those who came while it was made, and who came late and found it kept.
    assert spared(workers) - given >= 14


def spared(workers: list[Flask]) -> float:
    """How many were given what had been made for somebody else."""
    return sum(sample(app, f'searchapi_cache_total{{outcome="{outcome}"}}') for app in workers for outcome in ("shared", "hit"))


def test_what_nobody_finds_is_not_waited_for_one_after_another(installation: Installation) -> None:
    """It is never kept: a second worker that waited makes it itself, and both answer."""
    workers = [installation.worker(), installation.worker()]
    for app in workers:
        ask(app, "losartana")
    installation.opensearch.delay = 0.1
    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(lambda number: ask(workers[number % 2], "zolquimida"), range(8)))
    assert [answer.status_code for answer in answers] == [200] * 8
    assert {answer.get_json()["total"] for answer in answers} == {0}
    assert "making" not in installation.everything()


def test_an_old_answer_is_served_and_made_anew_once_behind_it(installation: Installation) -> None:
    """`hit; fwd=stale`, then a hit that is young again."""
    app = installation.worker()
    first = kept(app)
    key = next(iter(installation.kept.scan_iter(f"{installation.indices.alias}:answer:*")))
    held = installation.kept.get(key)
    assert isinstance(held, bytes)
    moment, rest = held.split(b" ", 1)
    installation.kept.set(key, b"%.3f " % (float(moment) - SOFT_AGE - 60) + rest)
    before = installation.opensearch.counted(RANKING)
    old = eventually(lambda: ask(app), lambda answer: status(answer) != "hit")
    assert status(old) == "hit; fwd=stale"
    assert int(old.headers["Age"]) >= SOFT_AGE
    assert old.get_json() == first.get_json()
    young = eventually(lambda: ask(app), lambda answer: status(answer) == "hit")
    assert int(young.headers["Age"]) < SOFT_AGE
    assert installation.opensearch.counted(RANKING) - before == 1


def test_with_opensearch_away_kept_answers_are_served_as_what_they_are(installation: Installation) -> None:
    """Also by a worker that never saw it; what is not kept is 503; once it is back, all is as before."""
    app = installation.worker()
    before = kept(app)
    eventually(lambda: installation.kept.get(f"{installation.indices.alias}:seen"), bool)
    installation.opensearch.cut()
    stale = eventually(lambda: ask(app), lambda answer: status(answer) == "hit; fwd=stale")
    for worker in (app, installation.worker()):
        stale = ask(worker)
        told = stale.get_json()
        assert (stale.status_code, status(stale)) == (200, "hit; fwd=stale")
        assert told["freshness"]["stale"] is True
        assert told["freshness"]["answer_age_seconds"] >= int(before.headers["Age"])
        assert stale.headers["Age"]
        assert told["results"] == before.get_json()["results"]
        assert "Resposta guardada há" in worker.test_client().get("/", query_string={"q": QUESTION}).get_data(as_text=True)
        other = ask(worker, "losartana na gravidez")
        assert (other.status_code, other.mimetype) == (503, "application/problem+json")
        assert other.headers["Retry-After"]
    installation.opensearch.mend()
    assert "answer_age_seconds" not in eventually(lambda: ask(app), lambda answer: status(answer) == "hit").get_json()["freshness"]


def test_an_answer_without_what_it_must_hold_does_not_end_the_looking(installation: Installation, caplog: pytest.LogCaptureFixture) -> None:
    """As another program's document among the cursors gives it: once it is gone the desk knows the index as it is now."""
    state = desk(installation.worker()).state

    def known() -> set[str]:
        return {source.source for source in state.newest.freshness.sources} if state.newest else set()

    eventually(lambda: state.newest is not None, bool)
    cursors = installation.indices.cursors
    installation.client.index(index=cursors, id="strange", body={"error": "no outcome"}, refresh=True)
    with pytest.raises(KeyError):
        state.look()
    eventually(lambda: caplog.text, lambda log: "answered with something else than was asked for" in log)
    told = {"outcome": "done", "synced_at": "2026-11-01T00:00:00Z", "attempted_at": "2026-11-01T00:00:00Z"}
    installation.client.index(index=cursors, id="novo", body=told)
    installation.client.delete(index=cursors, id="strange", refresh=True)
    eventually(known, lambda sources: "novo" in sources)


def test_an_index_that_is_silent_is_as_good_as_away(installation: Installation) -> None:
    """It takes connections and never answers: kept answers come, others are 503 once their time is up."""
    app = installation.worker(ANSWER_WITHIN="2s")
    kept(app)
    installation.opensearch.silence()
    assert status(eventually(lambda: ask(app), lambda answer: status(answer) == "hit; fwd=stale")) == "hit; fwd=stale"
    late = ask(app, "losartana na gravidez")
    assert (late.status_code, late.mimetype) == (503, "application/problem+json")
    assert late.headers["Retry-After"]


def test_no_answer_is_served_that_the_index_is_known_to_have_left_behind(installation: Installation) -> None:
    """A sync ended and OpenSearch went away before anybody looked: a leaflet may be withdrawn, so nothing is served."""
    app = installation.worker()
    kept(app)
    installation.opensearch.cut()
    eventually(lambda: ask(app), lambda answer: status(answer) == "hit; fwd=stale")
    installation.sync_ended()
    answer = ask(app)
    assert (answer.status_code, answer.headers.get("Cache-Status")) == (503, None)


def test_a_worker_that_knows_less_never_serves_what_another_saw_gone(installation: Installation) -> None:
    """The newest look of any worker stands while OpenSearch is away."""
    app = installation.worker()
    kept(app)
    newest = json.loads(installation.kept.get(f"{installation.indices.alias}:seen") or b"")
    installation.opensearch.cut()
    installation.kept.set(f"{installation.indices.alias}:seen", json.dumps(newest | {"stamp": "x" + newest["stamp"], "at": time.time()}))
    eventually(lambda: ask(app), lambda answer: answer.status_code == 503)


def test_only_what_is_asked_often_is_kept_by_its_words(installation: Installation) -> None:
    """Below the threshold a question is a hash; what is kept expires, and nothing tells who asked."""
    app = installation.worker()
    popular = desk(app).searches.popular
    for times in range(1, FEWEST + 1):
        ask(app, "losartana segredo")
        popular.write()
        assert ("segredo" in installation.everything()) == (times == FEWEST)
    told = installation.everything()
    assert "127.0.0.1" not in told
    assert [question.text for question in popular.most_asked(10)] == ["losartana segredo"]
    for key in installation.kept.scan_iter(f"{installation.indices.alias}:*"):
        assert installation.kept.ttl(key) > 0 or key.endswith(b":epoch")


def test_after_a_change_the_popular_answers_are_made_before_they_are_asked_for(installation: Installation) -> None:
    """By one of the workers."""
    workers = [installation.worker(), installation.worker()]
    popular = desk(workers[0]).searches.popular

    def popular_now() -> object:
        """Whether the question is known; on a busy machine Redis may miss its 50 ms, and what was heard is let go."""
        for _ in range(FEWEST):
            ask(workers[0])
        popular.write()
        return popular.most_asked(1)

    eventually(popular_now, bool)
    # The same holds for the making: then the next change is the next chance.
    for number in range(3, 7):
        installation.write(Product(f"00{number}"))
        installation.sync_ended()
        if reached(lambda: sum(sample(app, "searchapi_warmed_total") for app in workers), seconds=10):
            break
    answer = ask(workers[1])
    assert (status(answer), found(answer)) == ("hit", [f"00{n}" for n in range(1, number + 1)])


def reached(told: Callable[[], float], seconds: float) -> bool:
    """Whether a count begins within this time."""
    until = time.monotonic() + seconds
    while not told():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def test_a_silent_redis_costs_one_wait_a_second_however_many_ask(redis_url: str) -> None:
    """Of sixteen who come at once after a failure one tries again; the others do not wait at all."""
    with wire(redis_url) as to_redis:
        reach = Reach(connect(to_redis.url))
        assert reach.ask(lambda client: client.ping(), otherwise=False)
        to_redis.silence()
        assert reach.ask(lambda client: client.ping(), otherwise=None) is None
        tried: list[str] = []

        def work(client: redis.Redis) -> object:
            tried.append(threading.current_thread().name)
            return client.ping()

        with ThreadPoolExecutor(16) as callers:
            assert list(callers.map(lambda _: reach.ask(work, otherwise=None), range(64))) == [None] * 64
            assert not tried
            time.sleep(1.1)
            began = threading.Barrier(16)

            def at_once(_: int) -> object:
                began.wait()
                return reach.ask(work, otherwise=None)

            assert list(callers.map(at_once, range(16))) == [None] * 16
        assert len(tried) == 1
        to_redis.mend()
        eventually(lambda: reach.ask(lambda client: client.ping(), otherwise=None), bool)


def test_with_redis_silent_every_question_is_answered(installation: Installation) -> None:
    """As if nothing were kept; and kept again once it answers."""
    app = installation.worker()
    kept(app)
    installation.wire.silence()
    time.sleep(epoch.TRUSTED)
    with ThreadPoolExecutor(16) as callers:
        answers = list(callers.map(lambda _: ask(app), range(32)))
    assert {status(answer) for answer in answers} == {"fwd=miss"}
    assert {tuple(found(answer)) for answer in answers} == {("001", "002")}
    installation.wire.mend()
    kept(app)


def test_over_capacity_new_answers_are_refused_and_kept_ones_are_not(installation: Installation) -> None:
    """503 with Retry-After, counted; probes and metrics answer too."""
    app = installation.worker()
    kept(app)
    capacity = desk(app).capacity
    with ExitStack() as making:
        while capacity.in_flight < capacity.slots:
            making.enter_context(capacity.slot(Deadline.within(10)))
        refused = ask(app, "losartana na gravidez")
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert "more is asked at once" in refused.get_json()["detail"]
        whole = app.test_client().get("/v1/leaflets/erp:001:patient")
        assert (whole.status_code, whole.headers["Retry-After"]) == (503, "1")
        assert status(ask(app)) == "hit"
        assert [app.test_client().get(path).status_code for path in ("/livez", "/readyz", "/metrics")] == [200, 200, 200]
        assert sample(app, "searchapi_answers_in_flight") == capacity.slots
    assert sample(app, 'searchapi_shed_total{reason="busy"}') == 2
    assert found(ask(app, "losartana na gravidez")) == ["001", "002"]


def test_a_kept_answer_is_the_same_before_flask_and_behind_it(installation: Installation) -> None:
    """Headers and all: what comes with a body is Flask's."""
    app = installation.worker()
    kept(app)
    address = {"path": "/v1/search", "query_string": {"q": QUESTION}}
    for sent in ({}, {"Accept-Encoding": "gzip"}):
        first = app.test_client().get(**address, headers=sent)
        second = app.test_client().get(**address, headers=sent, data=b"{}")
        assert status(first) == status(second) == "hit"
        assert first.data == second.data
        own = {"Age": "", "traceparent": ""}
        assert {**first.headers, **own} == {**second.headers, **own}
    again = app.test_client().get(**address, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_a_kept_answer_is_for_those_who_may_ask(installation: Installation, tmp_path: Path) -> None:
    """Without a key there is none, nor beyond its limit; each request is counted once, whoever answers it."""
    kept(installation.worker())
    key, keys = new("ana", frozenset({Role.SEARCH}), "3/minute"), tmp_path / "keys.toml"
    keys.write_text(key.line)
    app = installation.worker(API_KEYS_FILE=str(keys))

    def asked(**given: str) -> TestResponse:
        return app.test_client().get("/v1/search", query_string={"q": QUESTION, **given}, headers={"Authorization": f"Bearer {key.secret}"})

    assert ask(app).status_code == 401
    answers = [asked(), asked(), asked(size="3"), asked()]
    assert [answer.headers.get("Cache-Status", "none").removeprefix("searchapi; ") for answer in answers] == [
        "hit", "hit", "fwd=miss", "none"
    ]  # fmt: skip
    assert [answer.headers["RateLimit"].split(";")[1] for answer in answers] == ["r=2", "r=1", "r=0", "r=0"]
    assert answers[-1].status_code == 429
    told = desk(app).metrics.told().decode()
    assert 'searchapi_request_seconds_count{route="/v1/search",status="200"} 3.0' in told
    assert 'searchapi_request_seconds_count{route="/v1/search",status="401"} 1.0' in told
    assert "\nsearchapi_in_flight 0.0" in told


def test_a_cursor_is_part_of_the_question(installation: Installation) -> None:
    """Kept pages are not taken for each other."""
    app = installation.worker()
    page = eventually(lambda: ask(app, size="1"), lambda answer: status(answer) == "hit")
    after = eventually(lambda: ask(app, size="1", cursor=page.get_json()["next"]), lambda answer: status(answer) == "hit")
    assert sorted(found(page) + found(after)) == ["001", "002"]


def test_keys_expire_and_a_strange_value_is_no_answer(redis_url: str) -> None:
    """Whatever else writes there."""
    cache = AnswerCache(Reach(connect(redis_url)), "strange")
    client = redis.Redis.from_url(redis_url)
    cache.keep("a", Entry(b"{}", "d", 1.0))
    assert cache.find("a").entry == Entry(b"{}", "d", 1.0)
    assert 0 < int(client.ttl("strange:answer:a")) <= 3600
    for odd in (b"", b"x", b"\xff \xff\n", b"1.0"):
        client.set("strange:answer:a", odd, ex=60)
        assert AnswerCache(Reach(connect(redis_url)), "strange").find("a").entry is None

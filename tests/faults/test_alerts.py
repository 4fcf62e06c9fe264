"""Incidents reach Slack once, whoever looks and whatever is away, and never hold a sync back."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from opensearchpy import OpenSearch
from pydantic import SecretStr

from indexer.cursors import Cursors
from indexer.metrics import Metrics
from indexer.overview import Watch
from indexer.slack import Alerts
from opensearch import held
from opensearch.client import connect
from opensearch.generations import Indices
from opensearch.process import free_port
from tests.faults.test_cli import run, sources
from tests.faults.test_sync import Erp, record
from tests.sources.standin import Reply, Request, StandIn, serving

PACE = timedelta(hours=1)
SECRET = "T0-S3CR3T-B0"


@dataclass(slots=True)
class Slack:
    """A stand-in Slack: what it was told, and whether it takes it."""

    url: str = ""
    status: int = 200
    texts: list[str] = field(default_factory=list)

    def __call__(self, request: Request) -> Reply:
        """As Slack answers."""
        if self.status != 200:
            return Reply(b"rollup_error", self.status, {"Retry-After": "3600"})
        assert request.path == f"/services/{SECRET}"
        self.texts.append(json.loads(request.body)["text"])
        return Reply(b"ok")

    @property
    def webhook(self) -> str:
        """The whole address, a secret."""
        return f"{self.url}/services/{SECRET}"


@pytest.fixture
def slack() -> Iterator[Slack]:
    """A stand-in Slack that takes everything."""
    answer = Slack()
    with serving(answer) as server:
        answer.url = server.url
        yield answer


@pytest.fixture
def cursors(client: OpenSearch, indices: Indices) -> Cursors:
    """Where the sources stand."""
    return Cursors(client, indices)


def synced(cursors: Cursors, at: datetime, **changes: object) -> None:
    """Says of the source that its last complete pull began then."""
    cursors.move(replace(cursors.read("matriz"), synced_at=at, outcome="done", **changes))  # type: ignore[arg-type]  # fields of Cursor


def watching(cursors: Cursors, slack: Slack, home: Path, url: str | None = None) -> Alerts:
    """An indexer's alerts."""
    client = connect(url, timeout=2) if url else cursors.client
    return Alerts(Watch(client, cursors.indices, {"matriz": PACE}), SecretStr(slack.webhook), home)


def now() -> datetime:
    """By our clock."""
    return datetime.now(UTC)


def test_two_indexers_tell_an_incident_once_and_its_end_once(cursors: Cursors, slack: Slack, tmp_path: Path) -> None:
    """Both looking at once, again and again."""
    synced(cursors, now() - 3 * PACE)
    both = [watching(cursors, slack, tmp_path / name) for name in "ab"]

    def rounds() -> None:
        for _ in range(3):
            threads = [threading.Thread(target=one.round, args=(now(),)) for one in both]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    rounds()
    (began,) = slack.texts
    assert "A fonte matriz está desatualizada" in began
    assert "`indexer sync --source matriz`" in began
    synced(cursors, now())
    rounds()
    assert len(slack.texts) == 2
    assert slack.texts[1].startswith(":white_check_mark: *Terminou:* A fonte matriz está desatualizada")


def test_a_restart_forgets_nothing(cursors: Cursors, slack: Slack, tmp_path: Path) -> None:
    """A cron run knows what the one before it told."""
    synced(cursors, now() - 3 * PACE)
    for _ in range(3):
        watching(cursors, slack, tmp_path).round(now())
    assert len(slack.texts) == 1


def test_what_slack_refuses_is_told_at_the_next_round(cursors: Cursors, slack: Slack, tmp_path: Path) -> None:
    """Too many requests, ill, not there at all: each time kept, then told once."""
    synced(cursors, now() - 3 * PACE)
    alerts = watching(cursors, slack, tmp_path)
    for status in (429, 500, 404):
        slack.status = status
        alerts.round(now())
    nowhere = Slack(f"http://127.0.0.1:{free_port()}")
    watching(cursors, nowhere, tmp_path).round(now())
    assert slack.texts == []
    slack.status = 200
    alerts.round(now())
    alerts.round(now())
    assert len(slack.texts) == 1


def test_many_incidents_at_once_are_one_message(cursors: Cursors, slack: Slack, tmp_path: Path) -> None:
    """Slack takes a message a second; whoever reads them, fewer."""
    synced(cursors, now() - 3 * PACE, withheld=40, listed=10, usual_listed=50.0)
    watching(cursors, slack, tmp_path).round(now())
    (text,) = slack.texts
    for expected in ("desatualizada", "menos de 80 %", "Bulas demais sumiram", "40 retiradas suspensas"):
        assert expected in text


def test_an_indexer_that_died_while_telling_is_replaced(
    cursors: Cursors, client: OpenSearch, indices: Indices, slack: Slack, tmp_path: Path
) -> None:
    """Its claim runs out; nothing is lost."""
    synced(cursors, now() - 3 * PACE)
    until = now() + timedelta(seconds=60)
    held.move(client, indices.operations, "alerts", {"state": {"open": [], "teller": "dead", "until": until.isoformat()}}, None)
    alerts = watching(cursors, slack, tmp_path)
    alerts.round(now())
    assert slack.texts == []
    alerts.round(until + timedelta(seconds=1))
    assert len(slack.texts) == 1


def test_opensearch_away_is_told_once_and_its_end_once(cursors: Cursors, slack: Slack, tmp_path: Path, opensearch_url: str) -> None:
    """By indexers of one machine, cron runs too: remembered beside OpenSearch. What was open there stays open meanwhile."""
    synced(cursors, now() - 3 * PACE)
    watching(cursors, slack, tmp_path, opensearch_url).round(now())
    away, start = f"http://127.0.0.1:{free_port()}", now()
    for minutes in (0, 1, 3, 60):
        for _ in range(2):
            watching(cursors, slack, tmp_path, away).round(start + timedelta(minutes=minutes))
    assert [text.partition("\n")[0] for text in slack.texts[1:]] == [":rotating_light: *O OpenSearch não responde*"]
    for _ in range(2):
        watching(cursors, slack, tmp_path, opensearch_url).round(start + timedelta(minutes=61))
    assert len(slack.texts) == 3
    assert "*Terminou:* O OpenSearch não responde" in slack.texts[2]


def test_opensearch_away_is_told_once_also_where_no_file_can_be_written(cursors: Cursors, slack: Slack, tmp_path: Path) -> None:
    """Then this process remembers it."""
    home = tmp_path / "home"
    home.write_text("a file, not a folder")
    alerts, start = watching(cursors, slack, home, f"http://127.0.0.1:{free_port()}"), now()
    for minutes in (0, 3, 4):
        alerts.round(start + timedelta(minutes=minutes))
    assert len(slack.texts) == 1


def test_a_stale_source_is_told_while_its_pull_hangs(cursors: Cursors, slack: Slack, tmp_path: Path) -> None:
    """Nobody wakes the alerts: they look by themselves."""
    synced(cursors, now() - 3 * PACE)
    alerts = watching(cursors, slack, tmp_path)
    alerts.every = 0.05
    with alerts.watching():
        until = time.monotonic() + 30
        while not slack.texts:
            assert time.monotonic() < until, "nothing was told"
            time.sleep(0.02)


@contextmanager
def hanging() -> Iterator[StandIn]:
    """A Slack that takes the request and never answers."""
    over = threading.Event()

    def answer(_: Request) -> Reply:
        over.wait(120)
        return Reply(b"ok")

    with serving(answer) as server:
        yield server
        over.set()


@pytest.mark.usefixtures("production")
def test_a_sync_ends_well_while_slack_hangs(tmp_path: Path, opensearch_url: str) -> None:
    """It waits some seconds for it, and is done: the stand-in answers only after it ended."""
    with serving(Erp(record("001"))) as erp, hanging() as slack:
        sources(tmp_path, erp)
        assert run(tmp_path, "sync", OPENSEARCH_URL=opensearch_url).returncode == 0
        _make_stale(opensearch_url)
        environ = {"OPENSEARCH_URL": opensearch_url, "SLACK_WEBHOOK_URL": f"{slack.url}/services/{SECRET}"}
        erp_down(tmp_path)
        told = run(tmp_path, "sync", **environ)
    assert told.returncode == 1
    assert "Traceback" not in told.stderr
    assert len(slack.asked) == 1


@pytest.mark.usefixtures("production")
def test_a_cron_sync_tells_slack_and_leaves_its_metrics(tmp_path: Path, opensearch_url: str, slack: Slack) -> None:
    """What Prometheus gets of it survives it, also while OpenSearch is away; the webhook stands nowhere."""
    environ = {"SLACK_WEBHOOK_URL": slack.webhook, "METRICS_FILE": "bulario.prom", "LOG_LEVEL": "DEBUG", "LOG_FORMAT": "json"}
    with serving(Erp(record("001"), record("002"))) as erp:
        sources(tmp_path, erp)
        first = run(tmp_path, "sync", OPENSEARCH_URL=opensearch_url, **environ)
    assert first.returncode == 0, first.stderr
    assert slack.texts == []
    file = tmp_path / "bulario.prom"
    written = {'indexer_leaflets_total{outcome="written",source="erp"} 2.0', 'indexer_standing_leaflets{source="erp"} 2.0'}
    assert written | {"indexer_opensearch_up 1.0"} <= set(file.read_text().splitlines())
    _make_stale(opensearch_url)
    erp_down(tmp_path)
    second = run(tmp_path, "sync", OPENSEARCH_URL=opensearch_url, **environ)
    third = run(tmp_path, "sync", OPENSEARCH_URL=opensearch_url, **environ)
    assert (second.returncode, third.returncode) == (1, 1)
    (text,) = slack.texts
    assert "A fonte erp está desatualizada" in text
    assert "2 bulas no SAC" in text
    lines = set(file.read_text().splitlines())
    assert {'indexer_pulls_total{outcome="done",source="erp"} 1.0', 'indexer_pulls_total{outcome="failed",source="erp"} 2.0'} <= lines
    away = run(tmp_path, "sync", OPENSEARCH_URL=f"http://127.0.0.1:{free_port()}", **environ)
    assert away.returncode == 1
    known = set(file.read_text().splitlines())
    assert {"indexer_opensearch_up 0.0"} == {line for line in known - lines if not line.startswith("#")}
    for told in (first, second, third, away):
        assert SECRET not in told.stdout + told.stderr


def test_the_same_is_told_whoever_is_asked(cursors: Cursors, tmp_path: Path) -> None:
    """Metrics are what is stored, not what a process counted; a scrape while OpenSearch is away gives what was last known."""
    synced(cursors, now(), totals={"pulls.done": 7, "leaflets.written": 12}, breaker="half_open", failures=4, holder="a")
    watch = Watch(cursors.client, cursors.indices, {"matriz": PACE, "filial": PACE})
    first, second = (Metrics(watch.look) for _ in range(2))
    for number, metrics in enumerate((first, second)):
        file = tmp_path / f"{number}.prom"
        metrics.write(file)
        lines = file.read_text().splitlines()
        for expected in (
            'indexer_pulls_total{outcome="done",source="matriz"} 7.0',
            'indexer_leaflets_total{outcome="written",source="matriz"} 12.0',
            'indexer_breaker_state{source="matriz"} 1.0',
            'indexer_consecutive_failures{source="matriz"} 4.0',
            'indexer_lease_held{source="matriz"} 1.0',
            'indexer_lease_held{source="filial"} 0.0',
            'indexer_pace_seconds{source="filial"} 3600.0',
            f'indexer_generation_info{{generation="{cursors.indices.alias}-000001"}} 1.0',
        ):
            assert expected in lines
        shares = {line.split()[0]: float(line.split()[1]) for line in lines if line.startswith("indexer_opensearch_")}
        assert 0 < shares["indexer_opensearch_disk_used_share"] <= 1
        assert 0 < shares["indexer_opensearch_heap_used_share"] <= 1
        assert not any(line.startswith('indexer_success_timestamp_seconds{source="filial"}') for line in lines)


def erp_down(folder: Path) -> None:
    """The ERP is where nobody listens, and is asked only once."""
    file = folder / "sources.toml"
    lines = [f"url = 'http://127.0.0.1:{free_port()}'" if line.startswith("url") else line for line in file.read_text().splitlines()]
    file.write_text("\n".join(lines))


def _make_stale(opensearch_url: str) -> None:
    cursors = Cursors(connect(opensearch_url), Indices())
    cursors.move(replace(cursors.read("erp"), synced_at=now() - timedelta(hours=5)))

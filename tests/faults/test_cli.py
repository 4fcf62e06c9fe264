"""`indexer` as operations meet it: what it says and how it exits when something is wrong, and when nothing is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
import requests
from opensearchpy import OpenSearch

from indexer.breaker import FAILURES
from indexer.cursors import Cursors
from opensearch import epoch
from opensearch.generations import Indices
from opensearch.process import free_port
from searchapi.keys import Role, new
from tests.faults.test_sync import Erp, record
from tests.sources.standin import Reply, Request, StandIn, serving

INDEXER = Path(sys.executable).with_name("indexer")
SEARCHAPI = Path(sys.executable).with_name("searchapi")
FOLDER = "[sources.pasta]\ntype = 'folder'\npath = 'bulas'\n"


def run(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """The command, in a folder of its own."""
    clean = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "PYTHONPATH"}}
    return subprocess.run([INDEXER, *arguments], cwd=folder, env=clean | environ, capture_output=True, text=True, timeout=60, check=False)


def sources(folder: Path, server: StandIn) -> None:
    """A sources.toml that names the stand-in."""
    (folder / "sources.toml").write_text(
        f"[sources.erp]\ntype = 'rest'\nurl = '{server.url}'\npaging = {{ by = 'page', size = 2, more = 'hasNext' }}\nrecords = 'items'\n"
        "fields = { id = 'code', name = 'name', laboratory = 'maker', audience = 'kind', updated_at = 'modified', text = 'text' }\n"
    )


@pytest.mark.parametrize("command", ["sync", "check", "status"])
def test_without_a_sources_file_it_says_how_to_write_one(tmp_path: Path, command: str) -> None:
    """Exit status 2: nothing was touched."""
    told = run(tmp_path, command)
    assert told.returncode == 2
    assert "there is no sources file at sources.toml: write one" in told.stderr


def test_a_wrong_environment_is_told_whole_with_examples(tmp_path: Path) -> None:
    """Every wrong variable by its name, in one go."""
    (tmp_path / "sources.toml").write_text(FOLDER)
    told = run(tmp_path, "sync", OPENSEARCH_URL="localhost", SYNC_EVERY="hourly", LOG_FORMAT="xml")
    assert told.returncode == 2
    for expected in ("OPENSEARCH_URL", "SYNC_EVERY=30m", "LOG_FORMAT=json"):
        assert expected in told.stderr


def test_a_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    """With those that are."""
    (tmp_path / "sources.toml").write_text(FOLDER)
    told = run(tmp_path, "sync", "--source", "pastas")
    assert told.returncode == 2
    assert "there is no source 'pastas' in sources.toml; it has pasta" in told.stderr


def test_without_opensearch_it_says_where_it_looked_and_what_to_run(tmp_path: Path) -> None:
    """Exit status 1, and no traceback."""
    (tmp_path / "sources.toml").write_text(FOLDER)
    port = free_port()
    for command in (["sync"], ["status"], ["check"], ["divergences"], ["synonyms", "check"]):
        told = run(tmp_path, *command, OPENSEARCH_URL=f"http://127.0.0.1:{port}")
        assert told.returncode == 1
        assert f"OpenSearch does not answer at http://127.0.0.1:{port}. Start it (`make up`" in told.stderr
        assert "Traceback" not in told.stderr


def test_check_shows_what_the_mapping_makes_of_real_rows(tmp_path: Path, opensearch_url: str, redis_url: str) -> None:
    """So many, each field as it is understood, the leaflet that is read of it, and why one cannot be; no more pages are asked for."""
    rows = [record("001", more="Não parta o comprimido."), record("002", kind="marciano"), *(record(f"{n:03}") for n in range(3, 30))]
    with serving(Erp(*rows)) as server:
        sources(tmp_path, server)
        told = run(tmp_path, "check", "--sample", "3", OPENSEARCH_URL=opensearch_url, REDIS_URL=redis_url)
        assert told.returncode == 0, told.stderr
        # One page for the check itself, two for three rows.
        assert len(server.asked) == 3
    lines = [" ".join(line.split()) for line in told.stdout.splitlines()]
    assert "1. 001" in lines
    assert "name Remédio 001" in lines
    assert "registration -" in lines
    assert any(line.startswith("content text/plain") and "APRESENTAÇÕES" in line for line in lines)
    assert any(line.startswith("leaflet") and "patient: " in line and "posology" in line for line in lines)
    assert any(line.startswith("cannot be read: its audience is 'marciano'") for line in lines)
    assert "3. 003" in lines
    assert "4. 004" not in lines


@pytest.mark.usefixtures("production")
def test_sync_status_and_rejected_tell_what_happened(tmp_path: Path, opensearch_url: str, erp: StandIn) -> None:
    """The whole of a day's commands, with one leaflet that cannot be indexed."""
    sources(tmp_path, erp)
    first = run(tmp_path, "sync", "--json", OPENSEARCH_URL=opensearch_url)
    assert first.returncode == 0, first.stderr
    (told,) = json.loads(first.stdout)["sources"]
    assert (told["outcome"], told["written"], told["rejected"]) == ("done", 3, 0)
    second = run(tmp_path, "sync", OPENSEARCH_URL=opensearch_url)
    assert "3 unchanged" in second.stdout
    assert "one after another it would have taken" in second.stdout
    (line,) = json.loads(run(tmp_path, "status", "--json", OPENSEARCH_URL=opensearch_url).stdout)["sources"]
    assert (line["outcome"], line["leaflets"], line["rejected"]) == ("done", 3, 0)
    assert run(tmp_path, "rejected", "list", OPENSEARCH_URL=opensearch_url).stdout == "0 rejected\n"
    assert run(tmp_path, "rejected", "show", "erp:001", OPENSEARCH_URL=opensearch_url).returncode == 2


@pytest.mark.usefixtures("production")
def test_a_sync_tells_every_searchapi_that_the_index_changed(tmp_path: Path, opensearch_url: str, redis_url: str, erp: StandIn) -> None:
    """By a new epoch; without Redis it is done all the same."""
    sources(tmp_path, erp)
    told = redis.Redis.from_url(redis_url)
    before = told.get(epoch.key())
    assert run(tmp_path, "sync", OPENSEARCH_URL=opensearch_url, REDIS_URL=redis_url).returncode == 0
    assert told.get(epoch.key()) not in {None, before}
    assert run(tmp_path, "sync", OPENSEARCH_URL=opensearch_url, REDIS_URL=f"redis://127.0.0.1:{free_port()}/0").returncode == 0


@pytest.mark.usefixtures("production")
def test_a_rejected_leaflet_is_shown_and_tried_again(tmp_path: Path, opensearch_url: str) -> None:
    """What is wrong with it stays wrong until its ERP is mended."""
    with serving(Erp(record("001", more="lost: \ufffd"), record("002"))) as server:
        sources(tmp_path, server)
        assert run(tmp_path, "sync", OPENSEARCH_URL=opensearch_url).returncode == 0
    assert "erp:001" in run(tmp_path, "rejected", "list", OPENSEARCH_URL=opensearch_url).stdout
    shown = run(tmp_path, "rejected", "show", "erp:001", OPENSEARCH_URL=opensearch_url).stdout
    assert "U+FFFD" in shown
    assert '"source_id": "001"' in shown
    again = run(tmp_path, "rejected", "retry", OPENSEARCH_URL=opensearch_url)
    assert again.returncode == 1
    assert "still rejected" in again.stdout


@pytest.mark.usefixtures("production")
def test_divergences_list_what_two_sources_tell_differently(tmp_path: Path, opensearch_url: str) -> None:
    """One JSON object for programs, a product and its leaflets for people; no source is asked."""
    assert json.loads(run(tmp_path, "divergences", "--json", OPENSEARCH_URL=opensearch_url).stdout) == {"divergences": []}
    with serving(Erp(record("001", name="Dipirona"))) as first, serving(Erp(record("A1", name="Dipirona", more="Sempre."))) as second:
        tables = []
        for server, name in ((first, "matriz"), (second, "filial")):
            sources(tmp_path, server)
            tables.append((tmp_path / "sources.toml").read_text().replace("sources.erp", f"sources.{name}"))
        (tmp_path / "sources.toml").write_text("\n".join(tables))
        assert run(tmp_path, "sync", OPENSEARCH_URL=opensearch_url).returncode == 0
    told = run(tmp_path, "divergences", "--json", OPENSEARCH_URL=opensearch_url)
    assert told.returncode == 0, told.stderr
    (divergence,) = json.loads(told.stdout)["divergences"]
    assert (divergence["dangerous"], divergence["differs"], divergence["missing"], divergence["facts"]) == (False, ["posology"], {}, [])
    assert {leaflet["source"] for leaflet in divergence["leaflets"]} == {"matriz", "filial"}
    lines = run(tmp_path, "divergences", OPENSEARCH_URL=opensearch_url).stdout.splitlines()
    assert lines[0] == "name dipirona of lab for patient (differs: posology)"
    assert any("filial:A1:patient  Dipirona" in line for line in lines[1:3])
    assert lines[-1] == "1 divergences, 0 of them two drugs under one number"


@pytest.mark.usefixtures("production")
def test_synonyms_are_checked_against_the_index(tmp_path: Path, opensearch_url: str) -> None:
    """Exit status 2 with the line and the mend; before the first sync only the file itself."""
    file = tmp_path / "edited.txt"
    file.write_text("[names]\nlosartana, valsartana\n", encoding="utf-8")
    told = run(tmp_path, "synonyms", "check", str(file), OPENSEARCH_URL=opensearch_url)
    assert (told.returncode, "there is no index yet" in told.stdout) == (0, True)
    with serving(Erp(record("001", name="Losartana"), record("002", name="Valsartana"))) as server:
        sources(tmp_path, server)
        written = (tmp_path / "sources.toml").read_text().replace("name = 'name'", "name = 'name', active_ingredients = 'name'")
        (tmp_path / "sources.toml").write_text(written)
        assert run(tmp_path, "sync", OPENSEARCH_URL=opensearch_url).returncode == 0
    told = run(tmp_path, "synonyms", "check", str(file), OPENSEARCH_URL=opensearch_url)
    assert told.returncode == 2
    assert "edited.txt: line 2: the index holds 'losartana' and 'valsartana' as two drugs: take one of them out" in told.stderr
    told = run(tmp_path, "synonyms", "check", OPENSEARCH_URL=opensearch_url)
    assert (told.returncode, "none joins two drugs of leaflets-000001" in told.stdout) == (0, True)
    file.write_text("[names]\nlosartana,\n", encoding="utf-8")
    assert run(tmp_path, "synonyms", "check", str(file), OPENSEARCH_URL=opensearch_url).returncode == 2


def test_searchapi_does_not_start_with_a_faulty_list_of_lookalikes(tmp_path: Path) -> None:
    """Exit status 2 with the line; not a worker that dies again and again."""
    file = tmp_path / "lookalikes.txt"
    file.write_text("Losec ; Lasix\nDiovan\n", encoding="utf-8")
    environ = {"PATH": os.environ["PATH"], "LOOKALIKES_FILE": str(file)}
    searchapi = Path(sys.executable).with_name("searchapi")
    told = subprocess.run([searchapi], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert told.returncode == 2
    assert "lookalikes.txt: line 2 is no pair: write two names with one ';' between them" in told.stderr


@pytest.mark.usefixtures("production")
def test_run_pulls_serves_metrics_and_ends_when_told(tmp_path: Path, opensearch_url: str, erp: StandIn) -> None:
    """What `make up` and the compose file start."""
    sources(tmp_path, erp)
    port = free_port()
    environ = {"OPENSEARCH_URL": opensearch_url, "INDEXER_METRICS_PORT": str(port), "PYTHONUNBUFFERED": "1"}
    environ |= {name: value for name, value in os.environ.items() if name in {"PATH", "PYTHONPATH"}}
    with subprocess.Popen([INDEXER, "run"], cwd=tmp_path, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "3 written" in process.stdout.readline()
        told = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text
        assert 'indexer_leaflets_total{outcome="written",source="erp"} 3.0' in told
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
        print(f"ended {time.monotonic() - started:.1f} s after SIGTERM")


@pytest.mark.usefixtures("production")
@pytest.mark.parametrize(("command", "status"), [("sync", 1), ("run", 0)])
def test_told_to_end_it_leaves_the_erp_waiting_and_gives_its_sources_back(
    tmp_path: Path, client: OpenSearch, opensearch_url: str, command: str, status: int
) -> None:
    """What was settled stands, nothing is passed over, and it does not wait for an ERP that does not answer."""
    erp, waits, end = Erp(*(record(f"{n:03}") for n in range(5))), threading.Event(), threading.Event()

    def hang(request: Request) -> None:
        if request.query["page"] == "2":
            waits.set()
            end.wait(120)

    erp.fault = hang
    with serving(erp) as server:
        sources(tmp_path, server)
        environ = {"OPENSEARCH_URL": opensearch_url, "INDEXER_METRICS_PORT": str(free_port())}
        environ |= {name: value for name, value in os.environ.items() if name in {"PATH", "PYTHONPATH"}}
        with subprocess.Popen([INDEXER, command], cwd=tmp_path, env=environ, stderr=subprocess.PIPE, text=True) as process:
            assert waits.wait(60)
            started = time.monotonic()
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=60)
            took = time.monotonic() - started
        end.set()
    assert process.returncode == status
    # The ERP would have kept it for two minutes; the promise is 10 s, on a machine that has time.
    assert took < 30
    assert "Traceback" not in said
    assert ("told to end before all was pulled" in said) == (command == "sync")
    cursor = Cursors(client, Indices()).read("erp")
    assert (cursor.holder, cursor.outcome, cursor.value) == ("", "stopped", None)


@pytest.mark.usefixtures("production")
def test_all_lines_of_one_pull_have_its_run_and_none_has_a_leaflets_text(tmp_path: Path, opensearch_url: str, erp: StandIn) -> None:
    """One line an event; the same run is in the cursor and in what the command prints."""
    sources(tmp_path, erp)
    told = run(tmp_path, "sync", "--json", OPENSEARCH_URL=opensearch_url, LOG_FORMAT="json")
    (outcome,) = json.loads(told.stdout)["sources"]
    lines = [json.loads(line) for line in told.stderr.splitlines() if line.startswith("{")]
    events = [line["event"] for line in lines if line.get("run") == outcome["run"] and line["source"] == "erp"]
    assert (events[0], events[-1]) == ("pull began", "pull ended")
    assert "batch written" in events
    assert (lines[-1]["outcome"], lines[-1]["written"]) == ("done", 3)
    assert "Tome com" not in told.stderr
    (line,) = json.loads(run(tmp_path, "status", "--json", OPENSEARCH_URL=opensearch_url).stdout)["sources"]
    assert (line["run"], line["breaker"], line["holder"], line["withheld"]) == (outcome["run"], "closed", None, 0)


@pytest.mark.usefixtures("production")
def test_an_open_breaker_is_told_and_a_person_who_syncs_does_not_wait_for_it(tmp_path: Path, opensearch_url: str) -> None:
    """Its state outlives the process; `indexer sync` asks the ERP once at least."""
    ready = Erp(record("001"))
    ready.fault = lambda _: Reply(b"", status=503)
    with serving(ready) as server:
        sources(tmp_path, server)
        for _ in range(FAILURES):  # how many of the requests asked ahead have failed when a pull ends, nobody knows; one at least
            assert run(tmp_path, "sync", OPENSEARCH_URL=opensearch_url).returncode == 1
        assert "its breaker is open after" in run(tmp_path, "status", OPENSEARCH_URL=opensearch_url).stdout
        ready.fault = lambda _: None
        assert run(tmp_path, "sync", OPENSEARCH_URL=opensearch_url).returncode == 0
    (line,) = json.loads(run(tmp_path, "status", "--json", OPENSEARCH_URL=opensearch_url).stdout)["sources"]
    assert (line["breaker"], line["failures"], line["outcome"]) == ("closed", 0, "done")


@contextmanager
def searchapi(folder: Path, **environ: str) -> Iterator[str]:
    """A searchapi that says all it can; gives where it answers, and leaves what it said in `said.txt`."""
    port = str(free_port())
    clean = {name: value for name, value in os.environ.items() if name in {"PATH", "PYTHONPATH"}}
    told = clean | {"PORT": port, "LOG_LEVEL": "DEBUG", "LOG_FORMAT": "json"} | environ
    with (
        (folder / "said.txt").open("w") as said,
        subprocess.Popen([SEARCHAPI], cwd=folder, env=told, stdout=said, stderr=subprocess.STDOUT) as process,
    ):
        url = f"http://127.0.0.1:{port}"
        try:
            until = time.monotonic() + 60
            while not _answers(f"{url}/readyz"):
                assert process.poll() is None, (folder / "said.txt").read_text()
                assert time.monotonic() < until, "searchapi never became ready"
                time.sleep(0.1)
            yield url
        finally:
            process.terminate()


def _answers(address: str) -> bool:
    try:
        return requests.get(address, timeout=30).ok
    except requests.ConnectionError:
        return False


@pytest.mark.usefixtures("production")
def test_what_nobody_finds_is_listed_for_the_synonyms_and_told_nowhere_else(
    tmp_path: Path, opensearch_url: str, redis_url: str, erp: StandIn
) -> None:
    """Two people with a key of their own look for one word in vain: `gaps` lists it; logs and metrics hold none of their words."""
    sources(tmp_path, erp)
    environ = {"OPENSEARCH_URL": opensearch_url, "REDIS_URL": redis_url}
    assert run(tmp_path, "gaps", "--json", **environ).stdout == '{"gaps": []}\n'
    assert run(tmp_path, "sync", **environ).returncode == 0
    made = [new(name, frozenset({Role.SEARCH, Role.METRICS})) for name in ("guiche-um", "guiche-dois")]
    (tmp_path / "keys.toml").write_text("\n".join(key.line for key in made))
    with searchapi(tmp_path, GAPS_ASKERS="2", API_KEYS_FILE="keys.toml", **environ) as url:
        for key in made:
            header = {"Authorization": f"Bearer {key.secret}"}
            assert requests.get(f"{url}/v1/search", params={"q": "zolquexim"}, headers=header, timeout=30).json()["total"] == 0
            assert requests.get(f"{url}/", params={"q": "remedyo"}, headers=header, timeout=30).ok
        until = time.monotonic() + 20
        while len(found := json.loads(run(tmp_path, "gaps", "--json", **environ).stdout)["gaps"]) < 2:
            assert time.monotonic() < until, found
        metrics = requests.get(f"{url}/metrics", headers=header, timeout=30).text
    by_word = {gap["word"]: gap for gap in found}
    assert by_word["zolquexim"] == {
        "word": "zolquexim", "searches": 2, "askers": 2, "nearest": [], "rule": "",
        "first_seen": by_word["zolquexim"]["last_seen"], "last_seen": by_word["zolquexim"]["last_seen"],
    }  # fmt: skip
    assert 'searchapi_search_total{outcome="nothing"} 2.0' in metrics
    said = (tmp_path / "said.txt").read_text()
    for told in ("zolquexim", "remedyo", "guiche", *(key.secret for key in made)):
        assert told not in metrics
        assert told not in said
    listed = run(tmp_path, "gaps", **environ).stdout
    assert "# zolquexim" in listed
    assert "2 searches by 2 people or more" in listed
    (tmp_path / "candidates.txt").write_text(listed)
    checked = run(tmp_path, "synonyms", "check", "candidates.txt", **environ)
    assert checked.returncode == 0, checked.stderr

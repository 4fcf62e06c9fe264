"""What operations install (systemd, cron, compose) starts commands that exist, with variables that are read, on ports that are ours."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # its types are a package of their own

from indexer.settings import Settings as IndexerSettings
from opensearch.settings import read
from searchapi.settings import Settings as SearchSettings
from searchapi.sizes import sizes
from tests.contract.test_docs import commands

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "deploy" / "systemd").iterdir())
CRON = (ROOT / "deploy" / "cron" / "bulario").read_text()
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
READ = {name.upper() for settings in (IndexerSettings, SearchSettings) for name in settings.model_fields}


def test_systemd_takes_the_units(systemd_analyze: Path, tmp_path: Path) -> None:
    """Not a word of complaint, the program being where it is here and its user being anybody."""
    for unit in UNITS:
        here = unit.read_text().replace("/opt/bulario/.venv/bin", str(Path(sys.executable).parent)).replace("User=bulario", "User=root")
        (tmp_path / unit.name).write_text(here)
    paths = sorted(map(str, tmp_path.iterdir()))
    ended = subprocess.run([systemd_analyze, "verify", *paths], capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_every_timer_has_its_service() -> None:
    """Of the same name: that is how systemd finds it."""
    names = {unit.name for unit in UNITS}
    assert {name.replace(".timer", ".service") for name in names if name.endswith(".timer")} <= names


def started() -> list[str]:
    """Every command that units, cron and compose start, without its folder."""
    units = [line.removeprefix("ExecStart=") for unit in UNITS for line in unit.read_text().splitlines() if line.startswith("ExecStart=")]
    cron = re.findall(r"(/opt/\S+/indexer \w+)", CRON)
    compose = [" ".join(service["command"]) for service in COMPOSE.values() if service.get("image") == "bulario"]
    return [re.sub(r"^\S*/", "", command) for command in (*units, *cron, *compose)]


def test_every_command_that_is_started_exists() -> None:
    """With no option that is not there."""
    assert len(started()) == 6
    for command in started():
        assert command == "searchapi" or command in commands(), command


def test_every_variable_that_is_set_is_read() -> None:
    """A misspelt one would silently do nothing."""
    units = [
        pair for unit in UNITS for line in re.findall(r"^Environment=(.*)$", unit.read_text(), re.MULTILINE) for pair in shlex.split(line)
    ]
    cron = [name for name in re.findall(r"^([A-Z_]+)=", CRON, re.MULTILINE) if name not in {"SHELL", "PATH", "MAILTO"}]
    compose = [name for service in ("indexer", "searchapi") for name in COMPOSE[service]["environment"]]
    told = {pair.partition("=")[0] for pair in (*units, *cron, *compose)}
    assert {"SOURCES_FILE", "BULARIO_HOME", "METRICS_FILE", "LOG_FORMAT"} <= told
    assert told <= READ, f"nobody reads {told - READ}"


def test_exit_statuses_that_a_person_must_mend_are_not_tried_again() -> None:
    """2 misconfigured, 3 refused; and there is time to end the batch."""
    indexer, searchapi = ((ROOT / "deploy" / "systemd" / f"bulario-{name}.service").read_text() for name in ("indexer", "searchapi"))
    assert "RestartPreventExitStatus=2 3\n" in indexer
    assert "RestartPreventExitStatus=2\n" in searchapi
    assert all("TimeoutStopSec=15\n" in unit for unit in (indexer, searchapi))
    assert sizes(1, read(SearchSettings, {}).answer_within.total_seconds()).graceful_timeout < 15


def test_a_reload_of_searchapi_is_the_signal_that_fails_no_request() -> None:
    """tests/faults/test_rolling_restart.py sends it under load."""
    unit = (ROOT / "deploy" / "systemd" / "bulario-searchapi.service").read_text()
    assert "ExecReload=/bin/kill -HUP $MAINPID\n" in unit
    assert "KillMode=mixed\n" in unit


def test_both_services_are_as_closed_as_each_other() -> None:
    """What is a risk in one is one in the other."""

    def closed(name: str) -> set[str]:
        unit = (ROOT / "deploy" / "systemd" / f"bulario-{name}.service").read_text()
        return set(re.findall(r"^(?:Protect|Private|Restrict\w+|NoNew|Lock|Capability|SystemCall)\w*=.*$", unit, re.MULTILINE)) - {
            "RestartPreventExitStatus=2"
        }

    assert closed("indexer") == closed("searchapi") == closed("sync")
    assert len(closed("searchapi")) == 21


def test_cron_never_runs_two_syncs() -> None:
    """flock, without waiting."""
    (line,) = [line for line in CRON.splitlines() if line and line[0].isdigit()]
    assert "flock -n" in line


@pytest.mark.parametrize("job", ["indexer", "searchapi"])
def test_prometheus_scrapes_the_ports_that_we_serve_on(job: str) -> None:
    """In the compose file's network."""
    jobs = {one["job_name"]: one for one in yaml.safe_load((ROOT / "monitoring" / "prometheus.yml").read_text())["scrape_configs"]}
    port = {"indexer": read(IndexerSettings, {}).indexer_metrics_port, "searchapi": read(SearchSettings, {}).port}[job]
    assert jobs[job]["static_configs"] == [{"targets": [f"{job}:{port}"]}]

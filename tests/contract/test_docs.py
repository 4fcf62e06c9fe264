"""README, --help, /openapi.json and the code say the same."""

from __future__ import annotations

import re
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from typer.main import get_command

from indexer import cli as indexer_cli
from indexer.metrics import Metrics as IndexerMetrics
from indexer.overview import Overview
from indexer.settings import Settings as IndexerSettings
from indexer.sources.config import TYPES
from leaflets import Audience, Category, Section
from opensearch.client import IndexDown
from opensearch.node import NodeSettings
from opensearch.settings import CommonSettings
from searchapi import params
from searchapi.keys import Role
from searchapi.metrics import Metrics as SearchMetrics
from searchapi.ranking import RANKING
from searchapi.settings import Settings as SearchSettings
from searchapi.vocabulary import By
from tests.conftest import Demo

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def openapi(demo: Demo) -> Any:
    """The document, as the demonstration's app tells it."""
    return demo.app.test_client().get("/openapi.json").get_json()


def commands() -> dict[str, list[str]]:
    """Every command of `indexer` with its long options."""
    found: dict[str, list[str]] = {}
    group = get_command(indexer_cli.app)
    for name, command in group.commands.items():  # type: ignore[attr-defined]  # typer gives a click group
        for below, sub in getattr(command, "commands", {"": command}).items():
            options = [o for p in sub.params for o in p.opts if o.startswith("--") and o != "--help"]
            found[f"indexer {name} {below}".strip()] = options
    return found


def test_every_command_and_option_is_in_the_readme() -> None:
    """A command nobody can read of does not exist."""
    for command, options in commands().items():
        line = next((line for line in README.splitlines() if line.startswith(f"| `{command}")), None)
        assert line, f"README has no line for `{command}`"
        assert all(option in line for option in options), f"README's line for `{command}` lacks one of {options}"


def test_every_command_in_the_readme_exists() -> None:
    """And the other way."""
    told = re.findall(r"^\| `(indexer [a-z]+(?: (?:list|show|retry|check))?)", README, re.MULTILINE)
    assert set(told) == set(commands())


@pytest.mark.parametrize("settings", [IndexerSettings, SearchSettings, NodeSettings])
def test_every_setting_is_in_the_readme_with_its_default(settings: type[CommonSettings]) -> None:
    """Each variable, its default and what it is."""
    for name, field in settings.model_fields.items():
        line = next((line for line in README.splitlines() if line.startswith(f"| `{name.upper()}`")), None)
        assert line, f"README has no line for {name.upper()}"
        spans = {
            "sync_every": "1h",
            "gaps_kept": "30d",
            "answer_within": "3s",
            "lease": "30s",
            "tombstones_kept": "30d",
            "history_kept": "730d",
        }
        default = spans.get(name, field.default)
        assert default is None or f"`{default}`" in line, f"README's default of {name.upper()} is not {default}"


def _away() -> Overview:
    raise IndexDown


def test_every_metric_is_in_the_readme() -> None:
    """And no metric there is invented."""
    declared = {
        metric.name + ("_total" if metric.type == "counter" else "")
        for registry in (IndexerMetrics(_away).registry, SearchMetrics().registry)
        for metric in registry.collect()
    }
    assert set(re.findall(r"^\| `((?:indexer|searchapi)_[a-z_]+)`", README, re.MULTILINE)) == declared


def test_every_source_type_is_in_the_readme() -> None:
    """And in INTERFACE's closed list."""
    assert all(f"| `{kind}` |" in README for kind in TYPES)


def test_the_ranking_table_is_in_the_readme() -> None:
    """As it is, in its order: a person reads there why a leaflet stands first."""
    rows = [f"| `{line.clause}` | `{line.field}` | {line.weight} | {line.why} |" for line in RANKING]
    assert "\n".join(rows) in README


def test_every_role_and_command_of_searchapi_is_in_the_readme() -> None:
    """With what makes a key of it."""
    assert all(f"searchapi keys new ana --role {role}" in README for role in Role)


def test_every_make_target_is_in_the_readme() -> None:
    """`make` alone lists them."""
    listed = subprocess.run(["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = set(re.findall(r"^\s+make ([a-z]+)\s", listed, re.MULTILINE))
    assert {"demo", "up", "test", "check", "bench"} <= targets
    told = set(re.findall(r"^\| `make ([a-z]+)`", README, re.MULTILINE))
    assert {"demo", "up", "test", "check", "bench"} <= told
    assert told <= targets | {""}


def test_every_route_is_in_openapi_and_in_the_readme(demo: Demo, openapi: Any) -> None:
    """The API's addresses, and no other."""
    rules = {re.sub(r"<(?:\w+:)?\w+>", "{id}", rule.rule) for rule in demo.app.url_map.iter_rules()}
    api = {rule for rule in rules if not rule.startswith(("/static", "/leaflets/", "/compare")) and rule != "/"}
    assert set(openapi["paths"]) == api
    assert all(path in README for path in api)


def test_every_shape_in_openapi_is_a_schema(openapi: Any) -> None:
    """As JSON Schema 2020-12, which OpenAPI 3.1 takes whole; and closed, so that a field more is a field told."""
    assert openapi["openapi"].startswith("3.1")
    for name, schema in openapi["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
        assert "enum" in schema or schema["additionalProperties"] is False, name


def test_every_address_tells_how_it_fails(openapi: Any) -> None:
    """Each as problem+json; what may be asked again later with Retry-After."""
    for path, item in openapi["paths"].items():
        failures = {status: told for status, told in item["get"]["responses"].items() if status >= "400"}
        assert {"400", "500"} <= set(failures), path
        assert all(set(told["content"]) == {"application/problem+json"} for told in failures.values())
        assert all("Retry-After" in failures[status]["headers"] for status in failures.keys() & {"429", "503"})


def test_every_parameter_of_search_is_in_the_readme() -> None:
    """Unknown ones are refused, so one that nobody can read of could never be used."""
    line = next(line for line in README.splitlines() if line.startswith("| `GET /v1/search"))
    assert all(f"{parameter.name}=" in line for parameter in params.SEARCH)


@pytest.mark.parametrize("closed", [Section, Audience, Category, By])
def test_openapi_has_our_closed_sets(openapi: Any, closed: type[StrEnum]) -> None:
    """Sections, audiences, what ANVISA registered and ways of naming a drug."""
    assert openapi["components"]["schemas"][closed.__name__]["enum"] == list(closed)


@pytest.mark.parametrize("script", ["indexer", "searchapi"])
def test_help_is_given_without_any_server(script: str) -> None:
    """Whoever asks for help has nothing running yet."""
    told = subprocess.run([Path(sys.executable).with_name(script), "--help"], capture_output=True, text=True, check=True, cwd="/")
    assert "Usage" in told.stdout

"""README, --help, /openapi.json and the code say the same."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from indexer import cli as indexer_cli
from indexer.metrics import Metrics as IndexerMetrics
from indexer.settings import Settings as IndexerSettings
from indexer.sources.config import TYPES
from leaflets import Audience, Category, Section
from opensearch.node import NodeSettings
from opensearch.settings import CommonSettings
from searchapi import params, routes
from searchapi.keys import Role
from searchapi.metrics import Metrics as SearchMetrics
from searchapi.ranking import RANKING
from searchapi.settings import Settings as SearchSettings
from searchapi.vocabulary import By
from tests.conftest import Demo

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
OPENAPI = json.loads(routes.OPENAPI.read_text(encoding="utf-8"))


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
        default = {"sync_every": "1h", "gaps_kept": "30d", "answer_within": "3s"}.get(name, field.default)
        assert default is None or f"`{default}`" in line, f"README's default of {name.upper()} is not {default}"


def test_every_metric_is_in_the_readme() -> None:
    """And no metric there is invented."""
    declared = {
        metric.name + ("_total" if metric.type == "counter" else "")
        for registry in (IndexerMetrics().registry, SearchMetrics().registry)
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


def test_every_route_is_in_openapi_and_in_the_readme(demo: Demo) -> None:
    """The API's addresses, and no other."""
    rules = {re.sub(r"<(?:\w+:)?\w+>", "{id}", rule.rule) for rule in demo.app.url_map.iter_rules()}
    api = {rule for rule in rules if not rule.startswith(("/static", "/leaflets/", "/compare")) and rule != "/"}
    assert set(OPENAPI["paths"]) == api
    assert all(path in README for path in api)


def test_openapi_names_the_parameters_that_search_takes() -> None:
    """Unknown ones are refused, so a missing one could never be used."""
    told = [p["name"] for p in OPENAPI["paths"]["/v1/search"]["get"]["parameters"]]
    assert set(told) == set(params.SEARCH)


def test_openapi_has_our_closed_sets() -> None:
    """Sections, audiences and ways of naming a drug."""
    schemas = OPENAPI["components"]["schemas"]
    assert set(schemas["Passage"]["properties"]["section"]["enum"]) == set(map(str, Section))
    assert set(schemas["Hit"]["properties"]["audience"]["enum"]) == set(map(str, Audience))
    assert set(schemas["Hit"]["properties"]["category"]["enum"]) == {*map(str, Category), None}
    drug = schemas["Understood"]["properties"]["drug"]["anyOf"][1]
    assert set(drug["properties"]["by"]["enum"]) == set(map(str, By))


@pytest.mark.parametrize("script", ["indexer", "searchapi"])
def test_help_is_given_without_any_server(script: str) -> None:
    """Whoever asks for help has nothing running yet."""
    told = subprocess.run([Path(sys.executable).with_name(script), "--help"], capture_output=True, text=True, check=True, cwd="/")
    assert "Usage" in told.stdout

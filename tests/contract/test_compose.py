"""The compose files and the image, held against the code: no engine for containers is needed to see what would not start or be heard."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # its types are a package of their own
from opensearchpy import OpenSearch

from indexer.settings import Settings as IndexerSettings
from opensearch.jars import Version
from opensearch.node import NodeSettings
from opensearch.process import free_port
from opensearch.settings import CommonSettings, read
from searchapi.settings import Settings as SearchSettings
from tests.conftest import Demo

ROOT = Path(__file__).parents[2]
NAMES = ("docker-compose.yml", "docker-compose.three-nodes.yml")
FILES = {name: yaml.safe_load((ROOT / name).read_text(encoding="utf-8")) for name in NAMES}
ONE, THREE = FILES.values()
SERVICES: dict[str, dict[str, Any]] = ONE["services"]  # compose's own shape
ALL = [(name, service) for file in FILES.values() for name, service in file["services"].items()]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
OURS: dict[str, tuple[type[CommonSettings], ...]] = {"indexer": (IndexerSettings, NodeSettings), "searchapi": (SearchSettings,)}
# What stock images listen on, by their own documents.
STOCK = {"opensearch": 9200, "redis": 6379, "prometheus": 9090, "alertmanager": 9093, "grafana": 3000}
PORTS = {"indexer": read(IndexerSettings, {}).indexer_metrics_port, "searchapi": read(SearchSettings, {}).port, **STOCK}
# What opensearchproject/opensearch reads besides OpenSearch's settings.
OF_THE_IMAGE = {"DISABLE_SECURITY_PLUGIN", "DISABLE_INSTALL_DEMO_CONFIG", "OPENSEARCH_JAVA_OPTS"}


def test_the_files_are_what_the_compose_specification_says() -> None:
    """Every key, and the shape of its value: by the specification's own schema, of which check-jsonschema has a copy."""
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", *(str(ROOT / name) for name in FILES)]
    ended = subprocess.run(check, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_three_nodes_are_told_to_our_processes_and_to_each_other() -> None:
    """As compose merges the two files: what the second says of a variable stands."""
    nodes = [name for name in {**SERVICES, **THREE["services"]} if name.startswith("opensearch")]
    assert len(nodes) == 3
    urls = ",".join(f"http://{node}:{PORTS['opensearch']}" for node in nodes)
    assert {THREE["services"][name]["environment"]["OPENSEARCH_URL"] for name in OURS} == {urls}
    for node in nodes:
        environment = THREE["services"][node]["environment"]
        assert environment["discovery.type"] != SERVICES["opensearch"]["environment"]["discovery.type"]
        assert environment["discovery.seed_hosts"] == ",".join(nodes)
    # One alone founds the cluster, the others join it: two that found each other first would be a second one.
    founders = [node for node in nodes if "cluster.initial_cluster_manager_nodes" in THREE["services"][node]["environment"]]
    assert founders == ["opensearch"] == [THREE["services"]["opensearch"]["environment"]["cluster.initial_cluster_manager_nodes"]]


def test_every_image_is_pinned_and_opensearch_is_the_one_that_is_tested() -> None:
    """To the last number: another day's `docker compose pull` brings nothing that nobody chose."""
    images = [service["image"] for _, service in ALL if "image" in service] + [THREE["x-joining"]["image"]]
    images += re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    stock = [image for image in images if image != "bulario"]
    assert all(re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+(-[\w-]+)?", image) for image in stock), stock
    assert {image for image in stock if "opensearch" in image} == {f"opensearchproject/opensearch:{Version.NEWEST.release}"}
    assert len(stock) >= 10


@pytest.mark.parametrize("name", sorted(PORTS))
def test_every_port_is_one_that_is_listened_on_and_on_the_loopback_alone(name: str) -> None:
    """There is no password behind most of them."""
    (published,) = SERVICES[name]["ports"]
    assert re.fullmatch(rf"127\.0\.0\.1:(\d+|\${{PORT:-8000}}):{PORTS[name]}", published)


def test_nothing_else_is_published() -> None:
    """Neither the nodes that join, nor what only prepares a volume."""
    assert {name for name, service in ALL if "ports" in service} == set(PORTS)


@pytest.mark.parametrize("name", OURS)
def test_every_variable_of_ours_is_one_that_the_process_reads(name: str) -> None:
    """A misspelt one would silently do nothing; a value that cannot be used would end the start."""
    for file in FILES.values():
        environment = file["services"][name]["environment"]
        assert set(environment) <= {field.upper() for settings in OURS[name] for field in settings.model_fields}
        for settings in OURS[name]:
            read(settings, {key: str(value) for key, value in environment.items()})


@pytest.mark.engines
def test_every_setting_of_opensearch_is_one_that_it_knows(client: OpenSearch) -> None:
    """It refuses to start with one that it does not."""
    known = client.cluster.get_settings(params={"include_defaults": "true", "flat_settings": "true"})
    names = {name for told in known.values() for name in told}
    for environment in (
        *(told["environment"] for name, told in ALL if name.startswith("opensearch")),
        SERVICES["opensearch"]["environment"],
    ):
        assert set(environment) - OF_THE_IMAGE <= names
    # What each node is told alike: a node of another name for the cluster would stay alone.
    first = SERVICES["opensearch"]["environment"]
    for node in ("opensearch-2", "opensearch-3"):
        own = THREE["services"][node]["environment"]
        assert {name for name in first if own.get(name) != first[name]} == {"discovery.type"}
        assert own["node.name"] == node


def test_every_mounted_file_is_there() -> None:
    """Docker makes a directory of a name that is missing."""
    mounts = [v.split(":")[0] for _, s in ALL for v in s.get("volumes", ()) if isinstance(v, str) and v.startswith("./")]
    assert len(mounts) == 6
    assert all((ROOT / mount).exists() for mount in mounts)


def test_every_volume_is_declared_and_used() -> None:
    """One that is not keeps nothing."""
    used = [v.split(":")[0] for _, s in ALL for v in s.get("volumes", ()) if isinstance(v, str) and re.match(r"[a-z]", v)]
    assert set(used) == set(ONE["volumes"]) | set(THREE["volumes"])


def test_who_waits_for_a_health_has_one_to_wait_for() -> None:
    """searchapi's is the image's own."""
    for _, service in (*ALL, ("", THREE["x-joining"])):
        for other, told in service.get("depends_on", {}).items():
            assert other in SERVICES
            assert told["condition"] != "service_healthy" or "healthcheck" in SERVICES[other]


def image_check() -> list[str]:
    """The image's own health check, as Docker would run it."""
    (told,) = re.findall(r"^HEALTHCHECK .*CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    return [sys.executable if word == "python" else word for word in json.loads(told)]


def test_the_images_health_check_tells_the_living_from_the_dead(desk_url: str, demo: Demo) -> None:
    """Run as Docker runs it, against a desk and against nothing; at the port that the environment names."""
    (path,) = re.findall(r"(/\w+)'", image_check()[-1])
    assert path in {rule.rule for rule in demo.app.url_map.iter_rules()}
    alive = subprocess.run(image_check(), env={"PORT": desk_url.rpartition(":")[2]}, capture_output=True, check=False, timeout=30)
    assert alive.returncode == 0, alive.stderr
    dead = subprocess.run(image_check(), env={"PORT": str(free_port())}, capture_output=True, check=False, timeout=30)
    assert dead.returncode


def test_the_indexers_health_is_asked_where_its_metrics_are() -> None:
    """`indexer run` serves nothing else."""
    assert f"http://127.0.0.1:{PORTS['indexer']}/metrics" in SERVICES["indexer"]["healthcheck"]["test"][-1]


@pytest.mark.parametrize("name", OURS)
def test_nothing_of_our_image_can_be_written_to(name: str) -> None:
    """Nobody's rights, a read-only root, memory at /tmp, and a volume where something must stay."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert (service["tmpfs"], service["cap_drop"], service["security_opt"]) == (["/tmp"], ["ALL"], ["no-new-privileges:true"])
    kept = service["environment"].get("BULARIO_HOME")
    assert kept is None or any(isinstance(v, str) and v.endswith(f":{kept}") for v in service["volumes"])
    assert re.search(r"^USER [1-9]\d*$", DOCKERFILE, re.MULTILINE)
    assert kept is None or f"install -d -o bulario {kept}" in DOCKERFILE  # a new volume has the owner of what it hides


def test_prometheus_and_grafana_look_for_services_that_are_there() -> None:
    """By name and port, in the compose file's network."""
    scraped = yaml.safe_load((ROOT / "monitoring" / "prometheus.yml").read_text())
    targets = [one for job in scraped["scrape_configs"] for told in job["static_configs"] for one in told["targets"]]
    targets += [one for told in scraped["alerting"]["alertmanagers"] for one in told["static_configs"][0]["targets"]]
    (source,) = provisioned("datasources/prometheus.yml")["datasources"]
    targets.append(source["url"].removeprefix("http://"))
    assert set(targets) == {f"{name}:{PORTS[name]}" for name in ("indexer", "searchapi", "alertmanager", "prometheus")}


def provisioned(name: str) -> Any:
    """A file of Grafana's provisioning, as it is written."""
    return yaml.safe_load((ROOT / "monitoring" / "grafana" / name).read_text(encoding="utf-8"))


def test_grafana_finds_the_dashboard_and_the_dashboard_its_data() -> None:
    """The provider's folder is where the file is mounted; the dashboard takes the default source of its type, which is the one there is."""
    mounts = dict(volume.removesuffix(":ro").split(":") for volume in SERVICES["grafana"]["volumes"])
    assert mounts["./monitoring/grafana"] == "/etc/grafana/provisioning"
    shown = mounts["./monitoring/dashboard.json"]
    (provider,) = provisioned("dashboards/bulario.yml")["providers"]
    assert Path(shown).parent == Path(provider["options"]["path"])
    assert SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] == shown
    (source,) = provisioned("datasources/prometheus.yml")["datasources"]
    dashboard = json.loads((ROOT / "monitoring" / "dashboard.json").read_text(encoding="utf-8"))
    (variable,) = dashboard["templating"]["list"]
    assert (source["type"], source["isDefault"]) == (variable["query"], True)
    assert {panel["datasource"]["uid"] for panel in dashboard["panels"] if "datasource" in panel} == {f"${{{variable['name']}}}"}

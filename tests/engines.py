"""Which servers the tests meet: embedded ones, of the OpenSearch that OPENSEARCH_VERSION names, or with SERVERS=docker the stock images.

What runs as a container is what docker-compose.yml runs: its image, environment, command and health check; only OpenSearch's release is
chosen here. Tests that stop, kill or restart a server of their own start an embedded one, which they can reach as its parent.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import yaml  # type: ignore[import-untyped]  # its types are a package of their own

from opensearch import node as embedded
from opensearch.settings import WrongSettings, read

ROOT = Path(__file__).parents[1]
VERSION = read(embedded.NodeSettings, os.environ).opensearch_version
SERVERS = os.environ.get("SERVERS") or "embedded"
if SERVERS not in {"embedded", "docker"}:
    raise WrongSettings(f"SERVERS is {SERVERS}: the tests know embedded servers, or `make test SERVERS=docker`")
IN_DOCKER = SERVERS == "docker"
OPENSEARCH_PORT, REDIS_PORT = 9200, 6379
# Seconds: pulling an image is not counted.
PATIENCE = 180
SECOND = 1_000_000_000  # Docker counts in nanoseconds.

node = partial(embedded.node, version=VERSION)


@contextmanager
def container(service: str, port: int) -> Iterator[str]:
    """Host and port of a service of docker-compose.yml, run as a container until the block ends; given once it is healthy."""
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - half a second, for those who have Docker.
    from testcontainers.core.wait_strategies import HealthcheckWaitStrategy  # noqa: PLC0415

    told = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"][service]
    image = told["image"]
    if service == "opensearch":
        image = f"{image.rpartition(':')[0]}:{VERSION.release}"
    stock = DockerContainer(image, env=told.get("environment", {}))
    stock.with_exposed_ports(port)
    stock.with_command(told.get("command", []))
    stock.with_kwargs(healthcheck={"test": told["healthcheck"]["test"], "interval": SECOND, "retries": PATIENCE})
    stock.waiting_for(HealthcheckWaitStrategy().with_startup_timeout(PATIENCE))
    with stock as running:
        yield f"{running.get_container_host_ip()}:{running.get_exposed_port(port)}"

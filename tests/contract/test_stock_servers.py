"""`make test SERVERS=docker`: what tests/engines.py asks of testcontainers is what the library takes, and runs what compose runs.

Containers cannot be started here. So each call that tests/engines.py makes is bound to the library's own signature.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # its types are a package of their own
from docker.models.containers import _create_container_args  # type: ignore[import-untyped]  # its types are a package of their own
from docker.types import Healthcheck  # type: ignore[import-untyped]  # the same
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import HealthcheckWaitStrategy

from opensearch.jars import Version
from tests import engines

ROOT = Path(__file__).parents[2]
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
# What `container` calls its values, and what these are.
KNOWN = {"stock": DockerContainer, "running": DockerContainer}


def signature_of(called: ast.expr) -> inspect.Signature | None:
    """The library's signature of what is called; None where it is no call of the library's."""
    if isinstance(called, ast.Name) and called.id in {"DockerContainer", "HealthcheckWaitStrategy"}:
        return inspect.signature({"DockerContainer": DockerContainer, "HealthcheckWaitStrategy": HealthcheckWaitStrategy}[called.id])
    if not isinstance(called, ast.Attribute):
        return None
    owner = called.value
    if isinstance(owner, ast.Call) and ast.unparse(owner.func) == "HealthcheckWaitStrategy":
        return inspect.signature(getattr(HealthcheckWaitStrategy(), called.attr))
    if isinstance(owner, ast.Name) and owner.id in KNOWN:
        method: Callable[..., object] = getattr(KNOWN[owner.id], called.attr)
        whole = inspect.signature(method)
        return whole.replace(parameters=list(whole.parameters.values())[1:])
    return None


def test_every_call_of_the_library_is_one_that_it_takes() -> None:
    """A new release that renames or drops one fails here, and not first at somebody's desk with Docker."""
    function = ast.parse(inspect.getsource(inspect.unwrap(engines.container)))
    calls = [(call, told) for call in ast.walk(function) if isinstance(call, ast.Call) and (told := signature_of(call.func))]
    for call, signature in calls:
        signature.bind(*call.args, **{str(keyword.arg): keyword.value for keyword in call.keywords})
    named = {ast.unparse(call.func).rpartition(".")[2] for call, _ in calls}
    assert named == {
        "DockerContainer", "HealthcheckWaitStrategy", "with_startup_timeout", "with_exposed_ports", "with_command", "with_kwargs",
        "waiting_for", "get_container_host_ip", "get_exposed_port",
    }  # fmt: skip


@pytest.mark.parametrize("service", ["opensearch", "redis"])
def test_docker_takes_the_health_check_that_is_waited_for(service: str) -> None:
    """By its own client's types: the check is compose's, its pace the tests'."""
    check: dict[str, Any] = {"test": SERVICES[service]["healthcheck"]["test"], "interval": engines.SECOND, "retries": engines.PATIENCE}
    told = _create_container_args({"image": SERVICES[service]["image"], "version": "1.50", "healthcheck": Healthcheck(**check)})
    assert told["healthcheck"]["Test"] == SERVICES[service]["healthcheck"]["test"]
    assert told["healthcheck"]["Interval"] == engines.SECOND


def test_the_stock_services_are_whole_without_the_rest_of_compose() -> None:
    """Image, environment in words and a health check; what they have no volume for is in the image."""
    for name, port in (("opensearch", engines.OPENSEARCH_PORT), ("redis", engines.REDIS_PORT)):
        service = SERVICES[name]
        assert any(published.endswith(f":{port}") for published in service["ports"])
        assert all(isinstance(value, str) for value in service.get("environment", {}).values())
        assert "image" in service, name
        assert "healthcheck" in service, name
    assert SERVICES["opensearch"]["image"] == f"opensearchproject/opensearch:{Version.NEWEST.release}"


def test_make_knows_both_choices() -> None:
    """`make test SERVERS=docker`, `make test OPENSEARCH_VERSION=2.19`: make hands what stands on its command line to pytest."""
    told = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^test: .*SERVERS=docker", told, re.MULTILINE)
    assert re.search(r"^test: .*OPENSEARCH_VERSION=2\.19", told, re.MULTILINE)

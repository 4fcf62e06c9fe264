"""searchapi's dashboard and objectives: made by their generator, of queries that Prometheus reads and metrics that exist."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitoring import generate
from searchapi.metrics import Metrics

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "monitoring"


def queries() -> Iterator[str]:
    """Each query of the dashboard."""
    for panel in json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8"))["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]


def told(promtool: Path, *arguments: str) -> str:
    """What promtool says, which must be content."""
    ended = subprocess.run([promtool, *arguments], cwd=MONITORING, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_what_is_kept_is_what_the_generator_makes() -> None:
    """Edit monitoring/generate.py and run it."""
    assert (MONITORING / "dashboard.json").read_text(encoding="utf-8") == generate.dashboard()
    assert (MONITORING / "slo.yml").read_text(encoding="utf-8") == generate.slo()


def test_every_query_names_metrics_and_labels_that_exist() -> None:
    """A panel of a metric that was renamed would stay empty, and nobody would wonder."""
    samples = set(re.findall(r"record: (\S+)", generate.slo()))
    for metric in Metrics().registry.collect():
        plain = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}.get(metric.type, ("",))
        samples |= {metric.name + suffix for suffix in plain}
    named = set()
    for query in [*queries(), *re.findall(r"expr: (.*)", generate.slo())]:
        named |= (found := set(re.findall(r"\bsearchapi[a-z_:]*[a-z0-9_:]*", query)))
        assert found <= samples, query
    assert {name.rsplit("_", 1)[0] for name in named} >= {"searchapi_engine_seconds", "searchapi_cache_seconds", "searchapi_shed"}


def test_every_query_is_one_that_prometheus_reads(promtool: Path, tmp_path: Path) -> None:
    """As a rule each; Grafana's own variable stands for a time."""
    rules = [{"record": f"query:{at}", "expr": query.replace("$__rate_interval", "5m")} for at, query in enumerate(queries())]
    (tmp_path / "queries.yml").write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"SUCCESS: {len(rules)} rules found" in told(promtool, "check", "rules", str(tmp_path / "queries.yml"))


def test_the_objectives_alert_when_they_should_and_not_before(promtool: Path) -> None:
    """Tried with made-up series."""
    told(promtool, "check", "rules", "slo.yml")
    told(promtool, "test", "rules", "slo_test.yml")


@pytest.mark.parametrize("objective", generate.OBJECTIVES, ids=lambda objective: objective.alert)
def test_every_alert_has_its_page(objective: generate.Objective) -> None:
    """Where it sends who reads it."""
    assert f"## {objective.alert}\n" in (ROOT / "docs/slo.md").read_text(encoding="utf-8")

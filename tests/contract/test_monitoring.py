"""Prometheus's rules, the alerts that go straight to Slack and the runbook say the same, condition by condition and word by word."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # its types are a package of their own

from indexer.alerts import ALERTS, BY_NAME, OPENSEARCH_AWAY, Alert, incidents
from indexer.cursors import Cursor
from indexer.metrics import Metrics
from indexer.overview import Overview, Reindex, Watched

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "monitoring"
RULES = {rule["alert"]: rule for rule in yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"][0]["rules"]}
RUNBOOK = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
# An indexer that is not there tells nobody.
PROMETHEUS_ALONE = {"IndexerAbsent"}
# promtool's clock starts at 1970; a day and more, so that everything had its patience and a day-old reindex its place.
NOW = datetime.fromtimestamp(60 * 1800, UTC)
PACE = timedelta(hours=1)


def told(tool: Path, *arguments: str) -> str:
    """What a checker says of our files, which must please it."""
    ended = subprocess.run([tool, *arguments], cwd=MONITORING, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_prometheus_takes_its_configuration_and_rules(promtool: Path) -> None:
    """As `docker compose up` mounts them."""
    assert "12 rules found" in told(promtool, "check", "config", "prometheus.yml")


def test_alertmanager_takes_its_configuration(amtool: Path) -> None:
    """To Slack, with the webhook in a file, the end told too."""
    told(amtool, "check-config", "alertmanager.yml")
    (receiver,) = yaml.safe_load((MONITORING / "alertmanager.yml").read_text())["receivers"]
    (slack,) = receiver["slack_configs"]
    assert slack["send_resolved"]
    assert "api_url_file" in slack


@pytest.mark.parametrize("status", ["firing", "resolved"])
def test_alertmanager_tells_slack_what_to_do_and_when_it_is_over(amtool: Path, tmp_path: Path, status: str) -> None:
    """The messages of our configuration, as Alertmanager renders them."""
    rule = RULES["SourceStale"]
    labels = {"alertname": "SourceStale", "source": "matriz", **rule["labels"]}
    texts = {key: text.replace("{{ $labels.source }}", "matriz") for key, text in rule["annotations"].items()}
    times = {"startsAt": "2026-11-28T12:00:00Z", "endsAt": "2026-11-28T14:30:00Z"}
    alert = {"status": status, "labels": labels, "annotations": texts, **times}
    (tmp_path / "told.json").write_text(json.dumps({"status": status, "alerts": [alert], "commonLabels": labels}))
    (tmp_path / "none.tmpl").touch()
    (slack,) = yaml.safe_load((MONITORING / "alertmanager.yml").read_text())["receivers"][0]["slack_configs"]

    def rendered(part: str) -> str:
        files = ["--template.glob", str(tmp_path / "none.tmpl"), "--template.data", str(tmp_path / "told.json")]
        return told(amtool, "template", "render", *files, "--template.text", slack[part])

    lines = [line.strip() for line in rendered("text").splitlines() if line.strip()]
    assert lines[0] == f"*{texts['summary']}*"
    if status == "firing":
        assert (rendered("title"), rendered("color")) == ("Aviso: SourceStale", "danger")
        assert lines[1:] == [
            "Desde 28/11/2026 12:00 UTC.",
            f"*O que fazer:* {texts['description']}",
            "Passo a passo: `docs/operations.md#sourcestale`",
        ]
    else:
        assert (rendered("title"), rendered("color")) == ("Terminou: SourceStale", "good")
        assert lines[1:] == ["De 28/11/2026 12:00 UTC a 28/11/2026 14:30 UTC."]


def test_each_rule_fires_when_it_should_and_not_before(promtool: Path) -> None:
    """alerts_test.yml, over simulated hours."""
    told(promtool, "test", "rules", "alerts_test.yml")


def test_no_rule_is_untried() -> None:
    """alerts_test.yml has each rule firing and not firing."""
    tried: dict[str, set[bool]] = {}
    for case in yaml.safe_load((MONITORING / "alerts_test.yml").read_text())["tests"]:
        for test in case["promql_expr_test"]:
            tried.setdefault(re.findall(r'alertname="(\w+)"', test["expr"])[0], set()).add(bool(test["exp_samples"]))
    assert tried == {name: {True, False} for name in RULES}


def test_both_lists_have_the_same_alerts() -> None:
    """But for the one that the indexer cannot tell."""
    assert set(RULES) == set(BY_NAME) | PROMETHEUS_ALONE


@pytest.mark.parametrize("alert", BY_NAME.values(), ids=lambda alert: alert.name)
def test_both_lists_say_the_same(alert: Alert) -> None:
    """Severity, patience, text and runbook."""
    rule = RULES[alert.name]
    assert rule["labels"] == {"severity": alert.severity}
    assert rule.get("for", "0m") == _written(alert.patience)
    assert rule["annotations"] == {
        "summary": alert.summary.replace("{source}", "{{ $labels.source }}"),
        "description": alert.description.replace("{source}", "{{ $labels.source }}"),
        "runbook": alert.runbook,
    }


@pytest.mark.parametrize("name", RULES)
def test_every_alert_has_its_section_in_the_runbook(name: str) -> None:
    """At the anchor that the messages name, with what it means and what to do."""
    assert RULES[name]["annotations"]["runbook"] == f"docs/operations.md#{name.lower()}"
    section = re.search(rf"^### {name}\n(.*?)(?=^##|\Z)", RUNBOOK, re.MULTILINE | re.DOTALL)
    assert section, f"docs/operations.md has no section `### {name}`"
    assert len(section[1].split()) > 30, f"the runbook says too little of {name}"


def test_every_alert_of_every_rule_file_leads_to_a_heading_that_is_there() -> None:
    """Those of the objectives too: who is woken by one follows its link."""
    links = []
    for file in yaml.safe_load((MONITORING / "prometheus.yml").read_text())["rule_files"]:
        rules = [rule for group in yaml.safe_load((MONITORING / file).read_text())["groups"] for rule in group["rules"]]
        links += [(rule["alert"], rule["annotations"]["runbook"]) for rule in rules if "alert" in rule]
    assert {"SourceStale", "SearchFailing", "SearchSlow"} <= {alert for alert, _ in links}
    for alert, link in links:
        path, _, anchor = link.partition("#")
        headings = re.findall(r"^#+ (.+)$", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
        assert anchor in {heading.lower().replace(" ", "-") for heading in headings}, f"{alert} leads to {link}, which is not there"
    # And the manual itself leads to the page of those that it does not tell.
    assert all(link.partition("#")[0].rpartition("/")[2] in RUNBOOK or link.startswith("docs/operations.md") for _, link in links)


def test_the_runbook_tells_of_no_alert_that_is_not_there() -> None:
    """What was renamed was renamed there too."""
    alerts = RUNBOOK[RUNBOOK.index("## What each alert means") :].split("\n## ")[0]
    assert set(re.findall(r"^### (\w+)$", alerts, re.MULTILINE)) == set(RULES)


@dataclass(frozen=True)
class Case:
    """An installation, and what its state is called."""

    name: str
    seen: Overview


def source(**changes: Any) -> Watched:
    """A source in order, but for these fields of its cursor."""
    well = Cursor(
        "matriz", synced_at=NOW - PACE / 2, scanned_at=NOW - PACE / 2, outcome="done", seconds=90.0, listed=100, usual_listed=100.0,
        usual_seconds=100.0,
    )  # fmt: skip
    return Watched(replace(well, **changes), PACE, standing=100)


def case(name: str, *sources: Watched, **changes: Any) -> Case:
    """An installation in order, but for this."""
    well = Overview(NOW, sources or (source(),), "leaflets-000001", disk=0.5, heap=0.5)
    return Case(name, replace(well, **changes))


CASES = (
    case("all is well"),
    case("one of two is stale", source(), replace(source(source="filial", synced_at=NOW - 2 * PACE - timedelta(seconds=1)))),
    case("just not stale", source(synced_at=NOW - 2 * PACE)),
    case("never synced", source(synced_at=None, scanned_at=None, outcome="failed")),
    case("breaker open", source(breaker="open", failures=5)),
    case("breaker half open", source(breaker="half_open", failures=5)),
    case("four rejected of few", replace(source(), rejected=4, standing=6)),
    case("five rejected of a hundred", replace(source(), rejected=5, standing=95)),
    case("six rejected of a hundred", replace(source(), rejected=6, standing=94)),
    case("all rejected", replace(source(), rejected=5, standing=0)),
    case("listing at 80 %", source(listed=80, synced_at=NOW)),
    case("listing below 80 %", source(listed=79, synced_at=NOW)),
    case("four of seven", source(listed=3, usual_listed=7.0, synced_at=NOW)),
    case("shorter and fewer", source(seconds=30.0, listed=99)),
    case("shorter and as many", source(seconds=30.0)),
    case("a third", source(seconds=33.4, listed=99)),
    case("shorter but always short", source(seconds=1.0, usual_seconds=29.0, listed=99)),
    case("shorter, no listing", source(seconds=1.0, listed=99, synced_at=NOW)),
    case("shorter, of a failure", source(seconds=1.0, listed=99, outcome="failed")),
    case("shorter, running after a failure", source(seconds=1.0, listed=99, outcome="running", failures=1)),
    case("shorter, running", source(seconds=1.0, listed=99, outcome="running")),
    case("withheld", source(withheld=1)),
    case("refused", reindex=Reindex("refused", NOW - timedelta(hours=23))),
    case("failed", reindex=Reindex("failed", NOW - timedelta(hours=1))),
    case("promoted", reindex=Reindex("promoted", NOW)),
    case("refused long ago", reindex=Reindex("refused", NOW - timedelta(days=1))),
    case("disk at the limit", disk=0.85),
    case("disk", disk=0.8501),
    case("heap at the limit", heap=0.9),
    case("heap", heap=0.91),
    case("nobody may ask", disk=None, heap=None, generation=None),
)


def test_both_lists_have_the_same_conditions(promtool: Path, tmp_path: Path) -> None:
    """The metrics of each of these installations fire in Prometheus what the indexer tells Slack of it, and nothing else."""
    (tmp_path / "alerts.yml").write_text((MONITORING / "alerts.yml").read_text())
    tests = [_prometheus(one) for one in CASES]
    (tmp_path / "test.yml").write_text(yaml.safe_dump({"rule_files": ["alerts.yml"], "evaluation_interval": "30m", "tests": tests}))
    ended = subprocess.run([promtool, "test", "rules", tmp_path / "test.yml"], capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    raised = {incident.alert for one in CASES for incident in incidents(one.seen)}
    assert raised == {alert.name for alert in ALERTS}, "no installation raises these"


def _prometheus(one: Case) -> dict[str, object]:
    """A test for promtool: what Prometheus scrapes of the installation, and what must fire."""
    look: Callable[[], Overview] = lambda: one.seen  # noqa: E731 - its type is what Metrics asks for.
    samples = [sample for family in Metrics(look).registry.collect() for sample in family.samples]
    expected = [
        f'ALERTS{{alertname="{i.alert}",alertstate="firing",severity="{BY_NAME[i.alert].severity}"'
        + (f',source="{i.source}"}}' if i.source else "}")
        for i in incidents(one.seen)
    ]
    return {
        "name": one.name,
        "interval": "30m",
        "input_series": [
            {"series": s.name + "{" + ",".join(f'{k}="{v}"' for k, v in s.labels.items()) + "}", "values": f"{s.value}x400"}
            for s in samples
        ],
        "promql_expr_test": [
            {
                "expr": 'ALERTS{alertstate="firing"}',
                "eval_time": f"{int(NOW.timestamp())}s",
                "exp_samples": [{"labels": labels, "value": 1} for labels in expected],
            }
        ],
    }


def test_opensearch_away_is_no_overview() -> None:
    """It is told where there is none, and so raised by none."""
    assert all(OPENSEARCH_AWAY.name not in {i.alert for i in incidents(one.seen)} for one in CASES)


def _written(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    return f"{minutes // 60}h" if minutes and minutes % 60 == 0 else f"{minutes}m"

"""searchapi's dashboard for Grafana and its service-level rules for Prometheus, from one list of what is asked of its metrics.

python -m monitoring.generate     writes dashboard.json and slo.yml beside this file; a test holds them to it

Every query is of all instances together. What people read is in Portuguese, as the alerts are.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
# What an attendant waits for; probes, metrics and scripts are not the desk.
DESK = 'route=~"/|/compare|/leaflets/.*|/v1/.*"'
# What must be quick: names while typing and searches. A whole leaflet may be long.
QUICK = 'route=~"/|/v1/search|/v1/suggest"'


@dataclass(frozen=True, slots=True)
class Query:
    """One line of a panel."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel; `unit` is Grafana's name for it."""

    title: str
    unit: str
    queries: tuple[Query, ...]
    kind: str = "timeseries"
    says: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """Panels that are read together."""

    title: str
    panels: tuple[Panel, ...] = field(default=())


def share(good: str, all_: str) -> str:
    """One rate as a share of another; nothing where nothing was asked."""
    return f"sum(rate({good}[$__rate_interval])) / sum(rate({all_}[$__rate_interval]))"


def quantiles(metric: str, selector: str, by: str = "") -> tuple[Query, ...]:
    """The times that half, 95 % and 99 % keep within; with a label, 95 % for each of its values."""
    labels = f"le, {by}" if by else "le"
    rate = f"sum by ({labels}) (rate({metric}_bucket{{{selector}}}[$__rate_interval]))"
    wanted = ("0.95",) if by else ("0.5", "0.95", "0.99")
    return tuple(
        Query(f"histogram_quantile({q}, {rate})", f"p{q[2:].ljust(2, '0')} {{{{{by}}}}}" if by else f"p{q[2:].ljust(2, '0')}")
        for q in wanted
    )


ROWS = (
    Row(
        "Balcão",
        (
            Panel(
                "Pedidos por segundo",
                "reqps",
                (Query("sum by (route) (rate(searchapi_request_seconds_count[$__rate_interval]))", "{{route}}"),),
            ),
            Panel("Tempo de resposta da busca", "s", quantiles("searchapi_request_seconds", QUICK)),
            Panel(
                "Pedidos que falharam (5xx)",
                "percentunit",
                (
                    Query(
                        share(f'searchapi_request_seconds_count{{{DESK},status=~"5.."}}', f"searchapi_request_seconds_count{{{DESK}}}"),
                        "falhas",
                    ),
                ),
            ),
            Panel(
                "Respostas por código",
                "reqps",
                (Query("sum by (status) (rate(searchapi_request_seconds_count[$__rate_interval]))", "{{status}}"),),
            ),
        ),
    ),
    Row(
        "Onde o tempo fica",
        (
            Panel(
                "OpenSearch, 95 %",
                "s",
                quantiles("searchapi_engine_seconds", "", "purpose"),
                says="request: por um pedido; upkeep: por conta própria",
            ),
            Panel(
                "OpenSearch por resultado",
                "reqps",
                (Query("sum by (outcome) (rate(searchapi_engine_seconds_count[$__rate_interval]))", "{{outcome}}"),),
            ),
            Panel("Redis, 95 %", "s", quantiles("searchapi_cache_seconds", "", "outcome")),
            Panel(
                "Respostas que vieram do cache",
                "percentunit",
                (Query(share('searchapi_cache_total{outcome=~"hit|stale"}', "searchapi_cache_total"), "do cache"),),
            ),
        ),
    ),
    Row(
        "Carga",
        (
            Panel("Em andamento", "short", (Query("sum(searchapi_in_flight)", "pedidos"),)),
            Panel(
                "Recusados por excesso de carga",
                "reqps",
                (Query("sum by (reason) (rate(searchapi_shed_total[$__rate_interval]))", "{{reason}}"),),
            ),
            Panel(
                "Recusados por limite",
                "reqps",
                (Query("sum by (scope, whose) (rate(searchapi_limited_total[$__rate_interval]))", "{{scope}} {{whose}}"),),
            ),
        ),
    ),
    Row(
        "O que se encontra",
        (
            Panel(
                "Buscas sem resultado",
                "percentunit",
                (
                    Query(share('searchapi_search_total{outcome="nothing"}', "searchapi_search_total"), "nada"),
                    Query(share('searchapi_search_total{outcome="suggested"}', "searchapi_search_total"), "só sugestões"),
                ),
            ),
            Panel(
                "Idade de cada fonte", "s", (Query("time() - max by (source) (searchapi_source_synced_timestamp_seconds)", "{{source}}"),)
            ),
            Panel("Bulas por fonte", "short", (Query("max by (source) (searchapi_source_leaflets)", "{{source}}"),)),
            Panel("Sinônimos recusados", "short", (Query("max(searchapi_synonyms_refused)", "recusados"),), kind="stat"),
        ),
    ),
    Row(
        "Metas de 30 dias",
        (
            Panel(
                "Quanto resta para falhar",
                "percentunit",
                (Query("1 - searchapi:failed:ratio30d / 0.001", "falhas"),),
                kind="stat",
                says="meta: 99,9 % sem falha",
            ),
            Panel(
                "Quanto resta para demorar",
                "percentunit",
                (Query("1 - searchapi:slow:ratio30d / 0.01", "demoras"),),
                kind="stat",
                says="meta: 99 % em meio segundo",
            ),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Objective:
    """What is promised over 30 days, and what a breach of it means to who reads it."""

    name: str
    alert: str
    allowed: float
    ratio: str
    summary: str
    description: str


def _failed(window: str) -> str:
    total = f"searchapi_request_seconds_count{{{DESK}"
    return f'(sum(rate({total},status=~"5.."}}[{window}])) or vector(0)) / (sum(rate({total}}}[{window}])) > 0)'


def _slow(window: str) -> str:
    # Refusals beyond a limit are quick, and no answers.
    asked = f'{QUICK},status!~"429|5.."'
    quick = f'sum(rate(searchapi_request_seconds_bucket{{{asked},le="0.5"}}[{window}]))'
    return f"1 - {quick} / (sum(rate(searchapi_request_seconds_count{{{asked}}}[{window}])) > 0)"


OBJECTIVES = (
    Objective(
        "failed", "SearchFailing", 0.001, _failed("WINDOW"),
        "O SAC está falhando mais do que a meta permite (99,9 % dos pedidos sem falha em 30 dias)",
        "Os atendentes veem “A busca está fora do ar”. Veja `/readyz`, o painel “Onde o tempo fica” e os registros do searchapi.",
    ),
    Objective(
        "slow", "SearchSlow", 0.01, _slow("WINDOW"),
        "A busca do SAC está mais lenta do que a meta permite (99 % em até meio segundo em 30 dias)",
        "Compare o tempo do OpenSearch com o do Redis no painel “Onde o tempo fica” e veja quantos pedidos estão em andamento.",
    ),
)  # fmt: skip
WINDOWS = ("5m", "30m", "1h", "6h", "3d", "30d")


@dataclass(frozen=True, slots=True)
class Burn:
    """How fast the 30 days' allowance goes, over a long window and, so that the alert ends when it is over, a short one."""

    factor: float
    long: str
    short: str
    severity: str


# 2 % of the allowance in an hour, 5 % in six, 10 % in three days: the usual three.
BURNS = (Burn(14.4, "1h", "5m", "critical"), Burn(6, "6h", "30m", "critical"), Burn(1, "3d", "6h", "warning"))


def dashboard() -> str:
    """The dashboard as Grafana imports it."""
    panels: list[dict[str, object]] = []
    top = 0
    for row in ROWS:
        panels.append({"type": "row", "title": row.title, "gridPos": {"x": 0, "y": top, "w": 24, "h": 1}, "collapsed": False, "panels": []})
        width = 24 // len(row.panels)
        panels += [_panel(panel, at * width, top + 1, width) for at, panel in enumerate(row.panels)]
        top += 9
    for number, one in enumerate(panels, 1):
        one["id"] = number
    source = {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}
    told = {
        "uid": "bulario-searchapi", "title": "Bulário: a busca do SAC", "tags": ["bulario"], "timezone": "browser", "refresh": "30s",
        "schemaVersion": 39, "time": {"from": "now-6h", "to": "now"}, "templating": {"list": [source]}, "panels": panels,
    }  # fmt: skip
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"


def _panel(panel: Panel, x: int, y: int, width: int) -> dict[str, object]:
    source = {"type": "prometheus", "uid": "${datasource}"}
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": source,
        "gridPos": {"x": x, "y": y, "w": width, "h": 8},
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "min": 0} if panel.kind == "timeseries" else {"unit": panel.unit},
            "overrides": [],
        },
        "targets": [
            {"refId": "ABCDEF"[at], "datasource": source, "expr": query.expr, "legendFormat": query.legend}
            for at, query in enumerate(panel.queries)
        ],
    }


def slo() -> str:
    """The rules as Prometheus reads them."""
    lines = [
        "# Made by monitoring/generate.py: edit there. What is promised of the search over 30 days, and alerts where it would not be kept.",
        "groups:",
        "  - name: bulario-slo",
        "    rules:",
    ]
    for objective in OBJECTIVES:
        for window in WINDOWS:
            lines += [
                f"      - record: searchapi:{objective.name}:ratio{window}",
                f"        expr: {objective.ratio.replace('WINDOW', window)}",
            ]
    for objective in OBJECTIVES:
        for burn in BURNS:
            limit = f"{burn.factor * objective.allowed:.6g}"
            ratio = f"searchapi:{objective.name}:ratio"
            lines += [
                f"      - alert: {objective.alert}",
                f"        expr: {ratio}{burn.long} > {limit} and {ratio}{burn.short} > {limit}",
                "        labels:",
                f"          severity: {burn.severity}",
                f'          window: "{burn.long}"',
                "        annotations:",
                f"          summary: {objective.summary}",
                "          description: >-",
                f"            {objective.description}",
                f"          runbook: docs/slo.md#{objective.alert.lower()}",
            ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    (HERE / "dashboard.json").write_text(dashboard(), encoding="utf-8")
    (HERE / "slo.yml").write_text(slo(), encoding="utf-8")

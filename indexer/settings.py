"""What indexer reads from the environment, once, at start."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, AnyHttpUrl, Field, SecretStr

from opensearch.settings import CommonSettings, Pace, Port


def _webhook(value: SecretStr) -> SecretStr:
    # The secret itself must not come into the text of an error.
    if not value.get_secret_value().startswith(("https://", "http://")):
        message = "must be the whole address of an incoming webhook"
        raise ValueError(message)
    AnyHttpUrl(value.get_secret_value())
    return value


def _in_a_directory(file: Path) -> Path:
    if not file.resolve().parent.is_dir():
        message = "must be a file in a directory that is there"
        raise ValueError(message)
    return file


class Settings(CommonSettings):
    """indexer's settings; each field is the environment variable of its name in capitals."""

    sources_file: Path = Field(Path("sources.toml"), description="which ERPs to pull, and how", examples=["/etc/bulario/sources.toml"])
    indexer_metrics_port: Port = Field(9101, description="the port `indexer run` serves its metrics on", examples=["9101"])
    bulario_home: Path = Field(
        Path(".bulario"), description="where alerts told while OpenSearch is away are remembered", examples=[".bulario"]
    )
    slack_webhook_url: Annotated[SecretStr, AfterValidator(_webhook)] | None = Field(
        None, description="where incidents are told", examples=["https://hooks.slack.com/services/..."]
    )
    metrics_file: Annotated[Path, AfterValidator(_in_a_directory)] | None = Field(
        None,
        description="where `indexer sync` leaves its metrics for node_exporter",
        examples=["/var/lib/prometheus/node-exporter/bulario.prom"],
    )
    lease: Pace = Field(
        timedelta(seconds=30), description="how long a source stays with an indexer that gives no sign of life", examples=["2m"]
    )
    tombstones_kept: Pace = Field(timedelta(days=30), description="how long withdrawn leaflets are remembered", examples=["90d"])
    history_kept: Pace = Field(timedelta(days=730), description="how long superseded versions of leaflets are kept", examples=["365d"])

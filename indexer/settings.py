"""What indexer reads from the environment, once, at start."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from opensearch.settings import CommonSettings, Port


class Settings(CommonSettings):
    """indexer's settings; each field is the environment variable of its name in capitals."""

    sources_file: Path = Field(Path("sources.toml"), description="which ERPs to pull, and how", examples=["/etc/bulario/sources.toml"])
    indexer_metrics_port: Port = Field(9101, description="the port `indexer run` serves its metrics on", examples=["9101"])
    redis_url: str = Field("redis://127.0.0.1:6390/0", description="where Redis answers; only told when the index changed")

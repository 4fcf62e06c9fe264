"""What searchapi reads from the environment, once, at start."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field, FilePath

from opensearch.settings import CommonSettings, Pace, Port


def _redis_url(value: str) -> str:
    if not value.startswith(("redis://", "rediss://", "unix://")):
        message = "must begin with redis://, rediss:// or unix://"
        raise ValueError(message)
    return value


class Settings(CommonSettings):
    """searchapi's settings; each field is the environment variable of its name in capitals."""

    redis_url: Annotated[str, AfterValidator(_redis_url)] = Field(
        "redis://127.0.0.1:6390/0", description="where Redis answers; only a cache", examples=["redis://cache:6379/0"]
    )
    port: Port = Field(8000, description="the port the page and the API answer on", examples=["8080"])
    lookalikes_file: FilePath | None = Field(
        None, description="the customer's own list of look-alike names", examples=["/etc/bulario/lookalikes.txt"]
    )
    api_keys_file: FilePath | None = Field(
        None, description="the keys of those who may ask for more than everybody", examples=["/etc/bulario/keys.toml"]
    )
    gaps_askers: int = Field(5, ge=2, description="how many must have searched for an unknown word before it is listed", examples=["10"])
    answer_within: Pace = Field(timedelta(seconds=3), description="how long a request may take before it is answered 503", examples=["5s"])
    workers: int = Field(1, ge=1, description="how many processes answer; their sizes follow from it and the cores", examples=["2"])
    searchapi_host: str = Field("127.0.0.1", description="the address searchapi listens on", examples=["10.0.0.5"])

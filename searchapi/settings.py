"""What searchapi reads from the environment, once, at start."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from limits import RateLimitItem, parse
from pydantic import AfterValidator, Field, FilePath

from opensearch.settings import CommonSettings, Pace, Port

# In words: who sets it has read what it does.
TO_ANYONE = "to anyone who can reach it"


def limit(text: str) -> str:
    """A limit as people write it, "60/minute", "5/second", "1000 per hour"; raises ValueError saying so."""
    try:
        one: RateLimitItem = parse(text)
    except ValueError:
        one = parse("0/minute")
    if one.amount < 1:
        message = 'must be a number and a time, such as "60/minute", "5/second" or "1000/hour"'
        raise ValueError(message)
    return text


Limit = Annotated[str, AfterValidator(limit)]


class Settings(CommonSettings):
    """searchapi's settings; each field is the environment variable of its name in capitals."""

    port: Port = Field(8000, description="the port the page and the API answer on", examples=["8080"])
    lookalikes_file: FilePath | None = Field(
        None, description="the customer's own list of look-alike names", examples=["/etc/bulario/lookalikes.txt"]
    )
    api_keys_file: FilePath | None = Field(
        None, description="the keys of those who may search, see metrics, ask why", examples=["/etc/bulario/keys.toml"]
    )
    searchapi_open: Literal["to anyone who can reach it"] | None = Field(
        None, description="lets everybody search who can reach it", examples=[TO_ANYONE]
    )
    key_limit: Limit = Field("120/minute", description="how often a key without a limit of its own may ask", examples=["5/second"])
    address_limit: Limit = Field("600/minute", description="how often one address may ask without a key", examples=["60/minute"])
    trusted_proxies: int = Field(0, ge=0, le=10, description="how many proxies stand before searchapi", examples=["1"])
    access_log: str | None = Field(
        None, description="file of one line a request; - is standard error, without addresses", examples=["/var/log/bulario/access.log"]
    )
    gaps_askers: int = Field(5, ge=2, description="how many must have searched for an unknown word before it is listed", examples=["10"])
    answer_within: Pace = Field(timedelta(seconds=3), description="how long a request may take before it is answered 503", examples=["5s"])
    workers: int = Field(1, ge=1, description="how many processes answer; their sizes follow from it and the cores", examples=["2"])
    searchapi_host: str = Field("127.0.0.1", description="the address searchapi listens on", examples=["10.0.0.5"])

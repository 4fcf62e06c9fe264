"""What both processes read from the environment, once, at start."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal, TypeVar

from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field, FilePath, ValidationError
from pydantic.functional_validators import AfterValidator, BeforeValidator

Port = Annotated[int, Field(ge=1, le=65535)]
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def duration(text: object) -> timedelta:
    """A time span as people write it: "90s", "15m", "1h", "1h30m", "2d"; raises ValueError saying so. A span given as such stays."""
    if isinstance(text, timedelta):
        return text
    parts = re.findall(r"(\d+)([smhd])", str(text))
    if not parts or "".join(number + unit for number, unit in parts) != str(text).strip():
        message = 'must be a number and a unit (s, m, h or d), such as "90s", "15m" or "1h"'
        raise ValueError(message)
    return sum((timedelta(**{_UNITS[unit]: int(number)}) for number, unit in parts), timedelta())


def _positive(span: timedelta) -> timedelta:
    if not span:
        message = "must be longer than nothing"
        raise ValueError(message)
    return span


Duration = Annotated[timedelta, BeforeValidator(duration)]
# How often something is done: never without a pause.
Pace = Annotated[Duration, AfterValidator(_positive)]
# Checked as URLs, kept as they were written; several nodes of one cluster have commas between them.
HttpUrls = Annotated[str, AfterValidator(lambda value: ",".join(str(AnyHttpUrl(one.strip())).rstrip("/") for one in value.split(",")))]


class WrongSettings(Exception):
    """The environment holds a value that cannot be used; nothing was started. Mend the variables named in the text."""


class CommonSettings(BaseModel):
    """Each field is the environment variable of its name in capitals."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    opensearch_url: HttpUrls = Field(
        "http://127.0.0.1:9230",
        description="where OpenSearch answers; several nodes of one cluster have commas between them",
        examples=["https://search-1:9200,https://search-2:9200"],
    )
    opensearch_ca_cert: FilePath | None = Field(None, description="CA certificate of OpenSearch", examples=["/etc/ssl/search-ca.pem"])
    sync_every: Pace = Field(timedelta(hours=1), description="how often each source is pulled", examples=["30m"])
    gaps_kept: Pace = Field(timedelta(days=30), description="how long words that were searched for in vain are kept", examples=["14d"])
    log_format: Literal["console", "json"] = Field("console", description="console or json", examples=["json"])
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="least level logged", examples=["WARNING"])


S = TypeVar("S", bound=CommonSettings)


def read(kind: type[S], environ: Mapping[str, str]) -> S:
    """The settings of a process; raises WrongSettings naming every wrong variable, with an example. An empty variable is an unset one."""
    given = {name: environ[name.upper()] for name in kind.model_fields if environ.get(name.upper())}
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        faults = [_fault(kind, str(fault["loc"][0]), str(fault["msg"])) for fault in error.errors(include_input=False, include_url=False)]
        raise WrongSettings("; ".join(faults)) from None


def _fault(kind: type[CommonSettings], name: str, message: str) -> str:
    field = kind.model_fields[name]
    example = (field.examples or [field.default])[0]
    return f"{name.upper()} ({field.description}): {message}; for example {name.upper()}={example}"

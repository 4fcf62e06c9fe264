"""What both processes read from the environment, once, at start."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field, FilePath, ValidationError, ValidationInfo
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


def _redis_url(value: str) -> str:
    if not value.startswith(("redis://", "rediss://", "unix://")):
        message = "must begin with redis://, rediss:// or unix://"
        raise ValueError(message)
    return value


def _whole_credentials(value: str) -> str:
    hosts = [urlsplit(one) for one in value.split(",")]
    if any("@" in parts.netloc and not (parts.username and parts.password) for parts in hosts):
        message = "names a user without a password: write both, or neither and set OPENSEARCH_USERNAME and OPENSEARCH_PASSWORD_FILE"
        raise ValueError(message)
    return value


def _secret(path: Path) -> Path:
    try:
        if path.read_text(encoding="utf-8").strip():
            return path
        message = f"{path} is empty"
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path} cannot be read: {error.strerror if isinstance(error, OSError) else 'no UTF-8 text'}"
    raise ValueError(message)


def _with_its_file(value: str | None, told: ValidationInfo) -> str | None:
    if bool(value) != bool(told.data.get("opensearch_password_file")):
        message = "OPENSEARCH_USERNAME and OPENSEARCH_PASSWORD_FILE go together"
        raise ValueError(message)
    return value


# A file whose one line is a password: never in an address, an environment that `docker inspect` shows, or a list of processes.
SecretFile = Annotated[FilePath, AfterValidator(_secret)]


class WrongSettings(Exception):
    """The environment holds a value that cannot be used; nothing was started. Mend the variables named in the text."""


class CommonSettings(BaseModel):
    """Each field is the environment variable of its name in capitals."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    opensearch_url: Annotated[HttpUrls, AfterValidator(_whole_credentials)] = Field(
        "http://127.0.0.1:9230",
        description="where OpenSearch answers; several nodes of one cluster have commas between them",
        examples=["https://search-1:9200,https://search-2:9200"],
    )
    opensearch_ca_cert: FilePath | None = Field(None, description="CA certificate of OpenSearch", examples=["/etc/ssl/search-ca.pem"])
    opensearch_password_file: SecretFile | None = Field(
        None, description="file with the password of OPENSEARCH_USERNAME", examples=["/run/secrets/opensearch"]
    )
    opensearch_username: Annotated[str | None, AfterValidator(_with_its_file)] = Field(
        None, validate_default=True, description="whom OpenSearch knows this process as", examples=["bulario_searchapi"]
    )
    redis_url: Annotated[str, AfterValidator(_redis_url)] = Field(
        "redis://127.0.0.1:6390/0", description="where Redis answers; only a cache", examples=["rediss://cache:6379/0"]
    )
    redis_username: str | None = Field(None, description="whom Redis knows this process as", examples=["bulario_searchapi"])
    redis_password_file: SecretFile | None = Field(None, description="file with the password of Redis", examples=["/run/secrets/redis"])
    redis_ca_cert: FilePath | None = Field(None, description="CA certificate of Redis, for rediss://", examples=["/etc/ssl/cache-ca.pem"])
    sync_every: Pace = Field(timedelta(hours=1), description="how often each source is pulled", examples=["30m"])
    gaps_kept: Pace = Field(timedelta(days=30), description="how long words that were searched for in vain are kept", examples=["14d"])
    log_format: Literal["console", "json"] = Field("console", description="console or json", examples=["json"])
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="least level logged", examples=["WARNING"])

    @property
    def opensearch_address(self) -> str:
        """OPENSEARCH_URL with its credentials: to connect with, never to show."""
        hosts = self.opensearch_url.split(",")
        return ",".join(_address(one, self.opensearch_username, self.opensearch_password_file, None) for one in hosts)

    @property
    def redis_address(self) -> str:
        """REDIS_URL with its credentials: to connect with, never to show."""
        return _address(self.redis_url, self.redis_username, self.redis_password_file, self.redis_ca_cert)


def shown(url: str) -> str:
    """An address, or several with commas between, without credentials: what people, logs and answers are shown."""
    hosts = (urlsplit(one) for one in url.split(","))
    return ",".join(urlunsplit(one._replace(netloc=one.netloc.rpartition("@")[2], query="", fragment="")) for one in hosts)


def _address(url: str, username: str | None, password_file: Path | None, ca_cert: Path | None) -> str:
    """An address with the credentials that stand beside it."""
    parts = urlsplit(url)
    if password_file:
        password = password_file.read_text(encoding="utf-8").strip()
        parts = parts._replace(netloc=f"{quote(username or '', safe='')}:{quote(password, safe='')}@{parts.netloc.rpartition('@')[2]}")
    if ca_cert:
        parts = parts._replace(query="&".join(filter(None, (parts.query, urlencode({"ssl_ca_certs": str(ca_cert)})))))
    return urlunsplit(parts)


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

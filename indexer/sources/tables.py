"""What the tables of sources.toml are made of: durations, secrets, addresses, expressions, and the keys all types share."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import jmespath
import jmespath.exceptions
from jmespath.parser import ParsedResult
from limits import RateLimitItem, parse
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationInfo

from indexer.breaker import Breaker
from indexer.sources.base import Source
from indexer.sources.pace import Rates
from opensearch.settings import Duration, Pace


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a sources file may point at: the environment and, for relative paths, the folder it lies in; and where rates are counted."""

    environ: Mapping[str, str]
    folder: Path
    rates: Rates = field(default_factory=Rates)


def surroundings(info: ValidationInfo) -> Surroundings:
    """What `configured` hands to every table it reads."""
    where: object = info.context
    if not isinstance(where, Surroundings):
        msg = "a table of sources.toml is read with its Surroundings as context"
        raise TypeError(msg)
    return where


class Table(BaseModel):
    """A table of sources.toml. A key's docstring says what it means, its `examples` how it is written."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        arbitrary_types_allowed=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
        populate_by_name=True,
    )


def _secret(value: object, info: ValidationInfo) -> object:
    where = surroundings(info)
    match value:
        case {"env": str(variable), **rest} if not rest:
            return _told(where.environ.get(variable, ""), f"names the environment variable {variable}, which is not set")
        case {"file": str(path), **rest} if not rest:
            return _told(_first_line(where.folder / path), f"names the secret file {path}, which is empty")
        case str():
            msg = 'is a literal secret, which is refused: write { env = "NAME_OF_A_VARIABLE" } or { file = "/run/secrets/name" } instead'
            raise ValueError(msg)
    msg = 'must be { env = "NAME_OF_A_VARIABLE" } or { file = "/run/secrets/name" }'
    raise ValueError(msg)


def _parameter(value: object, info: ValidationInfo) -> object:
    if isinstance(value, dict):
        return SecretStr(str(_secret(value, info)))
    if not isinstance(value, str | int):
        msg = 'must be a text, a whole number or, for a secret, { env = "NAME_OF_A_VARIABLE" }'
        raise ValueError(msg)  # noqa: TRY004 pydantic collects ValueError alone
    return value


def _told(secret: str, otherwise: str) -> str:
    if not secret:
        raise ValueError(otherwise)
    return secret


def _first_line(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except FileNotFoundError:
        msg = f"names the secret file {path}, which does not exist"
        raise ValueError(msg) from None
    except (OSError, UnicodeDecodeError) as error:
        msg = f"names the secret file {path}, which cannot be read ({type(error).__name__})"
        raise ValueError(msg) from None


def _beside(path: Path, info: ValidationInfo) -> Path:
    return surroundings(info).folder / path


def _zone(value: object) -> ZoneInfo:
    if isinstance(value, ZoneInfo):
        return value
    try:
        return ZoneInfo(str(value))
    except (KeyError, ValueError, OSError):
        msg = 'must be the name of a time zone, such as "America/Sao_Paulo" or "UTC"'
        raise ValueError(msg) from None


def _web_address(value: object) -> str:
    told = urlsplit(value if isinstance(value, str) else "")
    if told.scheme not in ("http", "https") or not told.hostname:
        msg = 'must start with http:// or https:// and name a host, such as "https://erp.example/rest"'
        raise ValueError(msg)
    if told.username or told.password:
        msg = "must not hold a user name or a password: they have keys of their own"
        raise ValueError(msg)
    if told.query or told.fragment:
        msg = "must not hold a ? or # part: parameters have a key of their own"
        raise ValueError(msg)
    return told.geturl().rstrip("/")


def _expression(value: object) -> ParsedResult:
    if isinstance(value, ParsedResult):
        return value
    if not isinstance(value, str):
        msg = 'must be a JMESPath expression in quotes, such as "items[].product"'
        raise ValueError(msg)  # noqa: TRY004 pydantic collects ValueError alone
    try:
        compiled = jmespath.compile(value)
        # An unknown function is found only when it is called.
        compiled.search({})
    except jmespath.exceptions.JMESPathTypeError:
        return compiled
    except jmespath.exceptions.JMESPathError as error:
        reason = str(error).splitlines()[0].rstrip(":")
        msg = f"is not a JMESPath expression: {reason}"
        raise ValueError(msg) from None
    return compiled


def _patterns(value: object) -> object:
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        msg = "must be a list of regular expressions, each in quotes"
        raise ValueError(msg)
    return tuple(_pattern(one, number) for number, one in enumerate(value, 1))


def _pattern(told: str, number: int) -> re.Pattern[str]:
    try:
        compiled = re.compile(told, re.IGNORECASE)
    except re.error as error:
        msg = f"has as number {number} what is no regular expression: {error.msg} at position {error.pos}"
        raise ValueError(msg) from None
    if compiled.search(""):
        msg = f"has as number {number} a regular expression that any answer matches: write one that only the permanent error has"
        raise ValueError(msg)
    return compiled


def _limits(value: object) -> object:
    if not isinstance(value, list | tuple):
        msg = "must be a list of texts"
        raise ValueError(msg)  # noqa: TRY004 pydantic collects ValueError alone
    return tuple(one if isinstance(one, RateLimitItem) else _limit(one) for one in value)


def _limit(told: object) -> RateLimitItem:
    try:
        return parse(str(told))
    except ValueError:
        msg = 'must have entries of a number and a span, such as "3/second" or "240/minute"'
        raise ValueError(msg) from None


FilePath = Annotated[Path, AfterValidator(_beside)]
Secret = Annotated[SecretStr, BeforeValidator(_secret)]
Parameter = Annotated[str | int | SecretStr, BeforeValidator(_parameter)]
Zone = Annotated[ZoneInfo, BeforeValidator(_zone)]
WebAddress = Annotated[str, BeforeValidator(_web_address)]
Expression = Annotated[ParsedResult, BeforeValidator(_expression)]
Limits = Annotated[tuple[RateLimitItem, ...], BeforeValidator(_limits)]
Patterns = Annotated[tuple[re.Pattern[str], ...], BeforeValidator(_patterns)]


def plain(value: str | int | SecretStr) -> str | int:
    """A parameter's value, fit to be sent; a secret's too, so not to be shown."""
    return value.get_secret_value() if isinstance(value, SecretStr) else value


class SourceTable(Table, ABC):
    """The keys that every type of source has."""

    type: str = Field(examples=['"rest"'])
    """What kind of ERP this is."""

    every: Pace | None = Field(default=None, examples=['"1h"'])
    """How often `indexer run` pulls it; left out: as SYNC_EVERY says."""

    max_in_flight: int = Field(default=4, ge=1, le=64, examples=["4"])
    """How many requests the ERP may have to answer at once."""

    timeout: float = Field(default=30.0, gt=0, le=3600, examples=["30"])
    """Seconds that one request may take from the first byte to the last; past that the ERP counts as down."""

    lag: Duration = Field(default=timedelta(minutes=5), examples=['"5m"'])
    """How far each pull reads back before its cursor. An edit committed later than its own date is missed if it comes later than this."""

    scan_every: Pace = Field(default=timedelta(days=1), examples=['"1d"'])
    """How often a source that is asked for what changed is listed whole, so that what vanished from it is withdrawn."""

    max_missing: float = Field(default=0.2, ge=0, le=1, examples=["0.2"])
    """The share of its leaflets that may vanish at once. More look like a fault of the ERP, and none is withdrawn."""

    @abstractmethod
    def source(self, name: str, where: Surroundings) -> Source:
        """The source that this table describes."""


class Described:
    """What every source has from its table, whatever its type."""

    def __init__(self, name: str, table: SourceTable) -> None:
        self.name = name
        self.every: timedelta | None = table.every
        self.max_in_flight: int = table.max_in_flight
        self.scan_every: timedelta = table.scan_every
        self.max_missing: float = table.max_missing
        self.breaker = Breaker(name, table.timeout)

"""Who may ask: the keys of API_KEYS_FILE, by name, each with its roles and how often it may.

    ana = { sha256 = "9f86d081884c7d65...", roles = ["search", "explain"], limit = "60/minute" }

A line a key, TOML; only its hash is kept (a key is 256 random bits, so nothing slower than SHA-256 is needed). The file is read again
when it changes: a line taken out is a key revoked at the next request. While the file cannot be read, no key opens anything.
"""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from searchapi.settings import Limit, limit

log = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
# So that a scanner of repositories, and a person, see what it is.
_PREFIX = "bulario_"


# What makes a good line, for whoever has a bad one.
_GOOD = "`searchapi keys new NAME --role search` prints a good line"


class Role(StrEnum):
    """What a key may open. None implies another."""

    SEARCH = "search"
    EXPLAIN = "explain"
    METRICS = "metrics"


class KeysRejected(Exception):
    """The file of keys has faults, or a new key's name has: mend what the text names."""


class Key(BaseModel):
    """One line of the file, without its name."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    roles: frozenset[Role]
    limit: Limit | None = None


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose a key is, and what it opens; `limit` is empty where the key has none of its own."""

    name: str
    roles: frozenset[Role]
    limit: str


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made: itself, told this once, and the line that the file needs."""

    secret: str
    line: str


_LINES = TypeAdapter(dict[str, Key])


def keys(path: Path) -> dict[str, Key]:
    """The keys of a file by name; raises KeysRejected, which quotes nothing of it but names."""
    try:
        return _LINES.validate_python(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        message = f"{path} is no UTF-8 text"
    except tomllib.TOMLDecodeError as error:
        message = f"{path}: {error}; {_GOOD}, and each name stands once"
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        message = f"{path}, {'.'.join(map(str, first['loc']))}: {first['msg']}; {_GOOD}"
    raise KeysRejected(message)


def new(name: str, roles: frozenset[Role], often: str = "") -> NewKey:
    """A new key of this name; `often` is how often it may ask, such as "60/minute"."""
    if not _NAME.fullmatch(name):
        message = f"a key's name has at most 40 letters, digits, _ and -, not {name[:60]!r}"
        raise KeysRejected(message)
    try:
        own = f', limit = "{limit(often)}"' if often else ""
    except ValueError as error:
        message = f"a key's limit {error}"
        raise KeysRejected(message) from None
    secret = _PREFIX + secrets.token_urlsafe(32)
    told = ", ".join(f'"{role}"' for role in sorted(roles))
    return NewKey(secret, f'{name} = {{ sha256 = "{_hash(secret)}", roles = [{told}]{own} }}')


class Keyring:
    """The keys of one file as they are now; of no file, none."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._read_at: tuple[int, int, int] | None = None
        self._holders: dict[str, Holder] = {}
        self._complained = False

    def holder(self, secret: str) -> Holder | None:
        """Whose key this is; None for one that the file does not have."""
        # Found by its hash: the time that it takes tells nothing that leads to a key of 256 random bits.
        return self._now().get(_hash(secret)) if secret and self._path else None

    def _now(self) -> dict[str, Holder]:
        if self._path is None:
            return {}
        try:
            there = self._path.stat()
            seen = (there.st_mtime_ns, there.st_size, there.st_ino)
            if seen != self._read_at:
                found = {key.sha256: Holder(name, key.roles, key.limit or "") for name, key in keys(self._path).items()}
                self._holders, self._read_at, self._complained = found, seen, False
        except (OSError, KeysRejected) as error:
            if not self._complained:  # once, not at every request
                log.error("the file of keys cannot be read: no key opens anything", extra={"error": str(error)})  # noqa: TRY400 the text says it
            self._holders, self._read_at, self._complained = {}, None, True
        return self._holders


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()

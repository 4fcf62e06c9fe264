"""Who may ask for more than everybody: the keys of API_KEYS_FILE, by name, each with its roles.

    ana = { sha256 = "9f86d081884c7d65...", roles = ["explain"] }

A line a key, TOML; only its hash is kept (a key is 256 random bits, so nothing slower than SHA-256 is needed). The file is read again
when it changes: a line taken out is a key revoked at the next request. While the file cannot be read, no key opens anything.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

log = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
# So that a scanner of repositories, and a person, see what it is.
_PREFIX = "bulario_"


class Role(StrEnum):
    """What a key may open."""

    EXPLAIN = "explain"


class KeysRejected(Exception):
    """The file of keys has faults, or a new key's name has: mend what the text names."""


class Key(BaseModel):
    """One line of the file, without its name."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    roles: frozenset[Role]


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
        message = f"{path}: {error}; `searchapi keys new NAME --role explain` prints a good line, and each name stands once"
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        message = f"{path}, {'.'.join(map(str, first['loc']))}: {first['msg']}; `searchapi keys new NAME --role explain` prints a good line"
    raise KeysRejected(message)


def new(name: str, roles: frozenset[Role]) -> NewKey:
    """A new key of this name."""
    if not _NAME.fullmatch(name):
        message = f"a key's name has at most 40 letters, digits, _ and -, not {name[:60]!r}"
        raise KeysRejected(message)
    secret = _PREFIX + secrets.token_urlsafe(32)
    told = ", ".join(f'"{role}"' for role in sorted(roles))
    return NewKey(secret, f'{name} = {{ sha256 = "{_hash(secret)}", roles = [{told}] }}')


class Keyring:
    """The keys of one file as they are now; of no file, none."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._read_at: tuple[int, int, int] | None = None
        self._keys: dict[str, Key] = {}

    def roles(self, secret: str) -> frozenset[Role] | None:
        """What a key opens; None for one that the file does not have."""
        found = self._now().get(self.name(secret))
        return found.roles if found else None

    def name(self, secret: str) -> str:
        """Whose key it is; empty for one that the file does not have."""
        hashed = _hash(secret)
        # Each is compared, and in constant time: how long it takes tells nothing of the hashes.
        found = [name for name, key in self._now().items() if hmac.compare_digest(key.sha256, hashed)]
        return found[0] if found else ""

    def _now(self) -> dict[str, Key]:
        if self._path is None:
            return {}
        try:
            there = self._path.stat()
            seen = (there.st_mtime_ns, there.st_size, there.st_ino)
            if seen != self._read_at:
                self._keys, self._read_at = keys(self._path), seen
        except (OSError, KeysRejected) as error:
            log.error("the file of keys cannot be read: no key opens anything", extra={"error": str(error)})  # noqa: TRY400 the text says it
            self._keys, self._read_at = {}, None
        return self._keys


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()

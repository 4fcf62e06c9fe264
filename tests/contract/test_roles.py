"""docs/access.md's roles let the two processes do what the code does, and no more than its sort."""

from __future__ import annotations

import json
import re
import time
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path

import pytest
from limits import parse
from redis import Redis
from redis.exceptions import NoPermissionError

from indexer.sources.pace import Rates
from opensearch import epoch
from opensearch.process import free_port
from searchapi.limits import Meter, Scope
from searchapi.redis_server import redis_server
from tests.conftest import Demo, app_of

ROOT = Path(__file__).parents[2]
ACCESS = (ROOT / "docs/access.md").read_text(encoding="utf-8")
SEARCHAPI, INDEXER = map(json.loads, re.findall(r"```json\n(.*?)```", ACCESS, re.DOTALL))

# What OpenSearch calls that which the client's method asks. `bulk` and its like need the action itself and those of what is in it.
ACTIONS = {
    "bulk": ("indices:data/write/bulk", "indices:data/write/bulk[s]", "indices:data/write/index", "indices:data/write/delete"),
    "cluster.health": ("cluster:monitor/health",),
    "count": ("indices:data/read/search",),
    "delete": ("indices:data/write/delete", "indices:data/write/bulk[s]"),
    "delete_by_query": ("indices:data/write/delete/byquery", "indices:data/read/search", "indices:data/write/bulk[s]"),
    "get": ("indices:data/read/get",),
    "index": ("indices:data/write/index", "indices:data/write/bulk[s]"),
    "indices.add_block": ("indices:admin/block/add", "indices:admin/block/add[s]"),
    "indices.close": ("indices:admin/close", "indices:admin/close[s]"),
    "indices.create": ("indices:admin/create",),
    "indices.delete": ("indices:admin/delete",),
    "indices.delete_alias": ("indices:admin/aliases",),
    "indices.exists": ("indices:admin/get", "indices:admin/exists"),
    "indices.get": ("indices:admin/get",),
    "indices.get_alias": ("indices:admin/aliases/get",),
    "indices.get_mapping": ("indices:admin/mappings/get",),
    "indices.open": ("indices:admin/open",),
    "indices.put_alias": ("indices:admin/aliases",),
    "indices.put_mapping": ("indices:admin/mapping/put",),
    "indices.put_settings": ("indices:admin/settings/update",),
    "indices.refresh": ("indices:admin/refresh", "indices:admin/refresh[s]"),
    "indices.update_aliases": ("indices:admin/aliases",),
    "info": ("cluster:monitor/main",),
    "mget": ("indices:data/read/mget", "indices:data/read/mget[shard]"),
    "msearch": ("indices:data/read/msearch", "indices:data/read/search"),
    "ping": ("cluster:monitor/main",),
    "scan": ("indices:data/read/search", "indices:data/read/scroll", "indices:data/read/scroll/clear"),
    "search": ("indices:data/read/search",),
}
_CALL = re.compile(r"\b(?:_?client|helpers)\.((?:indices\.|cluster\.)?[a-z_]+)\(")
# What `client` is elsewhere: Redis, and secrets of sources.
_OTHERS = {"get_secret_value", "pipeline", "set", "connect", "hmget", "zrevrange", "sendall", "urlopen"}


def asked(*modules: str) -> set[str]:
    """What these modules ask of OpenSearch."""
    files = [file for module in modules for file in sorted(ROOT.glob(module))]
    return {call for file in files for call in _CALL.findall(file.read_text(encoding="utf-8"))} - _OTHERS


def allows(role: dict[str, list[dict[str, list[str]]]], action: str, index: str) -> bool:
    """Whether a role lets its user do this to this index."""
    if action.startswith("cluster:"):
        return any(fnmatchcase(action, str(allowed)) for allowed in role["cluster_permissions"])
    return any(
        fnmatchcase(action.replace("[", "("), allowed.replace("[", "("))
        for part in role["index_permissions"]
        if any(fnmatchcase(index, pattern) for pattern in part["index_patterns"])
        for allowed in part["allowed_actions"]
    )


def test_the_indexer_may_do_all_that_the_code_asks() -> None:
    """A call that is added needs its line in docs/access.md, or an installation with least privilege fails."""
    for call in asked("indexer/**/*.py", "opensearch/*.py"):
        assert call in ACTIONS, f"say in ACTIONS what client.{call} is called, and allow it in docs/access.md"
        assert all(allows(INDEXER, action, "leaflets-000001") for action in ACTIONS[call]), call


def test_searchapi_may_read_leaflets_and_write_gaps() -> None:
    """Its own calls, and those of what it has from opensearch/: names and gaps."""
    for call in asked("searchapi/*.py", "opensearch/names.py", "opensearch/joined.py") - {"indices.refresh"}:
        assert call in ACTIONS, call
        assert all(allows(SEARCHAPI, action, "leaflets-000001") for action in ACTIONS[call]), call
    for call in {*asked("opensearch/gaps.py"), "indices.create", "indices.exists"}:
        assert all(allows(SEARCHAPI, action, "leaflets-gaps") for action in ACTIONS[call]), call


def test_neither_may_do_more() -> None:
    """searchapi changes no leaflet; neither touches others' indices."""
    for action in (
        "indices:data/write/index",
        "indices:data/write/delete",
        "indices:admin/create",
        "indices:admin/delete",
        "indices:admin/close",
    ):
        assert not allows(SEARCHAPI, action, "leaflets-000001")
    assert not allows(SEARCHAPI, "indices:admin/delete", "leaflets-gaps")
    for role in (SEARCHAPI, INDEXER):
        assert not allows(role, "indices:data/read/search", "customers")
        assert not allows(role, "cluster:admin/settings/update", "")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the password of Redis's users."""
    file = tmp_path_factory.mktemp("secrets") / "redis"
    file.write_text("s3gr:do/@ç\n", encoding="utf-8")
    return file


def test_redis_lets_searchapi_do_all_it_does_and_nothing_else(demo: Demo, opensearch_url: str, tmp_path: Path, guarded: Path) -> None:
    """With the very lines of docs/access.md, on a real server."""
    told = sha256(guarded.read_text(encoding="utf-8").strip().encode()).hexdigest()
    with redis_server(tmp_path, free_port()) as server, Redis.from_url(server.url) as root:
        for line in re.findall(r"^user (bulario_\w+ .*)$", ACCESS, re.MULTILINE):
            # The rates of ERPs are those of every installation that shares this Redis.
            ours = re.sub(r"~bulario:(?!rates)", f"~{demo.indices.alias}:", line)
            name, *rules = ours.replace("#PASSWORD", f"#{told}").split()
            root.execute_command("ACL", "SETUSER", name, "reset", *rules)
        app = app_of(opensearch_url, server.url, demo.indices, REDIS_USERNAME="bulario_searchapi", REDIS_PASSWORD_FILE=str(guarded))
        api = app.test_client()
        assert api.get("/readyz").get_json()["redis"] == "up"
        for kept in ("fwd=miss", "hit"):
            assert api.get("/v1/search", query_string={"q": "omeprazol", "size": "6"}).headers["Cache-Status"] == f"searchapi; {kept}"
        assert api.get("/v1/search", query_string={"q": "zolquexim"}).get_json()["total"] == 0
        popular, until = app.extensions["desk"].searches.popular, time.monotonic() + 20
        while not popular.most_asked(1):
            assert time.monotonic() < until, "what is asked most is not written down"
            api.get("/v1/search", query_string={"q": "omeprazol", "size": "6"})
            popular.write()
        assert root.exists(f"{demo.indices.alias}:seen")
        epoch.begin(server.url.replace("://", "://bulario_indexer:s3gr%3Ado%2F%40%C3%A7@"), demo.indices.alias)
        assert root.exists(epoch.key(demo.indices.alias))
        rates = Rates(server.url.replace("://", "://bulario_indexer:s3gr%3Ado%2F%40%C3%A7@"))
        for _ in range(2):
            rates.wait("omie key", [parse("9/second"), parse("9/day")])
        assert root.keys("*bulario:rates*")
        assert rates.shared
        url = server.url.replace("://", "://bulario_searchapi:s3gr%3Ado%2F%40%C3%A7@")
        with Redis.from_url(url) as own:
            own.ping()
            meter = Meter(own, demo.indices.alias)
            for _ in range(2):
                meter.take("ana", Scope.SEARCH, "1/minute")
                meter.exchange()
            assert root.keys(f"{demo.indices.alias}:limit:*")
            for forbidden in (
                ("GET", "other"),
                ("FLUSHALL",),
                ("KEYS", "*"),
                ("CONFIG", "GET", "*"),
                ("ACL", "LIST"),
                ("PUBLISH", "x", "y"),
            ):
                with pytest.raises(NoPermissionError):
                    own.execute_command(*forbidden)

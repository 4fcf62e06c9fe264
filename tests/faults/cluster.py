"""Three OpenSearch nodes that form one cluster, each a process of its own that can be killed and started again."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from opensearchpy import OpenSearch

from opensearch.client import connect
from opensearch.generations import Indices
from opensearch.process import Server, free_port
from tests.engines import node

HEAP = "256m"
NAMES = ("um", "dois", "tres")


class Cluster:
    """See the module. Nothing runs before `start`."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._ports = {name: free_port() for name in NAMES}
        self._peers = {name: f"{name}:{free_port()}" for name in NAMES}
        self._running: dict[str, Server] = {}
        self._stacks: dict[str, ExitStack] = {}

    @property
    def url(self) -> str:
        """All three nodes, as OPENSEARCH_URL names them."""
        return ",".join(f"http://127.0.0.1:{port}" for port in self._ports.values())

    @property
    def client(self) -> OpenSearch:
        """A client of all three, which knows of none that it is dead."""
        return connect(self.url)

    @property
    def gone(self) -> tuple[str, ...]:
        """The nodes that do not run."""
        return tuple(name for name in NAMES if name not in self._running)

    def start(self) -> None:
        """Starts together the nodes that do not run, and waits until every index is on as many nodes as it wants."""
        if self.gone:
            with ThreadPoolExecutor(len(self.gone)) as starters:
                self._running |= dict(zip(self.gone, starters.map(self._started, self.gone), strict=True))
        self.wait_for_copies()

    def _started(self, name: str) -> Server:
        others = [peer for other, peer in self._peers.items() if other != name]
        self._stacks[name] = ExitStack()
        return self._stacks[name].enter_context(node(self._home / name, self._ports[name], HEAP, [self._peers[name], *others]))

    def kill_elected(self) -> str:
        """Ends the node that is elected as a power cut would; gives its name."""
        name = str(self.client.cat.cluster_manager(params={"format": "json"})[0]["node"])
        self._running.pop(name).kill()
        self._stacks[name].close()
        return name

    def wait_for_copies(self) -> None:
        """Waits until every index has its replica and all nodes that run are one cluster."""
        wanted = {"wait_for_status": "green", "wait_for_nodes": str(len(self._running)), "wait_for_no_initializing_shards": "true"}
        client = connect(self.url, timeout=60)
        # Each waits for 30 s at most: of the parameter that says so the library makes its own time-out.
        assert any(not client.cluster.health(params=dict(wanted), ignore=(408,))["timed_out"] for _ in range(4)), client.cat.shards()

    def copies(self, indices: Indices) -> Mapping[str, str]:
        """What an installation's leaflets are, by id: version and content. Fails where primary and replica differ."""
        self.wait_for_copies()
        client = self.client
        client.indices.refresh(index=indices.alias)
        primary, replica = (_held(client, indices, preference) for preference in ("_primary", "_replica"))
        assert primary == replica
        return primary

    def stop(self) -> None:
        """Ends all."""
        for stack in self._stacks.values():
            stack.close()


def _held(client: OpenSearch, indices: Indices, preference: str) -> dict[str, str]:
    body = {"size": 10_000, "version": True, "_source": ["content_hash"]}
    hits = client.search(index=indices.alias, body=body, params={"preference": preference})["hits"]["hits"]
    return {hit["_id"]: f"{hit['_version']} {hit['_source']['content_hash']}" for hit in hits}

"""How our processes reach OpenSearch."""

from __future__ import annotations

from opensearchpy import OpenSearch
from opensearchpy.exceptions import ConnectionError as IndexDown

__all__ = ["IndexDown", "connect", "unreachable"]


def connect(url: str, *, ca_cert: str | None = None, timeout: float = 30.0, connections: int = 16) -> OpenSearch:
    """A client for one cluster. Who calls retries: the library's own retries do not wait between tries.

    `url` may name several of its nodes, with commas between. What one of them gives no answer to is then put to another, once: a search
    because it changes nothing, a write because each of ours says what it expects to find (a version or a sequence number), so that one
    which had been done all the same is refused and not done twice. A node that did not answer is left alone for a minute.

    `timeout` in seconds for each request; `connections` is how many threads may ask at once without waiting (the default is 1).
    """
    hosts = url.split(",")
    return OpenSearch(
        hosts=hosts,
        ca_certs=ca_cert,
        verify_certs=True,
        timeout=timeout,
        pool_maxsize=connections,
        max_retries=min(1, len(hosts) - 1),
        # A node that answers is not asked again: repeating at once is no way to treat one that is busy.
        retry_on_status=(),
        retry_on_timeout=False,
        http_compress=False,
    )


def unreachable(url: str) -> str:
    """What to tell a person when OpenSearch does not answer."""
    return (
        f"OpenSearch does not answer at {url}. Start it (`make up` starts an embedded one, `docker compose up` a stock one) "
        "or set OPENSEARCH_URL to where it runs"
    )

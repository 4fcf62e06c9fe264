"""How our processes reach OpenSearch."""

from __future__ import annotations

from opensearchpy import OpenSearch
from opensearchpy.exceptions import ConnectionError as IndexDown

__all__ = ["IndexDown", "connect", "unreachable"]


def connect(url: str, *, ca_cert: str | None = None, timeout: float = 30.0, connections: int = 16) -> OpenSearch:
    """A client for one cluster. Who calls retries: the library's own retries do not wait between tries.

    `timeout` in seconds for each request; `connections` is how many threads may ask at once without waiting (the default is 1).
    """
    return OpenSearch(
        hosts=[url],
        ca_certs=ca_cert,
        verify_certs=True,
        timeout=timeout,
        pool_maxsize=connections,
        max_retries=0,
        retry_on_timeout=False,
        http_compress=False,
    )


def unreachable(url: str) -> str:
    """What to tell a person when OpenSearch does not answer."""
    return (
        f"OpenSearch does not answer at {url}. Start it (`make up` starts an embedded one, `docker compose up` a stock one) "
        "or set OPENSEARCH_URL to where it runs"
    )

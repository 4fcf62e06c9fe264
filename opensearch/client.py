"""How our processes reach OpenSearch."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

from opensearchpy import OpenSearch, Urllib3HttpConnection
from opensearchpy.exceptions import AuthenticationException, AuthorizationException, TransportError
from opensearchpy.exceptions import ConnectionError as IndexDown

from opensearch.settings import shown

__all__ = ["Denied", "IndexDown", "Watch", "connect", "denied", "unreachable"]


# What `except` takes: it does not know us, or does not let us.
Denied = (AuthenticationException, AuthorizationException)


class Watch(Protocol):
    """Who is told of each request to OpenSearch."""

    def headers(self) -> Mapping[str, str]:
        """What goes with the request that begins now."""

    def took(self, seconds: float, outcome: str) -> None:
        """A request ended: answered, refused or away."""


def connect(
    url: str, *, ca_cert: Path | None = None, timeout: float = 30.0, connections: int = 16, watch: Watch | None = None
) -> OpenSearch:
    """A client for one cluster. Who calls retries: the library's own retries do not wait between tries.

    `url` may name several of its nodes, with commas between. What one of them gives no answer to is then put to another, once: a search
    because it changes nothing, a write because each of ours says what it expects to find (a version or a sequence number), so that one
    which had been done all the same is refused and not done twice. A node that did not answer is left alone for a minute.

    `timeout` in seconds for each request; `connections` is how many threads may ask at once without waiting (the default is 1).
    """
    hosts = url.split(",")
    return OpenSearch(
        hosts=hosts,
        connection_class=_Connection,
        watch=watch,
        ca_certs=str(ca_cert) if ca_cert else None,
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
        f"OpenSearch does not answer at {shown(url)}. Start it (`make up` starts an embedded one, `docker compose up` a stock one) "
        "or set OPENSEARCH_URL to where it runs"
    )


def denied(url: str, status: int | str) -> str:
    """What to tell a person when OpenSearch answers 401 or 403."""
    if status == 401:
        return f"OpenSearch at {shown(url)} does not know us: check OPENSEARCH_USERNAME and OPENSEARCH_PASSWORD_FILE"
    return f"OpenSearch at {shown(url)} does not let us: docs/access.md has the roles that indexer and searchapi need"


class _Connection(Urllib3HttpConnection):
    """The library's own, watched where somebody wants to know."""

    def __init__(self, watch: Watch | None = None, http_auth: str | None = None, **options: Any) -> None:  # the library's own options
        super().__init__(**options)
        self._watch = watch
        if http_auth:  # in UTF-8, as OpenSearch reads it: the library's own way is Latin-1, and fails with what that does not have
            self.headers["authorization"] = f"Basic {b64encode(http_auth.encode()).decode()}"

    def perform_request(
        self,
        method: str,
        url: str,
        params: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        timeout: float | None = None,
        ignore: Collection[int] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """As the library does it."""
        if self._watch is None:
            return super().perform_request(method, url, params, body, timeout, ignore, headers)
        began, outcome = time.perf_counter(), "answered"
        try:
            return super().perform_request(method, url, params, body, timeout, ignore, {**(headers or {}), **self._watch.headers()})
        except IndexDown:
            outcome = "away"
            raise
        except TransportError as error:
            # 404 is an answer: there is no such leaflet.
            outcome = "answered" if error.status_code == 404 else "refused"
            raise
        finally:
            self._watch.took(time.perf_counter() - began, outcome)

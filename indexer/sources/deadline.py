"""A time limit for a whole HTTP request, from its first byte to its last."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, Self

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.response import HTTPResponse


class Deadline:
    """Cuts the connection under a request that is not over in time.

    The libraries' timeouts are for each piece read, so an ERP that sends a byte a second holds them for ever, even in the headers.
    """

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        self._token = _DEADLINE.set(self)
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        _DEADLINE.reset(self._token)
        self._timer.cancel()
        with self._lock:  # Past this the connection is another request's.
            self._socket = None

    def guard(self, connection: socket.socket | None) -> None:
        """Puts the connection in use under this deadline."""
        with self._lock:
            self._socket = connection
            if self.passed:
                self._shut()

    def _cut(self) -> None:
        with self._lock:
            self.passed = True
            self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                # Not SSLSocket's own shutdown, which would take the TLS state away from under the reading thread.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


_DEADLINE: ContextVar[Deadline | None] = ContextVar("_DEADLINE", default=None)


def _under_deadline(connection: HTTPConnection) -> None:
    deadline = _DEADLINE.get()
    if deadline is not None:
        deadline.guard(connection.sock)


class _Connection(HTTPConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3's own is
        _under_deadline(self)
        return super().getresponse()


class _TlsConnection(HTTPSConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3's own is
        _under_deadline(self)
        return super().getresponse()


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class DeadlineAdapter(HTTPAdapter):
    """Puts each request of a session under the deadline that is open around it, if there is one."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """As the library does, with our connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def proxy_manager_for(self, proxy: Any, **kwargs: Any) -> Any:
        """As the library does, with our connections."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
        return manager

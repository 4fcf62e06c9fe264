"""One line a request for those who must keep who asked and when (Marco Civil, art. 15): a file of its own, off unless ACCESS_LOG names it.

{"time": "2026-03-02T12:00:00.123456+00:00", "address": "10.0.0.7", "method": "GET", "route": "/v1/search", "status": 200,
 "seconds": 0.004, "bytes": 8123, "cache": "hit", "key": "ana", "trace": "4bf92f3577b34da6a3ce929d0e0e4736"}

Never in it: the question, a leaflet's id (which tells the drug), or anything else that the caller could choose the words of.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from logging.handlers import WatchedFileHandler
from typing import Protocol

METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH"})


class AccessLogRejected(Exception):
    """The access log cannot be written; the text says why. Mend it and start again."""


@dataclass(frozen=True, slots=True)
class Line:
    """One request."""

    address: str
    method: str
    route: str
    status: int
    seconds: float
    bytes: int
    cache: str
    key: str
    trace: str


class AccessLog(Protocol):
    """Who is told of each request."""

    def __call__(self, line: Line) -> None:
        """Writes one line."""


def access_log(where: str | None) -> AccessLog | None:
    """A writer to this file, or for - to standard error without addresses; None for none. Raises AccessLogRejected.

    The file is opened anew where it was moved away, so logrotate needs to tell nobody; each line is one write, so workers may share it.
    """
    if where is None:
        return None
    with_address = where != "-"
    logger = logging.Logger("access")  # noqa: LOG001 - apart from the others: their level and handlers are not its own
    logger.addHandler(_file(where) if with_address else logging.StreamHandler(sys.stderr))

    def write(line: Line) -> None:
        told = {"time": datetime.now(UTC).isoformat(), **asdict(line)}
        if not with_address:
            del told["address"]
        logger.info(json.dumps(told))

    return write


def _file(where: str) -> logging.Handler:
    try:
        os.close(os.open(where, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))  # addresses: nobody else's to read
        return WatchedFileHandler(where, encoding="utf-8")
    except OSError as error:
        message = f"ACCESS_LOG={where} cannot be written: {error.strerror}; name a file in a directory that searchapi may write to"
        raise AccessLogRejected(message) from None

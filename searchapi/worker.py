"""gunicorn's worker with threads, whose own refusals are problem+json and whose log has no address in it: addresses hold questions."""

from __future__ import annotations

import logging
import socket
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from gunicorn.http import errors as refusals
from gunicorn.workers.gthread import ThreadWorker

from searchapi.errors import problem, unforeseen
from searchapi.params import LONGEST_ADDRESS

log = logging.getLogger(__name__)

_STATUS = {
    refusals.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    refusals.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    refusals.UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
    refusals.ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
}
_DETAILS = {
    HTTPStatus.REQUEST_URI_TOO_LONG: f"the address is longer than {LONGEST_ADDRESS} bytes: keep the drug's name and what is asked of it",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "the request's headers are too many or too large",
    HTTPStatus.INTERNAL_SERVER_ERROR: "something went wrong that nobody foresaw; it was logged",
}


class Worker(ThreadWorker):
    """What reads requests, before any of them is the application's."""

    def handle_error(self, req: object, client: socket.socket, addr: Any, exc: BaseException) -> None:  # gunicorn's own signature
        """Answers what could not be read as a request, and logs it without its text."""
        del req, addr
        status = _STATUS.get(type(exc), HTTPStatus.BAD_REQUEST if isinstance(exc, refusals.ParseException) else None)
        if status is None:
            unforeseen(exc)
            status = HTTPStatus.INTERNAL_SERVER_ERROR
        else:
            log.warning("a request could not be read", extra={"status": int(status), "error": type(exc).__name__})
        body = problem(status, _DETAILS.get(status, "this is no HTTP request that can be read"))
        head = (
            f"HTTP/1.1 {int(status)} {status.phrase}\r\nConnection: close\r\nContent-Type: application/problem+json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        with suppress(OSError):  # gone already
            client.sendall(head.encode() + body)

"""What every request meets first and last: its trace, the door, the headers of its answer, its metrics and its line in the access log."""

from __future__ import annotations

import re
import time
from http import HTTPStatus

import structlog
from flask import Flask, Response, abort, g, request

from searchapi import access_log, errors, headers
from searchapi.access import Door, TooOften
from searchapi.access_log import AccessLog, Line
from searchapi.limits import Allowance
from searchapi.metrics import Metrics
from searchapi.trace import Trace, trace

# What the cache did, in the one word of RFC 9211's that says it.
_CACHE = re.compile(r"searchapi; (?:hit; fwd=(stale)|(hit)|fwd=([a-z-]+))")


def register(app: Flask, door: Door, metrics: Metrics, log: AccessLog | None) -> None:
    """Puts all of it around the app. To be called before anything else is: what comes first is seen first, and last on the way out."""

    @app.before_request
    def begin() -> None:
        g.began = time.perf_counter()
        g.counted = True
        metrics.in_flight.inc()
        g.trace = trace(request.headers.get("traceparent", ""))
        structlog.contextvars.bind_contextvars(trace=g.trace.trace_id)
        if "Transfer-Encoding" in request.headers or (request.content_length or 0) > headers.LARGEST_BODY:
            abort(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, description="nothing here takes a body: ask by GET")
        door.admit()

    @app.after_request
    def end(response: Response) -> Response:
        own: Trace = g.trace
        allowance: Allowance | None = g.get("allowance")
        headers.add(response.headers, request.endpoint, str(own), allowance)
        seconds = time.perf_counter() - g.began
        metrics.seconds.labels(route(), str(response.status_code)).observe(seconds)
        if log:
            log(_line(response, seconds, own))
        return response

    @app.teardown_request
    def over(_: BaseException | None) -> None:
        if g.pop("counted", False):
            metrics.in_flight.dec()
        structlog.contextvars.unbind_contextvars("trace")

    @app.errorhandler(TooOften)
    def too_often(error: TooOften) -> Response:
        seconds = error.allowance.resets_in
        answer = errors.answer(HTTPStatus.TOO_MANY_REQUESTS, f"{error}: ask again in {seconds} s")
        answer.headers["Retry-After"] = str(seconds)
        return answer


def route() -> str:
    """The pattern of the address that was asked for, never the address: it holds a leaflet's id."""
    return request.url_rule.rule if request.url_rule else "none"


def _line(response: Response, seconds: float, own: Trace) -> Line:
    cache = _CACHE.match(response.headers.get("Cache-Status", ""))
    return Line(
        address=request.remote_addr or "",
        method=request.method if request.method in access_log.METHODS else "other",
        route=route(),
        status=response.status_code,
        seconds=round(seconds, 6),
        bytes=response.content_length or 0,
        cache=next(filter(None, cache.groups()), "") if cache else "",
        key=g.asker.key if "asker" in g else "",
        trace=own.trace_id,
    )

"""What every request meets first and last: its trace, the door, the headers of its answer, its metrics and its line in the access log.

arrive -> a Visit -> whoever answers, Flask or something before it -> finished -> left
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from flask import Flask, Response, abort, g, request
from werkzeug.wrappers import Request
from werkzeug.wrappers import Response as AnyResponse

from searchapi import access_log, errors, headers, wire
from searchapi.access import Asker, Door, TooOften
from searchapi.access_log import AccessLog, Line
from searchapi.metrics import Metrics
from searchapi.trace import Trace, trace

# What the cache did, in the one word of RFC 9211's that says it.
_CACHE = re.compile(r"searchapi; (?:hit; fwd=(stale)|(hit)|fwd=([a-z-]+))")
# Where a request keeps its visit: one that something before Flask let through has arrived already, and is not counted twice.
_VISIT = "bulario.visit"


@dataclass(frozen=True, slots=True)
class Visit:
    """One request from when it came; `began` is of this machine's monotonic clock."""

    began: float
    trace: Trace
    asker: Asker

    @property
    def seconds(self) -> float:
        """How long ago it came."""
        return time.perf_counter() - self.began


@dataclass(frozen=True, slots=True)
class Edge:
    """The edge of one process."""

    door: Door
    metrics: Metrics
    log: AccessLog | None

    def arrive(self, asked: Request, endpoint: str) -> Visit:
        """Notes a request, once; whether it is let in, the door says."""
        known: Visit | None = asked.environ.get(_VISIT)
        if known:
            return known
        began, own = time.perf_counter(), trace(asked.headers.get("traceparent", ""))
        structlog.contextvars.bind_contextvars(trace=own.trace_id)
        self.metrics.in_flight.inc()
        visit = asked.environ[_VISIT] = Visit(began, own, self.door.asker(asked, endpoint))
        return visit

    def finished(self, response: AnyResponse, asked: Request, route: str, endpoint: str | None) -> AnyResponse:
        """The answer with its headers, timed and told. `route` is the pattern of the address, never the address: it holds an id."""
        visit: Visit = asked.environ[_VISIT]
        wire.finish(response, asked)
        headers.add(response.headers, endpoint, str(visit.trace), visit.asker.allowance)
        seconds = visit.seconds
        self.metrics.seconds.labels(route, str(response.status_code)).observe(seconds)
        if self.log:
            self.log(_line(response, asked, route, seconds, visit))
        return response

    def left(self, asked: Request) -> None:
        """Forgets the request."""
        if asked.environ.pop(_VISIT, None):
            self.metrics.in_flight.dec()
            structlog.contextvars.unbind_contextvars("trace")


def register(app: Flask, edge: Edge) -> None:
    """Puts it around the app. To be called before anything else is: what comes first is seen first, and last on the way out."""

    @app.before_request
    def begin() -> None:
        endpoint = request.endpoint or ""
        g.visit = edge.arrive(request, endpoint)
        if "Transfer-Encoding" in request.headers or (request.content_length or 0) > headers.LARGEST_BODY:
            abort(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        edge.door.admit(g.visit.asker, endpoint)

    @app.after_request
    def end(response: Response) -> Response:
        edge.finished(response, request, request.url_rule.rule if request.url_rule else "none", request.endpoint)
        return response

    @app.teardown_request
    def over(_: BaseException | None) -> None:
        edge.left(request)

    @app.errorhandler(TooOften)
    def too_often(error: TooOften) -> Response:
        seconds = error.allowance.resets_in
        answer = errors.answer(HTTPStatus.TOO_MANY_REQUESTS, f"{error}: ask again in {seconds} s")
        answer.headers["Retry-After"] = str(seconds)
        return answer


def _line(response: AnyResponse, asked: Request, route: str, seconds: float, visit: Visit) -> Line:
    cache = _CACHE.match(response.headers.get("Cache-Status", ""))
    return Line(
        address=visit.asker.address,
        method=asked.method if asked.method in access_log.METHODS else "other",
        route=route,
        status=response.status_code,
        seconds=round(seconds, 6),
        bytes=response.content_length or 0,
        cache=next(filter(None, cache.groups()), "") if cache else "",
        key=visit.asker.key,
        trace=visit.trace.trace_id,
    )

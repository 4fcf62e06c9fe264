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
from searchapi.trace import Trace, answering, trace

# What the cache did, in the one word of RFC 9211's that says it.
_CACHE = re.compile(r"(?:hit; fwd=(stale)|(hit)|fwd=([a-z-]+))")
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
class _Sent:
    """An answer as it is counted."""

    route: str
    status: int
    bytes: int
    cache_status: str


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
        began, own = time.perf_counter(), trace(asked.environ.get("HTTP_TRACEPARENT", ""))
        structlog.contextvars.bind_contextvars(trace=own.trace_id)
        answering.set(own)
        self.metrics.in_flight.inc()
        visit = asked.environ[_VISIT] = Visit(began, own, self.door.asker(asked, endpoint))
        return visit

    def finished(self, response: AnyResponse, asked: Request, route: str, endpoint: str | None) -> AnyResponse:
        """The answer with its headers, timed and told. `route` is the pattern of the address, never the address: it holds an id."""
        visit: Visit = asked.environ[_VISIT]
        wire.finish(response, asked)
        headers.add(response.headers, endpoint, str(visit.trace), visit.asker.allowance)
        self._tell(asked, visit, _Sent(route, response.status_code, response.content_length or 0, response.headers.get("Cache-Status", "")))
        return response

    def sent(self, answer: wire.Answer, asked: Request, route: str, cache_status: str) -> wire.Answer:
        """The same for an answer that is no Response, and is not to be stored."""
        visit: Visit = asked.environ[_VISIT]
        headers_ = [*answer.headers, *headers.every(str(visit.trace), visit.asker.allowance), headers.NOT_STORED]
        self._tell(asked, visit, _Sent(route, HTTPStatus.OK, len(answer.body), cache_status))
        return wire.Answer(answer.status, headers_, answer.body)

    def failed(self, asked: Request, route: str, status: HTTPStatus) -> None:
        """Counts and forgets a request that is answered beyond this edge."""
        self._tell(asked, asked.environ[_VISIT], _Sent(route, status, 0, ""))
        self.left(asked)

    def _tell(self, asked: Request, visit: Visit, sent: _Sent) -> None:
        seconds = visit.seconds
        self.metrics.took(sent.route, str(int(sent.status))).observe(seconds)
        if self.log:
            self.log(_line(asked, sent, seconds, visit))

    def left(self, asked: Request) -> None:
        """Forgets the request."""
        if asked.environ.pop(_VISIT, None):
            self.metrics.in_flight.dec()
            structlog.contextvars.unbind_contextvars("trace")
            answering.set(None)


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


def _line(asked: Request, sent: _Sent, seconds: float, visit: Visit) -> Line:
    cache = _CACHE.search(sent.cache_status)
    return Line(
        address=visit.asker.address,
        method=asked.method if asked.method in access_log.METHODS else "other",
        route=sent.route,
        status=sent.status,
        seconds=round(seconds, 6),
        bytes=sent.bytes,
        cache=next(filter(None, cache.groups()), "") if cache else "",
        key=visit.asker.key,
        trace=visit.trace.trace_id,
    )

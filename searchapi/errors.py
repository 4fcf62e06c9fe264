"""Every failure as a person or a program can use it: `application/problem+json` (RFC 9457) below /v1, a page elsewhere."""

from __future__ import annotations

import json
import logging
from http import HTTPStatus

from flask import Flask, Response, render_template, request
from opensearchpy.exceptions import TransportError
from werkzeug.exceptions import HTTPException

from opensearch.client import IndexDown, unreachable
from searchapi.capacity import Busy
from searchapi.deadline import TooLate
from searchapi.metrics import Metrics
from searchapi.params import BadParameter
from searchapi.seen import NotReady

log = logging.getLogger(__name__)
# What a caller is asked to wait, in seconds: a restart of the embedded node takes about five.
RETRY_AFTER = "5"
# The same where too much was asked at once: the next moment may be quieter.
RETRY_SOON = "1"

# What OpenSearch says while it is too busy or finds its shards again: as good as away.
_PASSING = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}

_PAGE_TEXTS = {
    HTTPStatus.BAD_REQUEST: "Não entendi o pedido. Confira o que foi digitado e tente de novo.",
    HTTPStatus.NOT_FOUND: "Não encontrei esta página ou esta bula. Ela pode ter sido retirada pela fonte.",
    HTTPStatus.SERVICE_UNAVAILABLE: "A busca está fora do ar neste momento. Tente de novo em alguns segundos.",
}


def register(app: Flask, opensearch_url: str, metrics: Metrics) -> None:
    """Hands every error of the app to one answer."""

    def bad_parameter(error: BadParameter) -> Response:
        return answer(HTTPStatus.BAD_REQUEST, str(error), parameter=error.parameter)

    def down(_: IndexDown) -> Response:
        # No line a request: searchapi.state tells once that it is away, and once that it is back.
        return answer(HTTPStatus.SERVICE_UNAVAILABLE, unreachable(opensearch_url))

    def refused(error: TransportError) -> Response:
        if error.status_code not in _PASSING:
            log.error("OpenSearch refused", extra={"status": error.status_code, "error": str(error.error)})
        return answer(HTTPStatus.SERVICE_UNAVAILABLE, "OpenSearch could not answer just now: try again in a few seconds")

    def not_ready(error: NotReady) -> Response:
        return answer(HTTPStatus.SERVICE_UNAVAILABLE, str(error))

    def busy(_: Busy) -> Response:
        metrics.shed.labels("busy").inc()
        return answer(HTTPStatus.SERVICE_UNAVAILABLE, "more is asked at once than can be answered: try again in a second", RETRY_SOON)

    def late(_: TooLate) -> Response:
        metrics.shed.labels("late").inc()
        return answer(HTTPStatus.SERVICE_UNAVAILABLE, "there was no answer in time (ANSWER_WITHIN): try again in a second", RETRY_SOON)

    def http(error: HTTPException) -> Response:
        return answer(HTTPStatus(error.code or 500), error.description or "")

    app.register_error_handler(BadParameter, bad_parameter)
    app.register_error_handler(IndexDown, down)
    app.register_error_handler(TransportError, refused)
    app.register_error_handler(NotReady, not_ready)
    app.register_error_handler(Busy, busy)
    app.register_error_handler(TooLate, late)
    app.register_error_handler(HTTPException, http)


def answer(status: HTTPStatus, detail: str, retry_after: str = RETRY_AFTER, parameter: str | None = None) -> Response:
    """The answer of a failed request."""
    if request.path in {"/", "/compare"} or request.path.startswith("/leaflets/"):
        text = _PAGE_TEXTS.get(status, _PAGE_TEXTS[HTTPStatus.SERVICE_UNAVAILABLE])
        response = Response(render_template("problem.html", status=int(status), message=text), status=status, mimetype="text/html")
    else:
        problem: dict[str, object] = {"type": "about:blank", "title": status.phrase, "status": int(status), "detail": detail}
        if parameter is not None:
            problem["parameter"] = parameter
        response = Response(json.dumps(problem, ensure_ascii=False), status=status, mimetype="application/problem+json")
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    if status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}:
        response.headers["Retry-After"] = retry_after
    return response

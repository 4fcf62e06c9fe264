"""Every failure as a person or a program can use it: `application/problem+json` (RFC 9457) for programs, a page for the desk."""

from __future__ import annotations

import json
import logging
import traceback
from http import HTTPStatus
from pathlib import Path

from flask import Flask, Response, render_template, request
from opensearchpy.exceptions import TransportError
from werkzeug.exceptions import HTTPException

from opensearch.client import Denied, IndexDown, denied, unreachable
from searchapi.access import BASIC, BEARER
from searchapi.capacity import Busy
from searchapi.deadline import TooLate
from searchapi.metrics import Metrics
from searchapi.params import BadParameter
from searchapi.seen import NotReady
from searchapi.shapes import Problem

log = logging.getLogger(__name__)
# What a caller is asked to wait, in seconds: a restart of the embedded node takes about five.
RETRY_AFTER = "5"
# The same where too much was asked at once: the next moment may be quieter.
RETRY_SOON = "1"

# What OpenSearch says while it is too busy or finds its shards again: as good as away.
_PASSING = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
# Frames of an unforeseen error that are logged: the innermost say where it is.
FRAMES = 8

_PAGE_TEXTS = {
    HTTPStatus.BAD_REQUEST: "Não entendi o pedido. Confira o que foi digitado e tente de novo.",
    HTTPStatus.NOT_FOUND: "Não encontrei esta página ou esta bula. Ela pode ter sido retirada pela fonte.",
    HTTPStatus.METHOD_NOT_ALLOWED: "Esta página não aceita este tipo de pedido.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "O pedido é grande demais. Escreva a pergunta na caixa de busca.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Algo deu errado aqui e ficou registrado para o suporte. Tente de novo.",
    HTTPStatus.UNAUTHORIZED: "Para consultar as bulas é preciso uma chave. Recarregue a página e digite a sua no lugar da senha.",
    HTTPStatus.FORBIDDEN: "Esta chave não dá acesso à busca. Peça a quem cuida do sistema uma que dê.",
    HTTPStatus.TOO_MANY_REQUESTS: "Foram muitas consultas em pouco tempo. Aguarde um minuto e tente de novo.",
    HTTPStatus.SERVICE_UNAVAILABLE: "A busca está fora do ar neste momento. Tente de novo em alguns segundos.",
}
# Where our own words say more than the library's.
_DETAILS = {
    HTTPStatus.METHOD_NOT_ALLOWED: "this address is only read: ask with GET or HEAD",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "the request has a body that is too large: everything is asked by parameters of the address",
    HTTPStatus.INTERNAL_SERVER_ERROR: "something unforeseen went wrong and was logged: ask again, and tell the operator if it stays so",
}


def register(app: Flask, opensearch_url: str, metrics: Metrics) -> None:  # noqa: C901  # a table of errors
    """Hands every error of the app to one answer."""

    def bad_parameter(error: BadParameter) -> Response:
        return answer(HTTPStatus.BAD_REQUEST, str(error), parameter=error.parameter)

    def down(_: IndexDown) -> Response:
        # No line a request: searchapi.state tells once that it is away, and once that it is back.
        return answer(HTTPStatus.SERVICE_UNAVAILABLE, unreachable(opensearch_url))

    def stranger(error: TransportError) -> Response:
        log.error("OpenSearch lets us not in", extra={"status": error.status_code})
        return answer(HTTPStatus.SERVICE_UNAVAILABLE, denied(opensearch_url, error.status_code))

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
        status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
        unknown = status == HTTPStatus.NOT_FOUND and request.url_rule is None
        detail = "there is nothing at this address: /openapi.json names those that answer" if unknown else _DETAILS.get(status)
        response = answer(status, detail or error.description or "")
        # Such as the Allow of a 405; its body is ours.
        response.headers.extend([(name, value) for name, value in error.get_headers() if name != "Content-Type"])
        return response

    app.register_error_handler(BadParameter, bad_parameter)
    app.register_error_handler(IndexDown, down)
    app.register_error_handler(TransportError, refused)
    for kind in Denied:
        app.register_error_handler(kind, stranger)
    app.register_error_handler(NotReady, not_ready)
    app.register_error_handler(Busy, busy)
    app.register_error_handler(TooLate, late)
    app.register_error_handler(HTTPException, http)


def answer(status: HTTPStatus, detail: str, retry_after: str = RETRY_AFTER, parameter: str | None = None) -> Response:
    """The answer of a failed request."""
    if _for_the_desk():
        text = _PAGE_TEXTS.get(status, _PAGE_TEXTS[HTTPStatus.SERVICE_UNAVAILABLE])
        response = Response(render_template("problem.html", status=int(status), message=text), status=status, mimetype="text/html")
    else:
        response = Response(problem(status, detail, parameter), status=status, mimetype="application/problem+json")
    if status == HTTPStatus.UNAUTHORIZED:
        # A browser asks its user for a name and the key; a program reads of both ways.
        for challenge in (BASIC,) if response.mimetype == "text/html" else (BEARER, BASIC):
            response.headers.add("WWW-Authenticate", challenge)
    if status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}:
        response.headers["Retry-After"] = retry_after
    return response


def problem(status: HTTPStatus, detail: str, parameter: str | None = None) -> bytes:
    """A failure as RFC 9457 tells it."""
    told: Problem = {"type": "about:blank", "title": status.phrase, "status": int(status), "detail": detail}
    if parameter is not None:
        told["parameter"] = parameter
    return json.dumps(told, ensure_ascii=False).encode()


def unforeseen(error: BaseException) -> None:
    """Logs an error that nobody foresaw: of which type and where, and nothing of its text or values, for these hold questions."""
    places = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    log.error("a request failed, unforeseen", extra={"error": type(error).__name__, "at": " < ".join(reversed(places[-FRAMES:]))})


def _for_the_desk() -> bool:
    """Whether a person is to read the answer: on a page, or at an address of nothing where a browser asks."""
    if request.path in {"/", "/compare"} or request.path.startswith("/leaflets/"):
        return True
    browser = request.accept_mimetypes.best_match(["application/problem+json", "text/html"]) == "text/html"
    return request.url_rule is None and not request.path.startswith("/v1/") and browser

"""Every failure as a person or a program can use it: `application/problem+json` (RFC 9457) below /v1, a page elsewhere."""

from __future__ import annotations

import json
import logging
from http import HTTPStatus

from flask import Flask, Response, render_template, request
from opensearchpy.exceptions import TransportError
from werkzeug.exceptions import HTTPException

from opensearch.client import Denied, IndexDown, denied, unreachable
from searchapi.access import BASIC, BEARER
from searchapi.params import BadParameter
from searchapi.state import NotReady

log = logging.getLogger(__name__)
# What a caller is asked to wait, in seconds: a restart of the embedded node takes about five.
RETRY_AFTER = "5"

_PAGE_TEXTS = {
    HTTPStatus.BAD_REQUEST: "Não entendi o pedido. Confira o que foi digitado e tente de novo.",
    HTTPStatus.NOT_FOUND: "Não encontrei esta página ou esta bula. Ela pode ter sido retirada pela fonte.",
    HTTPStatus.UNAUTHORIZED: "Para consultar as bulas é preciso uma chave. Recarregue a página e digite a sua no lugar da senha.",
    HTTPStatus.FORBIDDEN: "Esta chave não dá acesso à busca. Peça a quem cuida do sistema uma que dê.",
    HTTPStatus.TOO_MANY_REQUESTS: "Foram muitas consultas em pouco tempo. Aguarde um minuto e tente de novo.",
    HTTPStatus.SERVICE_UNAVAILABLE: "A busca está fora do ar neste momento. Tente de novo em alguns segundos.",
}


def register(app: Flask, opensearch_url: str) -> None:
    """Hands every error of the app to one answer."""

    def bad_parameter(error: BadParameter) -> Response:
        return answer(HTTPStatus.BAD_REQUEST, str(error), parameter=error.parameter)

    def down(error: IndexDown) -> Response:
        log.error("OpenSearch does not answer", extra={"error": type(error).__name__})
        return answer(HTTPStatus.SERVICE_UNAVAILABLE, unreachable(opensearch_url))

    def stranger(error: TransportError) -> Response:
        log.error("OpenSearch lets us not in", extra={"status": error.status_code})
        return answer(HTTPStatus.SERVICE_UNAVAILABLE, denied(opensearch_url, error.status_code))

    def refused(error: TransportError) -> Response:
        log.error("OpenSearch refused", extra={"status": error.status_code, "error": str(error.error)})
        return answer(HTTPStatus.SERVICE_UNAVAILABLE, "OpenSearch could not answer just now: try again in a few seconds")

    def not_ready(error: NotReady) -> Response:
        return answer(HTTPStatus.SERVICE_UNAVAILABLE, str(error))

    def http(error: HTTPException) -> Response:
        return answer(HTTPStatus(error.code or 500), error.description or "")

    app.register_error_handler(BadParameter, bad_parameter)
    app.register_error_handler(IndexDown, down)
    app.register_error_handler(TransportError, refused)
    for kind in Denied:
        app.register_error_handler(kind, stranger)
    app.register_error_handler(NotReady, not_ready)
    app.register_error_handler(HTTPException, http)


def answer(status: HTTPStatus, detail: str, parameter: str | None = None) -> Response:
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
        # A browser asks its user for a name and the key; a program reads of both ways.
        for challenge in (BASIC,) if response.mimetype == "text/html" else (BEARER, BASIC):
            response.headers.add("WWW-Authenticate", challenge)
    if status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}:
        response.headers["Retry-After"] = RETRY_AFTER
    return response

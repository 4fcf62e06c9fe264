"""Puts searchapi together."""

from __future__ import annotations

import time
from http import HTTPStatus
from types import TracebackType

from flask import Flask, Response, abort, g, request

from opensearch.client import connect
from opensearch.gaps import Gaps
from opensearch.generations import Indices
from opensearch.synonyms import Synonyms, synonyms
from searchapi import cache, errors, routes, wire
from searchapi.answers import Answers
from searchapi.gaps import GapCounter
from searchapi.keys import Keyring
from searchapi.lookalikes import listed
from searchapi.metrics import Metrics
from searchapi.page.words import FILTERS
from searchapi.settings import Settings
from searchapi.state import IndexState

# Nothing from elsewhere, nothing inline, no referrer: what is asked here stays here.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}

# Bytes. Nothing here takes a body; some clients send an empty form or object with each request.
LARGEST_BODY = 1024


def create_app(settings: Settings, *, indices: Indices | None = None, cache_prefix: str = "bulario") -> Flask:
    """The WSGI application; starts looking at the index in the background. Tests give an alias and a prefix of their own."""
    indices = indices or Indices()
    known: Synonyms = synonyms()
    client = connect(settings.opensearch_url, ca_cert=str(settings.opensearch_ca_cert) if settings.opensearch_ca_cert else None)
    state = IndexState(client, indices, known, listed(settings.lookalikes_file), stale_after=2 * settings.sync_every)
    answers, redis = Answers(client, indices, known), cache.connect(settings.redis_url)
    gaps = GapCounter(redis, cache_prefix, Gaps(client, indices), answers.held, askers=settings.gaps_askers, kept=settings.gaps_kept)
    desk = routes.Desk(answers, state, cache.AnswerCache(redis, cache_prefix), Metrics(), Keyring(settings.api_keys_file), gaps)
    app = _App("searchapi", static_folder=None)
    app.url_map.merge_slashes = False  # ids may hold two; and a redirect would tell the question once more
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    app.extensions["desk"] = desk
    app.jinja_env.filters.update(FILTERS)
    app.register_blueprint(routes.api(desk))
    app.register_blueprint(routes.page(desk))
    errors.register(app, settings.opensearch_url)
    _observe(app, desk.metrics)
    state.start()
    gaps.start()
    return app


class _App(Flask):
    """A Flask that logs no unforeseen error's text."""

    def log_exception(self, exc_info: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]) -> None:
        """Its type and where it happened."""
        if exc_info[1] is not None:
            errors.unforeseen(exc_info[1])


def _observe(app: Flask, metrics: Metrics) -> None:
    """Times each request and puts the safety headers on each answer."""

    @app.before_request
    def begin() -> None:
        g.began = time.perf_counter()
        if (request.content_length or 0) > LARGEST_BODY:
            abort(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)

    @app.after_request
    def end(response: Response) -> Response:
        wire.finish(response, request)
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        if request.endpoint == "page.static":
            response.headers["Cache-Control"] = "no-cache"  # asked again each time, mostly 304: never an old script with a new page
        route = request.url_rule.rule if request.url_rule else "none"
        metrics.seconds.labels(route, str(response.status_code)).observe(time.perf_counter() - g.began)
        return response

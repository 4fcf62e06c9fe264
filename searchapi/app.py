"""Puts searchapi together."""

from __future__ import annotations

import secrets
import time

import werkzeug
from flask import Flask, Response, g, request

from opensearch import epoch
from opensearch.client import connect
from opensearch.gaps import Gaps
from opensearch.generations import Indices
from opensearch.synonyms import synonyms
from searchapi import errors, redis_client, routes
from searchapi.answers import Answers
from searchapi.cache import AnswerCache
from searchapi.capacity import Capacity
from searchapi.deadline import Deadline
from searchapi.front import Front
from searchapi.gaps import GapCounter
from searchapi.keys import Keyring
from searchapi.lookalikes import listed
from searchapi.metrics import Metrics
from searchapi.page.words import FILTERS
from searchapi.popular import Popular
from searchapi.redis_client import Reach
from searchapi.searches import Searches
from searchapi.seen import Lookout
from searchapi.settings import Settings
from searchapi.sizes import sizes
from searchapi.state import IndexState
from searchapi.warm import Warmer

# Nothing from elsewhere, nothing inline, no referrer: what is asked here stays here.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def create_app(settings: Settings, *, indices: Indices | None = None, cache_prefix: str = epoch.PREFIX) -> Flask:
    """The WSGI application; starts looking at the index in the background. Tests give an alias and a prefix of their own."""
    app = Flask("searchapi", static_folder=None)
    desk = _desk(settings, indices or Indices(), cache_prefix)
    app.extensions["desk"] = desk
    app.jinja_env.filters.update(FILTERS)
    app.register_blueprint(routes.api(desk))
    app.register_blueprint(routes.page(desk))
    errors.register(app, settings.opensearch_url, desk.metrics)
    _observe(app, desk, settings)
    desk.state.start()
    desk.gaps.start()
    Warmer(desk.searches, settings.answer_within.total_seconds()).start()
    return app


def _desk(settings: Settings, indices: Indices, cache_prefix: str) -> routes.Desk:
    """All that answering takes."""
    known, own, metrics = synonyms(), listed(settings.lookalikes_file), Metrics()
    size = sizes(settings.workers, settings.answer_within.total_seconds())
    ca_cert = str(settings.opensearch_ca_cert) if settings.opensearch_ca_cert else None
    client = connect(settings.opensearch_url, ca_cert=ca_cert, connections=size.opensearch_connections)
    redis = redis_client.connect(settings.redis_url, size.redis_connections)
    reach, capacity = Reach(redis), Capacity(size.slots, size.chairs)
    cache = AnswerCache(reach, cache_prefix)
    # All that this process reads comes from one copy of the index; another process may choose another.
    preference = secrets.token_hex(4)
    versions = f"{known.version}/{own.version}"
    lookout = Lookout(client, indices, cache, versions=versions, stale_after=2 * settings.sync_every, preference=preference)
    state = IndexState(client, lookout, known, own)
    answers = Answers(client, indices, known, preference)
    searches = Searches(answers, state, cache, Popular(reach, cache_prefix), capacity, metrics)
    gaps = GapCounter(redis, cache_prefix, Gaps(client, indices), answers.held, askers=settings.gaps_askers, kept=settings.gaps_kept)
    return routes.Desk(searches, answers, state, cache, capacity, metrics, Keyring(settings.api_keys_file), gaps)


def _observe(app: Flask, desk: routes.Desk, settings: Settings) -> None:
    """Gives each request its deadline, times it, and puts the safety headers on each answer."""
    within = settings.answer_within.total_seconds()

    def finished(response: werkzeug.Response, _: werkzeug.Request, route: str, began: float) -> werkzeug.Response:
        response.headers.extend(_HEADERS)
        desk.metrics.seconds.labels(route, str(response.status_code)).observe(time.perf_counter() - began)
        return response

    @app.before_request
    def begin() -> None:
        g.began = time.perf_counter()
        g.deadline = Deadline.within(within)

    @app.after_request
    def end(response: Response) -> Response:
        finished(response, request, request.url_rule.rule if request.url_rule else "none", g.began)
        if request.endpoint == "page.static":
            response.headers["Cache-Control"] = "no-cache"  # asked again each time, mostly 304: never an old script with a new page
        return response

    if settings.api_keys_file is None:
        # Where somebody has to show a key, Flask asks for it.
        app.wsgi_app = Front(  # type: ignore[method-assign]  # Flask's own way to put something before it
            app.wsgi_app, desk.searches, told=routes.answered, finished=finished, within=within
        )

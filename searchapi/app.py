"""Puts searchapi together."""

from __future__ import annotations

import secrets
from types import TracebackType

from flask import Flask, g
from werkzeug.middleware.proxy_fix import ProxyFix

from opensearch import epoch
from opensearch.client import connect
from opensearch.gaps import Gaps
from opensearch.generations import Indices
from opensearch.synonyms import synonyms
from searchapi import edge, errors, program, redis_client, routes
from searchapi.access import Door
from searchapi.access_log import access_log
from searchapi.answers import Answers
from searchapi.cache import AnswerCache
from searchapi.capacity import Capacity
from searchapi.deadline import Deadline
from searchapi.front import Front
from searchapi.gaps import GapCounter
from searchapi.headers import LARGEST_BODY
from searchapi.keys import Keyring
from searchapi.limits import Meter
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
from searchapi.trace import EngineWatch
from searchapi.warm import Warmer


def create_app(settings: Settings, *, indices: Indices | None = None, cache_prefix: str = epoch.PREFIX) -> Flask:
    """The WSGI application; starts looking at the index in the background. Tests give an alias and a prefix of their own."""
    desk = _desk(settings, indices or Indices(), cache_prefix)
    app = _App("searchapi", static_folder=None)
    app.url_map.merge_slashes = False  # ids may hold two; and a redirect would tell the question once more
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    app.extensions["desk"] = desk
    app.extensions["edge"] = edge.Edge(desk.door, desk.metrics, access_log(settings.access_log))
    edge.register(app, app.extensions["edge"])
    _bound(app, settings.answer_within.total_seconds())
    app.jinja_env.filters.update(FILTERS)
    app.register_blueprint(routes.api(desk))
    app.register_blueprint(routes.page(desk))
    errors.register(app, settings.opensearch_url, desk.metrics)
    _put_before(app, settings)
    desk.state.start()
    desk.gaps.start()
    Warmer(desk.searches, settings.answer_within.total_seconds()).start()
    return app


def _desk(settings: Settings, indices: Indices, cache_prefix: str) -> routes.Desk:
    """All that answering takes."""
    known, own, metrics = synonyms(), listed(settings.lookalikes_file), Metrics(lambda: state.newest)
    size = sizes(settings.workers, settings.answer_within.total_seconds())
    watch = EngineWatch(metrics)
    client = connect(settings.opensearch_address, ca_cert=settings.opensearch_ca_cert, connections=size.opensearch_connections, watch=watch)
    redis = redis_client.connect(settings.redis_address, size.redis_connections, metrics.redis_took)
    reach, capacity = Reach(redis), Capacity(size.slots, size.chairs, metrics.answers_in_flight.inc)
    cache = AnswerCache(reach, cache_prefix)
    # All that this process reads comes from one copy of the index; another process may choose another.
    preference = secrets.token_hex(4)
    versions = f"{program.version()}/{known.version}/{own.version}"
    lookout = Lookout(client, indices, cache, versions=versions, stale_after=2 * settings.sync_every, preference=preference)
    state = IndexState(client, lookout, known, own)
    answers = Answers(client, indices, known, preference)
    searches = Searches(answers, state, cache, Popular(reach, cache_prefix), capacity, metrics)
    gaps = GapCounter(redis, cache_prefix, Gaps(client, indices), answers.held, askers=settings.gaps_askers, kept=settings.gaps_kept)
    meter = Meter(redis, cache_prefix)
    meter.start()
    door = Door(settings, Keyring(settings.api_keys_file), meter, metrics)
    return routes.Desk(searches, answers, state, cache, capacity, metrics, door, gaps)


def _bound(app: Flask, within: float) -> None:
    """Gives each request its deadline: so many seconds from when it came."""

    @app.before_request
    def begin() -> None:
        g.deadline = Deadline.within(within - g.visit.seconds)


def _put_before(app: Flask, settings: Settings) -> None:
    """Puts before the app, outermost last: answers of searches, then who it is that a proxy asks for."""
    desk: routes.Desk = app.extensions["desk"]
    within = settings.answer_within.total_seconds()
    app.wsgi_app = Front(app.wsgi_app, desk, app.extensions["edge"], within)  # type: ignore[method-assign] # as Flask's manual has it
    if settings.trusted_proxies:
        proxies = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=proxies)  # type: ignore[method-assign] # the same


class _App(Flask):
    """A Flask that logs no unforeseen error's text."""

    def log_exception(self, exc_info: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]) -> None:
        """Its type and where it happened."""
        if exc_info[1] is not None:
            errors.unforeseen(exc_info[1])

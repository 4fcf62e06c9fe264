"""Puts searchapi together."""

from __future__ import annotations

from types import TracebackType

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from opensearch.client import connect
from opensearch.gaps import Gaps
from opensearch.generations import Indices
from opensearch.synonyms import Synonyms, synonyms
from searchapi import cache, edge, errors, routes
from searchapi.access import Door
from searchapi.access_log import access_log
from searchapi.answers import Answers
from searchapi.gaps import GapCounter
from searchapi.headers import LARGEST_BODY
from searchapi.keys import Keyring
from searchapi.limits import Meter
from searchapi.lookalikes import listed
from searchapi.metrics import Metrics
from searchapi.page.words import FILTERS
from searchapi.settings import Settings
from searchapi.state import IndexState
from searchapi.trace import EngineWatch


def create_app(settings: Settings, *, indices: Indices | None = None, cache_prefix: str = "bulario") -> Flask:
    """The WSGI application; starts looking at the index in the background. Tests give an alias and a prefix of their own."""
    indices = indices or Indices()
    known: Synonyms = synonyms()
    metrics = Metrics(lambda: state.newest)
    ca_cert = str(settings.opensearch_ca_cert) if settings.opensearch_ca_cert else None
    client = connect(settings.opensearch_address, ca_cert=ca_cert, watch=EngineWatch(metrics))
    state = IndexState(client, indices, known, listed(settings.lookalikes_file), stale_after=2 * settings.sync_every)
    answers, redis = Answers(client, indices, known), cache.connect(settings.redis_address, metrics.redis_took)
    gaps = GapCounter(redis, cache_prefix, Gaps(client, indices), answers.held, askers=settings.gaps_askers, kept=settings.gaps_kept)
    meter = Meter(redis, cache_prefix)
    door = Door(settings, Keyring(settings.api_keys_file), meter, metrics)
    desk = routes.Desk(answers, state, cache.AnswerCache(redis, cache_prefix), metrics, door, gaps)
    app = _App("searchapi", static_folder=None)
    app.url_map.merge_slashes = False  # ids may hold two; and a redirect would tell the question once more
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    app.extensions["desk"] = desk
    if settings.trusted_proxies:
        proxies = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=proxies)  # type: ignore[method-assign] # as Flask's manual has it
    app.extensions["edge"] = edge.Edge(door, metrics, access_log(settings.access_log))
    edge.register(app, app.extensions["edge"])
    app.jinja_env.filters.update(FILTERS)
    app.register_blueprint(routes.api(desk))
    app.register_blueprint(routes.page(desk))
    errors.register(app, settings.opensearch_url)
    state.start()
    gaps.start()
    meter.start()
    return app


class _App(Flask):
    """A Flask that logs no unforeseen error's text."""

    def log_exception(self, exc_info: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]) -> None:
        """Its type and where it happened."""
        if exc_info[1] is not None:
            errors.unforeseen(exc_info[1])

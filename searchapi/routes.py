"""What answers at each address: checks the parameters, asks, presents. Nothing is decided here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from flask import Blueprint, Response, abort, g, render_template, request
from prometheus_client import CONTENT_TYPE_LATEST

from searchapi import params, present
from searchapi.access import Door
from searchapi.answers import Answers, NoLeaflet
from searchapi.cache import AnswerCache
from searchapi.gaps import GapCounter
from searchapi.keys import Role
from searchapi.metrics import Metrics
from searchapi.params import BadParameter, Pair, Question
from searchapi.present import Json
from searchapi.state import IndexState, Snapshot
from searchapi.understand import typed

OPENAPI = Path(__file__).with_name("openapi.json")


@dataclass(frozen=True, slots=True)
class Desk:
    """All that answering takes, built once by `create_app`."""

    answers: Answers
    state: IndexState
    cache: AnswerCache
    metrics: Metrics
    door: Door
    gaps: GapCounter


@dataclass(frozen=True, slots=True)
class Told:
    """A search's answer, and what the cache did for it, in the words of RFC 9211."""

    body: Json
    cache_status: str


def api(desk: Desk) -> Blueprint:  # noqa: C901  # a table of addresses
    """The JSON API and the addresses of operations."""
    routes = Blueprint("api", __name__)

    @routes.get("/v1/search")
    def search() -> Response:
        question = params.search(request.args)
        if question.explain:
            desk.door.require(g.visit.asker, Role.EXPLAIN)
        told = _explained(desk, question) if question.explain else _told(desk, question)
        response = _json(told.body)
        response.headers["Cache-Status"] = f"searchapi; {told.cache_status}"
        return response

    @routes.get("/v1/suggest")
    def suggest() -> Response:
        params.known(request.args, ("q",))
        text = params.question(request.args)
        found = typed(text, desk.state.snapshot().names)
        return _json({"query": {"text": text}, "suggestions": present.suggestions(found)})

    @routes.get("/v1/leaflets/<path:leaflet_id>")
    def leaflet(leaflet_id: str) -> Response:
        params.known(request.args, ("q",))
        return _json(_leaflet(desk, leaflet_id, request.args))

    @routes.get("/v1/compare")
    def compare() -> Response:
        return _json(_comparison(desk, params.pair(request.args)))

    @routes.get("/v1/sources")
    def sources() -> Response:
        params.known(request.args, ())
        return _json(present.sources(desk.state.snapshot().freshness))

    @routes.get("/livez")
    def livez() -> Response:
        return _json({"status": "alive"})

    @routes.get("/readyz")
    def readyz() -> Response:
        snapshot = desk.state.snapshot()
        desk.answers.client.cluster.health(params={"request_timeout": 2})
        return _json({"status": "ready", "generation": snapshot.names.generation, "redis": "up" if desk.cache.answers() else "away"})

    @routes.get("/metrics")
    def metrics() -> Response:
        return Response(desk.metrics.told(), content_type=CONTENT_TYPE_LATEST)

    @routes.get("/openapi.json")
    def openapi() -> Response:
        return Response(OPENAPI.read_bytes(), mimetype="application/json")

    return routes


def page(desk: Desk) -> Blueprint:
    """The SAC page."""
    routes = Blueprint("page", __name__, template_folder="page/templates", static_folder="page/static", static_url_path="/static")

    @routes.get("/")
    def search() -> str:
        given = {name: value for name, value in request.args.items() if name != "fragment"}
        template = "results.html" if request.args.get("fragment") else "search.html"
        answer, problem = None, None
        if params.tidy(given.get("q", "")):
            try:
                answer = _told(desk, params.search(given)).body
            except BadParameter as error:
                problem = _PAGE_PROBLEMS.get(error.parameter, "Não entendi este pedido: confira os filtros escolhidos.")
        filters = {name: params.tidy(given.get(name, "")) for name in ("audience", "section", "laboratory", "source")}
        return render_template(
            template,
            q=params.tidy(given.get("q", "")),
            answer=answer,
            filters=filters,
            problem=problem,
            section_names=present.SECTION_NAMES,
        )

    @routes.get("/leaflets/<path:leaflet_id>")
    def leaflet(leaflet_id: str) -> str:
        found = _leaflet(desk, leaflet_id, request.args)
        return render_template("leaflet.html", leaflet=found, q=params.tidy(request.args.get("q", "")), section_names=present.SECTION_NAMES)

    @routes.get("/compare")
    def compare() -> str:
        told = _comparison(desk, params.pair({name: request.args.get(name, "") for name in params.COMPARE}))
        q = params.tidy(request.args.get("q", ""))
        return render_template("compare.html", comparison=told, q=q, section_names=present.SECTION_NAMES)

    return routes


_PAGE_PROBLEMS = {"q": f"Escreva o nome do medicamento e o que quer saber, em até {params.LONGEST_QUESTION} caracteres."}


def _told(desk: Desk, question: Question) -> Told:
    """The answer of a question, from the cache where it is there."""
    snapshot = desk.state.snapshot()
    key = desk.cache.key(question, snapshot.names.stamp)
    kept = desk.cache.get(key)
    desk.metrics.cache.labels("hit" if kept else "miss").inc()
    if kept:
        desk.metrics.outcomes.labels("found").inc()
        return Told(_whole(json.loads(kept), question, snapshot), "hit")
    body = _answer(desk, question, snapshot)
    if body["total"] and not body["suggestions"]:
        # What is suggested, or offered instead, holds words of the question; and who else finds nothing is to be counted.
        desk.cache.keep(key, json.dumps(body, ensure_ascii=False).encode())
    return Told(_whole(body, question, snapshot), "fwd=miss")


def _explained(desk: Desk, question: Question) -> Told:
    """The answer with why each result stands where it does: always made anew, and never kept for those who have no key."""
    snapshot = desk.state.snapshot()
    return Told(_whole(_answer(desk, question, snapshot, explain=True), question, snapshot), "fwd=bypass")


def _whole(body: Json, question: Question, snapshot: Snapshot) -> Json:
    """An answer with what is never kept with it."""
    return present.with_question(body, question.text) | {"freshness": present.freshness(snapshot)}


def _answer(desk: Desk, question: Question, snapshot: Snapshot, *, explain: bool = False) -> Json:
    """The answer made anew, of one state of the index."""
    meant = desk.answers.understanding(question.text, snapshot)
    answer = desk.answers.search(meant, question.filters, question.window, snapshot, explain=explain)
    desk.metrics.outcomes.labels("found" if answer.total else "suggested" if answer.meant.suggestions else "nothing").inc()
    if not answer.total:
        desk.gaps.heard(answer.meant, g.visit.asker.key or g.visit.asker.address, snapshot.names)
    return present.search(answer, question.filters, question.window)


def _leaflet(desk: Desk, leaflet_id: str, given: Mapping[str, str]) -> Json:
    text = params.tidy(given.get("q", ""))[: params.LONGEST_QUESTION]
    meant = desk.answers.understanding(text, desk.state.snapshot()) if text else None
    found = desk.answers.leaflet(leaflet_id, meant)
    if found is None:
        abort(HTTPStatus.NOT_FOUND, description="there is no leaflet of this id: it may have been withdrawn; search for its name")
    return present.leaflet(found)


def _comparison(desk: Desk, pair: Pair) -> Json:
    try:
        return present.comparison(desk.answers.comparison(pair.a, pair.b))
    except NoLeaflet as error:
        abort(HTTPStatus.NOT_FOUND, description=str(error))


def _json(body: Json) -> Response:
    response = Response(json.dumps(body, ensure_ascii=False), mimetype="application/json")
    response.add_etag()
    response.make_conditional(request)
    return response

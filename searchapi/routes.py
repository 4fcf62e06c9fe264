"""What answers at each address: checks the parameters, asks, presents. Nothing is decided here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path

from flask import Blueprint, Response, abort, g, render_template, request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from werkzeug.wrappers import Request

from searchapi import params, present
from searchapi.answers import Answers, NoLeaflet
from searchapi.cache import AnswerCache
from searchapi.capacity import Capacity
from searchapi.deadline import Deadline
from searchapi.gaps import GapCounter
from searchapi.keys import Keyring, Role
from searchapi.metrics import Metrics
from searchapi.params import BadParameter, Pair, Question
from searchapi.present import Json
from searchapi.searches import Searches, Told
from searchapi.state import IndexState
from searchapi.understand import typed

OPENAPI = Path(__file__).with_name("openapi.json")


@dataclass(frozen=True, slots=True)
class Desk:
    """All that answering takes, built once by `create_app`."""

    searches: Searches
    answers: Answers
    state: IndexState
    cache: AnswerCache
    capacity: Capacity
    metrics: Metrics
    keyring: Keyring
    gaps: GapCounter


def api(desk: Desk) -> Blueprint:  # noqa: C901  # a table of addresses
    """The JSON API and the addresses of operations."""
    routes = Blueprint("api", __name__)

    @routes.get("/v1/search")
    def search() -> Response:
        question = params.search(request.args)
        if question.explain:
            _require(desk.keyring, Role.EXPLAIN)
        return answered(_told(desk, question), request)

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
        # Told also while OpenSearch is away: that is when somebody looks.
        known = desk.state.newest
        desk.metrics.refused.set(len(known.refused) if known else 0)
        desk.metrics.in_flight.set(desk.capacity.in_flight)
        for source in known.freshness.sources if known else ():
            desk.metrics.leaflets.labels(source.source).set(source.leaflets)
            if source.synced_at:
                desk.metrics.synced.labels(source.source).set(source.synced_at.timestamp())
        return Response(generate_latest(desk.metrics.registry), content_type=CONTENT_TYPE_LATEST)

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
                # A name that the page's form does not know is told; explanations need a key, and it has none.
                answer = json.loads(_told(desk, replace(params.search(given), explain=False)).body)
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
    """The answer of a question; that nothing was found is heard, whoever's answer it was in the first place."""
    told = desk.searches.explained(question, _deadline()) if question.explain else desk.searches.told(question, _deadline())
    if told.nothing:
        desk.gaps.heard(told.nothing, desk.keyring.name(_bearer()) or request.remote_addr or "", desk.state.snapshot().names)
    return told


def _deadline() -> Deadline:
    """When this request must be answered, as the edge decided."""
    deadline: Deadline = g.deadline
    return deadline


def _require(keyring: Keyring, role: Role) -> None:
    """Answers 401 or 403 in place of the request where its key does not open what is asked for."""
    roles = keyring.roles(_bearer())
    if roles is None:
        abort(
            HTTPStatus.UNAUTHORIZED,
            description=f"this needs a key with the role {role}: send `Authorization: Bearer KEY`. An operator makes one with "
            f"`searchapi keys new NAME --role {role}` and puts its line into the file that API_KEYS_FILE names",
        )
    if role not in roles:
        abort(HTTPStatus.FORBIDDEN, description=f"this key lacks the role {role}: an operator adds it to the key's line in API_KEYS_FILE")


def _bearer() -> str:
    """The key that came with the request; empty where none did."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""


def _leaflet(desk: Desk, leaflet_id: str, given: Mapping[str, str]) -> Json:
    text = params.tidy(given.get("q", ""))[: params.LONGEST_QUESTION]
    answers = desk.answers.by(_deadline())
    with desk.capacity.slot(_deadline()):
        meant = answers.understanding(text, desk.state.snapshot()) if text else None
        found = answers.leaflet(leaflet_id, meant)
    if found is None:
        abort(HTTPStatus.NOT_FOUND, description="there is no leaflet of this id: it may have been withdrawn; search for its name")
    return present.leaflet(found)


def _comparison(desk: Desk, pair: Pair) -> Json:
    try:
        with desk.capacity.slot(_deadline()):
            return present.comparison(desk.answers.by(_deadline()).comparison(pair.a, pair.b))
    except NoLeaflet as error:
        abort(HTTPStatus.NOT_FOUND, description=str(error))


def answered(told: Told, asked: Request) -> Response:
    """The response of a search's answer."""
    response = _tagged(told.body, told.etag, asked)
    response.headers.add("Cache-Status", f"searchapi; {told.cache_status}")
    if told.age is not None:
        response.headers.add("Age", str(told.age))
    return response


def _json(body: Json) -> Response:
    told = json.dumps(body, ensure_ascii=False).encode()
    return _tagged(told, hashlib.blake2b(told, digest_size=16).hexdigest(), request)


def _tagged(body: bytes, etag: str, asked: Request) -> Response:
    """The response of a JSON body: 304 where it is the one that the client has."""
    response = Response(body, mimetype="application/json")
    response.set_etag(etag)
    if "If-None-Match" in asked.headers:
        response.make_conditional(asked)
    return response

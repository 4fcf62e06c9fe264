"""What answers at each address: checks the parameters, asks, presents. Nothing is decided here."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

from flask import Blueprint, Response, abort, g, render_template, request
from prometheus_client import CONTENT_TYPE_LATEST

from searchapi import params, present, shapes
from searchapi.access import Asker, Door
from searchapi.answers import Answers, NoLeaflet
from searchapi.cache import AnswerCache
from searchapi.capacity import Capacity
from searchapi.deadline import Deadline
from searchapi.gaps import GapCounter
from searchapi.keys import Role
from searchapi.metrics import Metrics
from searchapi.openapi import DOWN, JSON, TOO_MANY, Failure, Operation, document, no_leaflet
from searchapi.params import BadParameter, Given, Pair, Parameter, Question
from searchapi.searches import Searches, Told
from searchapi.state import IndexState
from searchapi.understand import typed
from searchapi.wire import json_answer

# Where a request keeps why it failed before it came to Flask, which answers all failures.
FAILED = "bulario.failed"


@dataclass(frozen=True, slots=True)
class Desk:
    """All that answering takes, built once by `create_app`."""

    searches: Searches
    answers: Answers
    state: IndexState
    cache: AnswerCache
    capacity: Capacity
    metrics: Metrics
    door: Door
    gaps: GapCounter


class Addresses:
    """The API's addresses. Each is one declaration, from which it is routed, checked and told in /openapi.json."""

    def __init__(self) -> None:
        self.blueprint = Blueprint("api", __name__)
        self.operations: list[Operation] = []

    def get(  # noqa: PLR0913  # a declaration: each is told by its name
        self,
        path: str,
        *,
        takes: tuple[Parameter, ...] = (),
        gives: type | str,
        told: str,
        fails: tuple[Failure, ...] = (),
        headers: tuple[str, ...] = (),
        role: Role | None = Role.SEARCH,
        more: Role | None = None,
    ) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
        """Declares what answers at `path`: a function of the parameters `takes`, each given once, and of the path's own.

        Its docstring is told as summary and description, `told` of its answer. The door (access.py) asks
        for `role`; what needs `more` it requires itself.
        """

        def declared(view: Callable[..., Response]) -> Callable[..., Response]:
            summary, _, description = (inspect.getdoc(view) or "").partition("\n\n")
            self.operations.append(
                Operation(
                    path=path,
                    name=view.__name__,
                    summary=summary.rstrip("."),
                    description=" ".join(description.split()),
                    takes=takes,
                    gives=gives,
                    told=told,
                    fails=fails,
                    headers=headers,
                    role=role,
                    more=more,
                )
            )

            def answered(**named: str) -> Response:
                return view(params.known(request.args, takes), **named)

            rule = path.replace("{id}", "<path:leaflet_id>")
            self.blueprint.add_url_rule(rule, view.__name__, answered)
            return view

        return declared


def api(desk: Desk) -> Blueprint:  # noqa: C901  # a table of addresses
    """The JSON API and the addresses of operations."""
    addresses = Addresses()

    @addresses.get(
        "/v1/search",
        takes=params.SEARCH,
        gives=shapes.Search,
        told="What was understood and found.",
        fails=(TOO_MANY, DOWN),
        headers=("Cache-Status",),
        more=Role.EXPLAIN,
    )
    def search(given: Given) -> Response:
        """Ranked, highlighted leaflets.

        The drug is resolved first; where the words name one, no leaflet without it is given. A misspelt name gives `suggestions` and no
        results.
        """
        if failed := request.environ.get(FAILED):
            raise failed
        question = params.search(given)
        if question.explain:
            desk.door.require(g.visit.asker, Role.EXPLAIN)
        found = answer_of(desk, question, g.visit.asker, _deadline())
        response = json_answer(found.body)
        response.headers.extend(headers_of(found))
        return response

    @addresses.get(
        "/v1/suggest", takes=(params.Q,), gives=shapes.Suggest, told="Names for the last word, best first.", fails=(TOO_MANY, DOWN)
    )
    def suggest(given: Given) -> Response:
        """Names while typing."""
        text = params.question(given)
        found = typed(text, desk.state.snapshot().names)
        return json_answer(shapes.Suggest(query={"text": text}, suggestions=present.suggestions(found)))

    @addresses.get(
        "/v1/leaflets/{id}",
        takes=(params.ID, params.MARKED),
        gives=shapes.Leaflet,
        told="The leaflet.",
        fails=(no_leaflet(), TOO_MANY, DOWN),
    )
    def leaflet(given: Given, leaflet_id: str) -> Response:
        """A whole leaflet by section."""
        return json_answer(_leaflet(desk, leaflet_id, given))

    @addresses.get(
        "/v1/leaflets/{id}/changes",
        takes=(params.ID,),
        gives=shapes.Changes,
        told="The edits that are known of, newest first; none where the leaflet has not changed.",
        fails=(no_leaflet("There is no such leaflet, or it was withdrawn: what it told before is shown to nobody."), TOO_MANY, DOWN),
    )
    def changes(given: Given, leaflet_id: str) -> Response:
        """What changed between a leaflet's versions, by section.

        At most ten superseded versions of a leaflet are kept, none longer than HISTORY_KEPT.
        """
        del given
        return json_answer(_changes(desk, leaflet_id))

    @addresses.get(
        "/v1/compare",
        takes=params.COMPARE,
        gives=shapes.Comparison,
        told="Both leaflets' facts, and each section that either has.",
        fails=(no_leaflet("There is no leaflet of one of the ids; `detail` says which."), TOO_MANY, DOWN),
    )
    def compare(given: Given) -> Response:
        """Two leaflets side by side, by section."""
        return json_answer(_comparison(desk, params.pair(given)))

    @addresses.get("/v1/sources", gives=shapes.Sources, told="A line a source.", fails=(TOO_MANY, DOWN))
    def sources(_: Given) -> Response:
        """Each source's freshness."""
        return json_answer(present.sources(desk.state.snapshot().freshness))

    @addresses.get("/livez", gives=shapes.Alive, told="It does.", role=None)
    def livez(_: Given) -> Response:
        """Whether the process lives."""
        return json_answer(shapes.Alive(status="alive"))

    @addresses.get("/readyz", gives=shapes.Ready, told="They can. Redis may be away: answers are only slower.", fails=(DOWN,), role=None)
    def readyz(_: Given) -> Response:
        """Whether questions can be answered."""
        snapshot = desk.state.snapshot()
        desk.answers.client.cluster.health(params={"request_timeout": 2})
        redis: Literal["up", "away"] = "up" if desk.cache.answers() else "away"
        return json_answer(shapes.Ready(status="ready", generation=snapshot.names.generation, redis=redis))

    @addresses.get("/metrics", gives="text/plain", told="Metrics in Prometheus' text format.", role=Role.METRICS)
    def metrics(_: Given) -> Response:
        """Prometheus metrics."""
        return Response(desk.metrics.told(), content_type=CONTENT_TYPE_LATEST)

    @addresses.get("/openapi.json", gives=JSON, told="OpenAPI 3.1.", role=None)
    def openapi(_: Given) -> Response:
        """This document."""
        return json_answer(told)

    told = json.dumps(document(addresses.operations), ensure_ascii=False).encode()
    return addresses.blueprint


def page(desk: Desk) -> Blueprint:
    """The SAC page."""
    routes = Blueprint("page", __name__, template_folder="page/templates", static_folder="page/static", static_url_path="/static")

    @routes.get("/")
    def search() -> str:
        template = "results.html" if request.args.get("fragment") else "search.html"
        answer, problem = None, None
        q = params.tidy(request.args.get("q", ""))
        try:
            given = params.known(request.args, params.PAGE_SEARCH)
            answer = json.loads(answer_of(desk, params.search(given), g.visit.asker, _deadline()).body) if q else None
        except BadParameter as error:
            problem = _PAGE_PROBLEMS.get(error.parameter, "Não entendi este pedido: confira os filtros escolhidos.")
        filters = {name: params.tidy(request.args.get(name, "")) for name in ("audience", "section", "laboratory", "source")}
        return render_template(
            template,
            q=q,
            answer=answer,
            filters=filters,
            problem=problem,
            section_names=present.SECTION_NAMES,
        )

    @routes.get("/leaflets/<path:leaflet_id>")
    def leaflet(leaflet_id: str) -> str:
        found = _leaflet(desk, leaflet_id, params.known(request.args, (params.MARKED,)))
        q = params.tidy(request.args.get("q", ""))
        with _asking(desk) as answers:
            names, changed = present.SECTION_NAMES, answers.changed(leaflet_id)
        return render_template("leaflet.html", leaflet=found, q=q, section_names=names, changed=changed)

    @routes.get("/leaflets/<path:leaflet_id>/changes")
    def changes(leaflet_id: str) -> str:
        told, q = _changes(desk, leaflet_id), params.tidy(request.args.get("q", ""))
        return render_template("changes.html", leaflet=told, q=q, section_names=present.SECTION_NAMES)

    @routes.get("/compare")
    def compare() -> str:
        given = params.known(request.args, (*params.COMPARE, params.MARKED))
        told = _comparison(desk, params.pair(given))
        q = params.MARKED.of(given)
        return render_template("compare.html", comparison=told, q=q, section_names=present.SECTION_NAMES)

    return routes


_PAGE_PROBLEMS = {"q": f"Escreva o nome do medicamento e o que quer saber, em até {params.LONGEST_QUESTION} caracteres."}


def answer_of(desk: Desk, question: Question, asker: Asker, deadline: Deadline) -> Told:
    """The answer of a question; that nothing was found is heard, whoever's answer it was in the first place."""
    found = desk.searches.explained(question, deadline) if question.explain else desk.searches.told(question, deadline)
    if found.nothing:
        desk.gaps.heard(found.nothing, asker.key or asker.address, desk.state.snapshot().names)
    return found


def headers_of(found: Told) -> list[tuple[str, str]]:
    """The headers of a search's answer: its ETag, weak as all are (searchapi/wire.py), and where it came from."""
    age = [("Age", str(found.age))] if found.age is not None else []
    return [("ETag", f'W/"{found.etag}"'), ("Cache-Status", f"searchapi; {found.cache_status}"), *age]


def _deadline() -> Deadline:
    """When this request must be answered, as the edge decided."""
    deadline: Deadline = g.deadline
    return deadline


@contextmanager
def _asking(desk: Desk) -> Iterator[Answers]:
    """A slot for the block, and what asks the index within this request's deadline."""
    with desk.capacity.slot(_deadline()):
        yield desk.answers.by(_deadline())


def _leaflet(desk: Desk, leaflet_id: str, given: Given) -> shapes.Leaflet:
    text = params.MARKED.of(given)
    with _asking(desk) as answers:
        meant = answers.understanding(text, desk.state.snapshot()) if text else None
        found = answers.leaflet(leaflet_id, meant)
    if found is None:
        abort(HTTPStatus.NOT_FOUND, description="there is no leaflet of this id: it may have been withdrawn; search for its name")
    return present.leaflet(found)


def _changes(desk: Desk, leaflet_id: str) -> shapes.Changes:
    try:
        with _asking(desk) as answers:
            return present.changes(answers.changes(leaflet_id))
    except NoLeaflet as error:
        abort(HTTPStatus.NOT_FOUND, description=str(error))


def _comparison(desk: Desk, pair: Pair) -> shapes.Comparison:
    try:
        with _asking(desk) as answers:
            return present.comparison(answers.comparison(pair.a, pair.b))
    except NoLeaflet as error:
        abort(HTTPStatus.NOT_FOUND, description=str(error))

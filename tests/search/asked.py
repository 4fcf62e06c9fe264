"""What our search and the plain index beside it show for a judged question."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient

from tests.search.judgements import MISSPELT, Question
from tests.search.plain import HIGHLIGHTS, PlainIndex

# Characters of highlights: what an attendant sees without scrolling.
READ = 800


@dataclass(frozen=True, slots=True)
class Offer:
    """A name offered for what was typed, and the first leaflet that a click on it shows."""

    name: str
    leaflet: str


@dataclass(frozen=True, slots=True)
class Shown:
    """What one search showed for one question."""

    leaflets: tuple[str, ...]
    offers: tuple[Offer, ...]
    drug: bool
    unstated: frozenset[str]
    passages: tuple[str, ...]


def ours(desk: FlaskClient, leaflet: Callable[[str], str], question: Question) -> Shown:
    """What our search shows; `leaflet` says which judged leaflet an id is."""
    told = _answer(desk, question.text)
    first = " ".join(one["html"] for result in told["results"][:1] for one in result["highlights"])
    return Shown(
        leaflets=tuple(leaflet(result["id"]) for result in told["results"]),
        offers=tuple(
            Offer(offer["name"], _clicked(desk, leaflet, offer["query"]) if question.kind in MISSPELT and place < 3 else "")
            for place, offer in enumerate(told["suggestions"])
        ),
        drug=told["query"]["drug"] is not None,
        unstated=frozenset(leaflet(result["id"]) for result in told["results"] if result.get("not_stated")),
        passages=(_read(first),),
    )


def plain(index: PlainIndex, question: Question) -> Shown:
    """What a plain index shows."""
    passages = tuple(_read(index.shown(question.text, how)) for how in HIGHLIGHTS) if question.answers else ()
    return Shown(index.leaflets(question.text), (), drug=False, unstated=frozenset(), passages=passages)


def _clicked(desk: FlaskClient, leaflet: Callable[[str], str], query: str) -> str:
    return next((leaflet(result["id"]) for result in _answer(desk, query)["results"]), "")


def _answer(desk: FlaskClient, question: str) -> Any:
    response = desk.get("/v1/search", query_string={"q": question})
    assert response.status_code == 200, response.get_data(as_text=True)
    return response.get_json()


def _read(passage: str) -> str:
    return html.unescape(re.sub("<.*?>", "", passage))[:READ]

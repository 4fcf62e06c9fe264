"""What an answer shows is guessed and asked for with the ranking: fewer trips to OpenSearch, and never another answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from leaflets import Section
from opensearch.client import connect
from opensearch.generations import Indices
from opensearch.synonyms import synonyms
from searchapi import present
from searchapi.answers import Answers
from searchapi.guesses import MOST, Guesses
from searchapi.params import search as asked_of
from searchapi.state import Snapshot
from tests.conftest import Demo
from tests.search.test_ranking import Desk, Product, desk

__all__ = ["desk"]

KNOWN = synonyms()


@dataclass(slots=True)
class Trips:
    """Counts what is asked of OpenSearch."""

    made: int = 0

    def headers(self) -> Mapping[str, str]:
        """None of our own."""
        return {}

    def took(self, seconds: float, outcome: str) -> None:
        """One more."""
        del seconds, outcome
        self.made += 1


@dataclass(slots=True)
class Process:
    """One process that answers, with what it remembers."""

    url: str
    indices: Indices
    trips: Trips = field(default_factory=Trips)
    answers: Answers = field(init=False)

    def __post_init__(self) -> None:
        self.answers = Answers(connect(self.url, watch=self.trips), self.indices, KNOWN)

    def ask(self, snapshot: Snapshot, question: str, **given: str) -> tuple[Any, int]:
        """An answer as it is kept, and how many trips its search took."""
        asked = asked_of({"q": question, **given})
        meant = self.answers.understanding(asked.text, snapshot)
        before = self.trips.made
        answer = self.answers.search(meant, asked.filters, asked.window, snapshot)
        return present.search(answer, asked.filters, asked.window), self.trips.made - before


@pytest.fixture
def process(opensearch_url: str, desk: Desk) -> Process:
    """One over the desk's index."""
    return Process(opensearch_url, desk.indices)


def snapshot(of: Demo | Desk) -> Snapshot:
    """The names of an installation as they are now."""
    found: Snapshot = of.app.extensions["desk"].state.snapshot()
    return found


DRUGS, ASKED = ("dipirona", "losartana", "ibuprofeno 600 mg", "rivotril"), ("", "gravidez", "dose")
QUESTIONS = [f"{drug} {asked}".strip() for drug in DRUGS for asked in ASKED]
NARROWED: list[dict[str, str]] = [
    {},
    {"audience": "patient"},
    {"source": "filial"},
    {"section": "warnings"},
    {"size": "2"},
    {"size": "2", "page": "2"},
]


@pytest.mark.engines
def test_an_answer_is_the_same_whatever_was_asked_before(demo: Demo, opensearch_url: str) -> None:
    """Each question after all others about its drug, with filters and on every page, beside a process that never answered."""
    old, names = Process(opensearch_url, demo.indices), snapshot(demo)
    saved = 0
    for _ in range(2):
        for question in QUESTIONS:
            for given in NARROWED:
                new = Process(opensearch_url, demo.indices)
                told, trips = old.ask(names, question, **given)
                expected, most = new.ask(names, question, **given)
                assert told == expected
                assert trips <= most
                saved += most - trips
    assert saved > len(QUESTIONS) * len(NARROWED)


def test_what_is_asked_next_of_a_drug_takes_one_trip(desk: Desk, process: Process) -> None:
    """And the first question two: nobody knows yet what is shown."""
    desk.hold(Product("one"), Product("two"))
    names = snapshot(desk)
    assert process.ask(names, "losartana")[1] == 2
    assert process.ask(names, "losartana para que serve")[1] == 1
    assert process.ask(names, "losartana", audience="patient")[1] == 2, "other filters may let other products stand"


def test_what_was_guessed_wrongly_is_asked_for(desk: Desk, process: Process) -> None:
    """The product that has the answer comes first, and no one guessed that it would be shown at all."""
    pregnant = {Section.WARNINGS: "Não use na gravidez."}
    desk.hold(*(Product(f"other-{number}", days=number) for number in range(3)), Product("tells", sections=pregnant))
    names = snapshot(desk)
    first, _ = process.ask(names, "losartana", size="2")
    assert [one["id"] for one in first["results"]] == ["erp:other-2:patient", "erp:other-1:patient"]
    second, trips = process.ask(names, "losartana gravidez", size="2")
    assert [one["id"] for one in second["results"]] == ["erp:tells:patient", "erp:other-2:patient"]
    assert "<mark>gravidez</mark>" in second["results"][0]["highlights"][0]["html"]
    assert trips == 2
    assert process.ask(names, "losartana na gravidez", size="2")[1] == 1


def test_what_was_withdrawn_since_is_not_shown_though_it_is_guessed(desk: Desk, process: Process) -> None:
    """Nor is what took its place forgotten."""
    desk.hold(Product("stays"), Product("goes", days=1))
    assert len(process.ask(snapshot(desk), "losartana")[0]["results"]) == 2
    desk.hold(Product("comes", days=2), gone=(Product("goes"),))
    told, trips = process.ask(snapshot(desk), "losartana para que serve")
    assert [one["id"] for one in told["results"]] == ["erp:comes:patient", "erp:stays:patient"]
    assert trips == 2


def test_an_edit_is_told_as_it_is_now_though_its_product_was_guessed(desk: Desk, process: Process) -> None:
    """A product is guessed, and nothing that is said of it."""
    desk.hold(Product("one", sections={Section.STORAGE: "Guarde na geladeira."}))
    assert "geladeira" in str(process.ask(snapshot(desk), "losartana como guardar")[0])
    desk.hold(Product("one", days=1, sections={Section.STORAGE: "Guarde longe da luz."}))
    told, trips = process.ask(snapshot(desk), "losartana onde guardar")
    assert "longe da luz" in str(told)
    assert "geladeira" not in str(told)
    assert trips == 1


def test_only_so_many_drugs_are_remembered(demo: Demo) -> None:
    """The one that was asked about first is forgotten, and a question without a drug never remembered."""
    asked, names = asked_of({"q": "losartana"}), snapshot(demo)
    answers = Answers(connect("http://127.0.0.1:1"), demo.indices, KNOWN)  # which a name that is known does not ask
    meant = answers.understanding("losartana", names)
    guesses = Guesses()
    for number in range(MOST + 1):
        guesses.keep(replace(meant, named=str(number)), asked.filters, asked.window, ("a product",))
    assert guesses.of(replace(meant, named="0"), asked.filters, asked.window) == ()
    assert guesses.of(replace(meant, named=str(MOST)), asked.filters, asked.window) == ("a product",)
    guesses.keep(replace(meant, drug=None), asked.filters, asked.window, ("a product",))
    assert guesses.of(replace(meant, drug=None), asked.filters, asked.window) == ()

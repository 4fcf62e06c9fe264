"""What a question can do without, and what may be asked instead of one that found nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch.documents import ingredient_keys
from opensearch.names import Named
from opensearch.synonyms import Synonyms
from searchapi.nothing import Instead, Smaller, keeps_the_drug, must_stand, rarity, smaller
from searchapi.query import Filters
from searchapi.understand import Understanding, Usage, read, understood
from searchapi.vocabulary import vocabulary

LANGUAGE = "pomada assadura bebe bombinha asma morfina queimadura colmeia gengibre gravidez contraindicado dor forte".split()
HELD = {"assadura": 2, "bebe": 453, "pomada": 21, "asma": 222, "morfina": 60, "queimadura": 150, "gravidez": 799}


def named(name: str, *ingredients: str) -> Named:
    """The names of one leaflet."""
    return Named(name, ingredients, tuple(ingredient_keys(ingredients)), "", ())


NAMES = vocabulary(
    (named("Losartana Potássica", "losartana potássica"), named("Aradois", "losartana potássica"), named("Rivotril", "clonazepam")),
    Synonyms(()),
    stamp="1",
    generation="leaflets-000001",
    ordinary=frozenset(LANGUAGE),
)


def meaning(text: str) -> Understanding:
    """What a question means, where no leaflet uses any of its strange words."""
    return understood(read(text, NAMES), Usage(), NAMES)


def offered(text: str, **filters: str) -> dict[str, str]:
    """The first smaller question of each kind."""
    found: dict[str, str] = {}
    for one in smaller(meaning(text), Filters(**filters), HELD, NAMES):  # type: ignore[arg-type]  # only words are given here
        found.setdefault(one.why, one.query)
    return found


@pytest.mark.parametrize(
    ("rest", "must"),
    [
        ("pomada assadura bebe", "assadura"),
        ("morfina queimadura", "morfina"),
        ("queimadura forte morfina", "queimadura morfina"),
        ("asma ozempik", "asma ozempik"),
        ("dor forte", "dor"),
        ("pomada", "pomada"),
        ("", ""),
    ],
)
def test_what_may_name_a_drug_must_stand_and_the_rest_only_ranks(rest: str, must: str) -> None:
    """What is said first, what is rarest, what the language does not know; no form, and no word of every day beside others."""
    assert must_stand(tuple(rest.split()), HELD | {"dor": 737, "forte": 900}, NAMES) == tuple(must.split())


@given(st.lists(st.sampled_from([*LANGUAGE, "5", "creme", "xyzw"]), min_size=1, max_size=8))
def test_no_question_is_answered_by_just_any_leaflet(rest: list[str]) -> None:
    """Of every question some word must stand, and only its own words."""
    must = must_stand(tuple(rest), HELD, NAMES)
    assert must
    assert set(must) <= set(rest)
    assert "xyzw" not in rest or "xyzw" in must


def test_a_rare_word_tells_more_than_a_common_one() -> None:
    """In eighths, from one down to an eighth; of an empty index nothing is known."""
    assert rarity({"assadura": 0, "morfina": 28, "gravidez": 811}, 811) == {"assadura": 1.0, "morfina": 0.5, "gravidez": 0.125}
    assert rarity({"assadura": 0}, 0) == {}


@pytest.mark.parametrize(
    ("question", "query"),
    [
        ("pomada para assadura de bebê", "pomada de bebê"),
        ("bombinha para asma", "asma"),
        ("Asma com bombinha", "Asma"),
        ("gengibre zzzqqq", "gengibre"),
    ],
)
def test_the_rarest_word_is_left_out_with_what_leads_to_it(question: str, query: str) -> None:
    """As the attendant typed the others."""
    assert offered(question) == {Instead.WITHOUT_RAREST_WORD: query}


def test_at_least_half_of_the_words_stay() -> None:
    """What asks with fewer asks something else."""
    queries = [one.query for one in smaller(meaning("asma bombinha colmeia gengibre"), Filters(), HELD, NAMES)]
    assert queries == ["asma colmeia gengibre", "asma gengibre"]
    assert not offered("bombinha")


def test_a_section_is_never_asked_of_every_drug_in_place_of_one_that_we_do_not_know() -> None:
    """Who asks "ozempik na gravidez" asks of Ozempik: leaflets of other drugs are no part of the answer."""
    assert not offered("ozempik na gravidez")
    assert offered("bombinha contraindicado") == {Instead.SECTION_ALONE: "contraindicado"}


def test_a_drug_that_was_named_is_in_every_smaller_question() -> None:
    """Only a filter or a number can keep its leaflets away."""
    assert offered("losartana bombinha na gravidez", source="filial") == {
        Instead.WITHOUT_FILTERS: "losartana bombinha na gravidez",
        Instead.SECTION_ALONE: "losartana gravidez",
        Instead.DRUG_ALONE: "losartana",
    }
    assert offered("losartana") == {Instead.DRUG_ALONE: "losartana"}


def test_a_number_that_nobody_holds_gives_way_to_the_name_beside_it() -> None:
    """The registration may be an older one."""
    queries = [one.query for one in smaller(meaning("losartana 1.9999.9999"), Filters(), HELD, NAMES)]
    assert Smaller(Instead.DRUG_ALONE, "losartana") in smaller(meaning("losartana 1.9999.9999"), Filters(), HELD, NAMES)
    assert queries[0] == "199999999"


@pytest.mark.parametrize(
    ("less", "whole", "kept"),
    [
        ("losartana", "losartana gravidez", True),
        ("aradois", "losartana gravidez", False),
        ("gravidez", "losartana gravidez", False),
        ("losartana", "losartana 1.9999.9999", True),
        ("asma", "bombinha asma", True),
        ("losartana", "bombinha asma", False),
        ("rivotriu", "bombinha rivotriu", False),
    ],
)
def test_a_smaller_question_asks_for_the_same_drug(less: str, whole: str, kept: bool) -> None:  # noqa: FBT001
    """Or it is not offered."""
    assert keeps_the_drug(meaning(less), meaning(whole)) is kept

"""What a question looks for, and which of it a marked word was marked for."""

from __future__ import annotations

from opensearch.synonyms import synonyms
from searchapi.sections import asked
from searchapi.sought import EVERYDAY, HINT, Asks, Sought, Thing, sought
from searchapi.understand import Understanding
from searchapi.vocabulary import By, Drug
from tests.unit.test_asked import folded

SYNONYMS = synonyms()
DRUG = Drug("dipirona", By.ACTIVE_INGREDIENT)


def wanted(question: str, *, drug: Drug | None = DRUG) -> Sought:
    """What a question, its drug taken out, looks for."""
    found = asked(folded(question))
    rest = tuple(word for word in found.typed if word not in found.spent and len(word) > 2)
    return sought(Understanding(question, drug, found.section, (), rest, (), asked=found), SYNONYMS)


def thing(question: str) -> Thing:
    """The one thing a question asks about."""
    (only,) = wanted(question).things
    return only


def test_a_phrase_of_the_synonyms_is_one_thing() -> None:
    """With the stop words inside it, as OpenSearch's synonyms need it."""
    found = wanted("dor de cabeça forte")
    assert found.things[0].words == ("dor", "cabeca")
    assert "cefaleia" in found.things[0].wordings
    assert found.text.startswith("dor de cabeca")
    assert found.apart == "dor cabeca"


def test_words_of_one_rule_are_one_thing() -> None:
    """Once is asked about "comida" and "alimento"."""
    assert len(wanted("comida ou alimento").things) == 1


def test_a_thing_is_told_as_it_was_typed() -> None:
    """With its accents and capitals; a mended slip too."""
    assert thing("na GRAVIDÊS").typed == "GRAVIDÊS"
    assert thing("na GRAVIDÊS").words == ("gravidez",)


def test_a_marked_word_finds_the_thing_it_was_marked_for() -> None:
    """By how it begins: stems and synonyms, whatever their endings."""
    found = wanted("gravida enjoo")
    assert found.shares(["Grávidas"]) == {0: 1.0}
    assert found.shares(["náuseas"]) == {1: 1.0}
    assert found.shares(["rim"]) == {}


def test_a_phrase_of_which_one_word_stands_alone_is_told_in_part() -> None:
    """A "queda" of the pressure is no hair loss; all its words are, and so is a synonym."""
    found = wanted("queda de cabelo")
    assert found.shares(["queda"])[0] < 1
    assert found.shares(["queda", "cabelos"])[0] == 1
    assert found.shares(["alopecia"])[0] == 1


def test_hints_forms_numbers_and_what_everybody_says_count_less_and_need_not_be_stated() -> None:
    """Nobody asks whether the leaflet states "comprimido"."""
    for question, weight in (("validade", HINT), ("comprimido", HINT), ("agora", EVERYDAY)):
        assert (thing(question).weight, thing(question).must_be_stated) == (weight, False), question
    assert (thing("gravidez").weight, thing("gravidez").must_be_stated) == (1.0, True)


def test_without_a_drug_nothing_is_missed() -> None:
    """There is no leaflet that should state it."""
    assert not any(one.must_be_stated for one in wanted("gravidez e rins", drug=None).things)


def test_questions_of_how_much_how_long_and_whether_are_told_apart() -> None:
    """Their answers hold numbers, times, a yes or a no."""
    assert Asks.NUMBER in wanted("quantas gotas").asks
    assert Asks.TIME in wanted("quanto tempo faz efeito").asks
    assert Asks.WHETHER in wanted("pode dirigir").asks
    assert Asks.WHETHER in wanted("com cerveja").asks
    assert not wanted("dor de cabeça").asks

"""Names near a word that is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from searchapi.spelling import MOST, Why, lexicon, near

NAMES = lexicon(
    dict.fromkeys(
        """amoxicilina ampicilina azitromicina eritromicina ciprofloxacino norfloxacino clonazepam lorazepam losartana valsartana rivotril
        metotrexato metrexato hidroclorotiazida hidroxizina hidralazina prednisona prednisolona omeprazol pantoprazol fluoxetina
        ibuprofeno levotiroxina""".split(),
        3,
    )
)


@pytest.mark.parametrize(
    ("word", "name", "why"),
    [
        ("siprofloxassino", "ciprofloxacino", Why.PHONETIC),
        ("asitromissina", "azitromicina", Why.PHONETIC),
        ("rivotriu", "rivotril", Why.PHONETIC),
        ("fluocsetina", "fluoxetina", Why.PHONETIC),
        ("idroclorotiasida", "hidroclorotiazida", Why.PHONETIC),
        ("amoxilina", "amoxicilina", Why.SPELLING),
        ("lorsatana", "losartana", Why.SPELLING),
        ("iboprufeno", "ibuprofeno", Why.SPELLING),
        ("predinisolona", "prednisolona", Why.SPELLING),
        ("hidroclorotiaz", "hidroclorotiazida", Why.PREFIX),
    ],
)
def test_the_right_name_is_first_and_says_why(word: str, name: str, why: Why) -> None:
    """By sound where it sounds the same, by its beginning where it is unfinished, else by its letters."""
    first = near(word, NAMES)[0]
    assert (first.word, first.why) == (name, why)


@pytest.mark.parametrize("word", ["gripe", "pressao", "xyz", "abc", "caixinha", "costas", "12345", ""])
def test_a_word_that_is_near_no_name_gives_none(word: str) -> None:
    """A choice of anything is no choice."""
    assert near(word, NAMES) == ()


def test_a_name_is_never_a_broken_other_name() -> None:
    """Clonazepam is not a slip of lorazepam."""
    assert near("clonazepam", NAMES) == ()


def test_typing_finds_names_that_begin_so_and_those_that_sound_so() -> None:
    """Letters first, then sounds."""
    assert [n.word for n in near("hidro", NAMES, typing=True)][:2] == ["hidroxizina", "hidroclorotiazida"]
    assert near("sipro", NAMES, typing=True)[0].word == "ciprofloxacino"
    assert near("hi", NAMES, typing=True) == ()


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
def test_any_word_gives_at_most_five_names_in_one_order(word: str) -> None:
    """Never raises; the same twice; cheapest first."""
    found = near(word, NAMES)
    assert len(found) <= MOST
    assert [n.cost for n in found] == sorted(n.cost for n in found)
    assert found == near(word, NAMES)

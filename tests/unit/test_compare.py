"""Two leaflets side by side."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaflets import Audience, Facts, Passage, Section
from searchapi import compare
from searchapi.compare import Telling, facts, sections


def posology(text: str) -> dict[Section, Passage]:
    """A leaflet of one section."""
    return {Section.POSOLOGY: Passage(Section.POSOLOGY, "6. COMO DEVO USAR", text)}


def side_by_side(a: str, b: str) -> list[str]:
    """The two texts as they are shown."""
    (found,) = sections(posology(a), posology(b))
    assert found.a
    assert found.b
    return [found.a.html, found.b.html]


def test_the_words_that_the_other_has_not_are_marked() -> None:
    """And nothing else."""
    assert side_by_side("Tome 1 comprimido ao dia.", "Tome 2 comprimidos ao dia, com água.") == [
        "Tome <mark>1 comprimido</mark> ao dia.",
        "Tome <mark>2 comprimidos</mark> ao dia<mark>, com água</mark>.",
    ]


def test_layout_is_neither_a_difference_nor_marked() -> None:
    """A bullet, a capital or a line's end is not what an attendant must read out."""
    (found,) = sections(posology("• Tome com água."), posology("TOME com\n água."))
    assert (found.differs, found.a) == (False, Telling("6. COMO DEVO USAR", "• Tome com água."))
    assert side_by_side("1. Tome com água.\n2. Não mastigue.", "- tome com água.\n- Mastigue.") == [
        "1. Tome com água.\n2. <mark>Não</mark> mastigue.",
        "- tome com água.\n- Mastigue.",
    ]


def test_a_mark_ends_with_its_line() -> None:
    """Each line is a paragraph of the page."""
    assert side_by_side("Tome\numa vez\nao dia\nsempre\ncom água", "Beba\nduas doses\nao dia\nsempre\ncom água")[1] == (
        "<mark>Beba</mark>\n<mark>duas doses</mark>\nao dia\nsempre\ncom água"
    )


def test_a_section_of_one_leaflet_stands_beside_nothing() -> None:
    """Nobody may read silence as the same."""
    other = {Section.STORAGE: Passage(Section.STORAGE, "", "Guarde seco.")}
    found = sections(posology("Tome."), other)
    assert [(c.section, c.differs, c.a is None, c.b is None) for c in found] == [
        (Section.STORAGE, True, True, False),
        (Section.POSOLOGY, True, False, True),
    ]


def test_in_texts_that_share_little_a_chance_word_is_no_island() -> None:
    """A "de" between two differing words says nothing."""
    a, _ = side_by_side("uso de algodão e de gaze", "perto de quem dorme sem luz")
    assert a == "<mark>uso de algodão e de gaze</mark>"


def test_very_long_sections_are_compared_line_by_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits seconds for a leaflet of 244,150 characters."""
    monkeypatch.setattr(compare, "MOST", 10)
    assert side_by_side("Tome um.\nGuarde seco.", "Tome dois.\nGuarde seco.") == [
        "<mark>Tome um.</mark>\nGuarde seco.",
        "<mark>Tome dois.</mark>\nGuarde seco.",
    ]


def test_markup_in_a_leaflet_stays_text() -> None:
    """Only our marks are markup."""
    assert side_by_side("<b>1</b> & 2", "<b>1</b> & 3") == [
        "&lt;b&gt;1&lt;/b&gt; &amp; <mark>2</mark>",
        "&lt;b&gt;1&lt;/b&gt; &amp; <mark>3</mark>",
    ]


@given(st.text(alphabet=st.sampled_from("ab 1,.\n<&•-"), max_size=60), st.text(alphabet=st.sampled_from("ab 1,.\n<&•-"), max_size=60))
def test_without_its_marks_each_side_is_its_own_text(a: str, b: str) -> None:
    """Whatever is compared, nothing is lost and nothing is added."""
    shown = side_by_side(a, b)
    assert [html.unescape(re.sub("</?mark>", "", side)) for side in shown] == [a, b]


def test_facts_differ_by_what_they_say() -> None:
    """Not by accents, capitals or salts; a registration of a box is its product's."""
    mine = Facts("Dipirona Monoidratada", ("Dipirona Monoidratada",), "Lab Um", "1000011010019", ("1",), Audience.PATIENT)
    same = Facts("DIPIRONA monoidratada", ("dipirona sódica",), "LAB UM", "100001101", ("1",), Audience.PATIENT)
    other = Facts("Novalgina", ("dipirona", "cafeína"), "Lab Dois", "", (), Audience.PROFESSIONAL)
    assert facts(mine, same) == ()
    assert facts(mine, other) == ("name", "active_ingredients", "laboratory", "registration", "eans", "audience")

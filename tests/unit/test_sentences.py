"""Sentences of a section, and the lines they depend on."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from searchapi.sentences import MARK_END, MARK_START, Sentence, sentences


def texts(text: str) -> list[str]:
    """The sentences of a text."""
    found = sentences(text)
    return [found.text(at) for at in range(len(found.told))]


def split(text: str) -> tuple[Sentence, ...]:
    """The sentences of a text without their marks."""
    return sentences(text).told


def test_a_sentence_does_not_end_inside_a_number_or_after_an_abbreviation() -> None:
    """The points of "1.000 mg" and "Dr." end nothing."""
    assert texts("A dose máx. Diária é de 1.000 mg. Fale com o Dr. Silva. Tome 2,5 mL.") == [
        "A dose máx. Diária é de 1.000 mg.",
        "Fale com o Dr. Silva.",
        "Tome 2,5 mL.",
    ]


def test_a_mark_hides_no_end() -> None:
    """A found word may be a sentence's first or last."""
    marked = f"Evite {MARK_START}álcool{MARK_END}. {MARK_START}Crianças{MARK_END} não usam."
    assert len(texts(marked)) == 2


def test_a_line_that_goes_on_in_small_letters_is_no_new_sentence() -> None:
    """Cells and broken lines of tables."""
    assert texts("a glicemia deve ser\nmedida todo mês.\nOutra frase.") == ["a glicemia deve ser\nmedida todo mês.", "Outra frase."]


def test_an_item_of_a_list_knows_the_line_that_opens_it() -> None:
    """Until the list ends."""
    told = split("Não use se tiver:\n- asma;\n- gota.\nGuarde longe da luz.")
    assert [s.opener for s in told] == [None, 0, 0, None]


def test_a_list_without_bullets_depends_on_the_line_before_it() -> None:
    """It goes on in small letters."""
    told = split("Avise se usa um dos medicamentos a seguir.\nciclosporina; danazol;\nvarfarina.\nTome com água.")
    assert [s.opener for s in told] == [None, 0, 0, None]


def test_a_line_that_opens_a_list_heads_no_more_than_the_list() -> None:
    """What comes after it is of something else."""
    told = split("Antes de usar diga ao seu médico se tem:\n- asma.\nNão tome com álcool.")
    assert [(s.opener, s.heading) for s in told] == [(None, None), (0, None), (None, None)]


def test_what_stands_below_a_heading_knows_it() -> None:
    """Until the next heading."""
    told = split("Crianças\nA dose é de 5 mL.\nRepita à noite.\nIdosos\nA dose é de 2 mL.")
    assert [s.heading for s in told] == [None, 0, 0, None, 3]
    assert [s.is_heading for s in told] == [True, False, False, True, False]


def test_a_first_short_sentence_names_what_its_line_speaks_of() -> None:
    """As in "Gravidez. Nos três primeiros meses não use"."""
    told = split("Texto de antes, que fala de outra coisa.\nGravidez. Nos três primeiros meses não use. Depois, com cuidado.")
    assert [s.opener for s in told] == [None, None, 1, 1]


LETTERS = st.text(alphabet=st.sampled_from("aA .;:!?1,\n-•("), max_size=400)


@given(LETTERS)
def test_no_letter_is_lost_or_told_twice(text: str) -> None:
    """Whatever the text: only blanks between sentences go."""
    assert "".join("".join(texts(text)).split()) == "".join(text.split())


@given(LETTERS, st.sets(st.integers(0, 30)), st.integers(1, 3))
def test_marks_change_no_sentence_and_none_is_lost(text: str, found: set[int], longest: int) -> None:
    """Whichever words are found, also some that go on into the next sentence."""
    words = [word.span() for word in re.finditer(rf"[aA1]+(?:[^aA1]+[aA1]+){{0,{longest - 1}}}", text)]
    marked = text
    for place in sorted(found & set(range(len(words))), reverse=True):
        start, end = words[place]
        marked = f"{marked[:start]}{MARK_START}{marked[start:end]}{MARK_END}{marked[end:]}"
    told = split(marked)
    assert told == split(text)
    assert "".join("".join(texts(marked)).split()) == "".join(marked.split())
    assert [unmarked(one) for one in texts(marked)] == [s.text for s in told] == [text[s.start : s.end] for s in told]


def unmarked(text: str) -> str:
    """A text without its marks."""
    return text.replace(MARK_START, "").replace(MARK_END, "")

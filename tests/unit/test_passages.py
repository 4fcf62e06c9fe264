"""Passages: whole sentences, best first, safe."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from searchapi.passages import passage, sentences
from searchapi.query import MARK_END, MARK_START


def marked(text: str) -> str:
    """Text in which [word] is a found word."""
    return text.replace("[", MARK_START).replace("]", MARK_END)


def test_a_sentence_does_not_end_inside_a_number_or_after_an_abbreviation() -> None:
    """The points of "1.000 mg" and "Dr." end nothing."""
    text = "A dose máx. Diária é de 1.000 mg. Fale com o Dr. Silva. Tome 2,5 mL."
    assert [s.text for s in sentences(text)] == ["A dose máx. Diária é de 1.000 mg.", "Fale com o Dr. Silva.", "Tome 2,5 mL."]


def test_the_best_sentence_is_shown_whole_and_marked() -> None:
    """Not the first of the section, and not cut."""
    text = marked("Tome com água. " * 30 + "Em [crianças], a dose depende do peso. Não passe da dose.")
    shown = passage(text, 80)
    assert "Em <mark>crianças</mark>, a dose depende do peso." in shown
    assert shown.startswith("… ")


def test_the_run_with_the_most_different_words_wins() -> None:
    """Two words in one place answer better than one word twice."""
    text = marked("Use [febre] e [febre] e [febre]. " + "Nada aqui. " * 20 + "Em [crianças] com [febre] use menos.")
    assert "Em <mark>crianças</mark> com <mark>febre</mark> use menos." in passage(text, 60)


def test_without_marks_the_beginning_is_shown() -> None:
    """A section asked for by name alone starts at its start."""
    assert passage("Primeiro. Segundo. Terceiro.", 20) == "Primeiro. Segundo. …"


def test_one_long_sentence_is_cut_between_words_and_never_between_a_number_and_its_unit() -> None:
    """A dose without its unit is another dose."""
    text = "tome " + "muita " * 10 + "água e 500 mg do remédio sem ponto algum " * 5
    for most in range(60, 140):
        shown = passage(text, most)
        assert not re.search(r"\d …$", shown)
        assert text.startswith(shown.removesuffix(" …"))
        assert text[len(shown.removesuffix(" …"))] == " "


def test_markup_in_a_leaflet_stays_text() -> None:
    """Only our own marks are markup."""
    assert passage(marked("Dose <b>x</b> & [y] <script>alert(1)</script>."), 300) == (
        "Dose &lt;b&gt;x&lt;/b&gt; &amp; <mark>y</mark> &lt;script&gt;alert(1)&lt;/script&gt;."
    )


@given(st.text(alphabet=st.sampled_from("ab .;!?1,\n<&" + MARK_START + MARK_END), max_size=400), st.integers(20, 200))
def test_any_text_gives_safe_and_short_html(text: str, most: int) -> None:
    """Marks out of order, no sentences at all, only blanks."""
    well_marked = re.sub(f"{MARK_START}([^{MARK_START}{MARK_END}]*){MARK_END}", r"[\1]", text)
    well_marked = marked(well_marked.replace(MARK_START, "").replace(MARK_END, ""))
    shown = passage(well_marked, most)
    assert "<" not in shown.replace("<mark>", "").replace("</mark>", "")
    assert shown.count("<mark>") == shown.count("</mark>")

"""Passages: whole sentences, best first, safe; and what a leaflet does not state."""

from __future__ import annotations

import html
import re

from hypothesis import example, given
from hypothesis import strategies as st

from leaflets import Section
from searchapi.passages import answered
from searchapi.sentences import MARK_END, MARK_START
from searchapi.sought import Sought
from tests.unit.test_sought import wanted

POSOLOGY, WARNINGS, INTERACTIONS = Section.POSOLOGY, Section.WARNINGS, Section.INTERACTIONS
NOTHING = Sought()


def marked(text: str) -> str:
    """Text in which [word] is a found word."""
    return text.replace("[", MARK_START).replace("]", MARK_END)


def passage(text: str, most: int, question: Sought = NOTHING) -> str:
    """What is shown of one section, without markup."""
    (shown,) = answered({POSOLOGY: marked(text)}, question, (POSOLOGY,), most).shown
    return html.unescape(re.sub("<[^>]*>", "", shown.html))


def test_the_best_sentence_is_shown_whole_and_marked() -> None:
    """Not the first of the section, and not cut."""
    text = marked("Tome um comprimido com um copo de água. " * 30 + "Em [crianças], a dose depende do peso. Não passe da dose.")
    (shown,) = answered({POSOLOGY: text}, wanted("criança"), (POSOLOGY,), 80).shown
    assert shown.html == "… Em <mark>crianças</mark>, a dose depende do peso. Não passe da dose."


def test_two_things_in_one_sentence_answer_better_than_one_thing_twice() -> None:
    """Whatever stands first."""
    text = "Use se há [febre] e [febre]. " + "Nada aqui. " * 20 + "Em [crianças] com [febre] use menos."
    assert "Em crianças com febre use menos." in passage(text, 60, wanted("criança febre"))


def test_the_rarer_thing_tells_more() -> None:
    """A word of every sentence finds none."""
    text = "O [álcool] irrita. Sem [álcool]. Com [álcool] não. O [álcool]. " * 5 + "Pare antes da [cirurgia]."
    assert "Pare antes da cirurgia." in passage(text, 30, wanted("alcool cirurgia"))


def test_without_words_to_look_for_the_beginning_is_shown() -> None:
    """A section asked for by name alone starts at its start, after what every leaflet says."""
    assert passage("Primeiro. Segundo. Terceiro.", 20) == "Primeiro. Segundo. …"
    assert passage("Siga a orientação de seu médico. Tome um comprimido.", 30) == "… Tome um comprimido."


def test_of_equal_sentences_the_one_of_a_section_that_tells_more_is_shown_first() -> None:
    """However OpenSearch lists them: no section was asked for, and how a drug works answers little."""
    texts = {Section.MECHANISM: "Ao [urinar] sai.", WARNINGS: "Ao [urinar] arde.", Section.CONTRAINDICATIONS: "Ao [urinar] dói."}
    told = {section: marked(text) for section, text in texts.items()}
    for order in (told, dict(reversed(told.items()))):
        shown = answered(order, wanted("urinar"), (), 100).shown
        assert [one.section for one in shown] == [Section.CONTRAINDICATIONS, WARNINGS]


def test_a_mark_between_a_number_and_its_unit_hides_no_dose() -> None:
    """Who asks how much is shown how much, whichever of its words was found."""
    text = "Para [adulto], veja acima. " + "Outra coisa aqui. " * 9 + "Para [adulto], são [10] [mg]. "
    assert passage(text, 32, wanted("dose adulto")) == "… Para adulto, são 10 mg."


def test_an_item_of_a_list_is_shown_with_the_line_that_opens_it() -> None:
    """Alone "- glaucoma;" could mean its opposite."""
    text = "Não use se você tem:\n" + "- outra doença qualquer;\n" * 10 + "- [glaucoma];\n- gota."
    assert passage(text, 60, wanted("glaucoma")).startswith("Não use se você tem: … - glaucoma;")


def test_what_stands_below_a_heading_is_found_by_it_and_shown_with_it() -> None:
    """The dose does not repeat for whom it is."""
    text = "Adultos\nTome 10 mL por dia.\n[Crianças]\nTome 5 mL por dia.\nIdosos\nTome 2 mL por dia."
    assert passage(text, 32, wanted("criança")) == "… Crianças\nTome 5 mL por dia. …"


def test_what_stands_beside_what_was_found_is_not_shown_without_it() -> None:
    """The sentence that has the word is too long to be shown; the two words before it tell nothing."""
    long = "depende da [dose], e pode ocorrer a qualquer momento " + "durante todo o uso " * 20 + "do remédio."
    told = {POSOLOGY: marked("A [dose] [máxima] é de 4 g."), WARNINGS: marked(f"Agranulocitose. Não {long}")}
    assert [one.section for one in answered(told, wanted("dose maxima"), (POSOLOGY, WARNINGS), 100).shown] == [POSOLOGY]
    text = f"A [dose] [máxima] é de 4 g. {'Nada aqui. ' * 9}Fígado. Também {long}"
    assert "Fígado" not in passage(text, 60, wanted("dose maxima"))


def test_what_a_file_says_twice_is_shown_once() -> None:
    """Unless it is said of something else."""
    text = "Evite o [álcool].\n" + "Outra coisa, que enche a linha. " * 5 + "\nEvite o [álcool]."
    assert passage(text, 60, wanted("alcool")).count("Evite") == 1
    text = "Idosos\nSem [álcool].\nCrianças\nSem [álcool]."
    assert passage(text, 60, wanted("alcool")).count("Sem") == 2


def test_several_places_are_joined_best_first() -> None:
    """One passage, its runs of sentences parted."""
    text = "Na [gravidez] não se sabe. " + "Nada aqui. " * 20 + "Na [gravidez] e na [amamentação] evite."
    assert passage(text, 64, wanted("gravidez amamentação")) == "… Na gravidez e na amamentação evite. … Na gravidez não se sabe. …"


def test_a_question_of_how_much_prefers_numbers_and_one_of_how_long_times() -> None:
    """Where the words alone do not decide."""
    text = "O [idoso] toma como o adulto. O [idoso] toma 5 mg. O [idoso] toma por 7 dias."
    assert passage(text, 25, wanted("quantos mg idoso")) == "… O idoso toma 5 mg. …"
    assert passage(text, 29, wanted("quanto tempo idoso")) == "… O idoso toma por 7 dias."


def test_the_section_that_leads_goes_first_and_another_that_holds_the_words_instead_of_none() -> None:
    """Asked in the interactions, told in the warnings."""
    told = {INTERACTIONS: "Nada se sabe.", WARNINGS: marked("Não beba [álcool].")}
    assert [shown.section for shown in answered(told, wanted("alcool"), (INTERACTIONS, WARNINGS), 300).shown] == [WARNINGS]
    told[INTERACTIONS] = marked("O [álcool] aumenta o efeito.")
    assert [shown.section for shown in answered(told, wanted("alcool"), (INTERACTIONS, WARNINGS), 300).shown] == [INTERACTIONS, WARNINGS]


def test_where_no_section_holds_the_words_the_one_asked_for_is_shown() -> None:
    """And the thing is said not to be stated, as it was typed."""
    told = {INTERACTIONS: "Nada se sabe.", WARNINGS: "Cuidado."}
    found = answered(told, wanted("com Cerveja"), (INTERACTIONS, WARNINGS), 300)
    assert [(shown.section, shown.html) for shown in found.shown] == [(INTERACTIONS, "Nada se sabe.")]
    assert [thing.typed for thing in found.not_stated] == ["Cerveja"]


def test_what_is_told_by_a_synonym_a_like_word_or_another_section_is_stated() -> None:
    """Silence must never be claimed where the leaflet speaks."""
    question = wanted("com cerveja")
    assert not answered({WARNINGS: marked("Evite [álcool].")}, question, (INTERACTIONS, WARNINGS), 300).not_stated
    assert not answered({INTERACTIONS: "Cervejaria."}, question, (INTERACTIONS,), 300, near=frozenset({"cerveja"})).not_stated


def test_what_a_drug_is_for_is_not_what_it_does() -> None:
    """A leaflet that names cancer only as what is treated does not state whether it is caused."""
    told = {Section.INDICATIONS: marked("Trata o [câncer]."), Section.ADVERSE_REACTIONS: "Pode dar sono."}
    assert answered(told, wanted("causa cancer"), (Section.ADVERSE_REACTIONS,), 300).not_stated


def test_a_phrase_told_in_parts_is_not_stated() -> None:
    """A drop of pressure is no hair loss."""
    told = {Section.ADVERSE_REACTIONS: marked("Pode haver [queda] da pressão.\nE dor.")}
    assert [thing.typed for thing in answered(told, wanted("da queda de cabelo"), (Section.ADVERSE_REACTIONS,), 300).not_stated] == [
        "queda de cabelo"
    ]


def test_one_long_sentence_is_cut_between_words_and_never_between_a_number_and_its_unit() -> None:
    """A dose without its unit is another dose."""
    text = "tome " + "muita " * 10 + "água e 500 mg do remédio sem ponto algum " * 5
    for most in range(60, 140):
        shown = passage(text, most)
        assert not re.search(r"\d …$", shown)
        assert text.startswith(shown.removesuffix(" …"))
        assert text[len(shown.removesuffix(" …"))] == " "


def test_a_sentence_too_long_is_cut_around_the_found_word() -> None:
    """Its beginning may say nothing of it."""
    text = "Reações comuns: " + "tosse, coriza, " * 30 + "perda de [cabelo], " + "tosse, coriza, " * 30 + "febre."
    shown = passage(text, 80, wanted("cabelo"))
    assert "perda de cabelo, tosse" in shown
    assert shown.startswith("… ")
    assert len(shown) < 90


def test_markup_in_a_leaflet_stays_text() -> None:
    """Only our own marks are markup."""
    text = marked("Dose <b>x</b> & [y] <script>alert(1)</script>.")
    (shown,) = answered({POSOLOGY: text}, wanted("yyy"), (POSOLOGY,), 300).shown
    assert shown.html == "Dose &lt;b&gt;x&lt;/b&gt; &amp; <mark>y</mark> &lt;script&gt;alert(1)&lt;/script&gt;."


@given(st.text(alphabet=st.sampled_from("aAb .:;!?1,\n<&-" + MARK_START + MARK_END), max_size=400), st.integers(20, 200))
@example("111111111111111.\n1" + MARK_START + "\n" + MARK_END, 20)
def test_any_text_gives_safe_and_short_html(text: str, most: int) -> None:
    """Marks out of order, no sentences at all, only blanks."""
    well_marked = re.sub(f"{MARK_START}([^{MARK_START}{MARK_END}]*){MARK_END}", r"[\1]", text)
    well_marked = marked(well_marked.replace(MARK_START, "").replace(MARK_END, ""))
    for shown in answered({POSOLOGY: well_marked, WARNINGS: well_marked}, wanted("aab"), (POSOLOGY,), most).shown:
        assert "<" not in shown.html.replace("<mark>", "").replace("</mark>", "")
        assert shown.html.count("<mark>") == shown.html.count("</mark>")
        assert len(html.unescape(re.sub("<[^>]*>", "", shown.html))) <= most * 1.5 + 20

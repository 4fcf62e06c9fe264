"""The ranking table, and what a question makes of it."""

from __future__ import annotations

from itertools import accumulate

from leaflets import Section
from searchapi.ranking import MOST_THINGS, RANKING, Reason, explained, reasons
from searchapi.sought import Sought, Thing
from searchapi.understand import Understanding
from searchapi.vocabulary import By, Drug

WORDS = {"leading_section", "other_section", "anywhere"}
SUBSTANCE = Drug("losartana", By.ACTIVE_INGREDIENT, substances=(("losartana",),))
BRAND = Drug("Aradois", By.BRAND, names=("aradois", "aradois h"))


def thing(word: str, weight: float = 1.0) -> Thing:
    """A thing asked about."""
    return Thing((word,), word, frozenset({word}), weight, must_be_stated=weight == 1.0)


def asked(drug: Drug | None, *things: Thing, leading: tuple[Section, ...] = (), **more: object) -> dict[str, Reason]:
    """The reasons of a question, by their names."""
    meant = Understanding(text="", drug=drug, section=None, doses=(), rest=tuple(t.typed for t in things), suggestions=())
    for name, value in more.items():
        object.__setattr__(meant, name, value)
    found = reasons(meant, Sought(things), leading)
    assert len({reason.name for reason in found}) == len(found)
    return {reason.name: reason for reason in found}


def test_each_weight_is_more_than_all_below_it() -> None:
    """So that nothing weaker, however much of it, lifts a leaflet over one that meets what is stronger."""
    *whole, leading, other, anywhere = (line.weight for line in RANKING)
    words = MOST_THINGS * (leading + other + anywhere)
    below = accumulate(reversed(whole), initial=words)
    assert all(weight > lower for weight, lower in zip(reversed(whole), below, strict=False))
    # Of one word, what its best place is worth.
    assert leading > other + anywhere
    assert other > anywhere


def test_a_score_is_exact() -> None:
    """OpenSearch adds scores as 32-bit floats: their 24 bits must hold the sum of all weights, in the smallest share that a word may have.

    A hint counts half; without a drug, which leaves out the first two lines, a word counts in eighths besides.
    """
    most = {line.clause: line.weight * (MOST_THINGS if line.clause in WORDS else 1) for line in RANKING}
    assert sum(most.values()) * 2 < 2**24
    assert sum(worth for clause, worth in most.items() if clause not in {"brand", "substance_alone"}) * 16 < 2**24
    assert all(line.weight % 1 == 0 for line in RANKING)


def test_what_nobody_asked_for_is_no_reason() -> None:
    """A name alone is asked for by its name, and the register says the rest."""
    assert set(asked(SUBSTANCE, named="losartana")) == {
        "substance_alone", "exact_name losartana", "folded_name losartana", "begins losartana", "reference", "not_similar", "active"
    }  # fmt: skip


def test_all_that_a_question_says_is_asked() -> None:
    """Strongest first, each by what was said."""
    found = asked(
        BRAND,
        thing("gravidez"),
        leading=(Section.WARNINGS, Section.CONTRAINDICATIONS),
        named="Aradois",
        laboratories=("Biolab", "Biolab Sanus"),
        forms=("comprimido",),
        doses=("50mg",),
        audience="patient",
    )
    assert list(found) == [
        "brand Aradois", "laboratory Biolab, Biolab Sanus", "form comprimido", "dose 50mg", "audience patient", "states gravidez",
        "section warnings",
        "exact_name Aradois", "folded_name Aradois", "begins Aradois", "reference", "not_similar", "active",
        "leading_section gravidez", "other_section gravidez", "anywhere gravidez",
    ]  # fmt: skip


def test_a_hint_counts_half_and_need_not_be_stated() -> None:
    """What only helps to find the passage."""
    found = asked(SUBSTANCE, thing("validade", weight=0.5), leading=(Section.STORAGE,))
    assert not any(name.startswith("states") for name in found)
    assert found["leading_section validade"].clause(named=False)["constant_score"]["boost"] == 2.0  # type: ignore[index]


def test_without_a_drug_the_indications_lead() -> None:
    """What is asked is then what helps against it."""
    found = asked(None, thing("febre"))
    assert "sections.indications" in str(found["leading_section febre"].query)
    assert "begins febre" in found


def test_without_a_drug_the_form_and_the_register_do_not_outweigh_what_helps() -> None:
    """Any tablet, or any reference, is no answer to "comprimido para azia"; and a rare word tells more than a common one."""
    meant = Understanding(text="", drug=None, section=None, doses=(), rest=("azia",), suggestions=(), forms=("comprimido",))
    found = {reason.weight.clause: reason for reason in reasons(meant, Sought((thing("azia"),)), (), {"azia": 0.5})}
    assert {"reference", "not_similar"}.isdisjoint(found)
    assert found["form"].weight.weight * found["form"].share < found["leading_section"].weight.weight * found["leading_section"].share


def test_a_long_question_ranks_by_a_bounded_number_of_words() -> None:
    """Else many words would outweigh a reason above them."""
    found = asked(SUBSTANCE, *(thing(f"palavra{i}") for i in range(200)))
    assert sum(name.startswith("anywhere") for name in found) == MOST_THINGS


def test_an_explanation_tells_what_was_met_and_what_was_not() -> None:
    """With the score that OpenSearch gave, and last what decides among equals."""
    found = asked(SUBSTANCE, named="losartana", laboratories=("EMS",))
    told = explained(tuple(found.values()), {"substance_alone": 524288.0}, "matriz:1:patient", "2026-01-01T00:00:00.000Z")
    by_clause = {line.clause: line for line in told}
    assert (by_clause["substance_alone"].weight, by_clause["substance_alone"].field) == (524288.0, "ingredient_count")
    assert by_clause["laboratory"].weight == 0
    assert by_clause["laboratory"].why == "not so: of the laboratory asked for (EMS)"
    assert told[-1].clause == "newest"
    assert "matriz:1:patient" in told[-1].why

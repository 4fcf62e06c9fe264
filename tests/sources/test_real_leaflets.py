"""What is found in 834 leaflets as laboratories published them: floors, measured; a change that falls below one has broken something."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pypdfium2  # type: ignore[import-untyped]  # it ships no types
import pytest

from leaflets import Audience, Change, Content, Facts, Leaflet, Section
from leaflets.names import ingredient, words
from leaflets.reading import leaflet
from leaflets.sections import anatomy
from leaflets.text import bare, clean

DATA = Path(__file__).parents[3] / "shared" / "data"
QUESTIONS = frozenset(
    {
        Section.INDICATIONS,
        Section.MECHANISM,
        Section.CONTRAINDICATIONS,
        Section.WARNINGS,
        Section.STORAGE,
        Section.POSOLOGY,
        Section.MISSED_DOSE,
        Section.ADVERSE_REACTIONS,
        Section.OVERDOSE,
    }
)


@dataclass(frozen=True, slots=True)
class Real:
    """A published leaflet: what it was collected as, and what we read."""

    file: str
    kind: str
    named: tuple[str, ...]
    text: str
    read: Leaflet

    @property
    def for_patients(self) -> bool:
        """Its collector's "paciente+profissional" were patients' leaflets whose history table quotes the other's titles."""
        return self.kind.startswith("paciente")

    def letters_lost(self) -> Counter[str]:
        """What of the text is nowhere in its anatomy."""
        found = anatomy(self.text)
        kept = "".join([*(p.title + p.text for p in found.passages), found.history, found.furniture])
        return Counter(c for c in self.text if c.isalnum()) - Counter(c for c in kept if c.isalnum())


def _read(text: str) -> Leaflet:
    change = Change("1", datetime(2026, 1, 1, tzinfo=UTC), 1, Facts(), (Content(b"", "application/pdf"),))
    return leaflet("real", change, (text,))


@pytest.fixture(scope="module")
def real() -> list[Real]:
    """All of them, read without any fact from an ERP."""
    file = DATA / "leaflets.jsonl.gz"
    if not file.exists():
        pytest.skip(f"no {file.name} beside the project: nothing to measure on")
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [
        Real(
            row["pdf"].removesuffix(".pdf"),
            row["type"],
            tuple(name for meta in row["meta"] for name in (meta["name"], meta["full_name"], meta["brand_used"]) if name),
            clean(row["text"]),
            _read(row["text"]),
        )
        for row in rows
    ]


def test_a_leaflets_audience_is_found(real: list[Real]) -> None:
    """Patients' leaflets all; of 18 collected as professionals' one is a patient's, and two hold both, the patient's first."""
    found = Counter((one.for_patients, one.read.audience) for one in real if one.kind != "outro")
    assert found[True, Audience.PATIENT] == sum(one.for_patients for one in real)
    assert found[False, Audience.PROFESSIONAL] >= 15


def test_patients_leaflets_have_their_sections(real: list[Real]) -> None:
    """Measured: 792 of 793 have eight of nine or more (the other lacks three in print), 785 all nine."""
    found = [len(QUESTIONS & {p.section for p in one.read.passages}) for one in real if one.for_patients]
    assert sum(n >= 8 for n in found) / len(found) >= 0.995
    assert sum(n == 9 for n in found) / len(found) >= 0.985


def test_interactions_are_found_in_patients_leaflets(real: list[Real]) -> None:
    """Measured: 562 of 793 give them a sub-heading of their own."""
    found = [any(p.section is Section.INTERACTIONS for p in one.read.passages) for one in real if one.for_patients]
    assert sum(found) / len(found) >= 0.7


def test_no_history_table_is_in_any_passage(real: list[Real]) -> None:
    """It quotes section titles, dates and other presentations; measured: none, and 95 % of leaflets have one."""
    table = re.compile(
        r"dados\s+da\s+submissao\s+eletronica|itens de bula|data do\s+expediente|historico\s+d[aeo]s?\s+(?:alterac|bula|texto)"
    )
    assert [one.file for one in real if any(table.search(bare(p.text)) for p in one.read.passages)] == []
    assert sum(bool(one.read.history) for one in real) / len(real) >= 0.94


def test_no_letter_of_any_leaflet_is_lost(real: list[Real]) -> None:
    """Every one is in a passage, in the history or in what is printed on every page; measured on all, looked at in every third."""
    assert [one.file for one in real[::3] if one.letters_lost()] == []


def test_names_are_read_from_first_pages(real: list[Real]) -> None:
    """Measured: 806 of 834 share a word with how they were collected (most others are another spelling); 608 of 695 are equal to it."""

    def agree(one: Real) -> bool:
        known = set(words(" ".join([*one.named, one.file.replace("-", " ")])))
        return any(len(word) > 3 and word in known for name in (one.read.name, *one.read.active_ingredients) for word in words(name))

    def same(one: Real) -> bool:
        known = {ingredient(name) for name in one.named}
        return any(ingredient(name) in known for name in (one.read.name, *one.read.active_ingredients))

    named = [one for one in real if one.named]
    assert sum(map(agree, real)) / len(real) >= 0.96
    assert sum(map(same, named)) / len(named) >= 0.87


def test_registrations_laboratories_and_doses_are_found(real: list[Real]) -> None:
    """Measured: 817, 820 and 831 of 834; the others are compounding pharmacies' sheets."""
    assert sum(bool(one.read.registration) for one in real) / len(real) >= 0.975
    assert sum(bool(one.read.laboratory) for one in real) / len(real) >= 0.975
    assert sum(bool(one.read.doses) for one in real) / len(real) >= 0.99
    assert {len(one.read.registration) for one in real} == {0, 9, 13}


def test_pdfs_give_what_the_collections_text_gives(real: list[Real]) -> None:
    """It came out of another reader, with other line breaks and blanks; measured: 81 of 84 equal in name and ingredients too."""
    collected = {one.file: one.read for one in real}
    same_names = 0
    files = sorted((DATA / "pdf").glob("*.pdf"))
    for file in files:
        with pypdfium2.PdfDocument(file) as document:
            found = _read("\f".join(page.get_textpage().get_text_range() for page in document))
        expected = collected[file.stem]
        assert {p.section for p in found.passages} == {p.section for p in expected.passages}, file.stem
        assert (found.audience, found.registration) == (expected.audience, expected.registration), file.stem
        same_names += (found.name, found.active_ingredients) == (expected.name, expected.active_ingredients)
    assert same_names / len(files) >= 0.95

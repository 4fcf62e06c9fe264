"""What changed between the versions of a leaflet."""

from __future__ import annotations

from leaflets import Facts, Passage, Section
from opensearch.history import Version
from searchapi.changes import changes


def told(number: int, text: str, laboratory: str = "Lab") -> Version:
    """A version of one section."""
    passages = {Section.POSOLOGY: Passage(Section.POSOLOGY, "6. COMO DEVO USAR", text)}
    return Version(number, f"2026-11-{number:02}T00:00:00Z", None, Facts(name="Nome", laboratory=laboratory), passages)


def test_each_edit_is_told_against_the_version_before_it_newest_first() -> None:
    """However the superseded ones come."""
    found = changes(told(3, "Três."), [told(1, "Um."), told(2, "Dois.")])
    assert [(one.before.number, one.after.number) for one in found] == [(2, 3), (1, 2)]
    assert [section.b.html for one in found for section in one.sections if section.b] == ["<mark>Três</mark>.", "<mark>Dois</mark>."]


def test_what_only_looks_otherwise_is_no_edit() -> None:
    """Layout, capitals and the spelling of a fact; the edits around it are told against it."""
    found = changes(told(3, "Um.\nDois."), [told(2, "um. dois.", "LAB"), told(1, "Um.")])
    assert [(one.before.number, one.after.number) for one in found] == [(1, 2)]


def test_a_version_that_stands_after_all_is_not_told_twice() -> None:
    """It was kept before a write that did not come about."""
    assert changes(told(2, "Dois."), [told(2, "Dois.")]) == ()
    assert changes(told(2, "Dois."), []) == ()
